"""Server-sent events: bytes in, events out, by the WHATWG rules, in time linear in the bytes.

Frames (what stands between two blank lines) are cut here. A frame of the two lines that every
OpenAI server sends (``event:``, ``data:``) is read here as well; any other goes to sseclient-py,
which by itself loses a byte order mark's event, misses mixed line ends, and takes quadratic time
for a long event in small pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

import attrs
import sseclient

from .exceptions import OpenAIError

__all__ = ["MAX_EVENT_BYTES", "EventSource", "FrameCutter", "ServerSentEvent", "read_frame"]

MAX_EVENT_BYTES = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_DIGITS = re.compile("[0-9]{1,18}").fullmatch


@attrs.frozen
class ServerSentEvent:
    """One event: its name (``"message"`` by default), data, last event id and retry time in ms."""

    event: str
    data: str
    id: str | None = None
    retry: int | None = None


class EventSource:
    """Reads server-sent events from an iterable of bytes, however these are cut.

    ``events()`` yields each event the moment its blank line is in. Beyond WHATWG, and as in the
    Node SDK, a last event without its blank line still comes out when the bytes end. An event of
    more than ``max_event_bytes`` bytes is an ``OpenAIError``.
    """

    def __init__(self, chunks: Iterable[bytes], max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._chunks = chunks
        self._max_event_bytes = max_event_bytes

    def events(self) -> Iterator[ServerSentEvent]:
        """Yield the events."""
        last_id: str | None = None
        for frame in self._frames():
            fields = _read_fields(frame)
            if fields.id is not None:
                last_id = fields.id
            if fields.data is not None:
                event = fields.event or "message"
                yield ServerSentEvent(event, fields.data, last_id, fields.retry)

    def _frames(self) -> Iterator[bytes]:
        cutter = FrameCutter(self._max_event_bytes)
        for chunk in self._chunks:
            yield from cutter.feed(chunk)
        yield from cutter.end()


_NO_PIECES: list[bytes] = []  # of all that hold none; never written to


class FrameCutter:
    """Cuts bytes into frames, with all line ends made LF and the byte order mark gone.

    Comments count towards ``max_event_bytes``: a server may not fill the memory with them either.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._pieces = _NO_PIECES  # of the frame that is not complete yet
        self._held = 0  # bytes in _pieces
        self._start: bytes | None = b""  # the first bytes, until they can be no byte order mark
        self._after_cr = False  # the last byte was a CR: a LF that follows belongs to it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes; yield the frames that they complete.

        To be read to its end before the next ``feed``. Raises ``OpenAIError`` in the place of a
        frame that is too large.
        """
        for frames in self.feed_all(chunk):
            yield from frames

    def feed_all(self, chunk: bytes) -> Iterator[list[bytes]]:
        """Do what ``feed`` does, but yield frames as they are cut, several at once."""
        if self._start is not None:
            chunk = self._start + chunk
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._start = chunk
                return
            self._start = None
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not chunk:
            return
        pieces = self._pieces
        if b"\n\n" not in chunk and not (
            chunk[0] == 10 and (not pieces or pieces[-1].endswith(b"\n"))
        ):
            # No frame ends here. The pieces are joined once, when one does: joining at every
            # chunk would copy a long event again and again.
            if not pieces:
                pieces = self._pieces = []
            pieces.append(chunk)
            self._held += len(chunk)
            if (
                self._held - chunk.endswith(b"\n") > self._max
            ):  # half of its blank line does not count
                self._refuse()
            return
        if pieces:
            pieces.append(chunk)
            chunk = b"".join(pieces)
        frames = chunk.split(b"\n\n")
        rest = frames.pop()
        self._pieces = [rest] if rest else _NO_PIECES
        self._held = len(rest)
        if len(chunk) <= self._max:
            yield frames
            return
        for frame in frames:
            if len(frame) > self._max:
                self._refuse()
            yield [frame]
        if len(rest) - rest.endswith(b"\n") > self._max:
            self._refuse()

    def end(self) -> list[bytes]:
        """Return the frame that the end of the bytes completes, if any."""
        start, self._start = self._start, None
        frame = b"".join(self._pieces) or start
        self._pieces = _NO_PIECES
        return [frame] if frame else []

    def _refuse(self) -> NoReturn:
        self._pieces = _NO_PIECES
        raise OpenAIError(
            f"The server sent an event of more than {self._max} bytes; "
            f"OpenAI(max_event_bytes=...) sets how large an event may be."
        )


def read_frame(frame: bytes) -> tuple[str | None, str] | None:
    """Return a frame's event name and data as the OpenAI SDKs see them.

    The name is ``None`` where the frame has no ``event`` line, apart from one that is empty. A
    named event without data has the data ``""``. ``None`` comes back for a frame that is no event.
    """
    # The common frames. `count` makes sure that there are these lines and no other.
    if frame.startswith(b"data: ") and frame.count(b"\n") == 0:
        return None, frame[6:].decode("utf-8", "replace")
    if frame.startswith(b"event: ") and frame.count(b"\n") == 1:
        name, found, data = frame.decode("utf-8", "replace").partition("\ndata: ")
        if found:
            return name[7:], data
    fields = _read_fields(frame)
    if fields.data is None:
        return (fields.event, "") if fields.event else None
    return fields.event, fields.data


@attrs.frozen
class _Fields:
    """The fields of one frame, ``None`` for each that it does not have."""

    event: str | None
    data: str | None
    id: str | None
    retry: int | None


class _WholeFrames(sseclient.SSEClient):
    """sseclient-py over frames that are cut already: its own cutting is quadratic in the lines."""

    def _read(self) -> Iterator[bytes]:
        frames: Iterator[bytes] = vars(self)["_event_source"]
        return frames


def _read_fields(frame: bytes) -> _Fields:
    lines = frame.decode("utf-8", "replace").split("\n")  # sseclient-py raises on other bytes
    others = [line for line in lines if _is_other_field(line)]
    # sseclient-py appends data line by line, which copies all of it each time: joined here instead.
    values = [line[5:].removeprefix(" ") for line in lines if line.partition(":")[0] == "data"]
    parsed = next(_WholeFrames(iter(("\n".join((*others, "data:")).encode(),))).events())
    names = [line for line in others if line.partition(":")[0] == "event"]
    event = None
    if names:  # sseclient-py makes "message" of an empty name
        event = "" if names[-1] in ("event", "event:", "event: ") else parsed.event
    return _Fields(
        event=event,
        data="\n".join(values) if values else None,
        id=parsed.id,
        retry=int(parsed.retry) if parsed.retry else None,
    )


def _is_other_field(line: str) -> bool:
    """Return whether a line is to be read by sseclient-py, where the last one of a field counts.

    An id with a NUL and a retry that is no number do not count at all.
    """
    field, _, value = line.partition(":")
    if field == "id":
        return "\0" not in value
    if field == "retry":
        return _DIGITS(value.removeprefix(" ")) is not None
    return field != "data"
