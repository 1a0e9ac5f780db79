"""What the streams of every API have beside listeners: other ways in than a request, and ways out.

A class says by ``_api`` which codec and which cores are its own. ``aio_base.py`` is the side of
asyncio.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from .._names import NodeName
from ..abort import AbortSignal
from ..engine.codec import Codec
from ..engine.core import Core
from ..engine.sources import EventsSource, LinesSource, Source, to_line
from ..engine.stream import EventIterator, EventStream
from ..exceptions import OpenAIError
from ..recordings import Player, Recording, ReplaySource, attach_recorder, check_speed
from ..sse import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Api", "ApiStream", "RecordedStream", "replayed"]


LineMaker = Callable[[tuple[Any, ...]], bytes]


@attrs.frozen
class Api:
    """How the events of a stream class are read and written, and who takes them."""

    codec: Codec
    of_recording: Callable[[Recording], Core]
    of_events: Callable[[], Core]
    of_lines: Callable[[], Core]
    new_line_maker: Callable[[], LineMaker] | None = None  # one that makes lines in less time

    def line_maker(self) -> LineMaker:
        """Return what makes a line of each emission of an event, as it came, for one stream."""
        if self.new_line_maker is not None:
            return self.new_line_maker()
        of_emission, to_object = self.codec.of_emission, self.codec.to_object
        return lambda args: to_line(to_object(of_emission(args)))


class RecordedStream(EventStream):
    """A stream that can be recorded, and played again."""

    _api: ClassVar[Api]

    @classmethod
    def replay(
        cls,
        path: str | os.PathLike[str],
        speed: float | None = 1.0,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> Self:
        """Return a stream of what ``record()`` wrote to a file: a stream like any other.

        ``speed`` is how many times as fast as it came; ``None`` is as fast as possible. What
        ended the recorded stream ends this one: an error of the same class, an abort. A recording
        that was broken off plays as a connection that closed there; a last line that is torn is a
        ``RecordingWarning`` here. The request is not in it. Raises ``OSError``, ``OpenAIError`` for
        a file that is no recording, was made by a newer version or is of another kind of stream,
        ``ValueError`` for a speed of 0 or less.
        """
        source, core = replayed(path, speed, cls._api)
        return cls(source, core, signal=signal, inline=inline)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file as it is received, with its time; return the stream.

        ``replay()`` plays it; ``emitter_stream.recordings.format`` says what stands in it, which
        the API key never does. Anywhere in the chain of ``on``, which it does not set going: it is
        no listener. The best place is the first: a run of tools that has begun, and any stream
        that somebody has waited for, is a ``RuntimeError``. A recording that is there is replaced;
        anything else there, but an empty file, is a ``FileExistsError`` and stays as it is. Raises
        ``OSError`` if the file cannot be made.
        """
        attach_recorder(path, self._delivery, self._source.redact, self._core)
        return self


class ApiStream(RecordedStream):
    """A stream whose events may come from elsewhere, and go there."""

    fromReadableStream = NodeName()

    @classmethod
    def from_readable_stream(
        cls,
        chunks: Iterable[bytes] | bytes,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere, or all of them; it is read on the stream's
        thread, with ``inline=True`` by whoever waits. A line of more than ``max_event_bytes`` (64 MiB) is an
        ``OpenAIError``. Of chat, the request's messages are not in it, and nothing is parsed.
        Node: ``fromReadableStream``.
        """
        source = LinesSource(chunks, cls._api.codec, max_event_bytes)
        return cls(source, cls._api.of_lines(), signal=signal, inline=inline)

    @classmethod
    def from_events(
        cls, events: Iterable[Any], *, signal: AbortSignal | None = None, inline: bool = False
    ) -> Self:
        """Return a stream of events, or chunks, that are there as objects.

        Each is one of this library's or of the official Python SDK's, or a dict as that API sends
        it; of Assistants, one with ``event`` and ``data``. The iterable is read on the stream's
        thread, with ``inline=True`` by whoever waits.
        """
        source = EventsSource(events, cls._api.codec)
        return cls(source, cls._api.of_events(), signal=signal, inline=inline)

    def to_readable_stream(self) -> Iterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same bytes as Node's ``toReadableStream()``. It is an iterator over the stream like
        any other: leaving it early aborts the request.
        """
        api = self._api
        make_line = api.line_maker()
        return self._iterator(EventIterator, api.codec.whole, make_line, abort_on_leave=True)


def replayed(path: str | os.PathLike[str], speed: float | None, api: Api) -> tuple[Source, Core]:
    """Return the source of a replay, and the core that takes it; see ``RecordedStream.replay``."""
    check_speed(speed)
    recording = Recording.load(path, stacklevel=4)
    core = api.of_recording(recording)
    if (
        recording.api != api.codec.api
        or recording.has_rounds != bool(core.made)
        or (recording.comes_whole and api.codec.whole in core.events)
    ):
        kind = "a run of tools" if recording.has_rounds else "a single stream"
        kind += " whose answers came whole" if recording.comes_whole else ""
        raise OpenAIError(
            f"The recording {os.fspath(path)!r} is {kind} of the API {recording.api!r:.40}; the "
            f"stream class of that plays it."
        )
    return ReplaySource(Player(recording.entries(), speed), core.made), core
