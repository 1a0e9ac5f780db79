"""When listeners are called, on an event loop: the rules that ``..delivery`` has for threads.

One task a stream takes what its reader hands over, feeds the core and calls the listeners, a
coroutine among them finished before the next is called. The loop gives most of the rules for free:
nothing is delivered before the step that made the stream and its chain of listeners has yielded.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ... import _bell, _fork, _open_streams
from ...abort import AbortController, AbortSignal
from ...exceptions import APIUserAbortError, OpenAIError, as_openai_error, redacted
from ..core import Core, Emission, EventLog
from ..delivery import BUFFER_BOUND, listener_error
from ..emitter import Emitter, Registration
from ..work import works_for
from .reader import Batch, Inlet, Reader, begun_task, first_step

__all__ = ["Buffer", "LastOnly", "LoopDelivery"]

_calling: contextvars.ContextVar[object] = contextvars.ContextVar("emitter_stream_listener")
"""The call of a coroutine listener that this task is in, or was started from."""


class Bell:
    """What tasks wait at until something is so; whoever changes something rings."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until ``is_so()``, looking at each ring."""
        while not is_so():
            future = self._loop.create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                self._waiting.remove(future)

    def ring(self) -> None:
        """Wake everybody, to look again; on the loop."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def ring_from_anywhere(self) -> None:
        """Ring soon, from any thread; a loop that is closed has nobody to wake."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.ring)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that this thread runs, if it runs one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class LoopDelivery:
    """The rules of delivery of one stream, and the task that keeps them.

    Like the background thread of a plain stream it does not know the stream object. What is not
    marked as safe may only be called on the loop.
    """

    def __init__(
        self,
        reader: Reader,
        core: Core,
        emitter: Emitter,
        controller: AbortController,
        signal: AbortSignal | None,
        *,
        inline: bool = False,
    ) -> None:
        self.inline = inline  # nothing is delivered unless somebody waits, who is told exceptions
        self.loop = asyncio.get_running_loop()
        self.emitter = emitter
        self._reader = reader
        self._core = core
        self._controller = controller
        self._signal = signal
        self._bell = Bell(self.loop)  # for those who wait for the stream
        self._own_bell = Bell(self.loop)  # for the task
        self._inbox: deque[Batch] = deque()
        self._closed = False  # the reader has closed the source
        self._close_error: BaseException | None = None
        self._go_said = False
        self.begun = False
        self._buffers: list[Buffer] = []
        self._waiters = 0
        self._awaited: list[Callable[[], object]] = []  # what those wait for
        self.calling = False  # inline: whether the calls of an event are being made
        self.raised: BaseException | None = None  # by a listener, which ended the stream
        self._raised_last: BaseException | None = None  # inline: by a listener of the last calls
        self.told = False  # whether somebody was raised what the stream ended in
        self._call: object = None  # of the coroutine listener that is being awaited
        self.stopping: APIUserAbortError | None = None
        self.error: OpenAIError | None = None
        self.recorder: EventLog | None = None  # set while nothing has begun
        self.made_at = time.monotonic()
        self.ended = False
        self.finished = False  # ended, and the listeners of `end` have been called
        self._generation = _fork.generation
        self.origin = reader.origin
        self._is_winding_up = False
        self._over = _bell.Flag()  # finished, for other threads
        self._task = begun_task(self.loop, self._run(), "emitter-stream")
        _running.add(self)  # a loop keeps no task alive
        _open_streams.add(self)
        reader.start(Inlet(self.loop, self._arrive, self._close))
        controller.signal.add_callback(self._stop)
        if signal is not None:
            signal.add_callback(self._forward)

    # For the user's side

    def attach(self, registration: Registration) -> None:
        """Attach a listener (safe)."""
        if self.elsewhere:
            return
        self.emitter.attach(registration)
        if not self.begun:
            self._own_bell.ring_from_anywhere()

    def go(self) -> None:
        """Begin to deliver, if need be to nobody (safe)."""
        if not self._go_said and not self.elsewhere:
            self._go_said = True
            self._own_bell.ring_from_anywhere()

    @property
    def elsewhere(self) -> bool:
        """Whether the stream lives on in another process, of which this one is a child (safe)."""
        return self._generation != _fork.generation

    def begin_anew(self) -> None:
        """Stand still, in a child; tasks that it goes on with see that nothing comes any more."""
        self.emitter.begin_anew()
        self.finished = self.ended
        with contextlib.suppress(RuntimeError):  # it was not a thread of the loop that forked
            self._bell.ring()
            self._own_bell.ring()

    def refuse_elsewhere(self) -> None:
        """Raise ``OpenAIError`` in a child of the process that made the stream (safe)."""
        if self.elsewhere:
            raise _fork.LeftBehind("stream")

    def wind_up(self) -> None:
        """Run to the end by itself, though nobody listens or takes what an iterator holds (safe)."""
        self._is_winding_up = True
        self.go()
        self._own_bell.ring_from_anywhere()

    def wait_over(self, seconds: float) -> bool:
        """Wait until the stream is over or, with its loop, stands still (safe).

        The thread that runs the loop cannot wait: it would be waiting for itself.
        """
        if self.elsewhere or not self.loop.is_running() or _running_loop() is self.loop:
            return True
        return self._over.wait(seconds)

    def still(self) -> contextlib.AbstractContextManager[object]:
        """Return a context in which delivery does not begin: the loop is one by itself."""
        return contextlib.nullcontext()

    def keeps_all(self) -> bool:
        """Return whether a listener that is attached now is given everything from the start on."""
        return not self.begun and not self.ended

    def check_outside(self) -> None:
        """Raise ``RuntimeError`` where waiting for this stream would be waiting for oneself.

        That is in a listener of it, and in a task that was started by one which still runs:
        ``asyncio.wait_for`` and ``gather`` start such.
        """
        self._check_loop()
        if self._call is not None and _calling.get(None) is self._call:
            raise RuntimeError(_INSIDE)
        if works_for(self._core):
            raise RuntimeError(
                "a function that a stream calls cannot wait for it: the stream waits for the function"
            )

    def check_not_the_task(self) -> None:
        """Raise ``RuntimeError`` in a listener of this stream."""
        self._check_loop()
        if asyncio.current_task() is self._task:
            raise RuntimeError(_INSIDE)

    def _check_loop(self) -> None:
        if self.elsewhere:  # what has ended can be read on any loop
            return
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError("this stream belongs to another event loop, the one that made it")

    async def wait_until(self, is_so: Callable[[], object], timeout: float | None = None) -> bool:
        """Say go and wait until ``is_so()`` or the end; return whether that came in time."""
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            self._bell.ring()

        def settled() -> object:
            if self.elsewhere and not self.ended and not is_so():
                self.refuse_elsewhere()
            return self.finished or self.elsewhere or is_so()

        if self.elsewhere:
            return bool(settled())
        self._waiters += 1
        self._awaited.append(is_so)
        self.go()
        self._own_bell.ring()  # a waiter lifts the bound of the buffers
        timer = None if timeout is None else self.loop.call_later(timeout, expire)
        try:
            await self._bell.until(lambda: expired or settled())
            return bool(settled())
        finally:
            self._waiters -= 1
            self._awaited.remove(is_so)
            if timer is not None:
                timer.cancel()

    def failure(self) -> BaseException | None:
        """Return what a wait raises after the end, if anything; it counts as told."""
        failure: BaseException | None = self.error
        if self.inline and self._raised_last is not None:
            failure, self._raised_last = self._raised_last, None
        elif self.inline and (isinstance(self.raised, Exception) or not self.told):
            failure = self.error if self.raised is None else self.raised
        self.told = self.told or failure is not None
        return failure

    def notify(self) -> None:
        """Wake everybody who waits for the stream, to look again."""
        self._bell.ring()

    def open_buffer(self, buffer: Buffer) -> None:
        """Let a buffer hold the reader back."""
        self._buffers.append(buffer)

    def close_buffer(self, buffer: Buffer) -> None:
        """Forget a buffer; twice is once (safe)."""
        self._buffers = [other for other in self._buffers if other is not buffer]
        if not self.elsewhere:
            self._own_bell.ring_from_anywhere()
            self._bell.ring_from_anywhere()

    def made_room(self) -> None:
        """Hear that a buffer is full no longer."""
        if not self.elsewhere:
            self._own_bell.ring()

    # From the reader and the abort signals

    def _arrive(self, events: Batch) -> None:
        self._inbox.append(events)
        self._own_bell.ring()

    def _close(self, error: BaseException | None) -> None:
        self._closed = True
        self._close_error = error
        self._own_bell.ring()

    def lose(self) -> None:
        """Take note that the loop is closed, and that nothing will ever run there again (safe)."""
        _running.discard(self)
        if not self.finished and not self.elsewhere:
            self.error = self.error or self.stopping or APIUserAbortError(_LOST)
            self.ended = self.finished = True
            self._over.set()
            self._reader.stop()

    def _stop(self) -> None:
        if self.stopping is not None or self.ended or self.elsewhere:
            return
        error = APIUserAbortError()
        reason = self._controller.signal.reason
        if isinstance(reason, BaseException):
            error.__cause__ = reason
        self.stopping = error
        self._reader.stop()
        self._own_bell.ring_from_anywhere()
        if self.loop.is_closed():
            self.lose()

    def _forward(self) -> None:
        self._controller.abort(None if self._signal is None else self._signal.reason)

    # The task

    async def _run(self) -> None:
        error: OpenAIError | None = None
        fatal: BaseException | None = None
        try:
            await first_step()
            error = await self._outcome()
        except GeneratorExit:  # the loop is gone, and the garbage collector cleans up behind it
            self.lose()
            raise
        except BaseException as raised:  # cancelled, or Ctrl-C
            if self.elsewhere:
                if isinstance(raised, _fork.LeftBehind):
                    return
                raise
            self._controller.abort(raised)
            error = self.stopping
            fatal = raised
        try:
            await self._finish(error)
        except GeneratorExit:
            self.lose()
            raise
        finally:
            _running.discard(self)
            self._controller.signal.remove_callback(self._stop)
            if self._signal is not None:
                self._signal.remove_callback(self._forward)
        if fatal is not None:
            raise fatal

    async def _outcome(self) -> OpenAIError | None:
        """Do everything but the last calls; return the error that they are to tell of."""
        error: OpenAIError | None = None
        try:
            await self._read()
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as raised:
            if self.elsewhere:
                raise
            error = as_openai_error(raised)
            if error.__cause__ is None:  # a core does not know what it must not show
                error = redacted(error, self._reader.redact)
            self._reader.stop()
        # An aborted reader may sit where nothing wakes it.
        await self._until(lambda: self._closed or self.stopping is not None)
        if not self.begun:
            await self._begin()
            error = self.stopping or error  # aborted before anybody heard of the error
        elif isinstance(error, APIUserAbortError):
            error = self.stopping or error  # the one that knows the reason
        return error

    async def _read(self) -> None:
        core, ready = self._core, self.emitter.ready
        await self._next()
        await self._begin()
        if self.stopping is not None:
            raise self.stopping
        core.wanted = core.listened = ready
        recorder = self.recorder
        if recorder is not None:
            recorder.connected()
        await self._deliver([("connect", ())])
        feed, deliver = core.feed, self._deliver
        while True:
            if self.inline:
                await self._until(self._is_awaited)
            if self.stopping is not None:
                raise self.stopping
            self._reader.go_on()
            events = await self._next()
            if events is None:
                break
            if recorder is not None:
                events = recorder.noted(events, core)
            for number, (event, data) in enumerate(events):
                if self.inline:
                    await self._deliver_awaited(feed(event, data))
                else:
                    await deliver(feed(event, data))
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)  # others on the loop want their turn
                if self._buffers:
                    await self._until(self._has_room)
                if self.stopping is not None:
                    raise self.stopping
        await deliver(core.finish())

    async def _deliver_awaited(self, emissions: Iterable[Emission]) -> None:
        """Deliver one event, show it to who waits once all is called, and wait until one does."""
        self.calling = True  # and stays so if a listener raises: nobody is given that event
        await self._deliver(emissions)
        self.calling = False
        self._bell.ring()
        await self._until(self._is_awaited)

    def _is_awaited(self) -> bool:
        return self.stopping is not None or any(not is_so() for is_so in self._awaited)

    async def _until(self, is_so: Callable[[], object]) -> None:
        await self._own_bell.until(lambda: self.elsewhere or is_so())
        self.refuse_elsewhere()

    async def _next(self) -> Batch | None:
        """Wait for what the reader hands over next; ``None`` at the end."""
        inbox = self._inbox
        await self._until(lambda: inbox or self._closed or self.stopping is not None)
        if self.stopping is not None:
            raise self.stopping
        if inbox:
            return inbox.popleft()
        if self._close_error is not None:
            raise self._close_error
        return None

    async def _begin(self) -> None:
        """Wait until there is a listener, or go, or an abort."""
        ready = self.emitter.ready
        if self.inline:
            await self._until(self._is_awaited)
        else:
            await self._until(lambda: ready or self._go_said or self.stopping is not None)
        self.begun = True

    def _has_room(self) -> bool:
        return (
            self._waiters > 0
            or self._is_winding_up
            or self.stopping is not None
            or all(len(buffer.items) < BUFFER_BOUND for buffer in self._buffers)
        )

    async def _deliver(self, emissions: Iterable[Emission]) -> None:
        """Call the listeners of each emission before the next is made.

        Raises ``OpenAIError`` from what a listener raised; those behind it are not called, as in
        Node.
        """
        ready = self.emitter.ready
        for name, args in emissions:
            try:
                for registration in ready.get(name, ()):
                    result = registration.call(*args)
                    if result is not None and inspect.isawaitable(result):
                        self._call = object()
                        token = _calling.set(self._call)
                        try:
                            await result
                        finally:
                            self._call = None
                            _calling.reset(token)
            except (KeyboardInterrupt, SystemExit):
                raise
            except asyncio.CancelledError as error:
                if self._is_cancelled():
                    raise
                raise listener_error(name, error) from error  # of something it waited for
            except BaseException as error:
                if self.elsewhere:  # it is the child's own, of whatever it forked for
                    raise
                if isinstance(error, GeneratorExit) and self._is_freed():
                    raise
                self.raised = error
                if self.inline and not isinstance(error, Exception):
                    self._controller.abort(error)
                    if self.stopping is not None:
                        raise self.stopping from error
                raise listener_error(name, error) from error

    def _is_cancelled(self) -> bool:
        cancelling = getattr(self._task, "cancelling", None)  # Python 3.10 cannot tell
        return cancelling is None or cancelling() > 0

    def _is_freed(self) -> bool:
        """Return whether the task is not at a step, but being freed with its loop."""
        try:
            return asyncio.current_task() is not self._task
        except RuntimeError:  # no loop runs here
            return True

    async def _finish(self, error: OpenAIError | None) -> None:
        """End the stream: ``error`` or ``abort`` if there is one, then ``end``."""
        self.error = error
        self.begun = True
        if self.recorder is not None:
            try:
                self.recorder.finish(error)
            except BaseException as raised:  # noqa: BLE001 - the stream ends in any case
                self._report(raised)
        last: list[Emission] = [("end", ())]
        if error is not None:
            name = "abort" if isinstance(error, APIUserAbortError) else "error"
            heard = self._waiters or self._buffers or name in self.emitter.ready
            if name == "error" and not heard and not self.inline:
                self._report(error)
            last.insert(0, (name, (error,)))
        fatal: BaseException | None = None
        for name, args in last:
            self.ended = name == "end"
            try:
                await self._deliver_last(name, args)
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - cancelled once more, or Ctrl-C
                fatal = fatal or raised  # `end` comes all the same
        self.finished = True
        self._over.set()
        self._bell.ring()
        if fatal is not None:
            raise fatal

    async def _deliver_last(self, name: str, args: tuple[Any, ...]) -> None:
        ended_by = self.raised
        try:
            await self._deliver([(name, args)])
        except OpenAIError as error:
            raised = error if error.__cause__ is None else error.__cause__
            self.raised = ended_by
            if not self.inline:  # the stream has ended: there is no one else to tell
                self._report(raised)
            elif ended_by is None or isinstance(ended_by, Exception):
                chain = (self._raised_last, ended_by, self.error)
                earlier = next((before for before in chain if before is not None), None)
                if raised.__context__ is None and raised is not earlier:
                    raised.__context__ = earlier
                self._raised_last = raised

    def _report(self, error: BaseException) -> None:
        """Hand an exception that nobody hears to the loop's exception handler."""
        self.loop.call_exception_handler(
            {"message": "A stream ended in an error", "exception": error}
        )


