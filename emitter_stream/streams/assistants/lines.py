"""Events as lines of JSON, where most lines are the one before with another piece of text."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from ...engine.sources import to_line
from .codec import CODEC
from .growth import Growth, TextGrowth, ToolCallGrowth

__all__ = ["LineMaker"]

_PROBE = "\ufdd0\ufdd1"  # no characters, so that no text has them


class LineMaker:
    """Makes the lines of one stream.

    Of a text that grows it remembers what stands around the piece, from its second line on; the
    further ones are not encoded.
    """

    def __init__(self) -> None:
        self._growth: Growth | None = None  # the last that came
        self._around: list[str] | None = None  # once it came again

    def __call__(self, args: tuple[Any, ...]) -> bytes:
        """Return the line of the event that an emission of ``EACH`` passed."""
        growth, piece = args
        if growth is self._growth and growth is not None:
            if self._around is None:
                self._around = _line((growth, _PROBE)).decode().split(f'"{_PROBE}"')
            # Of half a character an escape is written, which the encoder knows how to do.
            if len(self._around) == 2:
                head, tail = self._around
                with contextlib.suppress(UnicodeEncodeError):
                    return f"{head}{_quoted(piece)}{tail}".encode()
        else:
            self._growth = growth if isinstance(growth, (TextGrowth, ToolCallGrowth)) else None
            self._around = None
        return _line(args)


def _line(args: tuple[Any, ...]) -> bytes:
    return to_line(CODEC.to_object(CODEC.of_emission(args)))


_quoted = json.encoder.encode_basestring
