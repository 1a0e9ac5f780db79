"""What the streams of every API have beside listeners, for asyncio; see ``base.py``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from .._names import NodeName
from ..abort import AbortSignal
from ..engine.loop.iterator import AsyncEventIterator
from ..engine.loop.reader import LoopReader, Reader, Slot, ThreadReader
from ..engine.loop.stream import AsyncEventStream
from ..engine.sources import EventsSource, LinesSource, Source
from ..recordings import attach_recorder
from ..sse import MAX_EVENT_BYTES
from .base import Api, replayed

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncApiStream", "AsyncRecordedStream"]


class AsyncRecordedStream(AsyncEventStream):
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
        """Return a stream of what ``record()`` wrote; as ``AssistantStream.replay``."""
        source, core = replayed(path, speed, cls._api)
        return cls(ThreadReader(source), core, signal=signal, inline=inline)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file, on the loop, as it is taken; return the stream.

        As ``AssistantStream.record``. It belongs where the stream is made: once the loop has begun
        to call listeners it is a ``RuntimeError``. Raises ``OSError`` if there can be no file.
        """
        delivery: Any = self._delivery  # it has all that is asked of a Delivery here
        attach_recorder(path, delivery, self._reader.redact, self._core)
        return self


class AsyncApiStream(AsyncRecordedStream):
    """A stream whose events may come from elsewhere, and go there."""

    fromReadableStream = NodeName()

    @classmethod
    def from_readable_stream(
        cls,
        chunks: Iterable[bytes] | AsyncIterable[bytes] | bytes,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere, or all of them. An asynchronous one is read
        on the loop, another on a thread. A line of more than ``max_event_bytes`` (64 MiB) is an ``OpenAIError``.
        Of chat, the request's messages are not in it, and nothing is parsed. Node:
        ``fromReadableStream``.
        """
        codec = cls._api.codec
        reader = _reader_of(chunks, lambda items: LinesSource(items, codec, max_event_bytes))
        return cls(reader, cls._api.of_lines(), signal=signal, inline=inline)

    @classmethod
    def from_events(
        cls,
        events: Iterable[Any] | AsyncIterable[Any],
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> Self:
        """Return a stream of events, or chunks, that are there as objects.

        Each is one of this library's or of the official Python SDK's, or a dict as that API sends
        it; of Assistants, one with ``event`` and ``data``. An asynchronous iterable is read on the
        loop, another on a thread.
        """
        codec = cls._api.codec
        reader = _reader_of(events, lambda items: EventsSource(items, codec))
        return cls(reader, cls._api.of_events(), signal=signal, inline=inline)

    def to_readable_stream(self) -> AsyncEventIterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same bytes as Node's ``toReadableStream()``. It is an iterator over the stream like
        any other: leaving it early aborts the request.
        """
        api = self._api
        return AsyncEventIterator(
            self._delivery, api.codec.whole, api.line_maker(), self.abort, abort_on_leave=True
        )


def _reader_of(items: Any, source: Callable[[Any], Source]) -> Reader:
    if isinstance(items, AsyncIterable):
        slot = Slot()
        return LoopReader(source(slot), slot, items)
    return ThreadReader(source(items))
