"""The short way for a delta: an event that is the one before, but for another piece of text.

Nearly all events of a long answer are the same bytes around another string. Once one such event has
been read the long way (cut into fields, parsed, checked), what stands before and behind its string
is remembered; an event with the same bytes there needs its string decoded and nothing else. That
takes a fifth of the time of parsing it.

It is exact: what is remembered was itself parsed with another string in the place, and gave the
same object with that string at the path that the core named.

Servers that hide how long the pieces are pad each event with a string of no meaning. It may differ
as well where an API names the field that it stands in; who wants the whole event gets it with its own.
So may a number that counts the events.
"""

from __future__ import annotations

import functools
import itertools
import json
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from .wire import loads

__all__ = ["GROWTH", "GrowthMatcher", "Path", "with_piece"]

Path = tuple[str | int, ...]
"""Where a string stands in an event's data: keys and array indexes from the outside in."""


class _Growth:
    """The mark that stands in the place of the event's name."""

    def __repr__(self) -> str:
        return "GROWTH"


GROWTH: Final = _Growth()
"""What a source gives in place of an event's name for ``the last event, with this piece of text``."""

_decode_string = json.decoder.scanstring  # type: ignore[attr-defined]
_CONTROL = re.compile("[\x00-\x08\x0c-\x1f]").search  # but for what `_strings` puts in itself
_SPECIAL = re.compile('["\\\\]').search
_NUMBERS = re.compile(r"(?:(?:0|[1-9][0-9]{0,17})\n)+").fullmatch
_NUMBERED = re.compile(r"^(0|[1-9][0-9]{0,17})\v([^\t\n\v]*)\t([^\t\n\v]*)$", re.MULTILINE).findall
_columns: Callable[[str], list[str]] = operator.methodcaller("split", "\t")


