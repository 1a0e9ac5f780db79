"""From what a client sends to one question for the model: chat messages and Responses' items.

Both become the model port's history. What the port has no place for (audio, files, hosted tools) is
refused rather than left out: an answer to half a question would pass for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..http.errors import ApiError, bad_request, shorten
from ..models.model import DoneCall, Image, Round, Said, Turn
from ..store.objects import Json
from .hearing import CALL_ITEM

_SYSTEM = ("system", "developer")


class _Unanswered(Exception):
    """Calls have no output; the arguments are their ids."""


class _History:
    """Collects what was said and called, in order, and checks that calls have their outputs."""

    def __init__(self) -> None:
        self.items: list[Said | Round] = []
        self.instructions: list[str] = []
        self._calls: dict[str, Json] = {}
        self._outputs: dict[str, str] = {}

    def say(self, role: str, content: tuple[str | Image, ...]) -> None:
        self.close()
        if role in _SYSTEM:
            self.instructions += [part for part in content if isinstance(part, str)]
        elif content:
            self.items.append(Said(role, content))

    def call(self, call_id: str, name: str, arguments: str, extra: Json) -> None:
        if self._outputs:  # the next round
            self.close()
        self._calls[call_id] = {"name": name, "arguments": arguments, "extra": extra or None}

    def output(self, call_id: str, text: str) -> bool:
        """Take a call's output; false if there is no such call."""
        if call_id not in self._calls:
            return False
        self._outputs[call_id] = text
        return True

    def close(self) -> None:
        """End a round. Raises `_Unanswered` if a call has no output."""
        missing = [call_id for call_id in self._calls if call_id not in self._outputs]
        if missing:
            raise _Unanswered(*missing)
        if self._calls:
            self.items.append(
                Round(
                    tuple(
                        DoneCall(
                            "function",
                            call["name"],
                            call["arguments"],
                            self._outputs[call_id],
                            call_id,
                            call_id,
                            call["extra"],
                        )
                        for call_id, call in self._calls.items()
                    )
                )
            )
        self._calls, self._outputs = {}, {}


def chat_turn(params: Json) -> Turn:
    """Return the question that a chat completion's request asks; `ApiError` 400 if it makes none."""
    history = _History()
    try:
        for index, message in enumerate(params["messages"]):
            _take_message(history, message, f"messages[{index}]")
        history.close()
    except _Unanswered as error:
        raise bad_request(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(map(shorten, map(str, error.args)))}",
            "messages",
        ) from None
    tools = [_chat_tool(tool, f"tools[{n}]") for n, tool in enumerate(params.get("tools") or ())]
    tools, choice = _chosen(tools, params.get("tool_choice"))
    limit = params.get("max_completion_tokens") or params.get("max_tokens")
    return Turn(
        model=params["model"],
        instructions="\n\n".join(history.instructions),
        history=tuple(history.items),
        tools=tuple(tools),
        tool_choice=choice,
        parallel_tool_calls=params.get("parallel_tool_calls") is not False,
        response_format=params.get("response_format") or "auto",
        temperature=params.get("temperature"),
        top_p=params.get("top_p"),
        reasoning_effort=params.get("reasoning_effort"),
        limit=limit,
    )


def _take_message(history: _History, message: Json, path: str) -> None:
    role = message["role"]
    content = _content(message.get("content"), f"{path}.content")
    if role == "tool":
        text = "\n".join(part for part in content if isinstance(part, str))
        if not history.output(_string(message, "tool_call_id", path), text):
            raise bad_request(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding "
                "message with 'tool_calls'.",
                f"{path}.role",
            )
        return
    history.say(role, content)
    for number, call in enumerate(message.get("tool_calls") or ()):
        place = f"{path}.tool_calls[{number}]"
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise _unsupported(f"{place}.type", "function")
        history.call(
            _string(call, "id", place),
            _string(function, "name", f"{place}.function"),
            _string(function, "arguments", f"{place}.function"),
            _extra(call, "id", "type", "function", "index"),
        )


def response_turn(params: Json, items: Sequence[Json]) -> Turn:
    """Return the question that a response's request asks, after what came before it.

    `items` are those of the responses that it continues, and its own, as `input_items` makes them.
    """
    history = _History()
    try:
        for item in items:
            _take_item(history, item)
        history.close()
    except _Unanswered as error:
        raise bad_request(
            f"No tool output found for function call {shorten(str(error.args[0]))}.", "input"
        ) from None
    instructions = [params["instructions"]] if params.get("instructions") else []
    tools = [_flat_tool(tool, f"tools[{n}]") for n, tool in enumerate(params.get("tools") or ())]
    tools, choice = _chosen(tools, params.get("tool_choice"))
    form = (params.get("text") or {}).get("format") or "auto"
    if isinstance(form, dict) and form["type"] == "json_schema":
        form = {
            "type": "json_schema",
            "json_schema": {name: value for name, value in form.items() if name != "type"},
        }
    return Turn(
        model=params["model"],
        instructions="\n\n".join([*instructions, *history.instructions]),
        history=tuple(history.items),
        tools=tuple(tools),
        tool_choice=choice,
        parallel_tool_calls=params.get("parallel_tool_calls") is not False,
        response_format=form,
        temperature=params.get("temperature"),
        top_p=params.get("top_p"),
        reasoning_effort=(params.get("reasoning") or {}).get("effort"),
        limit=params.get("max_output_tokens"),
    )


def _take_item(history: _History, item: Json) -> None:
    kind = item["type"]
    if kind == "message":
        history.say(item["role"], _content(item["content"], "input"))
    elif kind == "function_call":
        extra = _extra(item, *CALL_ITEM)
        history.call(item["call_id"], item["name"], item["arguments"], extra)
    elif kind == "function_call_output":
        output = item["output"]
        content = _content(output, "input")
        text = "\n".join(part for part in content if isinstance(part, str))
        if not history.output(item["call_id"], text):
            raise bad_request(
                f"No tool call found for function call output with call_id "
                f"{shorten(item['call_id'])}.",
                "input",
            )


