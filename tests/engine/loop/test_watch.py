"""Bodies that a loop reads itself: no thread a stream, and what else could have become different."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading

import pytest
from aio_streams import (
    BODY,
    HEAD,
    deltas,
    hanging,
    nothing,
    own_threads,
    read_by_the_loop,
    soon,
    streamed,
    turns,
    until,
    values,
)
from five_deltas import FIVE, HALF, HalvedChunk, Halves
from left_behind import stream_threads
from parity.transcripts import answered, encode
from scripted_server import PATIENCE, cut_off, sse

from emitter_stream import APIConnectionError, APITimeoutError, APIUserAbortError, OpenAIError
from emitter_stream.engine.loop import reader, watch


class NoReaders(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for others, as the one of Windows."""

    def add_reader(self, *args):
        raise NotImplementedError


class Strict(asyncio.SelectorEventLoop):
    """A loop that checks who calls, as in debug mode."""

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(True)


def with_select() -> asyncio.AbstractEventLoop:
    """Make a loop that would break at a descriptor beyond a thousand."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def with_uvloop() -> asyncio.AbstractEventLoop:
    """Make a loop of uvloop, where that is."""
    return pytest.importorskip("uvloop").new_event_loop()


def run_on(loop: asyncio.AbstractEventLoop, coroutine):
    """Run a coroutine on a loop and close that, as asyncio.run does."""
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


# --- who reads


def test_no_thread_a_stream(connect):
    """However many streams wait for their server, none has a thread once its answer has begun."""
    script = Halves()

    async def main():
        client = connect(script)
        got = []
        streams = [streamed(client).on("textDelta", got.append) for _ in range(50)]
        for stream in streams:
            await read_by_the_loop(stream)
        await soon(lambda: len(got) == 150 and not own_threads() and len(stream_threads()) <= 1)
        script.go_on.set()
        await asyncio.gather(*(stream.done() for stream in streams))
        assert not own_threads()
        return len(got)

    assert asyncio.run(main()) == 250


@pytest.mark.parametrize("make", [NoReaders, with_select, with_uvloop])
def test_a_loop_that_cannot_watch_has_threads(connect, make):
    """Without an `add_reader` that can be relied on each stream is read by its thread."""

    async def main():
        client = connect(script)
        stream = streamed(client)
        text = asyncio.ensure_future(deltas(stream))
        await stream.emitted("textDelta")
        assert len(own_threads()) == 1
        script.go_on.set()
        assert await text == "abcde"

    script = Halves()
    run_on(make(), main())


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, Strict])
def test_loops_of_other_makers(connect, make):
    """Subclasses and debug mode change nothing: reading, ends, aborts, silence."""
    script = Halves()

    async def main():
        client = connect(script, hanging(), hanging(), sse(BODY))
        stream = streamed(client)
        text = asyncio.ensure_future(deltas(stream))
        await read_by_the_loop(stream)
        script.go_on.set()
        assert await text == "abcde"
        left = streamed(client).on("textDelta", nothing)
        await read_by_the_loop(left)
        threading.Thread(target=left.abort).start()
        with pytest.raises(APIUserAbortError):
            await left.done()
        with pytest.raises(APITimeoutError):
            await streamed(client, timeout=0.05).done()
        assert await deltas(streamed(client)) == "abcde"

    run_on(make(), main())


@pytest.mark.parametrize("framing", ["chunked", "length", "close", "gzip", "gzip-close"])
@pytest.mark.parametrize("piece", [None, 1])
def test_every_framing(connect, framing, piece):
    """However a body is framed and cut, the text is whole, and the loop reads what is not packed."""

    async def main():
        stream = streamed(connect(sse(BODY, piece, framing)))
        assert await deltas(stream) == "abcde"
        assert (stream._reader._watch is None) == framing.startswith("gzip")

    asyncio.run(main())


def test_a_chunk_that_comes_in_halves(connect):
    """A half of a chunk's size or end holds nothing up, and is not lost."""
    script = HalvedChunk()

    async def main():
        client = connect(script, sse(BODY))
        halting = streamed(client).on("textDelta", nothing)
        await read_by_the_loop(halting)
        for gate in script.gates:
            gate.set()
            await streamed(client).done()
        await halting.done()

    asyncio.run(main())


