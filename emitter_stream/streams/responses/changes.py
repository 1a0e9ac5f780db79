"""What each event that is for a part of an item does to the item, as the Node SDK does it.

The event is one that the item is for; what it brings in was copied. See ``accumulator.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...exceptions import OpenAIError
from ...types._model import plain_copy
from .javascript import append, as_index, field, is_number, own_text

__all__ = ["CHANGES", "output_text", "replaced"]

Handler = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], None]


def output_text(response: dict[str, Any]) -> str:
    """Return the text of all messages of a response, joined."""
    return "".join(own_text(item) for item in response["output"] if item.get("type") == "message")


# Identity


def _at(array: Any, value: Any, what: str, *, may_append: bool = False) -> int:
    """Return an index into ``array`` as an ``int``; raises for what is none."""
    index = as_index(value)
    if type(array) is not list or index is None or index >= len(array) + may_append:
        raise OpenAIError(f"The server sent an event for {what} {value!r:.40}, which is not there.")
    return index


def replaced(array: list[Any], index: int, element: Any) -> list[Any]:
    """Return ``array`` with another element at ``index``, or one more.

    A new list: one that a program has read from the snapshot looks for what was appended alone.
    """
    return [*array[:index], element, *array[index + 1 :]]


def _part(parts: Any, value: Any, expected: str | None = None) -> dict[str, Any]:
    part: dict[str, Any] = parts[_at(parts, value, "content part")]
    if not part:
        raise OpenAIError("The server sent an event for a content part that is null.")
    if expected is not None and field(part, "type") != expected:
        raise OpenAIError(
            f"The server sent {expected} for a content part of type {field(part, 'type')!r:.40}."
        )
    return part


def _add_part(parts: Any, value: Any, part: Any) -> None:
    if _at(parts, value, "content part", may_append=True) != len(parts):
        raise OpenAIError(f"The server added content part {value!r:.40} a second time.")
    parts.append(plain_copy(part))


def _content_part_added(event: dict[str, Any], item: dict[str, Any], snapshot: Any) -> None:
    if item["type"] == "reasoning" and item.get("content") is None:
        item["content"] = []
    part = event["part"]
    _add_part(item["content"], event.get("content_index"), part)
    if field(part, "type") == "output_text":
        _text_changed(snapshot, part.get("text"))


def _content_part_done(event: dict[str, Any], item: dict[str, Any], snapshot: Any) -> None:
    before = _part(item.get("content"), event.get("content_index"))
    part = event["part"]
    index = _at(item["content"], event["content_index"], "content part")
    item["content"] = replaced(item["content"], index, plain_copy(part))
    if field(part, "type") == "output_text":
        _text_changed(snapshot, part.get("text"))
    elif field(before, "type") == "output_text":
        _text_changed(snapshot)


def _text_changed(snapshot: dict[str, Any], text: Any = "") -> None:
    """Let the text of the whole response follow from its items from now on."""
    if text is None:
        raise OpenAIError("The server sent a text part without its text.")
    snapshot.pop("output_text", None)


def _output_text_delta(event: dict[str, Any], item: dict[str, Any], snapshot: Any) -> None:
    part = _part(item["content"], event.get("content_index"), "output_text")
    logprobs = event.get("logprobs")
    if logprobs and _are_logprobs(logprobs):
        if type(part.get("logprobs")) is not list:
            part["logprobs"] = []
        part["logprobs"].extend(plain_copy(logprobs))
    _text_changed(snapshot)
    append(part, "text", event, "delta")


def _output_text_done(event: dict[str, Any], item: dict[str, Any], snapshot: Any) -> None:
    part = _part(item["content"], event.get("content_index"), "output_text")
    logprobs = event.get("logprobs")
    if _are_logprobs(logprobs) and (logprobs or part.get("logprobs")):
        part["logprobs"] = plain_copy(logprobs)
    _text_changed(snapshot, event.get("text"))
    part["text"] = event["text"]


def _annotation_added(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    part = _part(item["content"], event.get("content_index"), "output_text")
    annotations = part.get("annotations")
    index = _at(annotations, event.get("annotation_index"), "annotation", may_append=True)
    assert type(annotations) is list
    if index == len(annotations):
        annotations.append(plain_copy(event.get("annotation")))
        return
    part["annotations"] = replaced(annotations, index, plain_copy(event.get("annotation")))


def _refusal(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    part = _part(item["content"], event.get("content_index"), "refusal")
    _grow(event, part, "refusal")


def _reasoning_text(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    part = _part(item.get("content"), event.get("content_index"), "reasoning_text")
    _grow(event, part, "text")


def _summary_part(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    summary: Any = item.get("summary")
    if event["type"].endswith(".added"):
        _add_part(summary, event.get("summary_index"), event.get("part"))
    else:
        _part(summary, event.get("summary_index"))
        index = _at(summary, event["summary_index"], "summary part")
        item["summary"] = replaced(summary, index, plain_copy(event.get("part")))


def _summary_text(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    _grow(event, _part(item.get("summary"), event.get("summary_index")), "text")


def _grow(event: dict[str, Any], container: dict[str, Any], field: str) -> None:
    """Append a delta to a text, or set it to what the event that ends it says."""
    if event["type"].endswith(".delta"):
        append(container, field, event, "delta")
    elif field in event:
        container[field] = plain_copy(event[field])
    else:  # undefined, which JSON leaves out
        container.pop(field, None)


def _arguments(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    _grow(event, item, "arguments")


def _custom_input(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    _grow(event, item, "input")


def _code(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    if item.get("code") is None:
        item["code"] = ""
    _grow(event, item, "code")


def _shell_command(event: dict[str, Any], item: dict[str, Any], _: Any) -> None:
    commands = item["action"].get("commands")
    value = event.get("command_index")
    adds = event["type"].endswith(".added")
    index = _at(commands, value, "command", may_append=adds)
    if event["type"].endswith(".delta"):
        holder = {"command": commands[index]}
        append(holder, "command", event, "delta")
        command = holder["command"]
    else:
        command = plain_copy(event.get("command"))
    item["action"]["commands"] = replaced(commands, index, command)


def _shell_output(event: dict[str, Any], item: dict[str, Any], snapshot: dict[str, Any]) -> None:
    index = as_index(event.get("command_index"))
    done = event["type"].endswith(".done")
    final = _part(event.get("output"), 0) if done else None
    outputs = item["output"]
    for call in snapshot["output"]:
        if call.get("type") == "shell_call" and call.get("call_id") == item.get("call_id"):
            _at(call["action"].get("commands"), event.get("command_index"), "command")
            break
    else:
        _at(outputs, event.get("command_index"), "command", may_append=True)
    assert index is not None
    while len(outputs) <= index:
        outputs.append({"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}})
    if final is not None:
        item["output"] = replaced(outputs, index, plain_copy(final))
        return
    delta = event["delta"]
    for name in ("stdout", "stderr"):
        if field(delta, name) is not None:
            append(outputs[index], name, delta, name)


CHANGES: Final[Mapping[str, Handler]] = {
    "response.content_part.added": _content_part_added,
    "response.content_part.done": _content_part_done,
    "response.output_text.delta": _output_text_delta,
    "response.output_text.done": _output_text_done,
    "response.output_text.annotation.added": _annotation_added,
    "response.refusal.delta": _refusal,
    "response.refusal.done": _refusal,
    "response.reasoning_text.delta": _reasoning_text,
    "response.reasoning_text.done": _reasoning_text,
    "response.reasoning_summary_part.added": _summary_part,
    "response.reasoning_summary_part.done": _summary_part,
    "response.reasoning_summary_text.delta": _summary_text,
    "response.reasoning_summary_text.done": _summary_text,
    "response.function_call_arguments.delta": _arguments,
    "response.function_call_arguments.done": _arguments,
    "response.mcp_call_arguments.delta": _arguments,
    "response.mcp_call_arguments.done": _arguments,
    "response.custom_tool_call_input.delta": _custom_input,
    "response.custom_tool_call_input.done": _custom_input,
    "response.code_interpreter_call_code.delta": _code,
    "response.code_interpreter_call_code.done": _code,
    "response.shell_call_command.added": _shell_command,
    "response.shell_call_command.delta": _shell_command,
    "response.shell_call_command.done": _shell_command,
    "response.shell_call_output_content.delta": _shell_output,
    "response.shell_call_output_content.done": _shell_output,
}


def _are_logprobs(value: Any) -> bool:
    """Return whether logprobs are as whole as a final response has them; else they are not kept."""
    return type(value) is list and all(
        _is_logprob(entry)
        and type(entry.get("top_logprobs")) is list
        and all(map(_is_logprob, entry["top_logprobs"]))
        for entry in value
    )


def _is_logprob(value: Any) -> bool:
    return (
        type(value) is dict
        and type(value.get("token")) is str
        and is_number(value.get("logprob"))
        and type(value.get("bytes")) is list
        and all(map(is_number, value["bytes"]))
    )