class GrowthMatcher:
    """Recognises frames that equal an earlier one but for one string.

    ``padding`` is the outermost field behind it whose string may differ too, ``""`` for none, and
    ``number`` the one before it whose natural number may.
    """

    def __init__(self, padding: str = "", number: str = "") -> None:
        self._padding = padding
        self._number = number
        self._is_bare = not padding and not number
        # The frame up to the string's opening quote, inclusive, or up to the number.
        self._head: bytes | None = None
        self._gap: str | None = None  # where there is a number: what is between it and the string
        self._tail = ""  # the JSON behind the string's closing quote, or behind that of the padding
        self._between: str | None = None  # where there is padding: what stands before its string
        self._closing = b""  # the last string's closing quote and the tail
        self._used = True  # whether the last frame that was learned has been met again
        self._skipped = 0
        self._to_skip = 0

    def match(self, frame: bytes) -> str | tuple[Any, ...] | None:
        """Return the string of a frame that equals the learned one around it, else ``None``.

        Where the learned one is padded, it is the string and the padding; where it is numbered, that,
        the padding or ``None``, and the number.
        """
        head = self._head
        if head is None or not frame.startswith(head):
            return None
        if self._gap is not None:
            found: list[tuple[Any, ...]] = self.matches((frame,), 0)
            return found[0] if found else None
        text = frame[len(head) :].decode("utf-8", "replace")
        between = self._between
        try:
            piece: str
            piece, end = _decode_string(text, 0, True)
            if between is None:
                if text[end:] != self._tail:
                    return None
                self._used = True
                return piece
            if not text.startswith(between, end):
                return None
            padding: str
            padding, end = _decode_string(text, end + len(between), True)
        except ValueError:  # no JSON: the long way says what is wrong with it
            return None
        if text[end:] != self._tail:
            return None
        self._used = True
        return piece, padding

    def matches(self, frames: Sequence[bytes], at: int) -> list[Any]:
        """Return what ``match`` says of the frames from ``at`` on, up to the first that is not known.

        For each of many that takes half of the time: calls of C cut and decode them all.
        """
        head, closing = self._head, self._closing
        if head is None or not frames[at].startswith(head):
            return []
        start, end = len(head), -len(closing)
        cut = []
        for frame in itertools.islice(frames, at, None):
            if not frame.startswith(head) or not frame.endswith(closing, start):
                break
            cut.append(frame[start:end])
        found = self._strings(cut) if cut else []
        if found is None:
            found = []
            for row in cut:
                alone = self._strings([row])
                if alone is None:  # no JSON, or another frame
                    break
                found += alone
        self._used = self._used or bool(found)
        return found

    def _strings(self, cut: list[bytes]) -> list[Any] | None:
        """Return what frames bring by what stands in them between head and tail, quotes left out.

        ``None`` if that is not sure for each of them.
        """
        text = b"\n".join(cut).decode("utf-8", "replace")
        if "\t" in text or "\v" in text:  # no JSON; below they stand between two strings
            return None
        if self._gap is not None:
            text = text.replace(self._gap, "\v")
        if self._between is not None:
            text = text.replace(f'"{self._between}', "\t")
        rows = text.split("\n")
        if len(rows) != len(cut) or _CONTROL(text) is not None:
            return None
        if self._gap is not None and self._between is not None and _SPECIAL(text) is None:
            found = _NUMBERED(text)  # the most of them by far, by one call
            if len(found) != len(rows):
                return None
            return [(piece, padding, int(number)) for number, piece, padding in found]
        numbers: list[str] = []
        try:
            if self._gap is not None:
                pairs = [row.split("\v") for row in rows]
                numbers = [number for number, _ in pairs]
                if _NUMBERS("\n".join([*numbers, ""])) is None:
                    return None
                rows = [rest for _, rest in pairs]
            is_plain = _SPECIAL(text) is None
            pieces = self._plain(rows) if is_plain else self._decoded(rows)
        except ValueError:
            return None
        if self._gap is None:
            return pieces
        if self._between is None:
            return [(piece, None, int(n)) for piece, n in zip(pieces, numbers, strict=True)]
        return [(*both, int(n)) for both, n in zip(pieces, numbers, strict=True)]

    def _plain(self, rows: list[str]) -> list[Any]:
        if self._between is None:
            return rows
        return [(piece, padding) for piece, padding in map(_columns, rows)]

    def _decoded(self, rows: list[str]) -> list[Any]:
        if self._between is None:
            return [row if _SPECIAL(row) is None else _whole_string(row) for row in rows]
        pairs = map(_columns, rows)
        return [(_whole_string(piece), _whole_string(padding)) for piece, padding in pairs]

    def forget(self) -> None:
        """Match nothing until the next ``learn``: an event of another kind came between."""
        self._head = None

    def learn(self, frame: bytes, text: str, data: Any, path: Path) -> None:
        """Remember a frame whose JSON ``text`` is ``data``, with its string at ``path``.

        Frames that are never met again (a server that sends a number with each) would make each
        frame cost double, so then learning pauses, longer each time.
        """
        self._head = None  # what the core says of growth now, it says of this event alone
        if self._used:
            self._to_skip = 0
        elif self._skipped < self._to_skip:
            self._skipped += 1
            return
        else:
            self._to_skip = min(2 * self._to_skip + 1, 1_000)
        self._skipped = 0
        self._used = False
        start = text.rfind(f'"{path[-1]}"')
        start = text.find('"', start + len(f'"{path[-1]}"')) + 1
        if start <= 0:
            return
        try:
            _, end = _decode_string(text, start, True)
            head, tail, between, gap = text[:start], text[end:], None, None
            shape = _shape(head, tail, data["id"], path) if self._is_bare else None
            same = shape in _proven
            if not same:
                # Another string than the one that counts, or that one might pass for the probe.
                probe = f"{functools.reduce(operator.getitem, path, data)}?"
                probed = f"{head}{json.dumps(probe)[1:]}"
                wanted = with_piece(data, path, probe)
                count = data.get(self._number) if self._number else None
                before, field, rest = head.rpartition(f'"{self._number}":')
                if type(count) is int and field and rest.startswith(str(count)):
                    head, gap = f"{before}{field}", rest[len(str(count)) :]
                    probed = f"{head}{count + 1}{gap}{json.dumps(probe)[1:]}"
                    wanted = {**wanted, self._number: count + 1}
                field = f'"{self._padding}":'
                if self._padding and type(data.get(self._padding)) is str and field in tail:
                    between, _, rest = tail.rpartition(field)
                    between += field + rest[: rest.index('"') + 1]
                    _, end = _decode_string(tail, len(between), True)
                    tail = tail[end:]
                    probe = f"{data[self._padding]}?"
                    probed += f"{between}{json.dumps(probe)[1:]}"
                    wanted = {**wanted, self._padding: probe}
                same = loads(f"{probed}{tail}") == wanted
        except Exception:  # noqa: BLE001 - whatever is odd about it, the long way can do it
            return
        if same and shape is not None:
            if len(_proven) >= _SHAPES:
                _proven.clear()
            _proven.add(shape)
        whole, found, behind = frame.rpartition(text.encode())
        if same and found and not behind:
            self._head = whole + head.encode()
            self._tail = tail
            self._between = between
            self._gap = gap
            self._closing = b'"' + tail.encode()


_SHAPES = 64
_proven: set[object] = set()
"""What was found to be exact of some stream, and so is of others that differ in their id alone."""

_IS_PLAIN = re.compile("[A-Za-z0-9_-]+").fullmatch


def _shape(head: str, tail: str, identifier: Any, path: Path) -> object:
    """Return what is around a string but for the id in it, ``None`` if that cannot be told.

    An id of such characters can stand for any other in JSON, where it is the value of a field.
    """
    if type(identifier) is not str or _IS_PLAIN(identifier) is None:
        return None
    before, quoted, behind = head.partition(f'"{identifier}"')
    is_id = quoted and before.endswith(('"id":', '"id": '))
    return (before, behind, tail, path) if is_id else None


def _whole_string(inside: str) -> str:
    """Return the string of JSON between two quotes; raises ``ValueError`` if it ends before."""
    string: str
    string, end = _decode_string(f'{inside}"', 0, True)
    if end <= len(inside):
        raise ValueError(inside)
    return string


def with_piece(data: Any, path: Path, piece: str) -> Any:
    """Return ``data`` with ``piece`` at ``path``; only what lies on the way is copied."""
    if not path:
        return piece
    step, rest = path[0], path[1:]
    copy = data.copy()
    copy[step] = with_piece(data[step], rest, piece)
    return copy
