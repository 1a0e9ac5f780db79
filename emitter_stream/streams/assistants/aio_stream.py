"""The Assistants stream for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, Callable, Coroutine, Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ..._typing import Listener0, Listener1, Listener2
from ...abort import AbortController, AbortSignal
from ...engine.codec import Codec
from ...engine.emitter import Emitter
from ...engine.loop.delivery import Buffer, LoopDelivery
from ...engine.loop.reader import LoopReader, Reader, Slot, ThreadReader
from ...engine.sources import EventsSource, HTTPSource, LinesSource, Source, to_line
from ...engine.stream import BASE_EVENTS
from ...exceptions import APIUserAbortError, OpenAIError
from ...http.transport import Exchange
from ...recordings.recording import attach_recorder
from ...types import (
    AssistantStreamEvent,
    ImageFile,
    Message,
    MessageDelta,
    Run,
    RunStep,
    RunStepDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from .codec import CODEC
from .core import AssistantCore
from .stream import replayed

if TYPE_CHECKING:
    from typing_extensions import Self

    from .stream import _Event, _RawEvent
    from .tool_loop import FunctionCall

__all__ = ["AsyncAssistantStream", "AsyncEventIterator"]

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


class AsyncAssistantStream:
    """A run's stream of events on an event loop: ``AssistantStream``, for asyncio.

    Events, arguments and their order are those of ``AssistantStream``. Listeners are plain
    functions or ``async def``; what they return is awaited if it can be. They run one at a time on
    the loop that made the stream, each finished before the next is called, so that a slow one
    holds the server back.

    The request is sent at once. Nothing is delivered before there is a listener, or somebody waits
    or iterates, and not before the step of the task that attaches the first listener has yielded
    to the loop: a chain written in one go misses nothing.

    A task that is cancelled while it waits in ``done``, in a final or in an iterator aborts the
    request. ``async with`` waits for the end; left by an exception it aborts. But for ``abort``,
    ``on``, ``once``, ``off`` and ``start``, methods may only be called on the loop.
    """

    def __init__(
        self, reader: Reader, core: AssistantCore, *, signal: AbortSignal | None = None
    ) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "an AsyncAssistantStream is made on a running event loop: in an `async def`"
            ) from None
        self.controller = AbortController()
        self._core = core
        self._reader = reader
        self._emitter = Emitter({**BASE_EVENTS, **core.events}, coroutines=True)
        self._delivery = LoopDelivery(reader, core, self._emitter, self.controller, signal)

    @classmethod
    def from_exchange(cls, exchange: Exchange, *, signal: AbortSignal | None = None) -> Self:
        """Send a streaming request and return its stream."""
        core = AssistantCore()
        source = HTTPSource(exchange, core)
        return cls(ThreadReader(source), core, signal=signal)

    @classmethod
    def from_readable_stream(
        cls, chunks: Iterable[bytes] | AsyncIterable[bytes], *, signal: AbortSignal | None = None
    ) -> Self:
        """Return a stream of what ``to_readable_stream()`` wrote, here or in Node.

        ``chunks`` is any iterable of bytes, cut anywhere. An asynchronous one is read on the loop,
        another on a thread. Node: ``AssistantStream.fromReadableStream``.
        """
        return cls(_reader_of(LinesSource, chunks), AssistantCore(), signal=signal)

    @classmethod
    def from_events(
        cls, events: Iterable[Any] | AsyncIterable[Any], *, signal: AbortSignal | None = None
    ) -> Self:
        """Return a stream of events that are there as objects.

        Each is a dict with ``event`` and ``data``, an ``AssistantStreamEvent``, or an event
        object of the official Python SDK. An asynchronous iterable is read on the loop, another on
        a thread.
        """
        return cls(_reader_of(EventsSource, events), AssistantCore(), signal=signal)

    @classmethod
    def replay(
        cls,
        path: str | os.PathLike[str],
        speed: float | None = 1.0,
        *,
        signal: AbortSignal | None = None,
    ) -> Self:
        """Return a stream of what ``record()`` wrote; as ``AssistantStream.replay``."""
        source, core = replayed(path, speed)
        return cls(ThreadReader(source), core, signal=signal)

    def record(self, path: str | os.PathLike[str]) -> Self:
        """Write every event to a file, on the loop, as it is taken; return the stream.

        As ``AssistantStream.record``. It belongs where the stream is made: once the loop has begun
        to call listeners it is a ``RuntimeError``. Raises ``OSError`` if there can be no file.
        """
        delivery: Any = self._delivery  # it has all that is asked of a Delivery here
        attach_recorder(path, delivery, self._reader.redact, self._core)
        return self

    # Listeners

    if TYPE_CHECKING:
        # One overload for each signature, so that a listener is checked against its event.
        # fmt: off
        @overload
        def on(self, event: Literal["connect", "end"], listener: Listener0) -> Self: ...
        @overload
        def on(self, event: Literal["error"], listener: Listener1[OpenAIError]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Listener1[APIUserAbortError]) -> Self: ...
        @overload
        def on(self, event: Literal["event"], listener: Listener1[AssistantStreamEvent]) -> Self: ...
        @overload
        def on(self, event: Literal["run"], listener: Listener1[Run]) -> Self: ...
        @overload
        def on(self, event: Literal["messageCreated", "messageDone"], listener: Listener1[Message]) -> Self: ...
        @overload
        def on(self, event: Literal["messageDelta"], listener: Listener2[MessageDelta, Message]) -> Self: ...
        @overload
        def on(self, event: Literal["runStepCreated"], listener: Listener1[RunStep]) -> Self: ...
        @overload
        def on(self, event: Literal["runStepDelta"], listener: Listener2[RunStepDelta, RunStep]) -> Self: ...
        @overload
        def on(self, event: Literal["runStepDone"], listener: Listener2[RunStep, RunStep]) -> Self: ...
        @overload
        def on(self, event: Literal["toolCallCreated", "toolCallDone"], listener: Listener1[ToolCall]) -> Self: ...
        @overload
        def on(self, event: Literal["toolCallDelta"], listener: Listener2[ToolCallDelta, ToolCall]) -> Self: ...
        @overload
        def on(self, event: Literal["textCreated"], listener: Listener1[Text]) -> Self: ...
        @overload
        def on(self, event: Literal["textDelta"], listener: Listener2[TextDelta, Text]) -> Self: ...
        @overload
        def on(self, event: Literal["textDone"], listener: Listener2[Text, Message]) -> Self: ...
        @overload
        def on(self, event: Literal["imageFileDone"], listener: Listener2[ImageFile, Message]) -> Self: ...
        # These two are emitted by the streams of run_tools alone.
        @overload
        def on(self, event: Literal["functionToolCall"], listener: Listener1[FunctionCall]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCallResult"], listener: Listener1[str]) -> Self: ...
        @overload
        def on(self, event: _RawEvent, listener: Listener1[Any]) -> Self: ...
        @overload
        def on(self, event: _Event | _RawEvent, listener: None = None) -> Callable[[_F], _F]: ...
        def on(self, event: Any, listener: Any = None) -> Any: ...
        # fmt: on

        once = on
    else:

        def on(self, event: str, listener: Callable[..., object] | None = None) -> Any:
            """Call ``listener``, plain or ``async def``, at each ``event``; return the stream.

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that
            returns the function. Raises ``ValueError`` for a name that is never emitted,
            ``TypeError`` for a listener that needs more than the event passes. Node: ``on``.
            """
            return self._attach(event, listener, once=False)

        def once(self, event: str, listener: Callable[..., object] | None = None) -> Any:
            """Call ``listener`` at the next ``event`` only; else like ``on``. Node: ``once``."""
            return self._attach(event, listener, once=True)

    def off(self, event: str, listener: Callable[..., object]) -> Self:
        """Take one registration of ``listener`` away, the oldest first; return the stream.

        An unknown one is no error. Node: ``off``.
        """
        registration = self._emitter.find(event, listener)
        if registration is not None:
            self._emitter.detach(registration)
        return self

    def _attach(self, event: str, listener: Callable[..., object] | None, *, once: bool) -> Any:
        if listener is None:
            self._emitter.check(event)

            def decorate(function: Callable[..., object]) -> Callable[..., object]:
                self._attach(event, function, once=once)
                return function

            return decorate
        self._delivery.attach(self._emitter.register(event, listener, once=once))
        return self

    # State

    @property
    def ended(self) -> bool:
        """Whether the stream is over. Node: ``ended``."""
        return self._delivery.ended

    @property
    def errored(self) -> bool:
        """Whether an error or an abort ended the stream. Node: ``errored``."""
        return self._delivery.error is not None

    @property
    def aborted(self) -> bool:
        """Whether an abort ended the stream. Node: ``aborted``."""
        return isinstance(self._delivery.error, APIUserAbortError)

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

    # Going, waiting, ending

    def start(self) -> Self:
        """Begin to deliver even if nobody listens; return the stream. There is seldom a need."""
        self._delivery.go()
        return self

    def abort(self) -> None:
        """End the request: ``abort``, then ``end``; waiting methods raise ``APIUserAbortError``.

        From any thread, task or listener; again does nothing. A coroutine listener that is under
        way is not cancelled: ``abort`` comes when it is done. Node: ``abort``.
        """
        self.controller.abort()

    async def done(self, timeout: float | None = None) -> None:
        """Wait until the stream has ended and every listener is done.

        Raises the stream's error; ``TimeoutError`` after ``timeout`` seconds, which leaves the
        stream running; ``RuntimeError`` in a listener of this stream. A cancelled task aborts the
        request; so does one that an ``asyncio.timeout`` around this cancels. Node: ``done``.
        """
        self._delivery.check_outside()
        try:
            in_time = await self._delivery.wait_until(_never, timeout)
        except asyncio.CancelledError:
            self.abort()
            raise
        if not in_time:
            raise TimeoutError(f"the stream was still running after {timeout} seconds")
        if self._delivery.error is not None:
            raise self._delivery.error

    async def until_done(self, timeout: float | None = None) -> None:
        """Do what ``done`` does, by the official Python SDK's name for it."""
        await self.done(timeout)

    def emitted(self, event: str, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Wait for the next ``event`` from now on; return its argument, or a tuple of several.

        Raises the stream's error if that comes instead (``"error"`` returns it), an
        ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError`` after
        ``timeout`` seconds. Cancelling it does not abort, so that several can race. Node:
        ``emitted``.
        """
        heard: list[tuple[Any, ...]] = []

        def hear(*args: Any) -> None:
            heard.append(args)
            self._delivery.notify()

        registration = self._emitter.register(event, hear, once=True)
        self._delivery.attach(registration)

        async def wait() -> Any:
            try:
                self._delivery.check_outside()
                in_time = await self._delivery.wait_until(lambda: heard, timeout)
            finally:
                self._emitter.detach(registration)
            if heard:
                args = heard[0]
                return args[0] if len(args) == 1 else args or None
            if not in_time:
                raise TimeoutError(f"{event!r} had not come after {timeout} seconds")
            raise self._delivery.error or OpenAIError(
                f"The stream ended without the event {event!r}."
            )

        return wait()

    def events(self, event: str) -> AsyncEventIterator[tuple[Any, ...]]:
        """Return an iterator over the arguments of each ``event``, always as a tuple.

        It listens from now on. A slow consumer holds the reader back and loses nothing. At the
        end of the stream it raises the stream's error, except that ``"error"`` and ``"abort"``
        yield theirs. Leaving it early only detaches it. Node: ``events``.
        """
        own = {"error": OpenAIError, "abort": APIUserAbortError}.get(event)
        return AsyncEventIterator(self._delivery, event, _same, self.abort, quiet=own)

    def __aiter__(self) -> AsyncEventIterator[AssistantStreamEvent]:
        """Iterate over every event; leaving early aborts the request, as in Node."""
        return self.iterate(abort_on_leave=True)

    def iterate(self, *, abort_on_leave: bool) -> AsyncEventIterator[AssistantStreamEvent]:
        """Return an iterator over every event, which aborts the request when left, or not."""
        return AsyncEventIterator(
            self._delivery, "event", _event, self.abort, abort_on_leave=abort_on_leave
        )

    @property
    def text_deltas(self) -> AsyncEventIterator[str]:
        """The pieces of text as they arrive, from now on. Leaving early only detaches."""
        return AsyncEventIterator(self._delivery, "textDelta", _piece, self.abort, skip_empty=True)

    def to_readable_stream(self) -> AsyncEventIterator[bytes]:
        """Return an iterator over the events as newline-delimited JSON, a line at a time.

        The same bytes as Node's ``toReadableStream()``. It is an iterator over the stream like
        any other: leaving it early aborts the request.
        """
        return AsyncEventIterator(
            self._delivery, "event", _to_line, self.abort, abort_on_leave=True
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

    def __await__(self) -> Generator[Any, Any, Self]:
        """Return the stream at once: ``await client...stream(...)``, as the official SDK has it."""
        return _itself(self).__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the end and raise the stream's error; abort if an exception left the block."""
        if kind is not None:
            self.abort()
            return
        with contextlib.suppress(APIUserAbortError):
            await self.done()

    def __del__(self) -> None:
        # Nobody can attach a listener any more, so there is no reason to wait for one.
        delivery = getattr(self, "_delivery", None)
        if delivery is not None:
            delivery.go()

    def __repr__(self) -> str:
        state = "aborted" if self.aborted else "errored" if self.errored else "ended"
        return f"<{type(self).__name__} {state if self.ended else 'running'}>"


class AsyncEventIterator(Generic[_T]):
    """Iterates over the events of a stream; it listens from the moment it is made.

    ``aclose()``, or being dropped, ends it early: that detaches it, and aborts the stream if
    ``abort_on_leave``. CPython drops it as soon as ``async for`` is left. A task that is cancelled
    while it waits for an event aborts the stream. ``quiet`` is the class of the error that it does
    not raise at the end.
    """

    def __init__(
        self,
        delivery: LoopDelivery,
        event: str,
        convert: Callable[[tuple[Any, ...]], _T],
        abort: Callable[[], None],
        *,
        abort_on_leave: bool = False,
        quiet: type[OpenAIError] | None = None,
        skip_empty: bool = False,
    ) -> None:
        self._buffer: Buffer | None = None  # first of all: __del__ looks at it
        self._delivery = delivery
        self._convert = convert
        self._abort = abort
        self._abort_on_leave = abort_on_leave
        self._quiet = quiet
        self._skip_empty = skip_empty
        buffer = Buffer(delivery)
        self._registration = delivery.emitter.register(event, buffer.push)
        delivery.open_buffer(buffer)
        self._buffer = buffer
        delivery.attach(self._registration)

    def __aiter__(self) -> AsyncEventIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        buffer = self._buffer
        if buffer is None:
            raise StopAsyncIteration
        self._delivery.check_not_the_task()
        while True:
            try:
                args = await buffer.take()
            except asyncio.CancelledError:
                self._detach()
                self._abort()
                raise
            if args is None:
                break
            item = self._convert(args)
            if item or not self._skip_empty:
                return item
        if buffer.left:
            raise StopAsyncIteration
        self._detach()
        error = self._delivery.error
        if error is not None and (self._quiet is None or not isinstance(error, self._quiet)):
            raise error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the iterator; twice is once."""
        self._leave()

    def _leave(self) -> None:
        if self._buffer is not None:
            self._detach()
            if self._abort_on_leave:
                self._abort()

    def _detach(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.left = True
            self._delivery.emitter.detach(self._registration)
            self._delivery.close_buffer(buffer)

    async def __aenter__(self) -> AsyncEventIterator[_T]:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._leave()

    def __del__(self) -> None:
        self._leave()


def _reader_of(source: Callable[[Any, Codec], Source], items: Any) -> Reader:
    if isinstance(items, AsyncIterable):
        slot = Slot()
        return LoopReader(source(slot, CODEC), slot, items)
    return ThreadReader(source(items, CODEC))


async def _itself(thing: _T) -> _T:
    """Return ``thing`` without yielding to the loop, so that a chain after it misses nothing."""
    return thing


def _never() -> bool:
    return False


def _same(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args


def _event(args: tuple[Any, ...]) -> AssistantStreamEvent:
    event: AssistantStreamEvent = args[0]
    return event


def _piece(args: tuple[Any, ...]) -> Any:
    return args[0].value


def _to_line(args: tuple[Any, ...]) -> bytes:
    return to_line(CODEC.to_object(CODEC.of_emission(args)))
