"""Responses: what is asked in its words, and how its answers are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .model import DoneCall, Image, ModelError, Part, Said, Turn
from .upstream_errors import failure_of
from .upstream_reader import AnswerReader, arguments_in, number_in, text_in
from .upstream_request import Json, call_arguments, call_name, functions, instructions, tool_choice

PATH = "/responses"
# See `upstream_chat`.
OPTIONAL = {
    "parallel_tool_calls": False,
    "tool_choice": False,
    "max_output_tokens": False,
    "temperature": False,
    "top_p": False,
    "store": True,
    "text": True,
    "reasoning": True,
    "strict": True,
}


def request(turn: Turn, model: str, limit_name: str, refused: set[str]) -> Json:
    """Return the body of a request, without the fields that were `refused`."""
    body: Json = {"model": model, "input": items(turn), "stream": True, "store": False}
    if told := instructions(turn):
        body["instructions"] = told
    if turn.limit is not None:
        body["max_output_tokens"] = turn.limit
    if turn.temperature not in (None, 1):
        body["temperature"] = turn.temperature
    if turn.top_p not in (None, 1):
        body["top_p"] = turn.top_p
    if turn.reasoning_effort is not None:
        body["reasoning"] = {"effort": turn.reasoning_effort}
    form = turn.response_format
    if isinstance(form, dict) and form["type"] != "text":
        body["text"] = {"format": {"type": form["type"], **form.get("json_schema", {})}}
    offered = functions(turn, strict="strict" not in refused)
    if offered:
        body["tools"] = [
            {"type": "function", "parameters": {"type": "object", "properties": {}}, **function}
            for function in offered
        ]
        choice = tool_choice(turn, offered)
        if isinstance(choice, tuple):
            body["tool_choice"] = {"type": "function", "name": choice[0]}
        elif choice is not None:
            body["tool_choice"] = choice
        if not turn.parallel_tool_calls:
            body["parallel_tool_calls"] = False
    return {name: value for name, value in body.items() if name not in refused}


def items(turn: Turn) -> list[Json]:
    """Return the conversation as input items."""
    built: list[Json] = []
    taken: set[str] = set()
    for item in turn.history:
        if isinstance(item, Said):
            built += _said(item)
            continue
        ids = [_call_id(call, taken) for call in item.calls]
        for call, id in zip(item.calls, ids, strict=True):
            built.append(
                {
                    "type": "function_call",
                    "call_id": id,
                    "name": call_name(call),
                    "arguments": call_arguments(call),
                }
            )
        for call, id in zip(item.calls, ids, strict=True):
            output = call.output or ""
            built.append({"type": "function_call_output", "call_id": id, "output": output})
    return built


def _said(said: Said) -> list[Json]:
    content: str | list[Json]
    if said.role == "assistant":
        # Not a plain string: llama.cpp takes that for the user's.
        content = [{"type": "output_text", "text": said.text}] if said.text else []
    elif any(isinstance(part, Image) for part in said.parts):
        content = [part for part in map(_part, said.parts) if part is not None]
    else:
        content = said.text
    return [{"type": "message", "role": said.role, "content": content}] if content else []


def _part(part: str | Image) -> Json | None:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    if not part.url:
        return None
    return {"type": "input_image", "image_url": part.url, "detail": part.detail}


def _call_id(call: DoneCall, taken: set[str]) -> str:
    id = call.id if call.id and call.id not in taken else call.call_id
    taken.add(id)
    return id


class Reader(AnswerReader):
    """Reads an answer of Responses.

    What is said at the end of a part, an item or the response is all of it once more: what has not
    come before is passed on, so that servers may leave out any of these events.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._in_part = ""
        self._in_item = ""
        self._in_all = ""

    def _take(self, event: str, value: Json) -> Iterator[Part]:
        kind = text_in(value, "type") or event
        index = number_in(value, "output_index")
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            yield from self._piece(text_in(value, "delta"), "refusal" in kind)
        elif kind in ("response.output_text.done", "response.refusal.done"):
            text = text_in(value, "text") or text_in(value, "refusal")
            yield from self._rest(self._in_part, text, "refusal" in kind)
            self._in_part = ""
        elif kind == "response.output_item.added":
            self._in_part = self._in_item = ""
            item = value.get("item")
            if isinstance(item, dict) and item.get("type") == "function_call":
                yield from self._take_call(item, index)
        elif kind == "response.output_item.done":
            item = value.get("item")
            if isinstance(item, dict):
                yield from self._take_item(item, index)
            self._in_part = self._in_item = ""
        elif kind == "response.function_call_arguments.delta":
            call = self._call_at(value, index)
            if call is not None:
                yield from self.calls.add(call, text_in(value, "delta"))
        elif kind == "response.function_call_arguments.done":
            call = self._call_at(value, index)
            if call is not None:
                yield from self.calls.complete(call, arguments_in(value))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            response = value.get("response")
            status = kind.removeprefix("response.")
            yield from self._take_response(response if isinstance(response, dict) else {}, status)
        else:
            self._count(value.get("usage"))

    def _take_whole(self, value: Json) -> Iterator[Part]:
        if isinstance(value.get("output"), list):
            self.begun = True
            yield from self._take_response(value, "completed")

    def _take_response(self, response: Json, status: str) -> Iterator[Part]:
        self._count(response.get("usage"))
        status = text_in(response, "status") or status
        if status == "failed" or response.get("error"):
            raise failure_of(None, {"error": response.get("error") or {}}, self._secrets)
        if status == "cancelled":
            raise ModelError("server_error", "The upstream cancelled its answer.")
        output = response.get("output")
        found = [i for i in output if isinstance(i, dict)] if isinstance(output, list) else []
        said = "".join(text for item in found for text, _ in _texts(item))
        if said.startswith(self._in_all):
            # Message by message: what is a refusal is so to the end.
            skip = len(self._in_all)
            for item in found:
                for text, refuses in _texts(item):
                    if len(text) > skip:
                        yield from self._piece(text[skip:], refuses)
                    skip = max(0, skip - len(text))
        before = [(call.name, call.text) for call in self.calls.all]
        for number, item in enumerate(found):
            if item.get("type") != "function_call":
                continue
            # Some servers give other ids at the end: what is there already is no other call.
            if (text_in(item, "name"), arguments_in(item)) not in before:
                yield from self._take_call(item, number)
        self.over = True
        self.finish = "stop"
        if status == "incomplete":
            details = response.get("incomplete_details")
            reason = text_in(details, "reason") if isinstance(details, dict) else ""
            self.finish = "content_filter" if reason == "content_filter" else "length"

    def _take_item(self, item: Json, index: int | None) -> Iterator[Part]:
        if item.get("type") == "function_call":
            latest = self.calls.all[-1] if self.calls.all else None
            arguments = arguments_in(item)
            # Without a name or a place it is the end of the latest call, if it can be.
            if (
                latest is not None
                and index is None
                and not _names(item)
                and latest.name == text_in(item, "name")
                and arguments.startswith(latest.text)
            ):
                yield from self.calls.complete(latest, arguments)
                return
            yield from self._take_call(item, index)
            return
        whole = _texts(item)
        refuses = bool(whole) and whole[-1][1]
        yield from self._rest(self._in_item, "".join(text for text, _ in whole), refuses)

    def _piece(self, piece: str, refuses: bool) -> Iterator[Part]:
        if piece:
            self._in_part += piece
            self._in_item += piece
            self._in_all += piece
            yield from self._refuse(piece) if refuses else self._say(piece)

    def _rest(self, given: str, whole: str, refuses: bool) -> Iterator[Part]:
        if whole.startswith(given):
            yield from self._piece(whole[len(given) :], refuses)

    def _take_call(self, item: Json, index: int | None) -> Iterator[Part]:
        names = _names(item)
        if not self.calls.all:
            yield from self._end_text(before_calls=True)
        call = self.calls.begin(names, index)
        call.id = call.id or text_in(item, "call_id") or text_in(item, "id")
        call.name = call.name or text_in(item, "name")
        yield from self.calls.complete(call, arguments_in(item))

    def _call_at(self, value: Json, index: int | None) -> Any:
        """Return the call that a delta belongs to: with its id, else at its place, else the latest."""
        name = text_in(value, "item_id") or text_in(value, "call_id")
        found = self.calls.find({name} if name else set(), index)
        return found or (self.calls.all[-1] if self.calls.all else None)


def _names(item: Json) -> set[str]:
    return {text for name in ("id", "call_id") if (text := text_in(item, name))}


def _texts(item: Json) -> list[tuple[str, bool]]:
    """Return the texts of a message item, each with whether it refuses."""
    content = item.get("content")
    if item.get("type", "message") != "message" or not isinstance(content, list):
        return []
    texts = []
    for part in content:
        if isinstance(part, dict) and part.get("type") == "refusal":
            texts.append((text_in(part, "refusal"), True))
        elif isinstance(part, dict) and part.get("type") in ("output_text", "text"):
            texts.append((text_in(part, "text"), False))
    return texts