@attrs.define(eq=False)
class Buffer:
    """What an iterator has not taken yet."""

    delivery: LoopDelivery
    items: deque[tuple[Any, ...]] = attrs.field(factory=deque)
    left: bool = False

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.items.append(args)
        if len(self.items) == 1 and not self.delivery.calling:
            self.delivery.notify()

    async def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event's arguments; ``None`` when there will be none any more."""
        items, delivery = self.items, self.delivery

        def is_so() -> object:
            return self.left or (items and not delivery.calling)

        while not is_so() and not delivery.finished:
            await delivery.wait_until(is_so)
        if self.left or not is_so():
            return None
        args = items.popleft()
        if len(items) == BUFFER_BOUND - 1:
            delivery.made_room()
        return args


class LastOnly(Buffer):
    """The buffer of an iterator that goes on from where an inline stream is."""

    async def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event from now on."""
        self.items.clear()
        return await super().take()


_AT_ONCE = 256  # events, as many as a read brings at most times

_INSIDE = "a listener cannot wait for its own stream: the stream waits for the listener"

_LOST = "The event loop was closed."


class _Running:
    """The streams that run: a loop keeps no task alive, and tells nobody that it is closed.

    ``asyncio.run`` cancels what runs before it closes its loop, and that ends a stream; a loop that
    is closed by hand is found by a thread that looks.
    """

    PERIOD = 0.5  # seconds

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._bell = _bell.Bell()
        self.deliveries: set[LoopDelivery] = set()
        self._thread: threading.Thread | None = None

    def add(self, delivery: LoopDelivery) -> None:
        with self._lock:
            self.deliveries.add(delivery)
            if self._thread is not None:
                return
            thread = self._thread = threading.Thread(
                target=self._watch, name="emitter-stream-aio-watch", daemon=True
            )
        # Not under the lock: this waits for the new thread's first steps, in which the garbage
        # collector may free another stream's task, and that comes by here.
        try:
            thread.start()
        except RuntimeError:  # no more threads: the next one may have more luck
            self._thread = None
            raise

    def discard(self, delivery: LoopDelivery) -> None:
        """Forget a stream. No lock is taken: a finalizer comes by here, on whatever thread."""
        self.deliveries.discard(delivery)
        self._bell.ring()

    def _watch(self) -> None:
        while True:
            self._bell.wait_for(lambda: not self.deliveries, self.PERIOD)
            with self._lock:
                if not self.deliveries:
                    self._thread = None
                    return
                lost = [one for one in list(self.deliveries) if one.loop.is_closed()]
            for delivery in lost:
                delivery.lose()


_running = _Running()
_elsewhere: list[LoopDelivery] = []  # not let go of: a task that is freed before its end complains


def _begin_anew() -> None:
    """Leave the parent's streams alone, in a child."""
    global _running
    for delivery in _running.deliveries:
        delivery.begin_anew()
    _elsewhere.extend(_running.deliveries)
    _running = _Running()


_fork.renew(_begin_anew)
