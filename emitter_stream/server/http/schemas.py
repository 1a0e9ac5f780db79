"""The request bodies of the Assistants v2 API, as checks."""

from __future__ import annotations

from typing import Any

from .errors import bad_request
from .validation import (
    Check,
    any_object,
    anything,
    array,
    boolean,
    by_type,
    integer,
    metadata,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
)

MAX_TEXT = 256_000
MAX_TOOLS = 128
MAX_MESSAGES = 512

_type = {"type": anything}  # already checked by `tagged`
_id = string(low=1, high=512)
_ids = nullable(array(_id))
_code_tool = record(_type)
_function = record(
    {"name": string(low=1, high=64, pattern="[a-zA-Z0-9_-]+")},
    {
        "description": nullable(string(high=MAX_TEXT)),
        "parameters": nullable(any_object),
        "strict": nullable(boolean),
    },
)
_tool = tagged(
    {
        "code_interpreter": _code_tool,
        "file_search": record(_type, {"file_search": any_object}),
        "function": record({**_type, "function": _function}),
    }
)
_tools = nullable(array(_tool, high=MAX_TOOLS))
_tool_resources = nullable(
    record(
        None,
        {
            "code_interpreter": nullable(record(None, {"file_ids": _ids})),
            "file_search": nullable(
                record(None, {"vector_store_ids": _ids, "vector_stores": anything})
            ),
        },
    )
)
_response_format = nullable(
    by_type(
        "an object or the string 'auto'",
        {
            str: one_of("auto"),
            dict: tagged(
                {
                    "text": record(_type),
                    "json_object": record(_type),
                    "json_schema": record(
                        {
                            **_type,
                            "json_schema": record(
                                {"name": string(low=1, high=64)},
                                {
                                    "description": nullable(string()),
                                    "schema": nullable(any_object),
                                    "strict": nullable(boolean),
                                },
                            ),
                        }
                    ),
                }
            ),
        },
    )
)
_tool_choice = nullable(
    by_type(
        "an object or a string",
        {
            str: one_of("none", "auto", "required"),
            dict: tagged(
                {
                    "function": record(
                        {**_type, "function": record({"name": string(low=1, high=64)})}
                    ),
                    "code_interpreter": record(_type),
                    "file_search": record(_type),
                }
            ),
        },
    )
)
_truncation = nullable(
    tagged(
        {
            "auto": record(_type, {"last_messages": nullable(integer(1))}),
            "last_messages": record({**_type, "last_messages": integer(1)}),
        }
    )
)

_detail = {"detail": one_of("auto", "low", "high")}
_part = tagged(
    {
        "text": record({**_type, "text": string(high=MAX_TEXT)}),
        "image_file": record({**_type, "image_file": record({"file_id": _id}, _detail)}),
        "image_url": record(
            {**_type, "image_url": record({"url": string(low=1, high=MAX_TEXT)}, _detail)}
        ),
    }
)
_attachments = nullable(
    array(
        record(
            None,
            {
                "file_id": _id,
                "tools": nullable(
                    array(tagged({"code_interpreter": _code_tool, "file_search": _code_tool}))
                ),
            },
        )
    )
)
_metadata = nullable(metadata)

MESSAGE: Check = record(
    {
        "role": one_of("user", "assistant"),
        "content": by_type(
            "a string or an array of content parts",
            {str: string(low=1, high=MAX_TEXT), list: array(_part, low=1)},
        ),
    },
    {"attachments": _attachments, "metadata": _metadata},
)
MESSAGE_UPDATE: Check = record(None, {"metadata": _metadata})

_thread_fields = {
    "messages": nullable(array(MESSAGE, high=MAX_MESSAGES)),
    "metadata": _metadata,
    "tool_resources": _tool_resources,
}
THREAD: Check = record(None, _thread_fields)
THREAD_UPDATE: Check = record(None, {"metadata": _metadata, "tool_resources": _tool_resources})

_effort = nullable(string(high=32))
_sampling = {
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "response_format": _response_format,
    "reasoning_effort": _effort,
    "metadata": _metadata,
}
_assistant_fields = {
    **_sampling,
    "name": nullable(string(high=256)),
    "description": nullable(string(high=512)),
    "instructions": nullable(string(high=MAX_TEXT)),
    "tools": _tools,
    "tool_resources": _tool_resources,
}
ASSISTANT: Check = record({"model": string(low=1, high=256)}, _assistant_fields)
ASSISTANT_UPDATE: Check = record(None, {**_assistant_fields, "model": string(low=1, high=256)})

_run_fields = {
    **_sampling,
    "model": nullable(string(low=1, high=256)),
    "instructions": nullable(string(high=MAX_TEXT)),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": nullable(boolean),
    "max_prompt_tokens": nullable(integer(1)),
    "max_completion_tokens": nullable(integer(1)),
    "truncation_strategy": _truncation,
    "stream": nullable(boolean),
}
RUN: Check = record(
    {"assistant_id": _id},
    {
        **_run_fields,
        "additional_instructions": nullable(string(high=MAX_TEXT)),
        "additional_messages": nullable(array(MESSAGE, high=MAX_MESSAGES)),
    },
)
RUN_UPDATE: Check = record(None, {"metadata": _metadata})
THREAD_AND_RUN: Check = record(
    {"assistant_id": _id},
    {**_run_fields, "thread": nullable(THREAD), "tool_resources": _tool_resources},
)
TOOL_OUTPUTS: Check = record(
    {
        "tool_outputs": array(
            record(None, {"tool_call_id": _id, "output": nullable(string())}), low=1
        )
    },
    {"stream": nullable(boolean)},
)
EMPTY: Check = record()
LIMIT: Check = integer(1, 100)
ORDER: Check = one_of("asc", "desc")


def check_tool_choice(choice: Any, tools: list[dict[str, Any]]) -> None:
    """Refuse a `tool_choice` that names a tool the run does not have."""
    if not isinstance(choice, dict):
        if choice == "required" and not tools:
            raise bad_request(
                "Invalid value for 'tool_choice': 'required' needs at least one tool.",
                "tool_choice",
                "invalid_value",
            )
        return
    if choice["type"] == "function":
        name = choice["function"]["name"]
        if any(t["type"] == "function" and t["function"]["name"] == name for t in tools):
            return
    else:
        name = choice["type"]
        if any(tool["type"] == name for tool in tools):
            return
    raise bad_request(
        f"Invalid value for 'tool_choice': '{name}' is not one of the run's tools.",
        "tool_choice",
        "invalid_value",
    )
