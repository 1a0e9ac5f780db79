"""Bodies that a loop reads itself: no thread a stream, and what else could have become different."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import selectors
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from aio_streams import BODY, FIVE, HEAD, hanging, nothing, streamed, turns, until, values
from left_behind import stream_threads, wait_until
from parity.transcripts import answered, encode
from scripted_server import PATIENCE, ScriptedServer, sse

from emitter_stream import APIConnectionError, APITimeoutError, APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.engine import sources
from emitter_stream.engine.loop import reader, watch

TESTS = Path(__file__).parents[2]
HALF = len(FIVE) - 6  # the frames up to the third delta


class Halves:
    """A script that stands still after three deltas, until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, exchange) -> None:
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait(self.go_on)
        exchange.body(encode(FIVE[HALF:]))
        exchange.finish()


def own_threads() -> list[str]:
    """Name the library's threads, but for the one that looks whether loops are closed."""
    return [one.name for one in stream_threads() if not one.name.endswith("-watch")]


async def read_by_the_loop(stream) -> watch.Watch:
    """Wait until a stream's loop reads it, and waits for more; give what does."""
    while stream._reader._watch is None or not stream._reader._watch._is_watched:
        await asyncio.sleep(0)
    return stream._reader._watch


async def deltas(stream) -> str:
    """Read a stream to its end."""
    return "".join([piece async for piece in stream.text_deltas])


