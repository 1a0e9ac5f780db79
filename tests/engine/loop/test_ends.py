"""How streams for asyncio end: aborts, cancelled tasks, errors, and what nobody hears."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from aio_streams import (
    BODY,
    HEAD,
    LONG,
    PlainRecorder,
    failing,
    hanging,
    nothing,
    streamed,
    then,
    turns,
    until,
    values,
)
from left_behind import stream_threads
from parity.compare import PATIENCE
from scripted_server import answer, cut_off, sse

from emitter_stream import (
    AbortController,
    APIConnectionError,
    APITimeoutError,
    APIUserAbortError,
    NotFoundError,
    OpenAIError,
)

# --- ends


def test_abort_from_everywhere(stream_of):
    """From a listener, a coroutine listener, a task, a thread: `abort`, `end`, and the waits raise it."""

    def by_listener(stream):
        stream.on("messageCreated", stream.abort)

    def by_coroutine(stream):
        async def listen():
            stream.abort()
            await turns()

        stream.on("messageCreated", listen)

    def by_task(stream):
        async def abort():
            await stream.emitted("messageCreated")
            stream.abort()

        stream.task = asyncio.create_task(abort())

    def by_thread(stream):
        def start():
            threading.Thread(target=stream.abort).start()

        stream.on("messageCreated", start)

    async def main(arrange):
        connect = stream_of(hanging(), timeout=PATIENCE)
        recorder = PlainRecorder(connect)
        arrange(connect)
        with pytest.raises(APIUserAbortError) as caught:
            await connect.done()
        assert recorder.names[-2:] == ["abort", "end"]
        assert (connect.ended, connect.errored, connect.aborted) == (True, True, True)
        await until(stream_of.server.client_closed)
        connect.abort()
        return caught.value

    for arrange in (by_listener, by_coroutine, by_task, by_thread):
        asyncio.run(main(arrange))


def test_a_signal_aborts_with_its_reason(connect):
    """The reason of an AbortController is the cause; a signal that was given before aborts too."""

    async def main():
        client = connect(hanging())
        for early in (True, False):
            controller = AbortController()
            reason = KeyError("why")
            if early:
                controller.abort(reason)
            stream = streamed(client, signal=controller.signal)
            stream.on("textDelta", lambda: controller.abort(reason))  # noqa: B023
            with pytest.raises(APIUserAbortError) as caught:
                await stream.done()
            assert caught.value.__cause__ is reason
            assert not controller.signal._callbacks

    asyncio.run(main())


def test_an_abort_waits_for_the_listener_that_is_under_way(stream_of):
    """A coroutine listener is not cut in the middle: `abort` comes when it is done."""
    order = []

    async def main():
        stream = stream_of(hanging())
        reached = asyncio.Event()

        async def listen():
            reached.set()
            await turns(50)
            order.append("listener done")

        stream.on("messageCreated", listen).on("abort", lambda: order.append("abort"))
        await reached.wait()
        stream.abort()
        with pytest.raises(APIUserAbortError):
            await stream.done()

    asyncio.run(main())
    assert order == ["listener done", "abort"]


def test_abort_before_the_headers(stream_of):
    """A request whose answer has not begun is ended as well; there is no `connect`."""

    async def main():
        stream = stream_of(lambda exchange: exchange.wait_for_close())
        recorder = PlainRecorder(stream)
        await asyncio.to_thread(stream_of.server.wait_for_requests, 1)
        stream.abort()
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await until(stream_of.server.client_closed)
        return recorder.names

    assert asyncio.run(main()) == ["abort", "end"]


WAITS = {
    "done": lambda stream: stream.done(),
    "final_run": lambda stream: stream.final_run(),
    "for": lambda stream: consumed(stream),
    "events": lambda stream: consumed(stream.events("run")),
    "text_deltas": lambda stream: consumed(stream.text_deltas),
    "with": lambda stream: within(stream),
}


async def consumed(iterator) -> None:
    """Go through an iterator."""
    async for _ in iterator:
        pass


async def within(stream) -> None:
    """Do nothing in an `async with`, which waits at its end."""
    async with stream:
        pass


@pytest.mark.parametrize("kind", WAITS)
def test_cancelling_a_task_that_waits_aborts_the_request(stream_of, kind):
    """The server sees the client go, and the listeners hear of the abort."""

    async def main():
        stream = stream_of(hanging())
        recorder = PlainRecorder(stream, ("abort", "error", "end", "textDelta"))
        task = asyncio.create_task(WAITS[kind](stream))
        await stream.emitted("textDelta")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(stream_of.server.client_closed)
        with pytest.raises(APIUserAbortError):
            await stream.done()
        return recorder.names

    assert asyncio.run(main())[-2:] == ["abort", "end"]


def test_wait_for_cancels_and_emitted_does_not(stream_of):
    """asyncio.wait_for around done aborts; a cancelled emitted leaves the stream alone."""

    async def main():
        stream = stream_of(hanging())
        task = asyncio.create_task(stream.emitted("run"))
        await stream.emitted("textDelta")
        task.cancel()
        await asyncio.wait([task])
        assert not stream.aborted
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.done(), 0.01)
        await until(stream_of.server.client_closed)
        with pytest.raises(APIUserAbortError):  # the request's end may be there before the stream's
            await stream.done()
        assert stream.aborted

    asyncio.run(main())


def test_with_waits_and_raises_and_aborts(stream_of):
    """A normal exit waits and raises the error, not an abort's; an exception aborts."""

    async def main():
        got = []
        async with stream_of(sse(BODY)) as stream:
            stream.on("textDelta", got.append)
        assert (values(got), stream.ended) == ([*"abcde"], True)
        with pytest.raises(OpenAIError, match="Final run"):
            async with stream_of(sse(HEAD)):
                pass
        async with stream_of(hanging()) as stream:
            stream.abort()
        assert stream.aborted
        with pytest.raises(KeyError):
            async with stream_of(hanging()) as stream:
                await stream.emitted("textDelta")
                raise KeyError
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await until(stream_of.server.client_closed)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_listener_that_raises_ends_the_stream(stream_of, kind):
    """The request is closed; `error` gets an OpenAIError with the exception as its cause."""

    async def main():
        stream = stream_of(hanging())
        recorder = PlainRecorder(stream, ("abort", "error", "end"))
        stream.on("textDelta", failing(kind))
        with pytest.raises(OpenAIError, match="A listener for 'textDelta' raised KeyError") as got:
            await stream.done()
        assert isinstance(got.value.__cause__, KeyError)
        await until(stream_of.server.client_closed)
        return recorder.names

    assert asyncio.run(main()) == ["error", "end"]


