"""Iterating over a stream, and what lies ready for an iterator."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ..exceptions import OpenAIError
from .delivery import Delivery
from .inline import InlineDriver
from .policy import BUFFER_BOUND, BUFFER_ROOM, Policy

__all__ = ["Buffer", "EventIterator", "InlineBuffer", "Iteration", "Ready"]

_T = TypeVar("_T")

Args = tuple[Any, ...]


class Iteration(Generic[_T]):
    """An iteration over the events of a stream; it listens from the moment it is made.

    Being dropped ends it early: that detaches it, and aborts the stream if ``abort_on_leave``.
    ``convert`` makes what it gives of an event's arguments; without, the event has one, which it gives.
    ``skip_empty`` leaves out what is empty. ``quiet`` is the class of the error that it does not raise at
    the end.
    """

    _buffer: Any = None  # there before all else: __del__ looks at it

    def __init__(
        self,
        delivery: Policy,
        buffer: Any,
        event: str,
        convert: Callable[[Args], _T] | None,
        abort: Callable[[], None],
        *,
        abort_on_leave: bool = False,
        quiet: type[OpenAIError] | None = None,
        skip_empty: bool = False,
    ) -> None:
        self._delivery = delivery
        self._convert = convert
        self._abort = abort
        self._abort_on_leave = abort_on_leave
        self._quiet = quiet
        self._skip_empty = skip_empty
        delivery.refuse_elsewhere()
        push = buffer.push_one if convert is None else buffer.push
        self._registration = delivery.emitter.register(event, push)
        buffer.open()
        self._buffer = buffer
        delivery.attach(self._registration, stacklevel=5)

    def _ending(self, end: type[Exception]) -> BaseException:
        """Detach; return what is raised at the end: ``end`` itself, or what the stream ended in."""
        self._detach()
        if self._quiet is not None and isinstance(self._delivery.error, self._quiet):
            return end()
        failure = self._delivery.failure()
        return end() if failure is None else passed_for_no_end(failure, end)

    def _leave(self) -> None:
        if self._buffer is not None:
            if self._abort_on_leave:
                self._abort()
            self._detach()

    def _detach(self) -> None:
        # The last step is the one that makes it once: broken off by a handler's exception, it is
        # done again.
        buffer = self._buffer
        if buffer is not None:
            self._delivery.emitter.detach(self._registration)
            buffer.close()
            self._buffer = None

    def __del__(self) -> None:
        self._leave()


def passed_for_no_end(error: BaseException, end: type[Exception]) -> BaseException:
    """Return ``error``, but what a generator would raise for it if it is an ``end`` (PEP 479).

    Out of an iteration a listener's own would pass for the end of a stream that was heard in full.
    """
    if not isinstance(error, end):
        return error
    raised = RuntimeError(f"a listener raised {end.__name__}")
    raised.__cause__ = error
    return raised


class EventIterator(Iteration[_T]):
    """Iterates over the events of a stream with ``for``; ``close()`` ends it early."""

    def __iter__(self) -> EventIterator[_T]:
        return self

    def __next__(self) -> _T:
        buffer = self._buffer
        if buffer is None:
            raise StopIteration
        items, convert = buffer.items, self._convert
        if buffer.last_only:
            items.clear()
        is_back = False  # whether an item was taken and put back
        try:
            while True:
                if buffer.is_full and len(items) < BUFFER_ROOM:
                    buffer.make_room()
                # From taking an item to what follows Python looks for no signals, so none is lost.
                try:
                    if convert is None:
                        for taken in buffer.taken:
                            return taken  # type: ignore[no-any-return]
                    else:
                        for taken in buffer.taken:
                            try:
                                item = convert(taken)
                            except BaseException:  # a signal's, say: the next call gives it
                                is_back = True
                                items.appendleft(taken)
                                raise
                            if item or not self._skip_empty:
                                return item
                except IndexError:
                    if is_back:
                        raise
                if not items and not buffer.wait():
                    break
        except KeyboardInterrupt:
            self._abort()
            self._detach()
            raise
        except BaseException as raised:
            if not is_back and self._delivery.settled() and (self._delivery.error or not items):
                self._detach()  # it ended in this, inline
            passed = passed_for_no_end(raised, StopIteration)
            if passed is not raised:
                raise passed from raised
            raise
        raise self._ending(StopIteration)

    def close(self) -> None:
        """Leave the iterator; twice is once."""
        self._leave()

    def __enter__(self) -> EventIterator[_T]:
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()


class Ready:
    """What lies ready for an iterator: the arguments of events, of some the only one.

    The stream knows this and not the iterator, so that an iterator that is left is freed.
    """

    is_full = False

    def __init__(self, *, last_only: bool = False) -> None:
        self.items: deque[Any] = deque()
        # Takes them, and raises IndexError where there are none.
        self.taken: Iterator[Any] = map(deque.popleft, itertools.repeat(self.items))
        # It goes on from where an inline stream is, whoever moved it there.
        self.last_only = last_only

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.push_one(args)

    def push_one(self, item: Any) -> None:
        """Take the one argument of an event (a listener)."""
        raise NotImplementedError


class Buffer(Ready):
    """What an iterator has not taken yet."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self._delivery = delivery
        self._waiters: list[object] = []  # one for each thread in wait()

    def push_one(self, item: Any) -> None:
        items = self.items
        items.append(item)
        count = len(items)
        # The consumer is counted before it looks at `items`, so one of us sees the other. Behind the
        # first item it has been woken.
        if count == 1:
            if self._waiters:
                self._delivery.notify()
        elif count == BUFFER_BOUND:  # and not behind: whoever lifts the bound says when he goes
            self.is_full = self._delivery.attention = True

    def open(self) -> None:
        """Hold the reader back from now on."""
        self._delivery.hold_back_for(self)

    def close(self) -> None:
        """Hold nobody back any more; twice is once."""
        self._delivery.close_buffer(self)

    def make_room(self) -> None:
        """Let the reader go on."""
        self.is_full = False
        self._delivery.notify()

    def wait(self) -> bool:
        """Wait for an item; return ``False`` when the stream has ended without one."""
        waiter = object()
        try:
            self._waiters.append(waiter)
            self._delivery.wait_until(self.items.__len__, None)
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
        return bool(self.items) or not self._delivery.settled()


class InlineBuffer(Ready):
    """What an iterator has not taken yet: one event, but for what others have moved the stream on."""

    def __init__(self, driver: InlineDriver, *, last_only: bool = False) -> None:
        super().__init__(last_only=last_only)
        self._driver = driver

    def push_one(self, item: Any) -> None:
        self.items.append(item)
        self._driver.wake_others()

    def open(self) -> None:
        """Do nothing: it holds nobody back."""

    def close(self) -> None:
        """Do nothing."""

    def wait(self) -> bool:
        """Wait for an item; return ``False`` when the stream has ended without one."""
        self._driver.wait_until(self.items.__len__, None)
        return bool(self.items) or not self._driver.settled()
