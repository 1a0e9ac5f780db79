"""Iterating over a stream with ``for``, and what lies ready for an iterator."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..exceptions import OpenAIError
from .delivery import Delivery
from .inline import InlineDriver
from .policy import BUFFER_BOUND

__all__ = ["Buffer", "EventIterator", "InlineBuffer", "LastOnly"]

_T = TypeVar("_T")

# What an iterator raises then, as a generator does (PEP 479): out of a __next__, a listener's own
# would pass for the end of a stream that was heard in full.
_STOPPED = "a listener raised StopIteration"


class EventIterator(Generic[_T]):
    """Iterates over the events of a stream; it listens from the moment it is made.

    ``close()``, or being dropped, ends it early: that detaches it, and aborts the stream if
    ``abort_on_leave``. ``quiet`` is the class of the error that it does not raise at the end.
    """

    _buffer: Buffer | InlineBuffer | None = None  # there before all else: __del__ looks at it

    def __init__(
        self,
        delivery: Delivery,
        buffer: Buffer | InlineBuffer,
        event: str,
        convert: Callable[[tuple[Any, ...]], _T],
        abort: Callable[[], None],
        *,
        abort_on_leave: bool = False,
        quiet: type[OpenAIError] | None = None,
    ) -> None:
        self._delivery = delivery
        self._convert = convert
        self._abort = abort
        self._abort_on_leave = abort_on_leave
        self._quiet = quiet
        delivery.refuse_elsewhere()
        self._registration = delivery.emitter.register(event, buffer.push)
        self._buffer = buffer
        delivery.attach(self._registration, stacklevel=5)

    def __iter__(self) -> EventIterator[_T]:
        return self

    def __next__(self) -> _T:
        buffer = self._buffer
        if buffer is None:
            raise StopIteration
        args = None
        try:
            args = buffer.take()
            if args is not None:
                return self._convert(args)
        except KeyboardInterrupt:
            self._abort()
            self._detach()
            raise
        except BaseException as raised:
            if args is not None:  # a signal's handler raised: the next call gives it
                buffer.items.appendleft(args)
            elif self._delivery.settled() and (self._delivery.error or not buffer.items):
                self._detach()  # it ended in this, inline
            if isinstance(raised, StopIteration):
                raise RuntimeError(_STOPPED) from raised  # noqa: TRY004
            raise
        self._detach()
        error = self._delivery.error
        if error is not None and (self._quiet is None or not isinstance(error, self._quiet)):
            failure = self._delivery.failure()
            if isinstance(failure, StopIteration):
                raise RuntimeError(_STOPPED) from failure
            raise error if failure is None else failure
        raise StopIteration

    def close(self) -> None:
        """Leave the iterator; twice is once."""
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

    def __enter__(self) -> EventIterator[_T]:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


@attrs.define(eq=False)
class Buffer:
    """What an iterator has not taken yet.

    The stream knows the buffer and not the iterator, so that an iterator that is left is freed.
    """

    delivery: Delivery
    items: deque[tuple[Any, ...]] = attrs.field(factory=deque)
    waiters: list[object] = attrs.field(factory=list)  # one for each thread in take()

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.items.append(args)
        if len(self.items) >= BUFFER_BOUND:
            self.delivery.attention = True
        # The consumer is counted before it looks at `items`, so one of us sees the other.
        if self.waiters:
            self.delivery.notify()

    def close(self) -> None:
        """Hold nobody back any more; twice is once."""
        self.delivery.close_buffer(self)

    def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event's arguments; ``None`` when the stream has ended."""
        items = self.items
        while not items or (args := self._pop()) is None:
            waiter = object()
            try:
                self.waiters.append(waiter)
                self.delivery.wait_until(lambda: bool(items), None)
            finally:
                with contextlib.suppress(ValueError):
                    self.waiters.remove(waiter)
            if not items and self.delivery.settled():
                return None
        return args

    def _pop(self) -> tuple[Any, ...] | None:
        try:
            return _pop(self.items, self.delivery)
        except IndexError:  # another thread that uses the same iterator was faster
            return None


@attrs.define(eq=False)
class InlineBuffer:
    """What an iterator has not taken yet: one event, but for what others have moved the stream on."""

    driver: InlineDriver
    items: deque[tuple[Any, ...]] = attrs.field(factory=deque)

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.items.append(args)
        self.driver.wake_others()

    def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event's arguments; ``None`` when the stream has ended."""
        items = self.items
        while True:
            if not items:
                self.driver.wait_until(items.__len__, None)
            try:
                return _pop(items, self.driver.delivery)
            except IndexError:  # the end, or another thread that uses the same iterator was faster
                if self.driver.settled():
                    return None

    def close(self) -> None:
        """Do nothing: it holds nobody back."""


class LastOnly(InlineBuffer):
    """The buffer of an iterator that goes on from where the stream is, whoever moved it there."""

    def take(self) -> tuple[Any, ...] | None:
        """Wait for the next event from now on."""
        self.items.clear()
        return super().take()


def _pop(items: deque[tuple[Any, ...]], delivery: Delivery) -> tuple[Any, ...]:
    """Take the first of an iterator's items, and say so where that makes room.

    Raises ``IndexError`` if there is none. Of what a signal's handler raises meanwhile, none is lost.
    """
    first = items[0]
    try:
        args = items.popleft()
        if len(items) == BUFFER_BOUND - 1:
            delivery.notify()
        return args
    except IndexError:
        raise
    except BaseException:
        if not items or items[0] is not first:
            items.appendleft(first)
        raise