def test_a_listener_whose_own_wait_is_cancelled_is_one_that_raised(stream_of):
    """CancelledError out of something it awaited is no cancellation of the stream."""

    async def main():
        stream = stream_of(hanging())

        async def listen():
            other = asyncio.ensure_future(asyncio.sleep(PATIENCE))
            other.cancel()
            await other

        await_error = stream.on("textDelta", listen).done()
        with pytest.raises(OpenAIError) as caught:
            await await_error
        return caught.value

    error = asyncio.run(main())
    assert isinstance(error.__cause__, asyncio.CancelledError)


def test_errors_of_the_server(connect):
    """Errors are the SDK's: status, broken connection, timeout; the listener of `error` hears."""

    async def main(script, kind, **options):
        client = connect(script, **options)
        errors = []
        stream = streamed(client).on("error", errors.append)
        with pytest.raises(kind) as caught:
            await stream.final_run()
        assert errors == [caught.value]
        for wait in (stream.done, stream.final_messages, stream.final_run_steps):
            with pytest.raises(kind):
                await wait()

    def still(exchange):
        exchange.head()
        exchange.wait_for_close()

    asyncio.run(main(answer(404, {"error": {"message": "no"}}), NotFoundError))
    asyncio.run(main(cut_off(HEAD), APIConnectionError))
    asyncio.run(main(still, APITimeoutError, timeout=0.05))


@pytest.mark.parametrize("where", ["stream", "end"])
def test_an_error_that_nobody_hears_goes_to_the_loop(stream_of, where):
    """Without a listener or a wait the loop's exception handler gets it, once; so at `end`."""
    reported = []

    async def main():
        over = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: (reported.append(context["exception"]), over.set())
        )
        if where == "stream":
            stream = stream_of(sse(HEAD)).on("textDelta", nothing)
        else:
            stream = stream_of(sse(BODY)).on("end", failing("coroutine"))
        await over.wait()
        await turns()
        assert stream.ended

    asyncio.run(main())
    assert [type(error) for error in reported] == [OpenAIError if where == "stream" else KeyError]


def test_a_dropped_stream_runs_on(stream_of):
    """A stream that nobody holds calls its listeners; without any it is read to its end."""
    got, sent = [], threading.Event()

    async def main():
        over = asyncio.Event()
        stream_of(sse(BODY)).on("textDelta", got.append).on("end", over.set)
        gc.collect()
        await over.wait()
        stream_of(then(sse(LONG), sent.set))
        await until(sent)
        while stream_threads():
            await asyncio.sleep(0)

    asyncio.run(main())
    assert values(got) == [*"abcde"]
