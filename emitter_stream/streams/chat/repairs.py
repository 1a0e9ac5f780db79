"""What servers other than OpenAI's leave out of their chunks, put in before a chunk is taken.

Each repair has a name:

- C1: a chunk without ``choices`` has none.
- C2: a choice without ``index`` has that of its place.
- C3: the first delta of a choice that brings anything, if no role has come, is the assistant's.
- C4: a tool call's delta without ``index``, or with that of another call (Ollama), belongs to the
  call that it names, to a new one, or to the last one; a call without ``type`` is a function's.
- C5: pieces of reasoning are appended (what the core does; here they are only counted).

What is there but wrong stays as it is. A chunk that is repaired is copied as far as it changes, so
that what was received can still be compared with what comes next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ...exceptions import OpenAIError
from ..partial_json import GrowingJSON, JSONBudget, MalformedJSON, parse_whole

__all__ = ["REASONING", "ChunkRepair", "is_true"]

REASONING = ("reasoning_content", "reasoning")

_BRINGS = ("content", "refusal", "tool_calls", "function_call", "audio")


def is_true(value: Any) -> bool:
    """Tell what JavaScript takes for true: empty objects and arrays are."""
    return type(value) in (dict, list) or bool(value)


class ChunkRepair:
    """The repairs of one completion's chunks.

    ``counts`` is told of each. ``arguments_of(choice, call)`` gives the arguments that a call has
    come to before the chunk, ``""`` if it has none.
    """

    def __init__(self, counts: Counter[str], arguments_of: Callable[[int, int], str]) -> None:
        self._counts = counts
        self._arguments_of = arguments_of
        self._calls: dict[int, _Calls] = {}  # by the index of their choice
        self._roles: set[int] = set()  # of the choices whose role has come
        self.changed = False
        """Whether the last chunk was repaired so that one like it would be repaired otherwise."""

    def repaired(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """Return a chunk with what was missing put in, or the chunk itself."""
        self.changed = False
        choices = chunk.get("choices")
        if choices is None:
            self._count("C1")
            return {**chunk, "choices": []}
        if type(choices) is not list:
            return chunk
        made = [
            self._choice(choice, place) if type(choice) is dict else choice
            for place, choice in enumerate(choices)
        ]
        return {**chunk, "choices": made} if _differ(made, choices) else chunk

    def _count(self, name: str) -> None:
        self._counts[name] += 1
        self.changed = True

    def _choice(self, choice: dict[str, Any], place: int) -> dict[str, Any]:
        if choice.get("index") is None:
            choice = {**choice, "index": place}
            self._count("C2")
        if "finish_reason" not in choice:
            choice = {**choice, "finish_reason": None}  # as in Node, for everybody
        index, delta = choice["index"], choice.get("delta")
        if type(index) is not int or not (type(delta) is dict or delta is None):
            return choice
        made = self._role(delta or {}, index, is_true(choice["finish_reason"]))
        calls = made.get("tool_calls")
        if type(calls) is list and calls:
            known = self._calls.setdefault(index, _Calls())
            known.begin(lambda call: self._arguments_of(index, call))
            repaired = [self._call(call, known) if type(call) is dict else call for call in calls]
            if _differ(repaired, calls):
                made = {**made, "tool_calls": repaired}
        return choice if made is delta or not made else {**choice, "delta": made}

    def _role(self, delta: dict[str, Any], index: int, finishes: bool) -> dict[str, Any]:
        if index in self._roles:
            return delta
        if is_true(delta.get("role")):
            self._roles.add(index)
            return delta
        if not finishes and all(delta.get(name) in (None, "", []) for name in _BRINGS):
            return delta
        self._roles.add(index)
        self._count("C3")
        return {**delta, "role": "assistant"}

    def _call(self, call: dict[str, Any], known: _Calls) -> dict[str, Any]:
        function, custom, given = call.get("function"), call.get("custom"), call.get("index")
        if given is not None and type(given) is not int:
            return call
        named = any(type(part) is dict and is_true(part.get("name")) for part in (function, custom))
        index = known.place(given, call.get("id"), named)
        if index != given:
            call = {**call, "index": index}
            self._count("C4")
        if type(function) is dict and known.lacks_type(index, call.get("type")):
            call = {**call, "type": "function"}
            self._count("C4")
        arguments = function.get("arguments") if type(function) is dict else None
        known.touch(index, call.get("id"), call.get("type"), arguments)
        return call


class _Calls:
    """The tool calls of one choice, as far as it takes to tell whose a delta is."""

    def __init__(self) -> None:
        self._ids: dict[int, Any] = {}
        self._typed: set[int] = set()
        self._arguments: dict[int, _Arguments] = {}  # of the calls that were asked about
        self._leads_to: dict[int, int] = {}  # an index that the server uses again, and whose it is
        self._last: int | None = None  # the call touched last
        self._highest = -1
        self._arguments_of: Callable[[int], str]
        self._new: dict[int, str] = {}  # the arguments that the chunk under way has brought

    def begin(self, arguments_of: Callable[[int], str]) -> None:
        """Take note that a chunk begins."""
        self._arguments_of = arguments_of
        self._new.clear()

    def place(self, given: int | None, identifier: Any, named: bool) -> int:
        """Return the index of the call that a delta belongs to."""
        if given is None:
            if is_true(identifier):
                for index, other in self._ids.items():
                    if other == identifier:
                        return index
            if is_true(identifier) or named or self._last is None:
                return self._highest + 1
            return self._last
        index = self._leads_to.get(given, given)
        old = self._ids.get(index)
        if named and is_true(identifier) and is_true(old) and old != identifier:
            text = self._arguments_of(index) + self._new.get(index, "")
            if self._arguments.setdefault(index, _Arguments()).are_whole(text):
                self._leads_to[given] = index = self._highest + 1
        return index

    def lacks_type(self, index: int, given: Any) -> bool:
        """Return whether neither a call nor the delta that goes to it has a type."""
        return not is_true(given) and index not in self._typed

    def touch(self, index: int, identifier: Any, kind: Any, arguments: Any) -> None:
        """Take note of a delta."""
        self._last = index
        self._highest = max(self._highest, index)
        if is_true(identifier):
            self._ids[index] = identifier
        if is_true(kind):
            self._typed.add(index)
        if type(arguments) is str:
            self._new[index] = self._new.get(index, "") + arguments


class _Arguments:
    """What is known of a call's arguments from when they were looked at before.

    A server that sends another id and name with each delta has them looked at each time: that must
    cost no more than what is new.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._growing: GrowingJSON | None = GrowingJSON(JSONBudget())

    def are_whole(self, text: str) -> bool:
        """Return whether ``text`` is a complete value of JSON."""
        growing = self._growing
        if growing is None:
            return False
        try:
            growing.add(text[self._seen :])
            self._seen = len(text)
            if growing.is_open or not growing.root:
                return False
            parse_whole(text)
        except (MalformedJSON, OpenAIError):
            if growing.root in tuple('{["'):  # what has closed and is none will never be one
                self._growing = None
            return False
        return True


def _differ(made: list[Any], given: list[Any]) -> bool:
    return any(one is not other for one, other in zip(made, given, strict=True))
