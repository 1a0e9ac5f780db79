"""What tests of streams for asyncio share: bodies, scripts, waits, recorders."""

from __future__ import annotations

import asyncio
import threading
import time

from five_deltas import FIVE
from left_behind import stream_threads
from parity.compare import PATIENCE, Recorder, plain
from parity.transcripts import answered, encode
from scripted_server import hang

from emitter_stream import OpenAIError
from emitter_stream.engine.loop.watch import Watch

BODY = encode(FIVE)
HEAD = encode(FIVE[:10])  # three of the five deltas
LONG = encode(answered(*(f"{number}," for number in range(5_000))))


def streamed(client, **options):
    """Start a stream, with nobody listening yet."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", **options)


def hanging(first: bytes = HEAD):
    """Make a script that sends this much of a body, then nothing, until the client closes."""
    return hang(first)


def then(script, function):
    """Make a script that calls a function when another script is done."""

    def both(exchange):
        script(exchange)
        function()

    return both


def values(got) -> list[str]:
    """Give the pieces of text of deltas."""
    return [delta.value for delta in got]


async def turns(count: int = 20) -> None:
    """Let the loop go round some times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(event: threading.Event) -> None:
    """Wait for a thread's event without holding the loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


class AsyncRecorder(Recorder):
    """A recorder whose listeners are coroutines that give way to others before they take note."""

    def _listener(self, name: str):
        note = super()._listener(name)

        async def listener(*args) -> None:
            await asyncio.sleep(0)
            note(*args)
            await asyncio.sleep(0)

        return listener

    async def result(self):
        """Wait for the end and give trace, final and state as the golden files have them."""
        final = {}
        for key in ("run", "messages", "run_steps"):
            try:
                final[key] = plain(await getattr(self.stream, f"final_{key}")(timeout=PATIENCE))
            except OpenAIError as error:
                final[key] = plain(error)
        state = {key: plain(getattr(self.stream, key)) for key in ("ended", "errored", "aborted")}
        return {"trace": self.trace, "final": final, "state": state}


class PlainRecorder(AsyncRecorder):
    """A recorder whose listeners are plain functions."""

    _listener = Recorder._listener


def nothing(*args) -> None:
    """Be a listener."""


def failing(kind):
    """Make a listener that raises, a plain one or a coroutine."""
    if kind == "plain":

        def listen():
            raise KeyError("why")

        return listen

    async def later():
        await asyncio.sleep(0)
        raise KeyError("why")

    return later


async def soon(is_so) -> None:
    """Wait for something that nobody announces, without holding the loop."""
    limit = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < limit
        await asyncio.sleep(0.001)


def own_threads() -> list[str]:
    """Name the library's threads, but for those that look whether loops are closed, or sources wait."""
    return [one.name for one in stream_threads() if not one.name.endswith(("-watch", "-look"))]


async def read_by_the_loop(stream) -> Watch:
    """Wait until a stream's loop reads it, and waits for more; give what does."""

    def is_it() -> bool:
        reading = stream._reader._watch
        return reading is not None and reading._is_watched

    await soon(is_it)
    return stream._reader._watch


async def deltas(stream) -> str:
    """Read a stream to its end."""
    return "".join([piece async for piece in stream.text_deltas])
