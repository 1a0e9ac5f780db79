"""Loops that end, stop, run already or belong to a server; many streams on one."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import threading
from pathlib import Path

import pytest
import uvicorn
from aio_streams import BODY, LONG, failing, hanging, nothing, streamed, turns, until, values
from left_behind import stream_threads, wait_until
from parity.compare import PATIENCE
from parity.transcripts import DONE, answered, encode, run, said, started
from scripted_server import sse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncAssistantStream, AsyncOpenAI

DESCRIPTORS = Path("/proc/self/fd")


# --- loops that end


def test_asyncio_run_ends_the_streams_that_are_left(stream_of):
    """The loop's end aborts them: the listeners hear of it, the socket and the thread go."""
    names = []

    async def main():
        stream = stream_of(hanging())
        stream.on("abort", lambda: names.append("abort")).on("end", lambda: names.append("end"))
        await stream.emitted("textDelta")

    asyncio.run(main())
    assert names == ["abort", "end"]
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert wait_until(lambda: not stream_threads())


def test_a_loop_that_is_closed_by_hand(stream_of, caplog):
    """Nothing of the stream stays behind, and it says that it was aborted."""
    caplog.set_level(logging.CRITICAL, "asyncio")  # it complains of the pending task, with reason

    async def main():
        stream = stream_of(hanging())
        await stream.emitted("textDelta")
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(main())
    loop.close()
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert wait_until(lambda: not stream_threads())
    assert (stream.ended, stream.aborted) == (True, True)


def test_a_loop_that_stops_and_goes_on(stream_of):
    """Between two runs of its loop a stream stands still, and loses nothing."""
    got = []

    async def begin():
        stream = stream_of(sse(LONG)).on("textDelta", got.append)
        await stream.emitted("textDelta")
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(begin())
    assert not stream.ended
    loop.run_until_complete(stream.done())
    loop.close()
    assert values(got) == [f"{n}," for n in range(5_000)]


def test_ctrl_c_in_a_listener_goes_through(stream_of):
    """KeyboardInterrupt ends the stream as aborted and comes out of the loop."""
    names = []

    def interrupt():
        raise KeyboardInterrupt

    async def main():
        stream = stream_of(hanging()).on("textDelta", interrupt)
        stream.on("abort", lambda: names.append("abort")).on("end", lambda: names.append("end"))
        await stream.done()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert names == ["abort", "end"]
    assert stream_of.server.client_closed.wait(PATIENCE)


# --- many


def test_a_long_batch_lets_others_have_their_turn():
    """However much comes in one read, tasks beside the stream go on."""
    lines = "".join(
        json.dumps({"event": name, "data": data}) + "\n"
        for name, data in answered(*"x" * 5_000)
        if name != "done"
    ).encode()
    rounds = [0]

    async def main():
        stream = AsyncAssistantStream.from_readable_stream([lines])

        async def others():
            while not stream.ended:
                rounds[0] += 1
                await asyncio.sleep(0)

        await asyncio.gather(stream.on("textDelta", nothing).done(), others())

    asyncio.run(main())
    assert rounds[0] >= 5_000 // 256


def test_500_streams_on_one_loop():
    """Each hears all of its own calls, in order, from one asyncio server on the same loop."""
    body = encode([*started(), *said(1, (f"{n}" for n in range(10))), run("completed"), DONE])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    expected = [name for name, _ in answered(*"0123456789") if name != "done"]
    connections = [0]

    async def serve(reader, writer):
        connections[0] += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        for at in range(0, len(body), 500):
            writer.write(body[at : at + 500])
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async def one(client, number):
        texts, events = [], []

        async def listen(delta):
            await asyncio.sleep(0)
            texts.append(delta.value)

        stream = client.beta.threads.runs.stream(f"thread_{number}", assistant_id="a")
        stream.on("textDelta", listen).on("event", lambda event: events.append(event.event))
        final = await stream.final_messages()
        assert texts == [*"0123456789"]
        assert events == expected
        assert final[0].content[0].text.value == "0123456789"
        return len(texts) + len(events)

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/v1"
        async with AsyncOpenAI("sk-test", base_url=url, max_retries=0) as client:
            counts = await asyncio.gather(*(one(client, number) for number in range(500)))
        server.close()
        await server.wait_closed()
        return counts

    assert asyncio.run(main()) == [10 + len(expected)] * 500
    assert connections == [500]
    assert wait_until(lambda: not stream_threads())


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="no /proc here")
def test_nothing_is_left_behind(connect):
    """After 200 streams of all fates no thread, socket, task or stream is left."""

    async def fates(client, number):
        stream = streamed(client)
        if number % 4 == 0:
            await stream.done()
        elif number % 4 == 1:
            async for _ in stream:
                break
        elif number % 4 == 2:
            stream.on("textDelta", stream.abort)
            with pytest.raises(APIUserAbortError):
                await stream.done()
        else:
            stream.on("textDelta", failing("plain"))
            with pytest.raises(OpenAIError):
                await stream.done()

    async def main(count):
        async with connect(sse(BODY)) as client:
            for number in range(count):
                await fates(client, number)
            await turns()
            assert wait_until(lambda: not stream_threads())
            assert len(asyncio.all_tasks()) == 1

    def count():
        gc.collect()
        return len(list(DESCRIPTORS.iterdir()))

    def streams():
        gc.collect()
        return [one for one in gc.get_objects() if type(one) is AsyncAssistantStream]

    asyncio.run(main(4))
    connect.server.__exit__(None, None, None)
    before = count()
    asyncio.run(main(200))
    connect.server.__exit__(None, None, None)
    assert wait_until(lambda: count() <= before)
    assert wait_until(lambda: not streams())


# --- hosts of loops


def test_a_reader_that_goes_away_ends_the_request(connect):
    """Under uvicorn, with Starlette, a relay aborts when its own client disconnects."""
    client = connect(hanging())

    async def relay(request):
        async def pieces():
            async with streamed(client) as stream:
                async for piece in stream.text_deltas:
                    yield piece

        return StreamingResponse(pieces())

    async def main():
        app = Starlette(routes=[Route("/", relay)])
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n1\r\nc\r\n")
            writer.close()
            await writer.wait_closed()
            await until(connect.server.client_closed)
            server.should_exit = True
            await serving

    asyncio.run(main())


def test_a_loop_that_runs_already(stream_of):
    """As in a notebook: a stream is made, listened to and waited for in steps of their own."""
    got = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def cell(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)

    async def make():
        return stream_of(sse(BODY))

    async def listen(stream):
        stream.on("textDelta", got.append)

    stream = cell(make())
    cell(turns())
    cell(listen(stream))
    assert cell(stream.final_run()).status == "completed"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert values(got) == [*"abcde"]
