"""A stream for asyncio ends, and says so, however its task dies and however early."""

from __future__ import annotations

import asyncio
import sys

import pytest
from left_behind import wait_until
from parity.transcripts import DONE, answered

from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncAssistantEventHandler, AsyncAssistantStream

EVENTS = [{"event": name, "data": data} for name, data in answered("a", "b") if name != DONE[0]]
PATIENCE = 120.0


async def arriving():
    """Yield the events on the loop."""
    for event in EVENTS:
        yield event


async def standing_still():
    """Yield the first events, and then nothing for ever."""
    for event in EVENTS[:3]:
        yield event
    await asyncio.Event().wait()


SOURCES = {"on a thread": lambda: EVENTS, "on the loop": arriving, "still": standing_still}


def others() -> list[asyncio.Task]:
    """Give every task of the loop but this one, as asyncio.run finds them at its end."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def listening(stream, calls):
    """Note which of the last calls come, some of them made to coroutines."""

    async def aborted(error):
        await asyncio.sleep(0)
        calls.append(type(error).__name__)

    return stream.on("abort", aborted).on("end", lambda: calls.append("end"))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("steps", range(5))
def test_a_task_that_is_cancelled_ends_its_stream(source, steps):
    """Cancelled before its first step or after some: abort, then end, and done() raises."""

    async def main():
        calls = []
        stream = listening(AsyncAssistantStream.from_events(SOURCES[source]()), calls)
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in others():
            task.cancel()
        with pytest.raises(APIUserAbortError):
            await asyncio.wait_for(stream.done(), PATIENCE)
        assert stream.ended and stream.aborted
        assert calls == ["APIUserAbortError", "end"]
        stream.abort()

    asyncio.run(main())


@pytest.mark.parametrize("source", SOURCES)
def test_a_waiter_hears_of_it(source):
    """Who waits already when the task is cancelled before its first step is told as well."""

    async def main():
        stream = AsyncAssistantStream.from_events(SOURCES[source]())
        victims = others()
        waiting = [
            asyncio.create_task(stream.done()),
            asyncio.create_task(stream.emitted("run")),
            asyncio.create_task(anext(stream.events("run"))),
        ]
        for task in victims:
            task.cancel()
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE)
        assert [type(error) for error in found] == [APIUserAbortError] * 3

    asyncio.run(main())


def test_the_reading_task_alone_is_cancelled():
    """Where the events are read by a task, that one's end is the stream's as well."""

    async def main():
        stream = AsyncAssistantStream.from_events(arriving())
        reading = [task for task in others() if task is not stream._delivery._task]
        assert len(reading) == 1
        reading[0].cancel()
        with pytest.raises(OpenAIError):
            await asyncio.wait_for(stream.done(), PATIENCE)

    asyncio.run(main())


def test_an_abort_at_once_closes_the_iterable():
    """Aborted before anything ran, an asynchronous iterable is closed all the same."""

    class Items:
        """Never yields; knows whether it was closed."""

        closed = False

        def __aiter__(self):
            return self

        async def __anext__(self):
            await asyncio.Event().wait()

        async def aclose(self):
            self.closed = True

    async def main():
        items = Items()
        stream = AsyncAssistantStream.from_events(items)
        stream.abort()
        with pytest.raises(APIUserAbortError):
            await asyncio.wait_for(stream.done(), PATIENCE)
        while not items.closed:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("source", SOURCES)
def test_the_end_of_asyncio_run(source):
    """asyncio.run cancels what is left: abort and end come before it returns."""
    calls = []

    async def main():
        listening(AsyncAssistantStream.from_events(SOURCES[source]()), calls)

    asyncio.run(main())
    assert calls[-1] == "end"


def test_cancelled_again_in_the_abort_listener_the_end_still_comes():
    """A listener of `abort` that is itself cancelled does not keep `end` back."""

    async def main():
        calls = []
        stream = AsyncAssistantStream.from_events(standing_still())

        async def aborted(error):
            calls.append("abort")
            stream._delivery._task.cancel()
            await asyncio.Event().wait()

        stream.on("abort", aborted).on("end", lambda: calls.append("end"))
        await asyncio.sleep(0)
        stream._delivery._task.cancel()
        with pytest.raises(APIUserAbortError):
            await asyncio.wait_for(stream.done(), PATIENCE)
        assert calls == ["abort", "end"]

    asyncio.run(main())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("aborted", ["never", "before", "after"])
def test_a_loop_that_is_closed_by_hand(source, aborted):
    """The stream is found out, whatever it read from, aborted or not, before that or after."""

    async def main():
        return AsyncAssistantStream.from_events(SOURCES[source]())

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # tasks are destroyed, and it says so
    stream = loop.run_until_complete(main())
    if aborted == "before":
        stream.abort()
    loop.close()
    if aborted == "after":
        stream.abort()
    assert wait_until(lambda: stream.ended)
    assert stream.aborted and stream.errored


def test_what_waits_to_read_is_freed_with_its_loop():
    """The innermost first, as the garbage collector may: that does not ask the closed loop for anything."""

    async def main():
        stream = AsyncAssistantStream.from_events(standing_still())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return stream

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    stream = loop.run_until_complete(main())
    loop.close()
    reading = stream._reader._task.get_coro().cr_await
    assert reading.cr_frame is not None
    reading.close()
    assert reading.cr_frame is None
    assert wait_until(lambda: stream.ended)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a TaskGroup came with Python 3.11")
def test_a_task_group_that_fails():
    """Streams made and waited for in a group are aborted when one of its tasks fails."""
    calls = []

    async def use():
        async with listening(AsyncAssistantStream.from_events(standing_still()), calls):
            pass

    async def fail():
        raise ValueError("bug")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(use())
            group.create_task(fail())

    with pytest.raises(BaseException) as raised:
        asyncio.run(main())
    assert type(raised.value).__name__ == "ExceptionGroup"
    assert calls in ([], ["APIUserAbortError", "end"])  # nothing, if it was not made any more


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("source", ["on a thread", "on the loop"])
def test_eager_tasks(source, cancelled):
    """Tasks that run their first step when they are made change nothing."""

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        calls = []
        stream = listening(AsyncAssistantStream.from_events(SOURCES[source]()), calls)
        stream.on("textDelta", lambda delta: calls.append(delta.value))
        if cancelled:
            for task in others():
                task.cancel()
            with pytest.raises(APIUserAbortError):
                await asyncio.wait_for(stream.done(), PATIENCE)
            assert calls == ["APIUserAbortError", "end"]
        else:
            await asyncio.wait_for(stream.done(), PATIENCE)
            assert calls == ["a", "b", "end"]

    asyncio.run(main())


def test_a_task_factory_that_refuses():
    """A stream that gets no task is an error of its maker and leaves nothing running."""

    async def main():
        loop = asyncio.get_running_loop()

        def refuse(loop, coroutine, **more):
            raise ValueError("no tasks today")

        loop.set_task_factory(refuse)
        try:
            with pytest.raises(ValueError, match="no tasks today"):
                AsyncAssistantStream.from_events(EVENTS)
            with pytest.raises(ValueError, match="no tasks today"):
                AsyncAssistantStream.from_events(arriving())
        finally:
            loop.set_task_factory(None)

    asyncio.run(main())


# --- awaiting the stream itself


def test_awaiting_a_stream_gives_it():
    """As in the official SDK's style; more than once, and a chain after it misses nothing."""

    async def main():
        pieces = []
        stream = await AsyncAssistantStream.from_events(EVENTS)
        stream.on("connect", lambda: pieces.append("connect"))
        assert await stream is stream
        (await stream).on("textDelta", lambda delta: pieces.append(delta.value))
        await stream.done()
        assert pieces == ["connect", "a", "b"]
        assert await stream is stream
        assert await asyncio.gather(stream) == [stream]

    asyncio.run(main())


def test_a_listener_may_return_the_stream():
    """What a listener returns is awaited if it can be, and a stream can be, at once."""

    async def main():
        stream = AsyncAssistantStream.from_events(EVENTS)
        pieces = []
        stream.on("textDelta", lambda delta: pieces.append(delta.value) or stream)
        await asyncio.wait_for(stream.done(), PATIENCE)
        assert pieces == ["a", "b"]

    asyncio.run(main())


def test_a_handler_of_the_python_style_still_works():
    """Its manager is no awaitable, there or here; the stream behind it ends like any other."""

    class Handler(AsyncAssistantEventHandler):
        """Notes the end."""

        over = False

        async def on_end(self):
            self.over = True

    async def main():
        handler = Handler()
        stream = AsyncAssistantStream.from_events(EVENTS)
        handler._listen_to(stream)
        for task in others():
            task.cancel()
        with pytest.raises(APIUserAbortError):
            await asyncio.wait_for(handler.until_done(), PATIENCE)
        assert handler.over

    asyncio.run(main())
