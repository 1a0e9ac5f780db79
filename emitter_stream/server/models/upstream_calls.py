"""The tool calls of one answer, put together from pieces that servers cut in many ways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .cleaning import Cleaner, Secrets
from .model import Call, Input

CODE = "code_interpreter"
_CODE_BEGINS = re.compile(r'\s*\{\s*"code"\s*:\s*"')
_CODE_PIECE = re.compile(r'(?:[^"\\]|\\(?:[^u]|u[0-9a-fA-F]{4}))*')


def is_object(text: str) -> bool:
    """Whether arguments are whole: one JSON object."""
    if not text.rstrip().endswith("}"):  # nearly all that are not whole, without reading them
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class CodeText:
    """Reads the Python out of `{"code": "..."}` while that is still being written."""

    def __init__(self) -> None:
        self._rest = ""  # what cannot be read yet
        self._where = "before"
        self._given: list[str] = []

    def feed(self, piece: str) -> str:
        if self._where == "behind":
            return ""
        text = self._rest + piece
        if self._where == "before":
            begin = _CODE_BEGINS.match(text)
            if begin is None:
                self._rest = text
                return ""
            self._where, text = "within", text[begin.end() :]
        found = _CODE_PIECE.match(text)
        assert found is not None  # it matches nothing, too
        self._rest = text[found.end() :]
        if self._rest.startswith('"'):
            self._where = "behind"
        try:
            code: str = json.loads(f'"{found.group()}"', strict=False)
        except ValueError:  # an escape that JSON does not have: then the whole is no JSON either
            self._where, code = "behind", ""
        self._given.append(code)
        return code

    def rest(self, arguments: str) -> str | None:
        """Return what is left of the code in the whole arguments; None if there is no code."""
        code, given = json.loads(arguments).get("code"), "".join(self._given)
        if not isinstance(code, str) or not code.startswith(given):
            return None
        return code[len(given) :]


class OneCall:
    """A call as far as it has come."""

    def __init__(self, key: str, secrets: Secrets) -> None:
        self.key = key
        self.id = ""
        self.index: int | None = None
        self.name = ""
        self.extra: dict[str, Any] = {}
        self.names: set[str] = set()  # ids that it goes by
        self.again = False  # its name came again when it was whole: what follows may be another's
        self.code: CodeText | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._begun = False
        self._cleaner = Cleaner(secrets)
        self._secrets = secrets

    @property
    def text(self) -> str:
        """The arguments so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def is_object(self) -> bool:
        return is_object(self.text)

    def is_repeated_by(self, arguments: str) -> bool:
        """Whether these are its arguments, whole, a second time."""
        return (
            bool(arguments)
            and len(arguments) == self._length
            and arguments == self.text
            and self.is_object
        )

    def add(self, piece: str, has_code: bool) -> Iterator[Call | Input]:
        """Take a piece of the arguments; yield what can be passed on."""
        if piece:
            self._pieces.append(piece)
            self._length += len(piece)
        if not self._begun:
            if not self.name:
                return
            self._begun = True
            is_code = has_code and self.name == CODE
            if is_code:
                self.code = CodeText()
            yield Call(
                "code_interpreter" if is_code else "function",
                "" if is_code else self._secrets.hide_within(self.name),
                self.key,
                self._secrets.hide_within(self.id),
                self._secrets.hide_within(self.extra) or None,
            )
            piece = self.text  # all that has come before the name
        if self.code is not None:
            piece = self.code.feed(piece)
        piece = self._cleaner.feed(piece) if piece else ""
        if piece:
            yield Input(piece, self.key)

    def more_extra(self, extra: dict[str, Any]) -> Iterator[Input]:
        if any(self.extra.get(name) != value for name, value in extra.items()):
            self.extra |= extra
            if self._begun:
                yield Input("", self.key, self._secrets.hide_within(self.extra))

    def end(self) -> Iterator[Input]:
        """Yield the rest of a call that is whole."""
        rest = ""
        if self.code is not None:
            rest = self.code.rest(self.text) or ""
        elif not self.text.strip():
            rest = "{}"
        rest = (self._cleaner.feed(rest) if rest else "") + self._cleaner.end()
        if rest:
            yield Input(rest, self.key)

    def is_whole(self, cut: bool) -> bool:
        """Whether it can be handed on; `cut`: the answer was cut off, so no arguments are none."""
        if not self.name:
            return False
        if not self.text.strip():
            return not cut and self.code is None
        if not self.is_object:
            return False
        return self.code is None or self.code.rest(self.text) is not None