class NoReaders(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for others, as the one of Windows."""

    def add_reader(self, *args):
        raise NotImplementedError


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
        while len(got) < 150 or own_threads():
            await asyncio.sleep(0)
        assert len(stream_threads()) <= 1
        script.go_on.set()
        await asyncio.gather(*(stream.done() for stream in streams))
        assert not own_threads()
        return len(got)

    assert asyncio.run(main()) == 250


@pytest.mark.parametrize("make", [NoReaders, with_select])
def test_a_loop_that_cannot_watch_has_threads(connect, make):
    """Where there is no `add_reader`, or one of select(), each stream is read by its thread."""

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


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, with_uvloop])
def test_loops_of_other_makers(connect, make):
    """Nothing but the public methods of a loop is used: reading, ends, aborts, silence."""
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
    gates = [threading.Event() for _ in range(6)]
    data = encode(FIVE)
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    cuts = [0, 1, 3, 100, len(framed) - 6, len(framed) - 3, len(framed)]

    def script(exchange) -> None:
        exchange.head()
        for gate, start, stop in zip(gates, cuts[:-1], cuts[1:], strict=True):
            exchange.wait(gate)
            exchange.raw(framed[start:stop])

    async def main():
        client = connect(script, sse(BODY))
        halting = streamed(client).on("textDelta", nothing)
        await read_by_the_loop(halting)
        for gate in gates:
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

    def cut(exchange):
        exchange.head()
        exchange.body(HEAD)
        exchange.cut()

    async def main():
        got = []
        stream = streamed(connect(cut)).on("textDelta", got.append)
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
        while reading._is_watched or not stream._delivery.is_held_back():
            await asyncio.sleep(0)
        assert not sent.is_set()  # some 20 MB, more than sockets hold
        assert first + "".join([piece async for piece in pieces]) == "x" * 60_000
        assert sent.is_set()

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
    assert rounds[0] >= len(long) // 1_000


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
        object.__setattr__(reading._inlet, "arrive", lambda it: (reads.append(1), arrive(it)))
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
        patient = streamed(client).on("textDelta", nothing)
        with pytest.raises(APITimeoutError, match="still for too long"):
            await streamed(client, timeout=0.05).on("textDelta", nothing).done()
        script.go_on.set()
        await patient.done()

    asyncio.run(main())


# --- ends, at every moment


def stopped_at(monkeypatch, where: str, stop) -> None:
    """Call `stop` at the moment when the thread hands its source over, or just before or behind."""
    original = watch.Watch.hand_over

    def hand_over(reading):
        if where == "before":
            stop()
        original(reading)
        if where == "behind":
            stop()

    monkeypatch.setattr(watch.Watch, "hand_over", hand_over)


@pytest.mark.parametrize("where", ["before", "behind"])
def test_an_abort_while_the_source_is_handed_over(connect, monkeypatch, where):
    """It is closed, by the loop, and the listeners hear of the abort once."""

    async def main():
        names = []
        client = connect(hanging())
        made = []
        stopped_at(monkeypatch, where, lambda: made[0].abort())
        stream = streamed(client).on("abort", lambda: names.append("abort"))
        made.append(stream.on("end", lambda: names.append("end")))
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await until(connect.server.client_closed)
        assert names == ["abort", "end"]
        while own_threads() or not stream._delivery._closed:
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_loop_that_is_closed_while_the_source_is_handed_over(connect, monkeypatch, where):
    """Whoever finds the loop closed closes the source."""
    reached, closed = threading.Event(), threading.Event()

    def stop():
        reached.set()
        assert closed.wait(PATIENCE)

    stopped_at(monkeypatch, where, stop)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # a task is destroyed, and it says so

    async def main():
        stream = streamed(connect(hanging()))
        if where == "before":
            await until(reached)
        return stream

    stream = loop.run_until_complete(main())
    assert reached.wait(PATIENCE)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    closed.set()
    assert connect.server.client_closed.wait(PATIENCE)
    assert wait_until(lambda: stream.ended)
    assert stream.aborted


def test_a_loop_that_is_closed_with_the_close_under_way(connect, monkeypatch):
    """What the loop was still to do for a stream that is over is done by who finds it closed."""
    loop = asyncio.new_event_loop()
    held = []
    # The step that would close it does not come any more.
    monkeypatch.setattr(watch.Watch, "_close", lambda reading, error: held.append(reading))

    async def main():
        stream = streamed(connect(hanging())).on("textDelta", nothing)
        reading = await read_by_the_loop(stream)
        stream._delivery._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stream._delivery._task
        return stream, reading

    stream, reading = loop.run_until_complete(main())
    assert stream.ended and held and reading._unclosed
    loop.close()
    assert wait_until(lambda: not reading._unclosed)
    assert connect.server.client_closed.wait(PATIENCE)


def test_ctrl_c_in_a_read(connect, monkeypatch):
    """KeyboardInterrupt in the loop's own read leaves the loop, and ends the stream as aborted."""
    names = []

    def interrupt(source):
        raise KeyboardInterrupt

    async def main():
        stream = streamed(connect(script)).on("abort", lambda: names.append("abort"))
        stream.on("end", lambda: names.append("end"))
        await read_by_the_loop(stream)
        monkeypatch.setattr(sources.HTTPSource, "read", interrupt)
        script.go_on.set()
        await stream.done()

    script = Halves()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert names == ["abort", "end"]
    assert wait_until(lambda: not stream_threads())


def test_an_error_of_the_loop_ends_the_stream(connect, monkeypatch):
    """A loop that refuses to watch one socket, when it watched others, is the stream's error."""

    def refuse(descriptor, callback):
        raise OSError("no room")

    async def main():
        client = connect(hanging())
        await read_by_the_loop(streamed(client).on("textDelta", nothing))
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "add_reader", refuse)
        stream = streamed(client).on("textDelta", nothing)
        with pytest.raises(OpenAIError, match="no room"):
            await stream.done()
        assert not stream._reader._watch._unclosed

    asyncio.run(main())


# --- connections


def test_connections_serve_again(connect):
    """A connection whose answer the loop read to its end is used for the next request."""

    async def main():
        client = connect(sse(BODY))
        for _ in range(4):
            assert await deltas(streamed(client)) == "abcde"
        await client.models.list()

    with contextlib.suppress(OpenAIError):  # an event stream is no list
        asyncio.run(main())
    assert len(connect.server.exchanges) == 5
    assert connect.server.connections == 1


@pytest.mark.parametrize("comes", [True, False])
def test_the_end_of_a_body_that_said_all(connect, monkeypatch, comes):
    """It is waited for a moment, without holding the loop, so that the connection serves again."""
    monkeypatch.setattr(sources.HTTPSource, "linger", PATIENCE if comes else 0.001)
    gate = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(BODY)
        exchange.wait(gate)
        exchange.raw(b"0\r\n\r\n")

    async def main():
        client = connect(script, sse(BODY))
        stream = streamed(client)
        text = asyncio.ensure_future(deltas(stream))
        while stream._reader._watch is None or not stream._reader._watch._is_lingering:
            await asyncio.sleep(0)
        if comes:
            assert stream._reader._watch._unclosed
            gate.set()
        assert await text == "abcde"
        assert await deltas(streamed(client)) == "abcde"
        gate.set()

    asyncio.run(main())
    assert connect.server.connections == (1 if comes else 2)


