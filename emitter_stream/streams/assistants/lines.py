"""Events as lines of JSON, where most lines are the one before with another piece of text."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from ...engine.sources import to_line
from ...types._model import plain_copy
from .codec import CODEC

__all__ = ["LineMaker"]

_DELTA = "thread.message.delta"
_PROBE = "\ufdd0\ufdd1"  # no characters, so that no text has them
_TRIES = 3  # lines that may be remembered in vain, of a server that numbers its events say


class LineMaker:
    """Makes the lines of one stream.

    Of a text delta it remembers what stands around the piece. The next one is not encoded if all else
    in it is equal, and would be written in the same way: beside one index there is no number in it.
    """

    def __init__(self) -> None:
        self._data: Any = None  # what is remembered, a copy
        self._text: dict[str, Any] = {}  # the object in it that the piece stands in
        self._head = self._tail = ""
        self._tries = _TRIES

    def __call__(self, args: tuple[Any, ...]) -> bytes:
        """Return the line of the event that an emission passed, as it came."""
        event, data = CODEC.of_emission(args)
        piece = _piece_of(data) if event == _DELTA and self._tries else None
        if piece is not None:
            self._text["value"] = piece
            if self._data == data:
                self._tries = _TRIES
                # Of half a character an escape is written, which the encoder knows how to do.
                with contextlib.suppress(UnicodeEncodeError):
                    return f"{self._head}{_quoted(piece)}{self._tail}".encode()
            else:
                self._tries -= 1
                self._remember(event, data)
        return to_line(CODEC.to_object((event, data)))

    def _remember(self, event: str, data: Any) -> None:
        self._data = None
        if _numbers_in(data) != 1:
            return
        copy = plain_copy(data)
        text = copy["delta"]["content"][0]["text"]
        text["value"] = _PROBE
        parts = (
            to_line(CODEC.to_object((event, copy))).decode("utf-8", "replace").split(f'"{_PROBE}"')
        )
        if len(parts) == 2:
            self._head, self._tail = parts
            self._data, self._text = copy, text


def _piece_of(data: Any) -> str | None:
    """Return the piece of the first text in a delta, ``None`` if there is none."""
    try:
        element = data["delta"]["content"][0]
        piece = element["text"]["value"]
        return piece if type(piece) is str and type(element["index"]) is int else None
    except (KeyError, IndexError, TypeError):
        return None


def _numbers_in(value: Any) -> int:
    """Return how many values in there equal one that JSON writes in another way: 1, 1.0, true."""
    if type(value) is dict:
        return sum(map(_numbers_in, value.values()))
    if type(value) is list:
        return sum(map(_numbers_in, value))
    return int(not (type(value) is str or value is None))


_quoted = json.encoder.encode_basestring
