"""The Responses stream for asyncio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ...engine.loop.iterator import AsyncEventIterator
from ...exceptions import OpenAIError
from ...types.responses import Response, ResponseStreamEvent
from ..aio_base import AsyncApiStream
from .aio_listeners import AsyncResponseListeners
from .core import ResponseCore
from .stream import API, ResponseSnapshots, checked_complete, passed_event

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncResponseStream"]


class AsyncResponseStream(AsyncResponseListeners, ResponseSnapshots, AsyncApiStream):
    """The events of a response on an event loop: ``ResponseStream``, for asyncio.

    Events, arguments and their order are those of ``ResponseStream``. Listeners are plain functions
    or ``async def``, called one at a time on the loop that made the stream. A task that is cancelled
    while it waits in ``done``, in a final or in an iterator aborts the request.
    """

    _api = API
    _core: ResponseCore
    _own: AsyncEventIterator[ResponseStreamEvent] | None = None  # what the stream itself is
    _in_block = False

    # Iterating

    def __aiter__(self) -> AsyncEventIterator[ResponseStreamEvent]:
        """Iterate over every event; leaving early aborts the request, but in an ``async with``."""
        if self._in_block:
            return self._itself()
        return AsyncEventIterator(
            self._delivery, "event", passed_event, self.abort, abort_on_leave=True
        )

    async def __anext__(self) -> ResponseStreamEvent:
        """Return the next event, as the Python SDK's stream does."""
        return await anext(self._itself())

    def _itself(self) -> AsyncEventIterator[ResponseStreamEvent]:
        """Return the one iterator that goes on where any loop over the stream stopped."""
        if self._own is None:
            self._own = AsyncEventIterator(self._delivery, "event", passed_event, self.abort)
        return self._own

    async def __aenter__(self) -> Self:
        self._in_block = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Wait for the end and raise the stream's error; close what is left if it was iterated."""
        self._in_block = False
        if self._own is None:
            await super().__aexit__(kind, *rest)
        else:
            await self.close()

    async def close(self) -> None:
        """End the request, if it has not ended, and wait for the listeners; no error is raised."""
        own, self._own = self._own, None
        self.abort()
        if own is not None:
            await own.aclose()
        if not self._delivery.elsewhere:
            with contextlib.suppress(OpenAIError):
                await self.done()

    # Finals

    async def final_response(self, timeout: float | None = None) -> Response:
        """Wait for the end and return the response; see ``ResponseStream.final_response``."""
        await self.done(timeout)
        assert self._core.final is not None
        return self._core.final

    async def get_final_response(self, timeout: float | None = None) -> Response:
        """Return ``final_response()``; a ``RuntimeError`` unless ``response.completed`` came."""
        await self.done(timeout)
        return checked_complete(self._core)
