"""The Responses stream for asyncio."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from ...abort import AbortSignal
from ...engine.loop.iterator import AsyncEventIterator
from ...engine.loop.reader import Reader
from ...exceptions import OpenAIError
from ...types.responses import Response, ResponseStreamEvent
from ..aio_base import AsyncApiStream
from .aio_listeners import AsyncResponseListeners
from .core import ResponseCore
from .stream import API, checked_complete, passed_event

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncResponseStream"]


class AsyncResponseStream(AsyncResponseListeners, AsyncApiStream):
    """The events of a response on an event loop: ``ResponseStream``, for asyncio.

    Events, arguments and their order are those of ``ResponseStream``. Listeners are plain functions
    or ``async def``, called one at a time on the loop that made the stream. A task that is cancelled
    while it waits in ``done``, in a final or in an iterator aborts the request.
    """

    _api = API
    _core: ResponseCore

    def __init__(
        self,
        reader: Reader,
        core: ResponseCore,
        *,
        signal: AbortSignal | None = None,
        inline: bool = False,
    ) -> None:
        self._own: AsyncEventIterator[ResponseStreamEvent] | None = None
        self._in_block = False
        super().__init__(reader, core, signal=signal, inline=inline)

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

    # Snapshots and finals

    @property
    def current_response_snapshot(self) -> Response | None:
        """The response so far, which grows; ``None`` before the first event."""
        return self._core.snapshot

    @property
    def repairs(self) -> Counter[str]:
        """How often each rule for what real servers leave out was needed, by its name (``R4``)."""
        return Counter(self._core.repairs)

    async def final_response(self, timeout: float | None = None) -> Response:
        """Wait for the end and return the response; see ``ResponseStream.final_response``."""
        await self.done(timeout)
        assert self._core.final is not None
        return self._core.final

    async def get_final_response(self, timeout: float | None = None) -> Response:
        """Return ``final_response()``; a ``RuntimeError`` unless ``response.completed`` came."""
        await self.done(timeout)
        return checked_complete(self._core)
