"""The events that lead from what a stream has told of a response to what became of the response.

Each text comes as one delta with what is missing at its end, and each item and part has the events
that begin and end it, but for those that have come. They are numbered on, if the others were.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ...engine.codec import WireEvent
from ...exceptions import OpenAIError
from .accumulator import CALLS, KNOWN
from .core import ResponseCore

__all__ = ["missing_events"]

_Json = dict[str, Any]
_Told = Callable[..., bool]

_ENDS: Final = ("completed", "incomplete", "failed")
# The events of a part's text and the field that it stands in, by the part's type.
_PART_TEXTS: Final[Mapping[Any, tuple[str, str]]] = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "summary_text": ("response.reasoning_summary_text", "text"),
}
# The same of texts that stand in the item itself.
_ITEM_TEXTS: Final[Mapping[Any, tuple[str, str]]] = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "code_interpreter_call": ("response.code_interpreter_call_code", "code"),
}


def missing_events(core: ResponseCore, response: _Json, last: int | None) -> Iterator[WireEvent]:
    """Yield the events that ``core`` has not been fed of a ``response``, which is JSON and over.

    ``last`` is the number of the last event that came. A response that was cancelled, for which the
    API has no event, ends as one that is incomplete.
    """
    numbers = None if last is None else itertools.count(last + 1)
    try:
        for event in _events(core, response):
            yield None, event if numbers is None else {**event, "sequence_number": next(numbers)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OpenAIError("The server gave a response whose output is of another kind.") from error


def _events(core: ResponseCore, response: _Json) -> Iterator[_Json]:
    known = core.items()
    output: list[_Json] = []
    placed = _placed(known, response.get("output") or [])
    for index, item in placed:
        output.append(item)
        yield from _of_item(index, known.get(index), item, core.has_told)
    for index in known.keys() - dict(placed).keys():
        # The response is without it: there is no more of it than what came.
        item = {**known[index]}
        if item.get("status") == "in_progress":
            item["status"] = "incomplete"
        yield from _of_item(index, known[index], item, core.has_told)
    if response.get("output") is not None:
        response = {**response, "output": output}
    status = response.get("status")
    yield {
        "type": f"response.{status if status in _ENDS else 'incomplete'}",
        "response": response,
    }


def _placed(known: Mapping[int, _Json], output: list[_Json]) -> list[tuple[int, _Json]]:
    """Return each item with its index: that of the known one which it is, or a new one.

    A server may give an item another id when it is asked for it: it is known by its type and texts
    then, and keeps the id that it had.
    """
    free = dict(known)
    indexes: dict[int, int] = {}
    for same in (_is_same, _is_alike):
        for position, item in enumerate(output):
            if position not in indexes:
                found = next((at for at, one in free.items() if same(one, item)), None)
                if found is not None:
                    indexes[position] = found
                    del free[found]
    used = set(known)
    placed: list[tuple[int, _Json]] = []
    for position, item in enumerate(output):
        index = indexes.get(position)
        if index is None:
            index = position if position not in used else max(used) + 1
            used.add(index)
        elif "id" in known[index] and known[index]["id"] != item.get("id"):
            item = {**item, "id": known[index]["id"]}
        placed.append((index, item))
    return placed


def _is_same(one: _Json, other: _Json) -> bool:
    names = ("type", "call_id") if one.get("type") in CALLS else ("type", "id")
    return all(one.get(name) == other.get(name) is not None for name in names)


def _is_alike(one: _Json, other: _Json) -> bool:
    if one.get("type") != other.get("type") or one.get("type") in CALLS:
        return False
    texts = zip(_texts_in(one), _texts_in(other), strict=False)
    return all(now.startswith(had) for had, now in texts)


def _texts_in(item: _Json) -> list[str]:
    parts = [part for field in ("content", "summary") for part in item.get(field) or ()]
    return [str(part.get(_PART_TEXTS.get(part.get("type"), ("", ""))[1]) or "") for part in parts]


def _of_item(index: int, before: _Json | None, item: _Json, told: _Told) -> Iterator[_Json]:
    """Yield the events that are missing of an item."""
    kind = item.get("type")
    place: _Json = {"output_index": index}
    is_over, is_new = item.get("status") != "in_progress", before is None
    if before is None:
        before = _begun(item)
        yield {"type": "response.output_item.added", **place, "item": before}
    elif told("response.output_item.done", index):
        return
    if kind == "shell_call":
        yield from _of_commands(place, before, item, told)
    if isinstance(before.get("id"), str):  # else no event but these can say which item it is for
        place["item_id"] = before["id"]
        if is_new:
            yield from _of_status("in_progress", kind, place, told)
        yield from _of_parts("content_part", "content", place, before, item, told)
        yield from _of_parts("reasoning_summary_part", "summary", place, before, item, told)
        name, field = _ITEM_TEXTS.get(kind, ("", ""))
        if name:
            more = {"name": item.get("name")} if kind == "function_call" else {}
            yield from _of_text(name, field, place, before, item, told, is_over, more)
        if kind == "shell_call_output":
            yield from _of_outputs(place, before, item, told)
        status = item.get("status")
        if kind == "mcp_list_tools":  # which has none
            status = "failed" if item.get("error") else "completed"
        if is_over:
            yield from _of_status(status, kind, place, told)
    if is_over:
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _begun(item: _Json) -> _Json:
    """Return an item as it is when it begins."""
    begun = {**item, "status": "in_progress"} if "status" in item else {**item}
    for name in ("content", "summary"):
        if isinstance(item.get(name), list):
            begun[name] = []
    _, field = _ITEM_TEXTS.get(item.get("type"), ("", ""))
    if field in item:
        begun[field] = ""
    if item.get("type") == "shell_call" and isinstance(item.get("action"), dict):
        begun["action"] = {**item["action"], "commands": []}
    if item.get("type") == "shell_call_output":
        begun["output"] = []
    return begun


def _of_status(status: Any, kind: Any, place: _Json, told: _Told) -> Iterator[_Json]:
    name = f"response.{kind}.{status}"
    if name in KNOWN and not told(name, place["output_index"]):
        yield {"type": name, **place}


def _of_text(
    name: str,
    field: str,
    place: _Json,
    before: _Json,
    after: _Json,
    told: _Told,
    is_over: bool = True,
    ending: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[_Json]:
    """Yield what is missing of a text, and its end, where more stands in ``ending``."""
    whole, had = after.get(field), before.get(field) or ""
    if not isinstance(whole, str) or told(f"{name}.done", *_numbers(place)):
        return
    if whole.startswith(had) and whole != had:  # else it became another, as its end says
        logprobs = {}
        if isinstance(after.get("logprobs"), list):
            logprobs = {"logprobs": after["logprobs"][len(before.get("logprobs") or ()) :]}
        yield {"type": f"{name}.delta", **place, "delta": whole[len(had) :], **logprobs}
    if is_over:
        yield {"type": f"{name}.done", **place, field: whole, **ending}


def _of_parts(
    name: str, field: str, place: _Json, before: _Json, item: _Json, told: _Told
) -> Iterator[_Json]:
    """Yield what is missing of an item's parts."""
    parts, had = item.get(field), before.get(field) or []
    if not isinstance(parts, list):
        return
    at = "summary_index" if field == "summary" else "content_index"
    is_over = item.get("status") != "in_progress"
    for number, part in enumerate(parts):
        here = {**place, at: number}
        text, text_field = _PART_TEXTS.get(part.get("type"), ("", ""))
        if number < len(had):
            known = had[number]
        else:
            known = {**part, text_field: ""} if text else {**part}
            known |= {more: [] for more in ("annotations", "logprobs") if part.get(more)}
            yield {"type": f"response.{name}.added", **here, "part": known}
        if known.get("type") != part.get("type"):  # it became another
            text = ""
        if text:
            ending: _Json = {}
            if text == "response.output_text":
                ending = {"logprobs": part.get("logprobs") or []}
            yield from _of_annotations(here, known, part)
            yield from _of_text(text, text_field, here, known, part, told, is_over, ending)
        if is_over and not told(f"response.{name}.done", *_numbers(here)):
            yield {"type": f"response.{name}.done", **here, "part": part}