def image_files(items: Sequence[Json]) -> list[str]:
    """Return the ids of the server's files that these items show as images."""
    messages = [item["content"] for item in items if item["type"] == "message"]
    parts = [part for content in messages for part in _content(content, "input")]
    return [part.file_id for part in parts if isinstance(part, Image) and not part.url]


def input_items(given: Any, new_id: Callable[[str], str]) -> list[Json]:
    """Return a response's input as the items that `/input_items` lists; `ApiError` 400 for others.

    `new_id` makes an id from a prefix, for the items that have none.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    return [_item(item, f"input[{n}]", new_id) for n, item in enumerate(given or ())]


def _item(item: Json, path: str, new_id: Callable[[str], str]) -> Json:
    kind = item.get("type", "message")
    if kind == "message":
        role = item.get("role")
        if role not in ("user", "assistant", *_SYSTEM):
            raise _unsupported(f"{path}.role", "user, assistant, system, developer")
        content = item.get("content")
        if isinstance(content, str):
            if role == "assistant":
                content = [{"type": "output_text", "text": content, "annotations": []}]
            else:
                content = [{"type": "input_text", "text": content}]
        _content(content, f"{path}.content")
        made = {"type": "message", "status": "completed", "role": role, "content": content}
        return {"id": item.get("id") or new_id("msg"), **made}
    if kind == "function_call":
        names = ("call_id", "name", "arguments")
        made = {name: _string(item, name, path) for name in names}
        head = {"id": item.get("id") or new_id("fc"), "type": kind, "status": "completed"}
        return {**_extra(item, *CALL_ITEM), **head, **made}
    if kind == "function_call_output":
        if any(isinstance(part, Image) for part in _content(item.get("output"), f"{path}.output")):
            raise _unsupported(f"{path}.output", "texts")
        made = {"call_id": _string(item, "call_id", path), "output": item.get("output")}
        return {"id": item.get("id") or new_id("fco"), "type": kind, "status": "completed", **made}
    if kind == "reasoning":  # of another model's answer; there is nothing in it to go on from
        return {**item, "id": item.get("id") or new_id("rs")}
    raise _unsupported(f"{path}.type", "message, function_call, function_call_output, reasoning")


def _extra(given: Json, *known: str) -> Json:
    """Return what a call came with besides what the API has: the model's, which wants it back."""
    return {name: value for name, value in given.items() if name not in known and value is not None}


def _content(content: Any, path: str) -> tuple[str | Image, ...]:
    """Return texts and images of a message in either API's spelling."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,) if content else ()
    if not isinstance(content, list):
        raise bad_request(
            f"Invalid type for '{path}': expected a string or an array of content parts.",
            path,
            "invalid_type",
        )
    found = (_part(part, f"{path}[{n}]") for n, part in enumerate(content))
    return tuple(part for part in found if part)


def _part(part: Any, path: str) -> str | Image:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text", "output_text"):
        return _string(part, "text", path)
    if kind == "refusal":
        return _string(part, "refusal", path)
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        image = part["image_url"]
        return Image(_string(image, "url", path), detail=image.get("detail") or "auto")
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        return Image(part["image_url"], detail=part.get("detail") or "auto")
    if kind == "input_image" and isinstance(part.get("file_id"), str):
        return Image(file_id=part["file_id"], detail=part.get("detail") or "auto")
    raise _unsupported(f"{path}.type", "texts and images")


def _chat_tool(tool: Json, path: str) -> Json:
    if tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        raise _unsupported(f"{path}.type", "function")
    return {"type": "function", "function": _function(tool["function"], f"{path}.function")}


def _flat_tool(tool: Json, path: str) -> Json:
    if tool.get("type") != "function":
        raise _unsupported(f"{path}.type", "function")
    return {"type": "function", "function": _function(tool, path)}


def _function(given: Json, path: str) -> Json:
    names = ("name", "description", "parameters", "strict")
    _string(given, "name", path)
    return {name: given[name] for name in names if given.get(name) is not None}


def _chosen(tools: list[Json], choice: Any) -> tuple[list[Json], Any]:
    """Return the tools that may be called, and which must be, in the model port's spelling."""
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        names = [_name(tool) for tool in allowed.get("tools") or ()]
        return [t for t in tools if t["function"]["name"] in names], allowed.get("mode", "auto")
    if isinstance(choice, dict):
        name = _name(choice)
        if name not in [tool["function"]["name"] for tool in tools]:
            raise bad_request(
                f"Tool choice '{shorten(str(name))}' not found in 'tools' parameter.",
                "tool_choice",
                "invalid_value",
            )
        return tools, {"type": "function", "function": {"name": name}}
    if choice == "required" and not tools:
        raise bad_request(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
            "tool_choice",
        )
    return tools, choice or "auto"


def _name(choice: Json) -> Any:
    function = choice.get("function")
    return function.get("name") if isinstance(function, dict) else choice.get("name")


def _string(given: Json, name: str, path: str) -> str:
    value = given.get(name)
    if isinstance(value, str):
        return value
    place = f"{path}.{name}"
    if value is None:
        raise bad_request(
            f"Missing required parameter: '{place}'.", place, "missing_required_parameter"
        )
    raise bad_request(f"Invalid type for '{place}': expected a string.", place, "invalid_type")


def _unsupported(path: str, known: str) -> ApiError:
    return bad_request(
        f"Invalid value for '{path}'. This server supports: {known}.", path, "invalid_value"
    )
