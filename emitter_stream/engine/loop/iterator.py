"""Iterating over a stream with ``async for``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ...exceptions import OpenAIError
from ..policy import BUFFER_BOUND
from .delivery import LoopDelivery

__all__ = ["AsyncEventIterator"]

_T = TypeVar("_T")


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
        last_only: bool = False,
    ) -> None:
        self._buffer: Buffer | None = None  # first of all: __del__ looks at it
        self._delivery = delivery
        self._convert = convert
        self._abort = abort
        self._abort_on_leave = abort_on_leave
        self._quiet = quiet
        self._skip_empty = skip_empty
        delivery.refuse_elsewhere()
        buffer = LastOnly(delivery) if last_only else Buffer(delivery)
        self._registration = delivery.emitter.register(event, buffer.push)
        delivery.hold_back_for(buffer)
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
                self._abort()
                self._detach()
                raise
            if args is None:
                break
            item = self._convert(args)
            if item or not self._skip_empty:
                return item
        if buffer.left:
            raise StopAsyncIteration
        self._detach()
        if self._quiet is None or not isinstance(self._delivery.error, self._quiet):
            failure = self._delivery.failure()
            if isinstance(
                failure, StopAsyncIteration
            ):  # it would pass for the end; as PEP 479 has it
                raise RuntimeError("a listener raised StopAsyncIteration") from failure
            if failure is not None:
                raise failure
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


@attrs.define(eq=False)
class Buffer:
    """What an iterator has not taken yet."""

    delivery: LoopDelivery
    items: deque[tuple[Any, ...]] = attrs.field(factory=deque)
    left: bool = False

    def push(self, *args: Any) -> None:
        """Take an event's arguments (a listener)."""
        self.items.append(args)
        if len(self.items) >= BUFFER_BOUND:
            self.delivery.attention = True
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
