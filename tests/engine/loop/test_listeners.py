"""Listeners of streams for asyncio: functions and coroutines, on the loop, one at a time."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading

import pytest
from aio_streams import BODY, nothing, then, turns, until, values
from left_behind import stream_threads
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import sse

from emitter_stream import OpenAI
from emitter_stream.aio import AsyncAssistantStream

# --- listeners


def test_a_chain_misses_nothing_and_needs_no_delay(stream_of):
    """Every listener of a chain hears everything, also if the whole answer is there by then."""

    async def main():
        stream = stream_of(sse(BODY))
        names = []
        for name in ("connect", "textDelta", "run", "end"):
            stream.on(name, lambda *args, name=name: names.append(name))
        await stream.done()
        return names

    assert asyncio.run(main()) == ["connect", *["textDelta"] * 5, "run", "end"]


def test_nothing_is_delivered_before_somebody_listens(stream_of):
    """A listener attached after other awaits hears everything; so does an iterator."""

    async def by_on(stream):
        got = []
        await stream.on("textDelta", got.append).done()
        return values(got)

    async def by_iterator(stream):
        return [piece async for piece in stream.text_deltas]

    async def main(listen):
        sent = threading.Event()
        stream = stream_of(then(sse(BODY), sent.set))
        await until(sent)
        await turns()
        assert not stream.ended
        return await listen(stream)

    for listen in (by_on, by_iterator):
        assert asyncio.run(main(listen)) == [*"abcde"]


def test_listeners_run_on_the_loop_one_at_a_time_in_order(stream_of):
    """A coroutine is finished before the next call, whatever else goes on on the loop."""
    running, most, calls = [0], [0], []
    threads = set()

    def listener(name, rounds):
        async def listen(*args):
            running[0] += 1
            most[0] = max(most[0], running[0])
            before = len(calls)
            calls.append(name)
            threads.add(threading.current_thread())
            await turns(rounds)
            assert len(calls) == before + 1  # nothing came between
            running[0] -= 1

        return listen

    async def disturb(stream):
        while not stream.ended:
            await asyncio.sleep(0)
            stream.on("textDelta", nothing).off("textDelta", nothing)

    async def main():
        stream = stream_of(sse(BODY, 7))
        stream.on("textDelta", listener("slow", 30)).on("textDelta", listener("quick", 0))
        stream.on("event", listener("event", 3))
        others = [asyncio.create_task(disturb(stream)) for _ in range(3)]
        await asyncio.gather(stream.done(), *others)

    asyncio.run(main())
    assert most == [1]
    assert threads == {threading.main_thread()}
    assert [name for name in calls if name != "event"] == ["slow", "quick"] * 5


def test_whatever_can_be_awaited_is_awaited(stream_of):
    """A plain listener that returns a coroutine, a task or a future is waited for."""
    order = []

    async def later(text):
        await turns(5)
        order.append(text)

    async def main():
        stream = stream_of(sse(encode(answered("a"))))
        stream.on("textDelta", lambda delta: later(f"coroutine {delta.value}"))
        stream.on("textDelta", lambda delta: asyncio.ensure_future(later(f"task {delta.value}")))
        stream.on("textDelta", lambda: order.append("plain"))
        await stream.on("end", lambda: 5).done()

    asyncio.run(main())
    assert order == ["coroutine a", "task a", "plain"]


def test_snapshots_are_those_of_the_call(stream_of):
    """While a coroutine listener waits, the snapshot it was given does not grow."""
    seen = []

    async def listen(delta, snapshot):
        before = snapshot.value
        await turns()
        seen.append((before, snapshot.value))

    async def main():
        await stream_of(sse(BODY)).on("textDelta", listen).done()

    asyncio.run(main())
    assert seen == [(whole, whole) for whole in ("a", "ab", "abc", "abcd", "abcde")]


def test_once_off_and_decorators(stream_of):
    """once is called once, off takes the oldest away, on without a listener decorates."""

    async def main():
        stream = stream_of(sse(BODY))
        once, decorated, doubled = [], [], []

        @stream.on("textDelta")
        async def listen(delta):
            decorated.append(delta.value)

        async def add(delta):
            doubled.append(delta.value)

        stream.once("textDelta", lambda delta: once.append(delta.value))
        stream.on("textDelta", add).on("textDelta", add).off("textDelta", add)
        stream.off("textDelta", print).off("end", add)
        await stream.start().done()
        return once, decorated, doubled, listen

    once, decorated, doubled, listen = asyncio.run(main())
    assert (once, decorated, doubled) == (["a"], [*"abcde"], [*"abcde"])
    assert inspect.iscoroutinefunction(listen)


def test_wrong_names_and_listeners(stream_of):
    """Unknown names are ValueErrors with a guess, listeners that need too much TypeErrors."""

    async def main():
        stream = stream_of(sse(BODY))
        for attach in (stream.on, stream.once, stream.emitted, stream.events):
            with pytest.raises(ValueError, match=r"did you mean 'textDelta'\?"):
                attach("text_delta")
        with pytest.raises(TypeError, match="needs 2 arguments"):
            stream.on("textCreated", lambda one, two: None)
        with pytest.raises(TypeError, match="not callable"):
            stream.on("textCreated", 5)
        with pytest.raises(TypeError, match="not what it returned"):
            stream.on("textCreated", None)
        await stream.done()

    asyncio.run(main())


def test_a_plain_stream_points_here(serve):
    """An `async def` listener on a plain stream is a TypeError that names AsyncOpenAI."""
    server = serve(sse(BODY))
    with OpenAI("sk-test", base_url=server.url) as client:
        stream = client.beta.threads.runs.stream("t", assistant_id="a")

        async def listen():
            raise AssertionError

        with pytest.raises(TypeError, match=r"emitter_stream\.aio\.AsyncOpenAI"):
            stream.on("end", listen)
        stream.done(timeout=PATIENCE)


def test_a_stream_needs_a_running_loop():
    """Outside of a coroutine the error says what is missing, and nothing is started."""
    with pytest.raises(RuntimeError, match="running event loop"):
        AsyncAssistantStream.from_events([])
    assert not stream_threads()


def test_context_variables_are_the_makers(stream_of):
    """Listeners see the context in which the stream was made."""
    variable = contextvars.ContextVar("variable")
    seen = []

    async def listen():
        seen.append(variable.get())

    async def main():
        variable.set("maker")
        stream = stream_of(sse(BODY))
        variable.set("later")
        await stream.on("run", listen).on("end", lambda: seen.append(variable.get())).done()

    asyncio.run(main())
    assert seen == ["maker", "maker"]
