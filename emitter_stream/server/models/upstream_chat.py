"""Chat Completions: what is asked in its words, and how its answers are read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]

from .model import DoneCall, Image, Part, Said, Turn
from .upstream_reader import AnswerReader, arguments_in, number_in, text_in, text_of
from .upstream_request import Json, call_arguments, call_name, functions, instructions, tool_choice

PATH = "/chat/completions"
# What may be left out, and so is when the upstream refuses it; plain words only if it quotes them.
OPTIONAL = {
    "stream_options": False,
    "parallel_tool_calls": False,
    "tool_choice": False,
    "response_format": False,
    "reasoning_effort": False,
    "max_tokens": False,
    "max_completion_tokens": False,
    "temperature": False,
    "top_p": False,
    "strict": True,
}
_MOST_CREDIT = 4
_NINE = re.compile("[A-Za-z0-9]{9}")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def request(turn: Turn, model: str, limit_name: str, refused: set[str]) -> Json:
    """Return the body of a request, without the fields that were `refused`."""
    body: Json = {"model": model, "messages": messages(turn), "stream": True}
    body["stream_options"] = {"include_usage": True}
    if turn.limit is not None:
        other = "max_tokens" if limit_name != "max_tokens" else "max_completion_tokens"
        body[other if limit_name in refused else limit_name] = turn.limit
    if turn.temperature not in (None, 1):
        body["temperature"] = turn.temperature
    if turn.top_p not in (None, 1):
        body["top_p"] = turn.top_p
    if turn.reasoning_effort is not None:
        body["reasoning_effort"] = turn.reasoning_effort
    form = turn.response_format
    if isinstance(form, dict) and form["type"] != "text":
        body["response_format"] = form
    offered = functions(turn, strict="strict" not in refused)
    if offered:
        body["tools"] = [{"type": "function", "function": function} for function in offered]
        choice = tool_choice(turn, offered)
        if isinstance(choice, tuple):
            body["tool_choice"] = {"type": "function", "function": {"name": choice[0]}}
        elif choice is not None:
            body["tool_choice"] = choice
        if not turn.parallel_tool_calls:
            body["parallel_tool_calls"] = False
    return {name: value for name, value in body.items() if name not in refused}


def messages(turn: Turn) -> list[Json]:
    """Return the conversation; no two neighbours have the same role, which some templates refuse."""
    built: list[Json] = []
    if told := instructions(turn):
        built.append({"role": "system", "content": told})
    taken: set[str] = set()
    for item in turn.history:
        if isinstance(item, Said):
            _add_said(built, item)
            continue
        ids = [_call_id(call, taken) for call in item.calls]
        calls = [_call(turn, call, id) for call, id in zip(item.calls, ids, strict=True)]
        if built and built[-1]["role"] == "assistant":  # the text of the same answer
            built[-1]["tool_calls"] = calls
        else:
            built.append({"role": "assistant", "content": None, "tool_calls": calls})
        for call, id in zip(item.calls, ids, strict=True):
            built.append({"role": "tool", "tool_call_id": id, "content": call.output or ""})
    return built


def _add_said(built: list[Json], said: Said) -> None:
    content: str | list[Json] = said.text
    if any(isinstance(part, Image) for part in said.parts):
        content = [part for part in map(_part, said.parts) if part is not None]
    if not content:
        return
    if not built or built[-1]["role"] != said.role:
        built.append({"role": said.role, "content": content})
        return
    before = built[-1]["content"]
    if isinstance(before, str) and isinstance(content, str):
        built[-1]["content"] = f"{before}\n\n{content}"
        return
    first, second = ([_text(one)] if isinstance(one, str) else one for one in (before, content))
    if first[-1]["type"] == second[0]["type"] == "text":
        joined = _text(f"{first[-1]['text']}\n\n{second[0]['text']}")
        first, second = [*first[:-1], joined], second[1:]
    built[-1]["content"] = [*first, *second]


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _part(part: str | Image) -> Json | None:
    if isinstance(part, str):
        return _text(part)
    if not part.url:
        return None
    return {"type": "image_url", "image_url": {"url": part.url, "detail": part.detail}}


def _call(turn: Turn, call: DoneCall, id: str) -> Json:
    function = {"name": call_name(call), "arguments": call_arguments(call)}
    extra = call.extra if isinstance(call.extra, dict) else {}
    return {**extra, "id": id, "type": "function", "function": function}


def _call_id(call: DoneCall, taken: set[str]) -> str:
    """Return an id of nine letters and digits, which is all that Mistral takes: the model's own if it is."""
    id, number = call.id, 0
    while not _NINE.fullmatch(id) or id in taken:
        digest = hashlib.sha256(f"{call.call_id}/{call.id}/{number}".encode()).digest()
        id = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:9])
        number += 1
    taken.add(id)
    return id


