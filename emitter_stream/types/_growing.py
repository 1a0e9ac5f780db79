"""A text that deltas append to, at a cost that does not depend on its length."""

from __future__ import annotations

import re

__all__ = ["GrowingText", "TextSoFar", "text_so_far"]


class GrowingText:
    """A string in a snapshot that deltas append to; views and copies show it as a ``str``.

    Appending costs the same however long the text is, and so does reading it after each append.
    One thread appends; any may read, and so may the handler of an operating system signal that
    comes upon either: there is no lock, and no moment at which an exception does harm.
    """

    __slots__ = ("_closed", "_joined", "_parts", "_prefix")

    def __init__(self, text: str) -> None:
        # The text is these, one behind the other: the list grows at its end or is replaced whole.
        self._parts = [text]
        # What was read last, of which list, and how many of its parts that is. It may be missing
        # or out of date, and is never more than a way to read faster.
        self._joined: tuple[str, list[str], int] | None = None
        self._prefix = ""  # what `read_to` gave last
        self._closed = False

    def append(self, piece: str) -> bool:
        """Append ``piece``; return whether that was possible, as it is before ``close``."""
        if self._closed:
            return False
        parts = self._parts
        parts.append(piece)
        if len(parts) >= 256:
            self._pack(parts)
        return True

    def close(self) -> str:
        """Take no more pieces from now on; return the text, which goes on elsewhere."""
        self._closed = True
        return self.read()

    def read(self) -> str:
        """Return the text so far."""
        parts = self._parts
        count = len(parts)
        joined = self._joined
        if joined is None or joined[1] is not parts:
            text = "".join(parts[:count])
            if not text.isascii():
                text = _join_halves(text)
        elif joined[2] == count:
            return joined[0]
        else:
            # CPython appends in place, without copying what is there, only to a local variable
            # that holds the only reference; so the object lets go of the text meanwhile. Another
            # reader finds none then, and joins the parts.
            self._joined = None
            text, _, taken = joined
            del joined
            more = parts[taken] if taken + 1 == count else "".join(parts[taken:count])
            if not more.isascii() and _HIGH_HALF(text[-1:] + more):
                text, more = text[:-1], _join_halves(text[-1:] + more)
            text += more
        self._joined = text, parts, count
        return text

    def read_to(self, length: int) -> str:
        """Return the first ``length`` characters.

        Who comes behind and asks for more each time, as an iterator does, pays for what is more, and
        not for a copy of all. The text must not end there in the middle of a character.
        """
        text = self.read()
        if len(text) <= length:
            self._prefix = ""  # nobody is behind any more
            return text
        # As in `read`: the object lets go of what is appended to.
        prefix, self._prefix = self._prefix, ""
        if len(prefix) > length:
            prefix = text[:length]
        else:
            prefix += text[len(prefix) : length]
        self._prefix = prefix
        return prefix

    def _pack(self, parts: list[str]) -> None:
        """Keep fewer and longer parts, so that no character is copied often."""
        kept = _LONG_PARTS
        last = "".join(parts[kept:])
        size = len(last)
        while kept and len(parts[kept - 1]) <= size:
            kept -= 1
            size += len(parts[kept])
        packed = [*parts[:kept], "".join(parts[kept:_LONG_PARTS]) + last]
        # Who reads it will read it again; who does not pays for no second copy of the text.
        text = None if self._joined is None else self.read()
        self._parts = packed
        if text is not None:
            self._joined = text, packed, len(packed)


class TextSoFar:
    """What a text had come to at one time, in an event: read when it is asked for.

    An event that waits for its consumer would else keep a copy of the whole text.
    """

    __slots__ = ("_length", "_text")

    def __init__(self, text: GrowingText, length: int) -> None:
        self._text = text
        self._length = length

    def read(self) -> str:
        """Return the text as it was."""
        return self._text.read_to(self._length)


def text_so_far(text: GrowingText | str, read: str) -> TextSoFar | str:
    """Return what stands for ``read``, to which a text has come, in an event."""
    # Half a character becomes a whole one by what comes next, which must not show here.
    if type(text) is not GrowingText or "\ud800" <= read[-1:] <= "\udbff":
        return read
    return TextSoFar(text, len(read))


_LONG_PARTS = 32  # more than any text has: each is longer than all behind it together
_HIGH_HALF = re.compile("[\ud800-\udbff]").search
_CUT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _join_halves(text: str) -> str:
    """Join what JavaScript joins: the halves of a character that was cut between two deltas."""
    return _CUT_CHARACTER.sub(
        lambda cut: cut[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text
    )
