"""The HTTP response that sends what a feed gives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..runs.feed import Feed


class FeedResponse(Response):
    """Sends frames until their feed ends, or the client goes.

    Starlette's own for streams makes a task group and two tasks for each, which takes as long as a
    transaction.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._watch(receive))
        chunks = self._feed.chunks()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watching.cancel()
            await chunks.aclose()

    async def _watch(self, receive: Receive) -> None:
        """End the feed when its client goes: what is sent then reaches nobody, and says nothing of it."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._feed.cut()