def test_an_abort_while_the_end_of_a_body_is_waited_for(connect, monkeypatch):
    """Nothing keeps an aborted stream."""
    monkeypatch.setattr(sources.HTTPSource, "linger", PATIENCE)

    async def main():
        stream = streamed(connect(hanging(BODY))).on("textDelta", nothing)
        while stream._reader._watch is None or not stream._reader._watch._is_lingering:
            await asyncio.sleep(0)
        stream.abort()
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await until(connect.server.client_closed)

    asyncio.run(main())


def test_nothing_is_left_of_a_stream(connect):
    """A stream that is over is not kept, by its loop or by a timer, though the loop goes on."""

    async def main():
        client = connect(sse(BODY))
        for _ in range(3):
            stream = streamed(client)
            await stream.done()
            made.append(weakref.ref(stream._reader._watch))
            del stream

        def are_gone() -> bool:
            gc.collect()
            return not any(one() for one in made)

        # Who looks after closed loops may hold one for a moment.
        assert await asyncio.to_thread(wait_until, are_gone)

    made = []
    asyncio.run(main())


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """A key and a certificate for 127.0.0.1, in one file."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    try:
        made = subprocess.run(
            [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", "-", "-out", "-"],
            capture_output=True,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl program")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(made.stdout)
    return str(file)


@pytest.mark.parametrize("at_once", [100, 65_536])
def test_tls(certificate, monkeypatch, at_once):
    """What TLS has taken from the socket already is read, though that is not readable any more."""
    import ssl

    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, certificate if name == "REQUESTS_CA_BUNDLE" else "")
    monkeypatch.setattr(reader, "AT_ONCE", at_once)
    pieces = [str(number) for number in range(200)]
    body = encode(answered(*pieces))
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    async def serve(reading, writer):
        await reading.readuntil(b"\r\n\r\n")
        writer.write(head)
        # Records as large as they can be, of which one read takes a part; then nothing more.
        writer.write(b"%x\r\n%b\r\n" % (len(body), body))
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reading.read()
        writer.close()

    async def main():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with AsyncOpenAI("sk-test", base_url=url, max_retries=0, timeout=PATIENCE) as client:
            stream = streamed(client)
            assert await deltas(stream) == "".join(pieces)
            assert stream._reader._watch is not None
        server.close()
        await server.wait_closed()

    asyncio.run(main())


# --- forks

FORK = """
import asyncio, os, sys
from forking import *
from emitter_stream.aio import AsyncOpenAI

async def main():
    client = AsyncOpenAI(base_url={url!r}, api_key="sk-test", max_retries=0)
    stream = client.beta.threads.runs.stream("t", assistant_id="a")

    def fork(delta):
        stream.off("textDelta", fork)
        pid = os.fork()
        if not pid:
            try:
                reading = stream._reader._watch
                reading._readable(), reading._turn(), reading._look(), reading._close(None)
                reading.go_on(), reading.lose(), stream.abort()
                print("child", bool(reading._unclosed), stream.ended, flush=True)
            finally:
                os._exit(0)
        say("status", end_of(pid))

    stream.on("textDelta", fork)
    text = asyncio.ensure_future(stream.final_run())
    await stream.emitted("textDelta")
    while not stream._reader._watch._is_watched:
        await asyncio.sleep(0)
    say("go on")
    say((await text).id)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_leaves_the_parent_its_streams():
    """A child of a listener touches neither socket nor loop, whatever is called there."""
    script = Halves()
    with ScriptedServer(script) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", FORK.format(url=server.url)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent)))},
        )
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1] == "go on":
                script.go_on.set()
        errors = process.communicate(timeout=PATIENCE)[1]
    assert errors == ""
    assert lines == ["child True False", "status 0", "go on", "run_1"]


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
