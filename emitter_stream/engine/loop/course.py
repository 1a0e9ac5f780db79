"""What a stream's task does on its loop, and who does it: the task, or somebody else in its name.

It is a *course*: a generator that yields what has to be awaited, or ``None`` where it wants what the
reader hands over next. The task goes on with it. So does who hands something over while the task
sleeps for want of that: in the task's name, and in that turn of the loop, since to wake a task costs
a round of the loop. What has to be awaited, and what was raised, is left for the task then.

    who goes on with the course     from                            until
    the task                        its first step                  it wants a batch: it is *idle*
    who hands a batch over          the task is idle, and no        it wants another
                                    other is at its step
    the task                        something is left for it        it wants a batch
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from ... import _fork
from ..policy import _NONE, Policy
from .inlet import Batch
from .tasks import begun_task, can_act, cancel_again, in_name_of

__all__ = ["Course", "OnCourse"]

Course = Generator[Awaitable[object] | None, Batch | None, None]

_calling: contextvars.ContextVar[object] = contextvars.ContextVar("emitter_stream_listener")
"""The call of a coroutine listener that this task is in, or was started from."""


class OnCourse(Policy):
    """The rules of one stream, with a task that goes on with its course.

    What is not marked as safe may only be called on the loop.
    """

    loop: asyncio.AbstractEventLoop
    _task: asyncio.Task[None]
    _context: contextvars.Context | None  # the task's, if one can act in its name
    _course: Course

    _inbox: list[Batch] = _NONE
    _left_error: BaseException | None = None  # see `_left`
    _calling_now: object = None  # of the coroutine listener that is being awaited

    def begin_course(
        self, course: Course, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]
    ) -> None:
        """Start the task, whose ``work`` is to follow the course."""
        self._course = course
        # What of ours the task waits at, or waited at last: then it is done.
        self._asleep: asyncio.Future[None] | None = None
        self._is_new = True  # the task has not made its first step
        self._is_idle = False
        self._left: Awaitable[object] | None = None  # for the task, or an error is
        self._closed = False  # the reader has closed the source
        self._close_error: BaseException | None = None
        self._task, self._context = begun_task(loop, work, "emitter-stream")

    # From the reader

    def arrive(self, events: Batch) -> None:
        """Go on with the course, or let the task do so."""
        asleep = self._asleep
        if (
            self._is_idle
            and asleep is not None
            and not asleep.done()
            and self._context is not None
            # As `elsewhere` says it; but that may be otherwise below, when a listener has forked.
            and self._generation == _fork.generation
            and can_act(self.loop)
        ):
            self._is_idle = False
            self._asleep = None  # a loop within the loop could not wake it: its context is in use
            send = self._course.send
            try:
                self._left = in_name_of(self._task, self.loop, self._context, send, events)
            except BaseException as error:
                if self.elsewhere and isinstance(error, KeyboardInterrupt | SystemExit):
                    raise  # the child's own loop must not go on with the parent's
                self._left_error = error
            else:
                self._is_idle = self._left is None
            finally:
                self._asleep = asleep
            if self._is_idle and not self._has_news():
                return
        else:
            self._inbox = [*self._inbox, events]  # the only one, as a rule
        self._wake()

    def source_closed(self, error: BaseException | None) -> None:
        """Let the task see the end."""
        self._closed = True
        self._close_error = error
        self._wake()

    # Waking the task

    def _wake(self) -> None:
        """Let the task look again at what it waits for."""
        if self._asleep is not None and not self._asleep.done() and not self._sees_enough():
            self._asleep.set_result(None)

    def _wake_from_anywhere(self) -> None:
        """Do so soon (safe); a loop that is closed has nobody to wake."""
        if not self._sees_enough():
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._wake)

    def _sees_enough(self) -> bool:
        """Return whether the task has nothing to look for, or will look by itself (safe)."""
        return self._is_new or (self._is_idle and not self._has_news())

    # The task

    async def _follow(self, course: Course) -> None:
        """Go on with a course to its end."""
        self._is_new = False
        try:
            awaited = next(course)
            while True:
                events = None
                try:
                    if awaited is None:
                        events = await self._next()
                    else:
                        await self._awaited(awaited)
                except BaseException as error:  # noqa: BLE001 - the course knows what follows
                    awaited = course.throw(error)
                else:
                    awaited = course.send(events)
        except StopIteration:
            return

    async def _next(self) -> Batch | None:
        """Wait for a batch; ``None`` at the end, or after what was left for the task."""
        self._is_idle = True
        try:
            while self._is_idle and not self._has_news():
                await self._sleep()
            if self._is_idle:
                return self._news()
        except asyncio.CancelledError as error:
            if self._is_idle:
                raise
            cancel_again(self._task, error)  # what was left comes first
        except GeneratorExit:
            self._drop_left()
            raise
        finally:
            self._is_idle = False
        try:
            if self._left_error is not None:
                raise self._left_error
            assert self._left is not None
            await self._awaited(self._left)
        finally:
            self._left = self._left_error = None
        return None

    def _has_news(self) -> bool:
        return bool(self._inbox or self._closed or self.stopping is not None or self.elsewhere)

    def _news(self) -> Batch | None:
        self.refuse_elsewhere()
        if self.stopping is not None:
            raise self.stopping
        if self._inbox:
            events, self._inbox = self._inbox[0], self._inbox[1:] or _NONE
            return events
        if self._close_error is not None:
            raise self._close_error
        return None

    def _drop_left(self) -> None:
        """Let go of what will not be awaited: the loop is closed."""
        if inspect.iscoroutine(self._left):
            self._left.close()  # or it complains

    async def _awaited(self, result: Awaitable[object]) -> None:
        self._calling_now = object()
        token = _calling.set(self._calling_now)
        try:
            await result
        finally:
            self._calling_now = None
            with contextlib.suppress(ValueError):  # another context: we are freed, with the loop
                _calling.reset(token)

    def is_in_a_call(self) -> bool:
        """Return whether this is a coroutine listener of the stream, or a task that one waits for."""
        return self._calling_now is not None and _calling.get(None) is self._calling_now

    async def _until(self, is_so: Callable[[], object]) -> None:
        while not (self.elsewhere or is_so()):
            await self._sleep()
        self.refuse_elsewhere()

    def _sleep(self) -> asyncio.Future[None]:
        """Return what the task is to wait at until somebody wakes it."""
        self._asleep = self.loop.create_future()
        return self._asleep