class Reader(AnswerReader):
    """Reads an answer of Chat Completions; only choice 0 counts."""

    _has_spoken = False
    # Around the text of the event before: the same letters around another make the same event with
    # another text. `_credit` bounds what is spent on looking for them.
    _before = _behind = ""
    _credit = _MOST_CREDIT

    def feed(self, event: str, data: str) -> Iterator[Part]:
        before, behind = self._before, self._behind
        if before and not event and data.startswith(before) and data.endswith(behind):
            try:
                piece, end = scanstring(data, len(before), True)
            except ValueError:
                piece, end = "", 0
            if piece and end == len(data) - len(behind):
                self._credit = _MOST_CREDIT
                yield from self._say(piece)
                return
        yield from super().feed(event, data)

    def _learn(self, data: str, value: Json) -> None:
        if not self._credit:
            return
        self._credit -= 1
        self._before = ""
        at = data.find('"content":') + len('"content":')
        at += data[at : at + 1] == " "
        if data[at : at + 1] != '"':
            return
        try:
            piece, end = scanstring(data, at + 1, True)
            before, behind = data[: at + 1], data[end:]
            other = "a" if piece != "a" else "b"
            # Proved, not guessed: it is read with another text in the place.
            proof = json.loads(f'{before}{other}"{behind}')
            (one,), (same,) = value["choices"], proof["choices"]
            delta, changed = one["delta"], same["delta"]
            if delta.pop("content") != piece or changed.pop("content") != other or value != proof:
                return
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return
        says_more = (
            any(delta.get(name) for name in ("refusal", "tool_calls", "function_call"))
            or any(one.get(name) for name in ("index", "finish_reason", "usage"))
            or any(value.get(name) for name in ("usage", "x_groq"))
        )
        if piece and not says_more:
            self._before, self._behind = before, behind

    def _take(self, event: str, value: Json) -> Iterator[Part]:
        self._count_in(value)
        choice = self._choice(value)
        if choice is None:
            return
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            # A whole message in the place of the last delta, or instead of all of them.
            delta = {} if self._has_spoken else choice.get("message")
        if isinstance(delta, dict):
            yield from self._take_delta(delta)
        self._end_of(choice)

    def _take_whole(self, value: Json) -> Iterator[Part]:
        self._count_in(value)
        choice = self._choice(value)
        if choice is not None:
            self.begun = True
            message = choice.get("message") or choice.get("delta")
            if isinstance(message, dict):
                yield from self._take_delta(message)
            self._end_of(choice)

    def _choice(self, value: Json) -> Json | None:
        choices = value.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and (choice.get("index") or 0) == 0:
                    self._check({"error": choice.get("error")})
                    self._count(choice.get("usage"))
                    return choice
        return None

    def _count_in(self, value: Json) -> None:
        self._count(value.get("usage"))
        groq = value.get("x_groq")
        if isinstance(groq, dict):
            self._count(groq.get("usage"))

    def _end_of(self, choice: Json) -> None:
        self.finish = text_in(choice, "finish_reason") or self.finish

    def _take_delta(self, delta: Json) -> Iterator[Part]:
        content = text_of(delta.get("content"))
        if content:
            self._has_spoken = True
            yield from self._say(content)
        refusal = text_in(delta, "refusal")
        if refusal:
            self._has_spoken = True
            yield from self._refuse(refusal)
        calls = delta.get("tool_calls")
        if isinstance(calls, dict):
            calls = [calls]
        if not calls and isinstance(delta.get("function_call"), dict):
            calls = [{"index": 0, "function": delta["function_call"]}]
        if isinstance(calls, list):
            for call in calls:
                if isinstance(call, dict):
                    self._has_spoken = True
                    yield from self._take_call(call)

    def _take_call(self, call: Json) -> Iterator[Part]:
        function = call.get("function")
        if not isinstance(function, dict):
            function = call
        known = ("id", "index", "type", "function", "name", "arguments")
        extra = {n: v for n, v in call.items() if n not in known and v is not None}
        yield from self._call(
            text_in(call, "id"),
            number_in(call, "index"),
            text_in(function, "name"),
            arguments_in(function),
            extra,
        )
