"""Waiting for streams on a loop, and for one's own."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aio_streams import BODY, HEAD
from parity.compare import PATIENCE
from scripted_server import gated, sse

from emitter_stream import OpenAIError

# --- waiting


def test_waiting_methods(stream_of):
    """The finals, by both SDKs' names, and emitted with one, two and no arguments."""

    async def main():
        stream = stream_of(sse(BODY))
        first = stream.emitted("textDelta")
        ended = stream.emitted("end")
        assert (await stream.final_run()).status == "completed"
        assert (await stream.get_final_run()).status == "completed"
        for wait in (stream.final_messages, stream.get_final_messages):
            assert [one.content[0].text.value for one in await wait()] == ["abcde"]
        for wait in (stream.final_run_steps, stream.get_final_run_steps):
            assert [one.status for one in await wait()] == ["completed"]
        await stream.until_done()
        delta, snapshot = await first
        assert (delta.value, snapshot.value) == ("a", "abcde")
        assert await ended is None
        assert stream.current_event().event == "thread.run.completed"
        assert stream.current_run().status == "completed"
        assert stream.current_message_snapshot() is stream.current_run_step_snapshot() is None
        assert (stream.ended, stream.errored, stream.aborted) == (True, False, False)
        with pytest.raises(OpenAIError, match="without the event 'abort'"):
            await stream.emitted("abort")

    asyncio.run(main())


def test_a_timeout_of_a_waiting_method_leaves_the_stream_running(stream_of):
    """timeout= raises TimeoutError; the stream goes on to its end."""
    gate = threading.Event()

    async def main():
        stream = stream_of(gated(gate, HEAD, BODY[len(HEAD) :]))
        for wait in (stream.done, stream.until_done, stream.final_run, stream.final_messages):
            with pytest.raises(TimeoutError, match="still running"):
                await wait(timeout=0.001)
        with pytest.raises(TimeoutError, match="'run' had not come"):
            await stream.emitted("run", timeout=0.001)
        assert not stream.ended
        gate.set()
        return await stream.final_run(timeout=PATIENCE)

    assert asyncio.run(main()).status == "completed"


def test_waiting_for_oneself_is_an_error(stream_of):
    """A listener that waits for its own stream raises, also by wait_for and gather."""
    tries = []

    async def main(wait):
        stream = stream_of(sse(BODY))

        async def listen():
            with pytest.raises(RuntimeError, match="cannot wait for its own stream") as caught:
                await wait(stream)
            tries.append(caught.value)

        await stream.on("messageCreated", listen).done()

    waits = [
        lambda stream: stream.done(),
        lambda stream: stream.final_run(),
        lambda stream: stream.emitted("run"),
        lambda stream: anext(stream.events("run")),
        lambda stream: asyncio.wait_for(stream.done(), PATIENCE),
        lambda stream: asyncio.gather(stream.done()),
    ]
    for wait in waits:
        asyncio.run(main(wait))
    assert len(tries) == len(waits)


def test_a_task_started_by_a_listener_may_wait(stream_of):
    """What a listener starts and does not wait for can wait for the stream."""

    async def main():
        tasks = []
        stream = stream_of(sse(BODY))
        stream.on("connect", lambda: tasks.append(asyncio.create_task(stream.final_run())))
        await stream.done()
        return await tasks[0]

    assert asyncio.run(main()).status == "completed"


def test_another_loop_cannot_wait(stream_of):
    """A stream belongs to the loop that made it; another one gets an error that says so."""

    async def main():
        stream = stream_of(sse(BODY))

        async def elsewhere():
            with pytest.raises(RuntimeError, match="another event loop"):
                await stream.done()

        await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
        await stream.done()

    asyncio.run(main())