def _of_annotations(place: _Json, before: _Json, part: _Json) -> Iterator[_Json]:
    had, now = before.get("annotations"), part.get("annotations")
    if isinstance(had, list) and isinstance(now, list):
        for number in range(len(had), len(now)):
            yield {
                "type": "response.output_text.annotation.added",
                **place,
                "annotation_index": number,
                "annotation": now[number],
            }


def _of_commands(place: _Json, before: _Json, item: _Json, told: _Told) -> Iterator[_Json]:
    """Yield what is missing of a shell call's commands."""
    had = (before.get("action") or {}).get("commands") or []
    for number, command in enumerate((item.get("action") or {}).get("commands") or []):
        here = {**place, "command_index": number}
        if number >= len(had):
            yield {"type": "response.shell_call_command.added", **here, "command": ""}
        known = {"command": had[number] if number < len(had) else ""}
        now = {"command": command}
        yield from _of_text("response.shell_call_command", "command", here, known, now, told)


def _of_outputs(place: _Json, before: _Json, item: _Json, told: _Told) -> Iterator[_Json]:
    """Yield what is missing of what a shell call's commands wrote."""
    name, had = "response.shell_call_output_content", before.get("output") or []
    for number, entry in enumerate(item.get("output") or []):
        here = {**place, "command_index": number}
        known = had[number] if number < len(had) else {}
        delta = {}
        for field in ("stdout", "stderr"):
            whole, was = entry.get(field) or "", known.get(field) or ""
            if whole.startswith(was) and whole != was:
                delta[field] = whole[len(was) :]
        if told(f"{name}.done", *_numbers(here)):
            continue
        if delta:
            yield {"type": f"{name}.delta", **here, "delta": delta}
        yield {"type": f"{name}.done", **here, "output": [entry]}


def _numbers(place: _Json) -> tuple[int, ...]:
    """Return the indexes of an item and of what is in it, as they are told."""
    return (place["output_index"], *(place[name] for name in _INNER if name in place))


_INNER: Final = ("content_index", "summary_index", "command_index")
