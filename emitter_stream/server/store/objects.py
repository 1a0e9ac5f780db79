"""The API's objects, built with the fields and the order of fields seen on the wire."""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

_ALPHABET = (string.ascii_letters + string.digits).encode()
# Of the bytes as many stand for each letter; the few that are left over for none.
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_LEFT_OVER = bytes(range(256 // len(_ALPHABET) * len(_ALPHABET), 256))


def new_id(prefix: str) -> str:
    """Make an id such as `run_` and 24 letters and digits."""
    letters = b""
    while len(letters) < 24:  # at once nearly always
        letters += secrets.token_bytes(32).translate(_LETTERS, _LEFT_OVER)
    return f"{prefix}_{letters[:24].decode()}"


def assistant(params: Json, now: int) -> Json:
    built: Json = {
        "id": new_id("asst"),
        "object": "assistant",
        "created_at": now,
        "name": None,
        "description": None,
        "model": params["model"],
        "instructions": None,
        "tools": [],
        "top_p": 1.0,
        "temperature": 1.0,
        "reasoning_effort": None,
        "tool_resources": {},
        "metadata": {},
        "response_format": "auto",
    }
    return update(built, params)


def update(body: Json, params: Json) -> Json:
    """Return `body` with `params` laid over it; null puts an object-valued field back to empty."""
    empty: Json = {
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "response_format": "auto",
        "temperature": 1.0,
        "top_p": 1.0,
    }
    given: Json = {key: empty.get(key) if value is None else value for key, value in params.items()}
    if "tools" in given:
        given["tools"] = [_tool(tool) for tool in given["tools"]]
    if "tool_resources" in given:
        given["tool_resources"] = _without_nulls(given["tool_resources"])
    if "response_format" in given:
        given["response_format"] = _response_format(given["response_format"])
    return {**body, **given}


def _without_nulls(value: Any) -> Any:
    """Leave out, at any depth, what a request may give as null and an answer may not."""
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def _response_format(given: Any) -> Any:
    """The same for a response format, but for the schema in it: its nulls mean something."""
    if isinstance(given, dict) and isinstance(form := given.get("json_schema"), dict):
        kept = {name: part for name, part in form.items() if part is not None}
        return {**given, "json_schema": kept}
    return given


def _tool(tool: Json) -> Json:
    if tool["type"] != "function":
        return dict(_without_nulls(tool))
    given = {key: value for key, value in tool["function"].items() if value is not None}
    return {"type": "function", "function": {**given, "strict": given.get("strict", False)}}


def thread(params: Json, now: int, tool_resources: Json) -> Json:
    return {
        "id": new_id("thread"),
        "object": "thread",
        "created_at": now,
        "metadata": params.get("metadata") or {},
        "tool_resources": _without_nulls(params.get("tool_resources") or tool_resources),
    }


def user_message(thread_id: str, params: Json, now: int) -> Json:
    """A message sent by the client (its role may be `assistant` too), complete from the start."""
    content = params["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    built = _message(thread_id, now, params["role"])
    built.update(
        status="completed",
        completed_at=now,
        content=[_content(part) for part in parts],
        attachments=_without_nulls(params.get("attachments") or []),
        metadata=params.get("metadata") or {},
    )
    return built


def _content(part: Json) -> Json:
    if part["type"] == "text":
        return text_content(part["text"])
    kind = part["type"]
    return {"type": kind, kind: {"detail": "auto", **_without_nulls(part[kind])}}


def text_content(value: str, annotations: Sequence[Json] = ()) -> Json:
    return {"type": "text", "text": {"value": value, "annotations": list(annotations)}}


def image_content(file_id: str) -> Json:
    return {"type": "image_file", "image_file": {"file_id": file_id, "detail": "auto"}}


def run_message(run: Json, now: int) -> Json:
    """An empty message that the run is about to write."""
    built = _message(run["thread_id"], now, "assistant")
    built.update(assistant_id=run["assistant_id"], run_id=run["id"])
    return built


def _message(thread_id: str, now: int, role: str) -> Json:
    return {
        "id": new_id("msg"),
        "object": "thread.message",
        "created_at": now,
        "assistant_id": None,
        "thread_id": thread_id,
        "run_id": None,
        "status": "in_progress",
        "incomplete_details": None,
        "incomplete_at": None,
        "completed_at": None,
        "role": role,
        "content": [],
        "attachments": [],
        "metadata": {},
    }


def run(thread: Json, assistant: Json, params: Json, now: int, lifetime: int) -> Json:
    """A queued run; what the request leaves out comes from the assistant. Times in seconds."""

    def pick(name: str, default: Any = None) -> Any:
        own = params.get(name)
        if own is not None:
            return own
        inherited = assistant.get(name)
        return default if inherited is None else inherited

    instructions = pick("instructions", "")
    extra = params.get("additional_instructions")
    if extra:
        instructions = f"{instructions}\n{extra}" if instructions else extra
    truncation = params.get("truncation_strategy") or {"type": "auto"}
    tools = params.get("tools")
    return {
        "id": new_id("run"),
        "object": "thread.run",
        "created_at": now,
        "assistant_id": assistant["id"],
        "thread_id": thread["id"],
        "status": "queued",
        "started_at": None,
        "expires_at": now + lifetime,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "required_action": None,
        "last_error": None,
        "model": pick("model"),
        "instructions": instructions,
        "tools": assistant["tools"] if tools is None else [_tool(tool) for tool in tools],
        "tool_resources": _run_resources(thread, assistant, params),
        "metadata": params.get("metadata") or {},
        "temperature": pick("temperature", 1.0),
        "top_p": pick("top_p", 1.0),
        "reasoning_effort": pick("reasoning_effort"),
        "max_completion_tokens": params.get("max_completion_tokens"),
        "max_prompt_tokens": params.get("max_prompt_tokens"),
        "truncation_strategy": {
            "type": truncation["type"],
            "last_messages": truncation.get("last_messages"),
        },
        "incomplete_details": None,
        "usage": None,
        "response_format": _response_format(pick("response_format", "auto")),
        "tool_choice": params.get("tool_choice") or "auto",
        "parallel_tool_calls": params.get("parallel_tool_calls") is not False,
    }


def _run_resources(thread: Json, assistant: Json, params: Json) -> Json:
    """The files a run sees: its own `tool_resources`, else the assistant's and the thread's."""
    own = params.get("tool_resources")
    sources = [own] if own else [assistant["tool_resources"], thread["tool_resources"]]
    built: Json = {"code_interpreter": {"file_ids": []}}
    for source in sources:
        for tool, key in (("code_interpreter", "file_ids"), ("file_search", "vector_store_ids")):
            ids = (source.get(tool) or {}).get(key)
            if ids:
                built.setdefault(tool, {key: []})[key].extend(ids)
    return built


def step(run: Json, now: int, details: Json) -> Json:
    return {
        "id": new_id("step"),
        "object": "thread.run.step",
        "created_at": now,
        "run_id": run["id"],
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "type": details["type"],
        "status": "in_progress",
        "cancelled_at": None,
        "completed_at": None,
        "expired_at": None,
        "failed_at": None,
        "last_error": None,
        "step_details": details,
        "usage": None,
        "metadata": {},
    }


def usage(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_token_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def message_delta(
    message_id: str,
    value: str,
    first: bool,
    annotations: Sequence[Json] = (),
    index: int = 0,
) -> Json:
    """A piece of the text at `index`; `annotations` have the places that they get there."""
    text: Json = {"value": value, "annotations": []} if first else {"value": value}
    if annotations:
        text["annotations"] = list(annotations)
    return content_delta(message_id, {"index": index, "type": "text", "text": text})


def content_delta(message_id: str, part: Json) -> Json:
    return {
        "id": message_id,
        "object": "thread.message.delta",
        "delta": {"content": [part]},
    }


def shown_step(step: Json, *, content: bool = False) -> Json:
    """Return a step as it is answered: the content of search results only where it is asked for."""
    details = step["step_details"]
    if content or not any(
        call["type"] == "file_search" for call in details.get("tool_calls") or ()
    ):
        return step
    calls = [_without_content(call) for call in details["tool_calls"]]
    return {**step, "step_details": {**details, "tool_calls": calls}}


def _without_content(call: Json) -> Json:
    if call["type"] != "file_search" or "results" not in call["file_search"]:
        return call
    results = [
        {name: value for name, value in result.items() if name != "content"}
        for result in call["file_search"]["results"]
    ]
    return {**call, "file_search": {**call["file_search"], "results": results}}


def step_delta(step_id: str, call: Json) -> Json:
    return {
        "id": step_id,
        "object": "thread.run.step.delta",
        "delta": {"step_details": {"type": "tool_calls", "tool_calls": [call]}},
    }
