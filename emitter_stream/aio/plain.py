"""The plain stream of ``create(stream=True)``, for asyncio."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from ..engine.plain import Stream
from ..exceptions import HTTPResponse
from .calls import in_thread

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncStream"]

_T = TypeVar("_T")


class AsyncStream(Generic[_T]):
    """The events of one answer: iterable once, closed by ``async with`` or ``close()``.

    It is ``Stream``, for asyncio: what has arrived is read on a thread, for the task that asks.
    """

    def __init__(self, stream: Stream[_T]) -> None:
        self._stream = stream
        self._items: deque[_T] = deque()
        self._error: BaseException | None = None
        self._at_end = False

    @property
    def response(self) -> HTTPResponse | None:
        """The status and the headers that it came with; ``None`` of one that is replayed."""
        return self._stream.response

    def __aiter__(self) -> AsyncStream[_T]:
        return self

    async def __anext__(self) -> _T:
        while not self._items:
            if self._error is not None:
                error, self._error, self._at_end = self._error, None, True
                raise error
            if self._at_end:
                raise StopAsyncIteration
            try:
                batch, self._error = await in_thread(self._stream.read)
            except asyncio.CancelledError:
                self._stream.interrupt()
                raise
            if batch is None:
                self._at_end = True
            else:
                self._items.extend(batch)
        return self._items.popleft()

    async def close(self) -> None:
        """Close the connection; the iteration ends. Again does nothing."""
        self._at_end = True
        self._items.clear()
        self._stream.interrupt()
        self._stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
