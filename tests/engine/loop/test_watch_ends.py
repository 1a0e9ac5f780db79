"""How bodies end that a loop reads itself: aborts at any moment, loops that close, TLS, forks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import subprocess
import threading
import weakref

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
    until,
)
from five_deltas import Halves
from launcher import Program
from left_behind import stream_threads, wait_until
from parity.transcripts import answered, encode
from scripted_server import PATIENCE, ScriptedServer, sse

from emitter_stream import APIConnectionError, APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.engine import sources
from emitter_stream.engine.loop import reader, watch

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


def test_a_connection_that_is_reset(connect):
    """It ends the stream at once, with the error that it was, also while nothing is wanted."""
    gate = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(HEAD)
        exchange.wait(gate)
        exchange.reset()

    async def main():
        client = connect(script)
        idle = streamed(client).on("textDelta", nothing)
        held, let_go = asyncio.Event(), asyncio.Event()

        async def hold(delta):
            held.set()
            await let_go.wait()

        busy = streamed(client).on("textDelta", hold)
        await read_by_the_loop(idle)
        await held.wait()
        gate.set()
        with pytest.raises(APIConnectionError):
            await idle.done()
        let_go.set()
        with pytest.raises(APIConnectionError):
            await busy.done()

    asyncio.run(main())


@pytest.mark.parametrize("where", ["before", "behind"])
def test_an_abort_while_the_source_is_handed_over(connect, monkeypatch, where):
    """It is closed, by the loop, and the listeners hear of the abort once."""

    async def main():
        names = []
        client = connect(hanging())
        made = concurrent.futures.Future()  # the thread may be there before the stream is
        stopped_at(monkeypatch, where, lambda: made.result(PATIENCE).abort())
        stream = streamed(client).on("abort", lambda: names.append("abort"))
        made.set_result(stream.on("end", lambda: names.append("end")))
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await until(connect.server.client_closed)
        assert names == ["abort", "end"]
        await soon(lambda: stream._delivery._closed and not own_threads())

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


def lingers(stream) -> bool:
    """Tell whether the loop waits for the end of a body that said all."""
    return stream._reader._watch is not None and stream._reader._watch._is_lingering


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
        await soon(lambda: lingers(stream))
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
        await soon(lambda: lingers(stream))
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
        await asyncio.sleep(0.001)
    say("go on")
    say((await text).id)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_leaves_the_parent_its_streams():
    """A child of a listener touches neither socket nor loop, whatever is called there."""
    script = Halves()
    with ScriptedServer(script) as server:
        # Python 3.12 warns of a fork where there are threads.
        flags = ("-W", "error", "-W", "ignore::DeprecationWarning")
        with Program(FORK.format(url=server.url), flags=flags) as process:
            lines = []
            for line in process.stdout:
                lines.append(line.rstrip())
                if lines[-1] == "go on":
                    script.go_on.set()
            assert process.errors() == ""
    assert lines == ["child True False", "status 0", "go on", "run_1"]
