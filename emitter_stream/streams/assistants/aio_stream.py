"""The Assistants stream for asyncio."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..._names import NodeName
from ...abort import AbortSignal
from ...engine.codec import Codec
from ...engine.loop.iterator import AsyncEventIterator
from ...engine.loop.reader import LoopReader, Reader, Slot, ThreadReader
from ...engine.sources import EventsSource, HTTPSource, LinesSource, Source
from ...http.transport import Exchange
from ...recordings import attach_recorder
from ...sse import MAX_EVENT_BYTES
from ...types import (
    AssistantStreamEvent,
    Message,
    Run,
    RunStep,
)
from .aio_listeners import AsyncAssistantListeners
from .codec import CODEC
from .core import AssistantCore
from .lines import LineMaker
from .stream import passed_event, passed_piece, replayed

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["AsyncAssistantStream"]


class AsyncAssistantStream(AsyncAssistantListeners):
    """A run's stream of events on an event loop: ``AssistantStream``, for asyncio.

    Events, arguments and their order are those of ``AssistantStream``. Listeners are plain
    functions or ``async def``; what they return is awaited if it can be. They run one at a time on
    the loop that made the stream, each finished before the next is called, so that a slow one
    holds the server back.

    The request is sent at once. Nothing is delivered before there is a listener, or somebody waits
    or iterates (``inline=True``: unless somebody waits or iterates), and not before the step of the task that attaches the first listener has yielded
    to the loop: a chain written in one go misses nothing.

    A task that is cancelled while it waits in ``done``, in a final or in an iterator aborts the
    request. ``async with`` waits for the end; left by an exception it aborts. But for ``abort``,
    ``on``, ``once``, ``off`` and ``start``, methods may only be called on the loop.
    """

    _core: AssistantCore

    def __init__(
        self,
        reader: Reader,
        core: AssistantCore,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        super().__init__(reader, core, signal=signal, inline=inline)

    @classmethod
    def from_exchange(
        cls, exchange: Exchange, *, signal: AbortSignal | None = None, inline: bool = False
    ) -> Self:
        """Send a streaming request and return its stream."""
        core = AssistantCore()
        source = HTTPSource(exchange, core)
        return cls(ThreadReader(source), core, signal=signal, inline=inline)

    fromReadableStream = NodeName()

    @classmethod
    def from_readable_stream(
        cls,
        chunks: Iterable[bytes] | AsyncIterable[bytes],
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere. An asynchronous one is read on the loop,
        another on a thread. A line of more than ``max_event_bytes`` (64 MiB) is an ``OpenAIError``.
        Node: ``AssistantStream.fromReadableStream``.
        """
        lines = functools.partial(LinesSource, max_event_bytes=max_event_bytes)
        return cls(_reader_of(lines, chunks), AssistantCore(), signal=signal, inline=inline)

    @classmethod
    def from_events(
        cls,
        events: Iterable[Any] | AsyncIterable[Any],
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> Self:
        """Return a stream of events that are there as objects.

        Each is a dict with ``event`` and ``data``, an ``AssistantStreamEvent``, or an event
        object of the official Python SDK. An asynchronous iterable is read on the loop, another on
        a thread.
        """
        return cls(_reader_of(EventsSource, events), AssistantCore(), signal=signal, inline=inline)

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
        source, core = replayed(path, speed)
        return cls(ThreadReader(source), core, signal=signal, inline=inline)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file, on the loop, as it is taken; return the stream.

        As ``AssistantStream.record``. It belongs where the stream is made: once the loop has begun
        to call listeners it is a ``RuntimeError``. Raises ``OSError`` if there can be no file.
        """
        delivery: Any = self._delivery  # it has all that is asked of a Delivery here
        attach_recorder(path, delivery, self._reader.redact, self._core)
        return self

    # Listeners

    # Snapshots

    def current_event(self) -> AssistantStreamEvent | None:
        """Return the event being delivered, or the last one. Node: ``currentEvent``."""
        return self._core.current_event

    def current_run(self) -> Run | None:
        """Return the run as the last run event had it. Node: ``currentRun``."""
        run: Run | None = self._core.current_run
        return run

    def current_message_snapshot(self) -> Message | None:
        """Return the open message, which grows, or ``None``. Node: ``currentMessageSnapshot``."""
        return self._core.current_message

    def current_run_step_snapshot(self) -> RunStep | None:
        """Return the open step, which grows, or ``None``. Node: ``currentRunStepSnapshot``."""
        return self._core.current_run_step

    def __aiter__(self) -> AsyncEventIterator[AssistantStreamEvent]:
        """Iterate over every event; leaving early aborts the request, as in Node."""
        return self.iterate(abort_on_leave=True)

    def iterate(self, *, abort_on_leave: bool) -> AsyncEventIterator[AssistantStreamEvent]:
        """Return an iterator over every event, which aborts the request when left, or not."""
        return AsyncEventIterator(
            self._delivery, "event", passed_event, self.abort, abort_on_leave=abort_on_leave
        )

    def iterate_on(self) -> AsyncEventIterator[AssistantStreamEvent]:
        """Return an iterator over every event of an inline stream, from where that is each time."""
        return AsyncEventIterator(self._delivery, "event", passed_event, self.abort, last_only=True)

    @property
    def text_deltas(self) -> AsyncEventIterator[str]:
        """The pieces of text as they arrive, from now on. Leaving early only detaches."""
        return AsyncEventIterator(
            self._delivery, "textDelta", passed_piece, self.abort, at_once=True
        )

    def to_readable_stream(self) -> AsyncEventIterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same bytes as Node's ``toReadableStream()``. It is an iterator over the stream like
        any other: leaving it early aborts the request.
        """
        return AsyncEventIterator(
            self._delivery, "event", LineMaker(), self.abort, abort_on_leave=True
        )

    # Finals

    async def final_run(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run; raises what ``done`` raises. Node: ``finalRun``."""
        await self.done(timeout)
        run: Run = self._core.final_run
        return run

    async def final_messages(self, timeout: float | None = None) -> list[Message]:
        """Wait for the end and return the run's messages. Node: ``finalMessages``."""
        await self.done(timeout)
        return list(self._core.messages.values())

    async def final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Wait for the end and return the run's steps. Node: ``finalRunSteps``."""
        await self.done(timeout)
        return list(self._core.run_steps.values())

    async def get_final_run(self, timeout: float | None = None) -> Run:
        """Do what ``final_run`` does, by the official Python SDK's name for it."""
        return await self.final_run(timeout)

    async def get_final_messages(self, timeout: float | None = None) -> list[Message]:
        """Do what ``final_messages`` does, by the official Python SDK's name for it."""
        return await self.final_messages(timeout)

    async def get_final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Do what ``final_run_steps`` does, by the official Python SDK's name for it."""
        return await self.final_run_steps(timeout)


def _reader_of(source: Callable[[Any, Codec], Source], items: Any) -> Reader:
    if isinstance(items, AsyncIterable):
        slot = Slot()
        return LoopReader(source(slot, CODEC), slot, items)
    return ThreadReader(source(items, CODEC))
