"""The events of a run on their way to one client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

from ..store.objects import Json

DONE = b"event: done\ndata: [DONE]\n\n"
HEARTBEAT = b": still here\n\n"


def frame(event: str, data: Json) -> bytes:
    """Encode one server-sent event as the API does: two lines and a blank one."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # Half a character becomes the escape that JSON has for it: a frame can always be sent.
    return f"event: {event}\ndata: {text}\n\n".encode(errors="backslashreplace")


class Feed:
    """The frames of one HTTP response, from a run's log to the response.

    There is no bound on it: a client that reads slowly must not slow the run down, and a run has
    an end. When the response is over, closed or not, frames are thrown away.

    `next` is the number of the event that it wants next. `numbered`: the client is told the
    numbers, and follows the run to its end; else up to where the run needs its client, at most.
    """

    def __init__(self, next: int = 1, *, numbered: bool = False) -> None:
        self.next = next
        self.first = next
        self.numbered = numbered
        self.watched = True
        self.catching_up = False  # with what was told before it came
        self.is_behind = False  # something was told that it could not take
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, first: int, frames: Sequence[bytes]) -> None:
        """Send the frames that were not sent yet, of those from number `first` on."""
        skipped = self.next - first
        if not self.watched or skipped < 0 or skipped >= len(frames):
            return
        frames = frames[skipped:]
        if self.numbered:
            frames = [b"id: %d\n%b" % one for one in enumerate(frames, self.next)]
        self.next += len(frames)
        self._chunks.put_nowait(b"".join(frames))

    def say(self, frame: bytes) -> None:
        """Send what has no number."""
        if self.watched:
            self._chunks.put_nowait(frame)

    def end(self) -> None:
        """Say that there is no more, and end the response."""
        self.say(DONE)
        self.cut()

    def cut(self) -> None:
        """End the response without a word: the client may ask for the rest elsewhere."""
        self._chunks.put_nowait(None)
        self.watched = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while (item := await self._chunks.get()) is not None:
                yield item
        finally:
            self.watched = False
