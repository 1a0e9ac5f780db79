"""The events of one streamed response, on their way from a run's task to the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from ..store.objects import Json

DONE = b"event: done\ndata: [DONE]\n\n"


def frame(event: str, data: Json) -> bytes:
    """Encode one server-sent event as the API does: two lines and a blank one."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # Half a character becomes the escape that JSON has for it: a frame can always be sent.
    return f"event: {event}\ndata: {text}\n\n".encode(errors="backslashreplace")


class Feed:
    """The frames of one HTTP response, from the run's task to the response.

    There is no bound on it: a client that reads slowly must not slow the run down, and a run has
    an end. When the response is over, closed or not, frames are thrown away.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._watched = True

    def put(self, event: str, data: Json) -> None:
        if self._watched:
            self._frames.put_nowait(frame(event, data))

    def end(self) -> None:
        self._frames.put_nowait(DONE)
        self._frames.put_nowait(None)

    async def frames(self) -> AsyncIterator[bytes]:
        try:
            while (item := await self._frames.get()) is not None:
                yield item
        finally:
            self._watched = False
