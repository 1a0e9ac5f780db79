"""Iterating over a stream with ``async for``, and what lies ready for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from ..iterator import Args, Iteration, Ready
from ..policy import BUFFER_BOUND, BUFFER_ROOM
from .delivery import LoopDelivery

__all__ = ["AsyncEventIterator"]

_T = TypeVar("_T")


class AsyncEventIterator(Iteration[_T]):
    """Iterates over the events of a stream with ``async for``; ``aclose()`` ends it early.

    CPython drops it as soon as ``async for`` is left. A task that is cancelled while it waits for an
    event aborts the stream. With ``last_only`` it goes on from where an inline stream is.
    """

    _delivery: LoopDelivery

    def __init__(
        self,
        delivery: LoopDelivery,
        event: str,
        convert: Callable[[Args], _T] | None,
        abort: Callable[[], None],
        *,
        last_only: bool = False,
        **options: Any,
    ) -> None:
        buffer = Buffer(delivery, last_only=last_only)
        super().__init__(delivery, buffer, event, convert, abort, **options)

    def __aiter__(self) -> AsyncEventIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        buffer: Buffer | None = self._buffer
        if buffer is None:
            raise StopAsyncIteration
        items, convert = buffer.items, self._convert
        if buffer.last_only:
            items.clear()
        while True:
            if not buffer.has_item():
                self._delivery.check_not_the_task()
                try:
                    await buffer.wait()
                except asyncio.CancelledError:
                    self._abort()
                    self._detach()
                    raise
                if not buffer.has_item():
                    break
            taken = items.popleft()
            if len(items) == BUFFER_ROOM - 1:
                self._delivery.made_room()
            item: _T = taken if convert is None else convert(taken)
            if item or not self._skip_empty:
                return item
        if self._buffer is None:  # left meanwhile
            raise StopAsyncIteration
        raise self._ending(StopAsyncIteration)

    async def aclose(self) -> None:
        """Leave the iterator; twice is once."""
        self._leave()

    async def __aenter__(self) -> AsyncEventIterator[_T]:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._leave()


class Buffer(Ready):
    """What an iterator has not taken yet."""

    def __init__(self, delivery: LoopDelivery, *, last_only: bool) -> None:
        super().__init__(last_only=last_only)
        self._delivery = delivery
        self._left = False

    def push_one(self, item: Any) -> None:
        items, delivery = self.items, self._delivery
        items.append(item)
        count = len(items)
        if count == 1:
            if delivery.waiters and not delivery.calling:
                delivery.notify()
        elif count == BUFFER_BOUND:  # and not behind: whoever lifts the bound says when he goes
            delivery.attention = True

    def open(self) -> None:
        """Hold the task back from now on."""
        self._delivery.hold_back_for(self)

    def close(self) -> None:
        """Hold nobody back any more; twice is once."""
        self._left = True
        self._delivery.close_buffer(self)

    def has_item(self) -> object:
        """Return whether there is something to be taken; inline, once all calls of it are made."""
        return self.items and not self._delivery.calling and not self._left

    async def wait(self) -> None:
        """Wait until there is, or until there will be nothing any more."""
        while not (self._left or self.has_item() or self._delivery.finished):
            await self._delivery.wait_until(lambda: self._left or self.has_item())
