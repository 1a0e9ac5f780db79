"""Sources of asyncio streams are opened by few threads, and by as many as it takes."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from aio_streams import deltas, nothing, own_threads, soon, streamed
from five_deltas import FIVE
from left_behind import stream_threads, wait_until
from parity.transcripts import DONE, encode
from scripted_server import PATIENCE, sse

from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.engine.loop import opening

EVENTS = [{"event": name, "data": data} for name, data in FIVE if name != DONE[0]]
MANY = 40
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


class Companions:
    """A script that answers nobody before so many have asked."""

    def __init__(self, count: int) -> None:
        self.all_asked = threading.Event()
        self._lock = threading.Lock()
        self._missing = count

    def __call__(self, exchange) -> None:
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self.all_asked.set()
        exchange.wait(self.all_asked)
        sse(encode(FIVE))(exchange)


def held(gate: threading.Event):
    """Give the events, once the gate is open."""
    assert gate.wait(PATIENCE)
    yield from EVENTS


def test_all_are_asked_for_however_long_servers_take(connect):
    """Streams of servers that answer none before all have asked; made in one go, and read to the end."""
    script = Companions(MANY)

    async def main():
        client = connect(script)
        streams = [streamed(client) for _ in range(MANY)]
        return await asyncio.gather(*map(deltas, streams))

    assert asyncio.run(main()) == ["abcde"] * MANY
    assert wait_until(lambda: not stream_threads())


def test_while_the_process_computes(connect, monkeypatch):
    """The same, where another thread leaves no processor to see that the openers wait for servers."""
    monkeypatch.setattr(opening.time, "process_time", opening.time.monotonic)
    test_all_are_asked_for_however_long_servers_take(connect)


def test_few_threads_begin(connect):
    """Before the loop has had its turn there are no more than a few."""
    script = Companions(MANY)

    async def main():
        client = connect(script)
        streams = [streamed(client) for _ in range(MANY)]
        began = len(own_threads())
        await asyncio.gather(*map(deltas, streams))
        return began

    assert asyncio.run(main()) == opening.THREADS


def test_a_thread_that_is_kept_opens_nothing_else():
    """Iterables that block keep their threads: the streams behind them are begun by others."""
    gate = threading.Event()

    async def main():
        blocked = [AsyncAssistantStream.from_events(held(gate)) for _ in range(MANY)]
        free = [AsyncAssistantStream.from_events(EVENTS) for _ in range(MANY)]
        assert await asyncio.gather(*map(deltas, free)) == ["abcde"] * MANY
        await soon(lambda: len(own_threads()) == MANY)
        gate.set()
        assert await asyncio.gather(*map(deltas, blocked)) == ["abcde"] * MANY

    asyncio.run(main())
    assert wait_until(lambda: not stream_threads())


def test_each_source_has_its_makers_context():
    """Whatever thread opens and reads it, and whatever that did before."""

    def events():
        first = variable.get()
        variable.set(-1)
        yield from EVENTS
        seen.append(first)

    seen: list[int] = []

    async def main():
        streams = []
        for number in range(MANY):
            variable.set(number)
            streams.append(AsyncAssistantStream.from_events(events()))
        await asyncio.gather(*map(deltas, streams))

    asyncio.run(main())
    assert sorted(seen) == [*range(MANY)]


def test_an_abort_of_what_waits_to_be_opened(connect):
    """The stream ends at once, and its server is never asked."""
    script = Companions(MANY)

    async def main():
        client = connect(script)
        streams = [streamed(client) for _ in range(MANY)]
        ends = []
        last = streamed(client).on("abort", ends.append)
        last.abort()
        with pytest.raises(APIUserAbortError):
            await last.done()
        assert len(ends) == 1
        await asyncio.gather(*map(deltas, streams))
        await soon(lambda: not own_threads())

    asyncio.run(main())
    assert len(connect.server.requests) == MANY


@pytest.mark.parametrize("beside", [0, MANY])
def test_no_thread_is_to_be_had(connect, monkeypatch, beside):
    """Where there is none that could open it later, the stream ends in that error."""
    start = threading.Thread.start
    script = Companions(beside + 1)

    def refuse(thread):
        if thread.name.startswith("emitter-stream-aio-") and thread.name[-1].isdigit():
            raise RuntimeError("can't start new thread")
        start(thread)

    async def main():
        client = connect(script)
        streams = [streamed(client) for _ in range(beside)]
        await soon(lambda: len(script_threads()) == beside)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        stream = streamed(client).on("textDelta", nothing)
        if not beside:
            with pytest.raises(OpenAIError, match="new thread"):
                await stream.done()
            return
        # Those that open have not their answers: one of them comes back, and takes it.
        monkeypatch.setattr(threading.Thread, "start", start)
        script.all_asked.set()
        assert await deltas(stream) == "abcde"
        await asyncio.gather(*map(deltas, streams))

    def script_threads():
        return connect.server.requests

    asyncio.run(main())


def test_a_loop_that_is_closed_with_sources_that_wait(connect):
    """None of them is asked for any more, and no thread is left."""
    script = Companions(10**6)
    loop = asyncio.new_event_loop()

    async def main():
        client = connect(script)
        return [streamed(client) for _ in range(MANY)]

    loop.set_exception_handler(nothing)
    streams = loop.run_until_complete(main())
    loop.close()
    assert wait_until(lambda: all(stream.ended for stream in streams))
    assert wait_until(lambda: not stream_threads())
    assert len(connect.server.requests) <= MANY
