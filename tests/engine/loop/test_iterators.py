"""Iterators of streams for asyncio: what leaving one does, and who holds whom back."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aio_streams import HEAD, LONG, PlainRecorder, hanging, nothing, turns, until
from five_deltas import flood
from parity.transcripts import answered, encode
from scripted_server import sse

from emitter_stream import APIUserAbortError, OpenAIError

# --- iterators


def test_iterating_over_events_arguments_and_texts(stream_of):
    """Every event, every event's arguments as a tuple, every piece of text that is not empty."""

    async def main():
        body = encode(answered("a", "", "b"))
        assert [e.event async for e in stream_of(sse(body))] == [
            name for name, _ in answered("a", "", "b") if name != "done"
        ]
        assert [
            (delta.value, snapshot.value[: len("a")])
            async for delta, snapshot in stream_of(sse(body)).events("textDelta")
        ] == [("a", "a"), ("", "a"), ("b", "a")]
        assert [piece async for piece in stream_of(sse(body)).text_deltas] == ["a", "b"]
        assert [args async for args in stream_of(sse(body)).events("connect")] == [()]

    asyncio.run(main())


def test_leaving_a_loop_over_the_stream_aborts(stream_of):
    """`break` and an exception both end the request of `async for event in stream`."""

    async def main(leave):
        stream = stream_of(hanging())
        recorder = PlainRecorder(stream, ("abort", "error", "end"))
        try:
            async for _ in stream:
                leave()
                break
        except KeyError as error:
            error.__traceback__ = None
        await until(stream_of.server.client_closed)
        with pytest.raises(APIUserAbortError):
            await stream.done()
        return recorder.names

    def fail():
        raise KeyError

    for leave in (nothing, fail):
        assert asyncio.run(main(leave)) == ["abort", "end"]


@pytest.mark.parametrize("kind", ["events", "text_deltas"])
def test_leaving_events_or_text_deltas_only_detaches(stream_of, kind):
    """The stream runs on, and the iterator holds nobody back any more."""

    async def main():
        stream = stream_of(sse(LONG))
        iterator = stream.events("textDelta") if kind == "events" else stream.text_deltas
        async for _ in iterator:
            break
        del iterator
        async with stream.events("textDelta") as closed:
            await anext(closed)
        await closed.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(closed)
        assert len([args async for args in stream.events("textDone")]) == 1
        return await stream.final_run()

    assert asyncio.run(main()).status == "completed"


def test_closing_an_iterator_ends_the_wait_for_it(stream_of):
    """A task that waits for the next event ends when another closes the iterator."""

    async def main():
        async with stream_of(hanging()) as stream:
            iterator = stream.events("run")
            task = asyncio.create_task(anext(iterator, "closed"))
            await turns()
            await iterator.aclose()
            assert await task == "closed"
            stream.abort()

    asyncio.run(main())


def test_the_ends_of_iterators(stream_of):
    """They raise the stream's error at the end, but for those over `error` and `abort`."""

    async def main():
        stream = stream_of(sse(HEAD))
        with pytest.raises(OpenAIError, match="Final run has not been received"):
            async for _ in stream:
                pass
        stream = stream_of(sse(HEAD))
        errors = [error async for (error,) in stream.events("error")]
        assert len(errors) == 1
        stream = stream_of(hanging())
        aborts = stream.events("abort")
        others = stream.events("textDelta")
        await anext(others)
        stream.abort()
        assert [type(error) async for (error,) in aborts] == [APIUserAbortError]
        with pytest.raises(APIUserAbortError):
            [args async for args in others]

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["nobody", "listener", "for", "events", "text_deltas"])
def test_who_is_slow_holds_the_server_back_and_loses_nothing(stream_of, kind):
    """A coroutine listener or consumer that dawdles, or none: what is sent waits in the network."""
    sent, held_back = [0], threading.Event()

    async def main():
        stream = stream_of(flood(sent, held_back, 800, 64_000))
        heard = []

        async def listen(delta):
            if not heard:
                await until(held_back)
                assert sent[0] < 40_000_000
            heard.append(delta)

        async def consume(deltas):
            async for _ in deltas:
                await listen(_)

        if kind == "listener":
            await stream.on("textDelta", listen).done()
        elif kind == "nobody":
            await until(held_back)
            await consume(stream.text_deltas)
        elif kind == "for":
            await consume(e async for e in stream if e.event == "thread.message.delta")
        else:
            await consume(stream.events("textDelta") if kind == "events" else stream.text_deltas)
        return len(heard)

    assert asyncio.run(main()) == 800


def test_waiting_while_iterating_does_not_deadlock(stream_of):
    """A wait lifts the bound of what lies in an iterator, which still gives everything."""

    async def main():
        stream = stream_of(sse(LONG))
        one, two = stream.text_deltas, stream.events("messageDelta")
        first = await anext(one)
        await anext(two)
        assert len([args async for args in two]) == 4_999
        await stream.done()
        assert [first, *[piece async for piece in one]] == [f"{n}," for n in range(5_000)]

    asyncio.run(main())
