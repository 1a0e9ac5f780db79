"""The events of a run on their way to one client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

from ..store.objects import Json

DONE = b"event: done\ndata: [DONE]\n\n"
HEARTBEAT = b": still here\n\n"


# Made once: that takes longer than to encode a short object.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def frame(event: str, data: Json) -> bytes:
    """Encode one server-sent event as the API does: two lines and a blank one."""
    return framed(event, encode(data))


def framed(event: str, text: str) -> bytes:
    """The same for data that is JSON by now."""
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
        self._frames: list[bytes] = []  # that are not sent yet
        self._is_over = False
        self._news = asyncio.Event()

    def put(self, first: int, frames: Sequence[bytes]) -> None:
        """Send the frames that were not sent yet, of those from number `first` on."""
        skipped = self.next - first
        if not self.watched or skipped < 0 or skipped >= len(frames):
            return
        frames = frames[skipped:]
        if self.numbered:
            frames = [b"id: %d\n%b" % one for one in enumerate(frames, self.next)]
        self.next += len(frames)
        self._frames += frames
        self._news.set()

    def say(self, frame: bytes) -> None:
        """Send what has no number."""
        if self.watched:
            self._frames.append(frame)
            self._news.set()

    def end(self) -> None:
        """Say that there is no more, and end the response."""
        self.say(DONE)
        self.cut()

    def cut(self) -> None:
        """End the response without a word: the client may ask for the rest elsewhere."""
        self._is_over = True
        self.watched = False
        self._news.set()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the frames, all at once that are there: each sending is a call of the system."""
        try:
            while True:
                frames, self._frames = self._frames, []
                if frames:
                    yield b"".join(frames)
                elif self._is_over:
                    return
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            self.watched = False
            self._frames = []