def test_an_event_that_is_too_large(connect):
    """The bound of an event's size holds, and ends the request."""

    async def main():
        client = connect(hanging(b"data: " + b"x" * 5_000), max_event_bytes=1_000)
        with pytest.raises(OpenAIError, match="1000 bytes"):
            await streamed(client).done()
        await until(connect.server.client_closed)

    asyncio.run(main())


def test_a_body_that_is_cut(connect):
    """A connection that breaks is the error that it was, and the socket is closed."""

    async def main():
        got = []
        stream = streamed(connect(cut_off(HEAD))).on("textDelta", got.append)
        with pytest.raises(APIConnectionError):
            await stream.done()
        return values(got)

    assert asyncio.run(main()) == [*"abc"]


def test_two_loops_at_once(connect):
    """Each loop reads its own streams, of one client."""
    script = Halves()
    begun = threading.Barrier(3, timeout=PATIENCE)
    texts = []

    async def main(client):
        streams = [streamed(client) for _ in range(5)]
        reading = [asyncio.ensure_future(deltas(stream)) for stream in streams]
        for stream in streams:
            await read_by_the_loop(stream)
        await asyncio.to_thread(begun.wait)
        texts.extend(await asyncio.gather(*reading))

    client = connect(script)
    threads = [threading.Thread(target=lambda: asyncio.run(main(client))) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    script.go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert texts == ["abcde"] * 10


# --- taking turns


def test_what_nobody_wants_is_not_read(connect):
    """A consumer that lags holds the server back: the socket is not watched until there is room."""
    long = answered(*"x" * 60_000)
    sent = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(encode(long[:HALF]))
        for at in range(HALF, len(long), 1_000):
            exchange.body(encode(long[at : at + 1_000]))
        exchange.finish()
        sent.set()

    async def main():
        stream = streamed(connect(script))
        pieces = stream.text_deltas
        first = await anext(pieces)
        reading = stream._reader._watch
        await soon(lambda: stream._delivery.is_held_back() and not reading._is_watched)
        assert not sent.is_set()  # some 20 MB, more than sockets hold
        assert first + "".join([piece async for piece in pieces]) == "x" * 60_000
        assert sent.wait(PATIENCE)

    asyncio.run(main())


def test_a_flood_lets_others_have_their_turn(connect, monkeypatch):
    """A server that is ahead is read in pieces, between which everything else on the loop runs."""
    monkeypatch.setattr(reader, "AT_ONCE", 1_000)
    long = encode(answered(*"x" * 5_000))
    rounds = [0]

    async def main():
        stream = streamed(connect(sse(long))).on("textDelta", nothing)

        async def others():
            while not stream.ended:
                rounds[0] += 1
                await asyncio.sleep(0)

        await asyncio.gather(stream.done(), others())

    asyncio.run(main())
    assert rounds[0] >= len(long) // 2_000  # some come with the head, before the others begin


def test_a_flood_is_read_in_few_pieces(connect):
    """Where the server is far ahead one read takes hundreds of events."""
    long = encode(answered(*"x" * 5_000))[:200_000]
    gate, sent = threading.Event(), threading.Event()
    reads = []

    def script(exchange):
        exchange.head()
        exchange.body(long[:2_000])
        exchange.wait(gate)
        pieces = (long[at : at + 300] for at in range(2_000, len(long), 300))
        exchange.raw(b"".join(map(exchange.framed, pieces)))
        sent.set()
        exchange.wait_for_close()

    async def main():
        stream = streamed(connect(script)).on("textDelta", nothing)
        reading = await read_by_the_loop(stream)
        arrive = reading._inlet.arrive
        reading._inlet.arrive = lambda it: (reads.append(1), arrive(it))
        gate.set()
        assert sent.wait(PATIENCE)  # holding the loop: all of it is there when that goes on
        await turns(300)
        stream.abort()
        with pytest.raises(APIUserAbortError):
            await stream.done()

    asyncio.run(main())
    assert 1 <= len(reads) <= 50


def test_a_coroutine_that_takes_long_holds_up_its_own_stream_alone(connect):
    """While one listener awaits something, the others hear everything."""
    script = Halves()

    async def main():
        client = connect(script, sse(BODY))
        let_go, hangs = asyncio.Event(), asyncio.Event()

        async def hang(delta):
            hangs.set()
            await let_go.wait()

        stuck = streamed(client).on("textDelta", hang)
        await hangs.wait()
        script.go_on.set()
        for _ in range(5):
            assert await deltas(streamed(client)) == "abcde"
        assert not stuck.ended
        let_go.set()
        await stuck.done()

    asyncio.run(main())


# --- silence


def test_a_slow_listener_is_no_silence_of_the_server(connect):
    """The time that a listener takes does not count as time that nothing came."""
    script = Halves()

    async def main():
        got = []

        async def slow(delta):
            got.append(delta.value)
            reading = stream._reader._watch
            reading._patience = 0.0
            reading._stop_timer()
            reading._look()  # as the timer does, when the patience is over
            reading._patience = PATIENCE

        stream = streamed(connect(script)).on("textDelta", slow)
        await read_by_the_loop(stream)
        script.go_on.set()
        await stream.done()
        return got

    assert asyncio.run(main()) == [*"abcde"]


def test_what_came_while_the_loop_was_busy_is_not_late(connect):
    """A loop may look at the clock before it looks at sockets, after something held it up."""
    gate, sent = threading.Event(), threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait(gate)
        exchange.body(encode(FIVE[HALF:]))
        exchange.finish()
        sent.set()

    async def main():
        stream = streamed(connect(script))
        text = asyncio.ensure_future(deltas(stream))
        reading = await read_by_the_loop(stream)
        gate.set()
        assert sent.wait(PATIENCE)  # what holds the loop up
        reading._heard_at -= 2 * PATIENCE
        reading._stop_timer()
        reading._look()
        assert await text == "abcde"

    asyncio.run(main())


def test_each_stream_has_its_own_time(connect):
    """Silence ends the stream that was promised less of it, and no other."""
    script = Halves()

    async def main():
        client = connect(script)
        patient, hasty = (streamed(client).on("textDelta", nothing) for _ in range(2))
        reading = await read_by_the_loop(hasty)
        reading._patience = 0.01  # from here on: on a busy machine it takes longer to begin
        reading._stop_timer()
        reading._look()
        with pytest.raises(APITimeoutError, match="still for too long"):
            await hasty.done()
        script.go_on.set()
        await patient.done()

    asyncio.run(main())


def test_whether_a_loop_can_watch_is_found_out_once(monkeypatch):
    """It costs two sockets; where there are none a loop is not asked."""
    made = []
    pair = socket.socketpair

    def counted():
        made.append(1)
        return pair()

    async def main():
        monkeypatch.setattr(watch.socket, "socketpair", counted)
        loop = asyncio.get_running_loop()
        return [watch.can_watch(loop) for _ in range(3)]

    assert asyncio.run(main()) == [True] * 3
    assert made == [1]

    def refuse():
        raise OSError(24, "Too many open files")

    async def without():
        monkeypatch.setattr(watch.socket, "socketpair", refuse)
        return watch.can_watch(asyncio.get_running_loop())

    loop = asyncio.new_event_loop()
    assert not loop.run_until_complete(without())
    loop.close()
