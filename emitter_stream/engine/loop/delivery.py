"""When listeners are called, on an event loop: what keeps the rules of ``..policy`` there.

One task a stream takes what its reader hands over, feeds the core and calls the listeners, a
coroutine among them finished before the next is called. The loop gives some of the rules for free:
nothing is delivered before the step that made the stream and its chain of listeners has yielded.

    who waits             for what                                  who wakes it
    the task, _begin()    a listener, go(), or an abort             attach, go, stop
    the task, _next()     what the reader hands over                the reader, stop
    the task, _calls()    room in an iterator's buffer              anext(), a waiting method, stop
    the task, inline      somebody who waits                        a waiting method, stop
    wait_until()          an event, or the end with all delivered   push, the task

What is to be done, up to the last calls, is a course (``course.py``): the task makes the calls, or
who hands over what was read, in the task's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import time
from collections.abc import Callable, Iterable

import attrs

from ... import _bell, _open_streams
from ..._fork import LeftBehind
from ...abort import AbortSignal
from ...exceptions import APIUserAbortError, OpenAIError, as_openai_error, redacted
from ..core import Core, Emission
from ..emitter import Emitter, Registration
from ..mover import Aborts
from ..policy import INSIDE, Ahead, Phase, listener_error
from . import running
from .course import Course, OnCourse
from .reader import Reader
from .tasks import first_step

__all__ = ["LoopDelivery"]


@attrs.define(eq=False)
class _Waiter:
    """Who waits until something is so."""

    is_so: Callable[[], object]
    expired: bool = False
    asleep: asyncio.Future[None] | None = None  # what it waits at

    def wake(self) -> None:
        """Let it look again."""
        if self.asleep is not None and not self.asleep.done():
            self.asleep.set_result(None)

    def expire(self) -> None:
        """Let it wait no longer."""
        self.expired = True
        self.wake()


class LoopDelivery(OnCourse):
    """The driver of one stream's rules, for a loop: the task that keeps them.

    Like the background thread of a plain stream it does not know the stream object. What is not
    marked as safe may only be called on the loop.
    """

    thread = None  # that moves it on: its loop does
    calling = False  # inline: whether the calls of an event are being made

    def __init__(
        self,
        reader: Reader,
        core: Core,
        emitter: Emitter,
        signal: AbortSignal | None,
        *,
        inline: bool = False,
    ) -> None:
        super().__init__(emitter, core, inline=inline)
        self.loop = asyncio.get_running_loop()
        self.made_at = time.monotonic()
        self.origin = reader.origin
        self._reader = reader
        self._core = core
        running.add(self)  # raises where no thread can be started: before there is a task
        self.begin_course(self._steps(), self.loop, self._run())
        _open_streams.add(self)
        reader.start(self)
        self.aborts = Aborts(self, signal)

    # For the user's side

    def attach(self, registration: Registration, stacklevel: int = 3) -> None:
        """Attach a listener (safe)."""
        if self.elsewhere:
            return
        self.admit(registration)
        if not self.begun:
            self._wake_from_anywhere()

    def go(self) -> None:
        """Begin to deliver, if need be to nobody (safe)."""
        if not self.elsewhere and self.say_go():
            self._wake_from_anywhere()

    def stop(self, error: APIUserAbortError) -> None:
        """Abort; the first call counts (safe)."""
        if self.elsewhere or self.stopping is not None or not self.ask_stop(error):
            return
        self._reader.stop()
        self._wake_from_anywhere()
        if self.loop.is_closed():
            self.lose()

    def begin_anew(self) -> None:
        """Stand still, in a child; tasks that it goes on with see that nothing comes any more."""
        super().begin_anew()
        if self.ended:
            self.phase = Phase.OVER
        with contextlib.suppress(RuntimeError):  # it was not a thread of the loop that forked
            self.notify()
            self._wake()

    def wind_up(self) -> None:
        """Run to the end by itself, though nobody listens or takes what an iterator holds (safe)."""
        self.is_winding_up = True
        self.go()
        self._wake_from_anywhere()

    def wait_over(self, seconds: float) -> bool:
        """Wait until the stream is over or, with its loop, stands still (safe).

        The thread that runs the loop cannot wait: it would be waiting for itself.
        """
        if self.elsewhere or not self.loop.is_running() or _running_loop() is self.loop:
            return True
        return _over.wait_for(lambda: self.finished or self.elsewhere, seconds)

    def still(self) -> contextlib.AbstractContextManager[object]:
        """Return a context in which delivery does not begin: the loop is one by itself."""
        return contextlib.nullcontext()

    def check_outside(self) -> None:
        """Raise ``RuntimeError`` where waiting for this stream would be waiting for oneself.

        That is in a listener of it, and in a task that was started by one which still runs:
        ``asyncio.wait_for`` and ``gather`` start such.
        """
        self._check_loop()
        if self.is_in_a_call():
            raise RuntimeError(INSIDE)
        self.refuse_worker()

    def check_not_the_task(self) -> None:
        """Raise ``RuntimeError`` in a listener of this stream."""
        self._check_loop()
        if asyncio.current_task() is self._task:
            raise RuntimeError(INSIDE)

    def _check_loop(self) -> None:
        if self.elsewhere:  # what has ended can be read on any loop
            return
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError("this stream belongs to another event loop, the one that made it")

    async def wait_until(self, is_so: Callable[[], object], timeout: float | None = None) -> bool:
        """Say go and wait until ``is_so()`` or the end; return whether that came in time."""
        if self.elsewhere:
            return bool(is_so() or self.settled())
        waiter = _Waiter(is_so)
        self.begin_waiting(waiter)
        self.go()
        self._wake()  # a waiter lifts the bound of the buffers
        timer = None if timeout is None else self.loop.call_later(timeout, waiter.expire)
        try:
            while not (waiter.expired or is_so() or self.settled()):
                waiter.asleep = self.loop.create_future()
                await waiter.asleep
            return bool(is_so() or self.settled())
        finally:
            self.stop_waiting(waiter)
            if timer is not None:
                timer.cancel()

    def failure(self) -> BaseException | None:
        passing = self.take_passing()
        return super().failure() if passing is None else passing

    def notify(self) -> None:
        """Wake everybody who waits for the stream, to look again."""
        for waiter in tuple(self.waiters):  # the garbage collector may free one that waits
            waiter.wake()

    def close_buffer(self, buffer: Ahead) -> None:
        """Forget a buffer; twice is once (safe)."""
        self.forget_buffer(buffer)
        if not self.elsewhere:
            self._wake_from_anywhere()
            with contextlib.suppress(RuntimeError):  # the loop is closed, and has nobody to wake
                self.loop.call_soon_threadsafe(self.notify)

    def made_room(self) -> None:
        """Hear that a buffer is full no longer."""
        if not self.elsewhere:
            self._wake()

    def report(self, error: BaseException) -> None:
        """Hand an exception that nobody hears to the loop's exception handler."""
        self.loop.call_exception_handler(
            {"message": "A stream ended in an error", "exception": error}
        )

    # When the loop is gone

    def lose(self) -> None:
        """Take note that the loop is closed, and that nothing will ever run there again (safe)."""
        running.discard(self)
        self._drop_left()
        if not self.finished and not self.elsewhere:
            self.error = self.error or self.stopping or APIUserAbortError(_LOST)
            self.phase = Phase.OVER
            _over.ring()
            self._reader.stop()

    # The task

    async def _run(self) -> None:
        error: OpenAIError | None = None
        fatal: BaseException | None = None
        try:
            await first_step()
            try:  # here and not in `_outcome`: a coroutine more would be there as long as the stream
                await self._follow(self._course)
            except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError):
                raise
            except BaseException as raised:
                if self.elsewhere:
                    raise
                error = self._ended_in(raised)
            error = await self._outcome(error)
        except GeneratorExit:  # the loop is gone, and the garbage collector cleans up behind it
            self.lose()
            raise
        except BaseException as raised:  # cancelled, or Ctrl-C
            if self.elsewhere:
                if isinstance(raised, LeftBehind):
                    return
                raise
            self.aborts.controller.abort(raised)
            error = self.stopping
            fatal = raised
        try:
            await self._finish(error)
        except GeneratorExit:
            self.lose()
            raise
        finally:
            self._course.close()  # and so lets go of us, if it never began
            running.discard(self)
            self.aborts.remove()
        if fatal is not None:
            raise fatal

    def _ended_in(self, raised: BaseException) -> OpenAIError:
        """Stop the reader; return the error that the stream ends in, as it may be shown."""
        error = as_openai_error(raised)
        if error.__cause__ is None:  # a core does not know what it must not show
            error = redacted(error, self._reader.redact)
        self._reader.stop()
        return error

    async def _outcome(self, error: OpenAIError | None) -> OpenAIError | None:
        """Wait for the source to be closed; return the error that the last calls are to tell of."""
        # An aborted reader may sit where nothing wakes it.
        await self._until(lambda: self._closed or self.stopping is not None)
        if not self.begun:
            await self._begin()
            error = self.stopping or error  # aborted before anybody heard of the error
        elif isinstance(error, APIUserAbortError):
            error = self.stopping or error  # the one that knows the reason
        return error

    def _steps(self) -> Course:
        core = self._core
        yield None
        if self.inline or not self.begin_if_due():
            yield self._begin()
        if self.stopping is not None:
            raise self.stopping
        recorder = self.recorder
        core.wanted = core.listened = self.emitter.ready
        if recorder is not None:
            recorder.connected()
        yield from self._calls([[("connect", ())]])
        while True:
            if self.inline:
                yield self._until(self._is_awaited)
            if self.stopping is not None:
                raise self.stopping
            self._reader.go_on()
            events = yield None
            if events is None:
                break
            if recorder is not None:
                events = recorder.noted(events, core)
            yield from self._calls(itertools.starmap(core.feed, events), gaps=True)
            del events
        yield from self._calls([core.finish()])

    def _calls(self, events: Iterable[Iterable[Emission]], *, gaps: bool = False) -> Course:
        """Call the listeners of each emission before the next is made.

        With ``gaps``, do between two events what is due there. Raises ``OpenAIError`` from what a
        listener raised; those behind it are not called, as in Node.
        """
        ready = self.emitter.ready
        inline = gaps and self.inline
        for number, emissions in enumerate(events, 1):
            if inline:
                self.calling = True  # and stays so if a listener raises: nobody is given that event
            for name, args in emissions:
                try:
                    for registration in ready.get(name, ()):
                        result = registration.call(*args)
                        if result is not None and inspect.isawaitable(result):
                            yield result
                except BaseException as error:
                    raise self.ended_by(name, error) from error
                args = ()  # a text that somebody holds is copied when it grows
                result = None
            if not gaps:
                continue
            if number % _AT_ONCE == 0:
                yield asyncio.sleep(0)  # others on the loop want their turn
            if inline:  # one waits for this event, or the next is not to be made
                self.calling = False
                self.notify()
                yield self._until(self._is_awaited)
            if self.attention:
                while not self.gap():
                    yield self._until(lambda: not self.is_held_back())
                self.refuse_elsewhere()
                if self.stopping is not None:
                    raise self.stopping

    def ended_by(self, name: str, error: BaseException) -> OpenAIError:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        if isinstance(error, asyncio.CancelledError):
            if self._is_cancelled():
                raise error
            return listener_error(name, error)  # of something it waited for
        if isinstance(error, GeneratorExit) and self._is_freed():
            raise error
        failure = super().ended_by(name, error)
        if self.inline and not isinstance(error, Exception):
            self.aborts.controller.abort(error)
            failure = self.stopping or failure
        return failure

    def _is_cancelled(self) -> bool:
        cancelling = getattr(self._task, "cancelling", None)  # Python 3.10 cannot tell
        return cancelling is None or cancelling() > 0

    def _is_freed(self) -> bool:
        """Return whether the task is not at a step, but being freed with its loop."""
        try:
            return asyncio.current_task() is not self._task
        except RuntimeError:  # no loop runs here
            return True

    def _is_awaited(self) -> bool:
        return self.stopping is not None or any(not waiter.is_so() for waiter in self.waiters)

    async def _begin(self) -> None:
        """Wait until there is a listener, or go, or an abort; inline until somebody waits."""
        await self._until(self._is_awaited if self.inline else self.begin_if_due)
        self.begin_if_due()

    async def _finish(self, error: OpenAIError | None) -> None:
        """End the stream: ``error`` or ``abort`` if there is one, then ``end``."""
        fatal: BaseException | None = None
        last = self.close(error)
        while last:
            self.tell(last[0][0])
            try:
                await self._follow(self._calls([[last[0]]]))
            except OpenAIError as raised:
                self.raised_last(raised)
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - cancelled once more, or Ctrl-C
                fatal = fatal or raised  # `end` comes all the same
            del last[0]
        self.over()
        _over.ring()
        self.notify()
        if fatal is not None:
            raise fatal


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that this thread runs, if it runs one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_over = _bell.Bell()  # rung whenever a stream on a loop is over, for other threads

_AT_ONCE = 256  # events, as many as a read brings at most times

_LOST = "The event loop was closed."