class Calls:
    """All calls of an answer. `has_code`: a function `code_interpreter` was offered for code."""

    def __init__(self, secrets: Secrets, has_code: bool) -> None:
        self.all: list[OneCall] = []
        self._secrets = secrets
        self._has_code = has_code

    def delta(
        self, id: str, index: int | None, name: str, arguments: str, extra: dict[str, Any]
    ) -> Iterator[Call | Input]:
        """Take what a delta says of a call, of which nearly all may be missing."""
        call = self._place(id, index, name)
        if call is None or self._begins(call, id, index, name, arguments):
            if not (id or name or arguments):
                return
            last, call = call, self._new()
            if last is not None and not name:  # see `again`
                call.name, last.again = last.name, False
        if id and not call.id:
            call.id = id
            call.names.add(id)
        if index is not None and call.index is None:
            call.index = index
        call.name = call.name or name
        yield from call.more_extra(extra)
        if not call.is_repeated_by(arguments):
            yield from call.add(arguments, self._has_code)

    def _place(self, id: str, index: int | None, name: str) -> OneCall | None:
        """Return the call with the id of a delta, else with its index, else the latest."""
        calls = list(reversed(self.all))
        for call in calls:
            if id and id in call.names:
                return call
        if index is None or (calls and calls[0].index is None and not name):
            return calls[0] if calls else None
        return next((call for call in calls if call.index == index), None)

    def _begins(self, call: OneCall, id: str, index: int | None, name: str, arguments: str) -> bool:
        """Whether a delta is not of the call at its place, but begins another."""
        known = bool(id) and id in call.names
        if id and not known and call.id:
            return True
        if not name or not call.name:
            return bool(not name and arguments and call.again and call.is_object)
        if call.is_repeated_by(arguments):
            return False
        if index is None and not id:
            return True
        if not call.is_object:
            return bool(id) and not known and name != call.name
        if known:
            return bool(arguments)
        # A server that repeats the name at its end looks like one that calls the same once more.
        call.again = not arguments and name == call.name
        return not call.again

    def _new(self) -> OneCall:
        self.all.append(OneCall(str(len(self.all)), self._secrets))
        return self.all[-1]

    # The Responses API: items with names of their own, whole at their end.

    def begin(self, names: set[str], index: int | None) -> OneCall:
        """Return the call that goes by one of these names or stands at this place, else a new one."""
        call = self.find(names, index)
        if call is None:
            call = self._new()
        call.names |= names
        call.index = index if call.index is None else call.index
        return call

    def find(self, names: set[str], index: int | None) -> OneCall | None:
        for call in self.all:
            if call.names & names:
                return call
        if index is not None:
            for call in self.all:
                if call.index == index and not (call.names and names):
                    return call
        return None

    def add(self, call: OneCall, piece: str) -> Iterator[Call | Input]:
        yield from call.add(piece, self._has_code)

    def complete(self, call: OneCall, arguments: str) -> Iterator[Call | Input]:
        """Take the whole arguments of a call; what has come of them is their beginning."""
        if arguments.startswith(call.text):
            yield from call.add(arguments[len(call.text) :], self._has_code)

    def broken(self, cut: bool) -> OneCall | None:
        """Return a call that is not whole."""
        return next((call for call in self.all if not call.is_whole(cut)), None)

    def end(self) -> Iterator[Input]:
        for call in self.all:
            yield from call.end()
