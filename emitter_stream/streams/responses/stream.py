"""The Responses stream: the Node SDK's ``ResponseStream``, which also is the Python SDK's."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..._names import NodeName
from ...abort import AbortSignal
from ...engine.sources import EventsSource, LinesSource, Source, to_line
from ...engine.stream import EventIterator
from ...exceptions import OpenAIError
from ...recordings import Player, Recording, ReplaySource, attach_recorder, check_speed
from ...sse import MAX_EVENT_BYTES
from ...types._model import received, untouched
from ...types.responses import Response, ResponseStreamEvent
from .codec import CODEC
from .core import ResponseCore
from .listeners import ResponseListeners

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ResponseStream"]


class ResponseStream(ResponseListeners):
    """The events of a response, with the listeners of the Node SDK's class of the same name.

    Events: ``connect event error abort end``, and each of the API's by its name:
    ``response.output_text.delta``, ``response.completed``, ``keepalive``. They pass one event.

    Iterating gives every event. As a context manager it gives itself, and its end waits for the
    stream's; if it was iterated in the block, the end closes what is left, as in the Python SDK.
    Without ``with``, leaving the loop early aborts the request.
    """

    _core: ResponseCore

    def __init__(
        self,
        source: Source,
        core: ResponseCore,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        self._own: EventIterator[ResponseStreamEvent] | None = None  # what the stream itself is
        self._in_block = False
        super().__init__(source, core, signal=signal, inline=inline)

    fromReadableStream = NodeName()

    @classmethod
    def from_readable_stream(
        cls,
        chunks: Iterable[bytes],
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere; it is read on the stream's thread, with
        ``inline=True`` by whoever waits. A line of more than ``max_event_bytes`` (64 MiB) is an
        ``OpenAIError``. Node: ``ResponseStream.fromReadableStream``.
        """
        source = LinesSource(chunks, CODEC, max_event_bytes=max_event_bytes)
        return cls(source, ResponseCore(), signal=signal, inline=inline)

    @classmethod
    def from_events(
        cls, events: Iterable[Any], *, signal: AbortSignal | None = None, inline: bool = False
    ) -> Self:
        """Return a stream of events that are there as objects.

        Each is a dict with a ``type``, an event of this library, or one of the official Python SDK.
        The iterable is read on the stream's thread, with ``inline=True`` by whoever waits.
        """
        return cls(EventsSource(events, CODEC), ResponseCore(), signal=signal, inline=inline)

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

        ``speed`` is how many times as fast as it came; ``None`` is as fast as possible. What ended
        the recorded stream ends this one. Raises what ``AssistantStream.replay`` raises.
        """
        return cls(replayed(path, speed), ResponseCore(), signal=signal, inline=inline)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file as it is received, with its time; return the stream.

        As ``AssistantStream.record``: the best place is the first in the chain.
        """
        attach_recorder(path, self._delivery, self._source.redact, self._core)
        return self

    def to_readable_stream(self) -> Iterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same as Node's ``toReadableStream()``. It is an iterator over the stream like any other:
        leaving it early aborts the request.
        """
        return self._iterator(EventIterator, "event", passed_line, abort_on_leave=True)

    # Iterating

    def __iter__(self) -> Iterator[ResponseStreamEvent]:
        """Iterate over every event; leaving early aborts the request, but in a ``with``."""
        if self._in_block:
            return self._itself()
        return self._iterator(EventIterator, "event", passed_event, abort_on_leave=True)

    def __next__(self) -> ResponseStreamEvent:
        """Return the next event, as the Python SDK's stream does."""
        return next(self._itself())

    def _itself(self) -> EventIterator[ResponseStreamEvent]:
        """Return the one iterator that goes on where any loop over the stream stopped."""
        if self._own is None:
            self._own = self._iterator(EventIterator, "event", passed_event)
        return self._own

    def __enter__(self) -> Self:
        self._in_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the end and raise the stream's error; close what is left if it was iterated."""
        self._in_block = False
        if self._own is None:
            super().__exit__(kind, error, traceback)
        else:
            self.close()

    def close(self) -> None:
        """End the request, if it has not ended, and wait for the listeners; no error is raised."""
        own, self._own = self._own, None
        self.abort()
        if own is not None:
            own.close()
        if not self._delivery.inside():
            with contextlib.suppress(OpenAIError):
                self.done()

    # Snapshots and finals

    @property
    def current_response_snapshot(self) -> Response | None:
        """The response so far, which grows; ``None`` before the first event."""
        return self._core.snapshot

    @property
    def repairs(self) -> Counter[str]:
        """How often each rule for what real servers leave out was needed, by its name (``R4``)."""
        return Counter(self._core.repairs)

    def final_response(self, timeout: float | None = None) -> Response:
        """Wait for the end and return the response, with what was to be parsed.

        It is what there is: see its ``status``. Raises what ``done`` raises. Node:
        ``finalResponse``.
        """
        self.done(timeout)
        assert self._core.final is not None
        return self._core.final

    def get_final_response(self, timeout: float | None = None) -> Response:
        """Return ``final_response()``; a ``RuntimeError`` unless ``response.completed`` came.

        The official Python SDK's name for it.
        """
        self.done(timeout)
        return checked_complete(self._core)


def checked_complete(core: ResponseCore) -> Response:
    """Return the final response of a stream that has ended; see ``get_final_response``."""
    assert core.final is not None
    if not core.completed:
        raise RuntimeError(
            f"The stream ended without response.completed; the response's status is "
            f"{core.final.status!r}. final_response() returns what there is."
        )
    return core.final


def replayed(path: str | os.PathLike[str], speed: float | None) -> Source:
    """Return the source of a replay; see ``ResponseStream.replay``."""
    check_speed(speed)
    recording = Recording.load(path, stacklevel=4)
    if recording.api != CODEC.api:
        raise OpenAIError(
            f"The recording {os.fspath(path)!r} is of the API {recording.api!r:.40}, not of "
            f"Responses; the stream class of that API plays it."
        )
    return ReplaySource(Player(recording.entries(), speed))


def passed_event(args: tuple[Any, ...]) -> ResponseStreamEvent:
    """Return the event that an emission of ``event`` passed."""
    event: ResponseStreamEvent = untouched(args[0])
    return event


def passed_line(args: tuple[Any, ...]) -> bytes:
    """Return it as a line."""
    return to_line(received(args[0]))
