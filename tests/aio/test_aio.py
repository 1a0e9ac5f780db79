"""The streams and the client for asyncio: Node's calls, on one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import json
import logging
import select
import socket
import threading
from pathlib import Path
from urllib.parse import unquote

import openai
import pytest
import uvicorn
from left_behind import stream_threads, wait_until
from parity.compare import PATIENCE, VECTORS, Recorder, difference, load_golden, plain
from parity.transcripts import (
    DONE,
    answered,
    encode,
    message,
    run,
    said,
    started,
    text_delta,
)
from scripted_server import ScriptedServer, answer, sse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from emitter_stream import (
    AbortController,
    APIConnectionError,
    APITimeoutError,
    APIUserAbortError,
    AssistantStream,
    NotFoundError,
    OpenAI,
    OpenAIError,
)
from emitter_stream.aio import (
    AsyncAssistantEventHandler,
    AsyncAssistantStream,
    AsyncOpenAI,
)
from emitter_stream.server import LocalServer

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)
HEAD = encode(FIVE[:10])  # three of the five deltas
LONG = encode(answered(*(f"{number}," for number in range(5_000))))
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def connect(serve):
    """Start a server for these scripts and give a client of it, with the server as `server`."""

    def start(*scripts, **options):
        start.server = serve(*scripts)
        options = {"api_key": "sk-test", "timeout": PATIENCE, "max_retries": 0} | options
        return AsyncOpenAI(base_url=start.server.url, **options)

    return start


@pytest.fixture
def stream_of(connect):
    """Give a function that starts a server for a script and, on the loop, a stream from it."""

    def start(*scripts, **options):
        client = connect(*scripts, **options)
        start.server = connect.server
        return streamed(client)

    return start


def streamed(client, **options):
    """Start a stream, with nobody listening yet."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", **options)


def hanging(first: bytes = HEAD):
    """Make a script that sends this much of a body, then nothing, until the client closes."""

    def script(exchange):
        exchange.head()
        exchange.body(first)
        exchange.wait_for_close()

    return script


def gated(gate: threading.Event, first: bytes = HEAD, rest: bytes = BODY[len(HEAD) :]):
    """Make a script that sends the second part once the gate is open."""

    def script(exchange):
        exchange.head()
        exchange.body(first)
        exchange.wait(gate)
        exchange.body(rest)
        exchange.finish()

    return script


def then(script, function):
    """Make a script that calls a function when another script is done."""

    def both(exchange):
        script(exchange)
        function()

    return both


def values(got) -> list[str]:
    """Give the pieces of text of deltas."""
    return [delta.value for delta in got]


async def turns(count: int = 20) -> None:
    """Let the loop go round some times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(event: threading.Event) -> None:
    """Wait for a thread's event without holding the loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


class AsyncRecorder(Recorder):
    """A recorder whose listeners are coroutines that give way to others before they take note."""

    def _listener(self, name: str):
        note = super()._listener(name)

        async def listener(*args) -> None:
            await asyncio.sleep(0)
            note(*args)
            await asyncio.sleep(0)

        return listener

    async def result(self):
        """Wait for the end and give trace, final and state as the golden files have them."""
        final = {}
        for key in ("run", "messages", "run_steps"):
            try:
                final[key] = plain(await getattr(self.stream, f"final_{key}")(timeout=PATIENCE))
            except OpenAIError as error:
                final[key] = plain(error)
        state = {key: plain(getattr(self.stream, key)) for key in ("ended", "errored", "aborted")}
        return {"trace": self.trace, "final": final, "state": state}


class PlainRecorder(AsyncRecorder):
    """A recorder whose listeners are plain functions."""

    _listener = Recorder._listener


# --- the same calls as Node


@pytest.fixture(scope="module")
def vectors():
    """Serve all vectors, and give a client: a thread's id is a vector's name and a piece's size."""

    def script(exchange):
        thread = unquote(exchange.request.target.split("/")[3])
        name, _, piece = thread.rpartition("~")
        sse(VECTORS[name][0].read_bytes(), int(piece))(exchange)

    with ScriptedServer(script) as server:
        yield AsyncOpenAI("sk-test", base_url=server.url, timeout=PATIENCE, max_retries=0)


@pytest.mark.parametrize(
    ("kind", "piece"), [(PlainRecorder, 0), (AsyncRecorder, 7)], ids=["whole", "coroutines"]
)
@pytest.mark.parametrize("name", VECTORS)
def test_same_calls_as_node(vectors, name, kind, piece):
    """Trace, finals and state are Node's: whole to functions, in pieces to coroutines."""

    async def main():
        stream = vectors.beta.threads.runs.stream(f"{name}~{piece}", assistant_id="asst_1")
        return await kind(stream).result()

    problem = difference(asyncio.run(main()), load_golden(VECTORS[name][1]))
    assert problem is None, f"{name}: {problem}"


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


def nothing(*args) -> None:
    """Be a listener."""


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
        stream = stream_of(gated(gate))
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


def flood(sent: list[int], held_back: threading.Event, pieces: int, size: int):
    """Make a script that sends much, and says so when the client has stopped taking it."""

    def script(exchange):
        exchange.head(framing="close")
        exchange.raw(encode([*started(), message(1, "created")]))
        frame = encode([text_delta(1, "x"), run("queued", pad="x" * size)])
        for _ in range(pieces):
            if not select.select([], [exchange.sock], [], 0.3)[1]:
                held_back.set()
            exchange.raw(frame)
            sent[0] += len(frame)
        exchange.raw(encode([message(1, "completed"), run("completed"), DONE]))
        exchange.finish()

    return script


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


def failing(kind):
    """Make a listener that raises, a plain one or a coroutine."""
    if kind == "plain":

        def listen():
            raise KeyError("why")

        return listen

    async def later():
        await asyncio.sleep(0)
        raise KeyError("why")

    return later


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

    def cut(exchange):
        exchange.head()
        exchange.body(HEAD)
        exchange.cut()

    def still(exchange):
        exchange.head()
        exchange.wait_for_close()

    asyncio.run(main(answer(404, {"error": {"message": "no"}}), NotFoundError))
    asyncio.run(main(cut, APIConnectionError))
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

    asyncio.run(main(4))
    connect.server.__exit__(None, None, None)
    before = count()
    asyncio.run(main(200))
    connect.server.__exit__(None, None, None)
    assert wait_until(lambda: count() <= before)
    assert not [one for one in gc.get_objects() if type(one) is AsyncAssistantStream]


# --- other sources


def documents():
    """Give the five deltas' run as dicts."""
    return [{"event": name, "data": data} for name, data in FIVE if name != "done"]


async def slowly(items):
    """Give items one by one, asynchronously."""
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize("wrap", [iter, slowly], ids=["iterable", "asynchronous"])
def test_from_events(wrap):
    """Events as objects, from an iterable of either kind."""

    async def main():
        stream = AsyncAssistantStream.from_events(wrap(documents()))
        return await AsyncRecorder(stream).result()

    result = asyncio.run(main())
    assert [call[0] for call in result["trace"]].count("textDelta") == 5
    assert result["trace"][-1] == ["end"]
    assert result["final"]["run"]["status"] == "completed"


@pytest.mark.parametrize("wrap", [iter, slowly], ids=["iterable", "asynchronous"])
def test_to_and_from_a_readable_stream(stream_of, wrap):
    """What to_readable_stream writes is the plain stream's, and is read again in any pieces."""

    async def main():
        written = b"".join([line async for line in stream_of(sse(BODY)).to_readable_stream()])
        pieces = [written[at : at + 11] for at in range(0, len(written), 11)]
        stream = AsyncAssistantStream.from_readable_stream(wrap(pieces))
        return written, [piece async for piece in stream.text_deltas]

    written, pieces = asyncio.run(main())
    assert pieces == [*"abcde"]
    assert written == b"".join(AssistantStream.from_events(documents()).to_readable_stream())


def test_an_asynchronous_iterable_is_closed_when_the_stream_is_left():
    """An abort ends the wait for its next item, and its `finally` is run, on the loop."""
    closed = []

    async def endless():
        try:
            for document in documents()[:10]:
                yield document
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def main():
        stream = AsyncAssistantStream.from_events(endless())
        async for _ in stream:
            break
        with pytest.raises(APIUserAbortError):
            await stream.done()
        await turns()
        assert closed == [True]
        stream = AsyncAssistantStream.from_events(endless())
        await stream.on("runStepDelta", failing("plain")).emitted("textDelta")
        stream.abort()

    asyncio.run(main())
    assert closed == [True, True]


def test_an_iterable_that_raises_ends_the_stream():
    """Its exception is the cause of the error, whatever kind it is of."""

    async def broken():
        yield documents()[0]
        raise KeyError("why")

    def plainly():
        yield documents()[0]
        raise KeyError("why")

    async def main(items):
        with pytest.raises(OpenAIError, match="The stream failed: KeyError") as caught:
            await AsyncAssistantStream.from_events(items).done()
        assert isinstance(caught.value.__cause__, KeyError)

    for items in (broken(), plainly()):
        asyncio.run(main(items))


@pytest.mark.parametrize("name", ["typical_full_run", "malformed_json", "two_tool_steps"])
def test_record_and_replay(vectors, tmp_path, name):
    """A recording made here, with text that grows, is played here and by a plain stream."""
    path = tmp_path / "run.jsonl"

    async def record():
        stream = vectors.beta.threads.runs.stream(f"{name}~7", assistant_id="asst_1")
        return await AsyncRecorder(stream.record(path)).result()

    async def replay():
        return await PlainRecorder(AsyncAssistantStream.replay(path, speed=None)).result()

    first, again = asyncio.run(record()), asyncio.run(replay())
    assert [call[0] for call in first["trace"]] == [call[0] for call in again["trace"]]
    assert first["state"] == again["state"]
    assert again == Recorder(AssistantStream.replay(path, speed=None)).result()
    assert b"sk-test" not in path.read_bytes()


def test_record_comes_too_late(stream_of, tmp_path):
    """Once listeners have been called, record() is an error that says so."""

    async def main():
        stream = stream_of(sse(BODY))
        await stream.emitted("connect")
        with pytest.raises(RuntimeError, match="too late"):
            stream.record(tmp_path / "run.jsonl")
        await stream.done()

    asyncio.run(main())


# --- event handlers


class Handler(AsyncAssistantEventHandler):
    """Keeps what it hears of, giving way in the middle."""

    def __init__(self):
        self.calls = []

    async def on_text_delta(self, delta, snapshot):
        await asyncio.sleep(0)
        self.calls.append(delta.value)
        assert self.current_event.event == "thread.message.delta"
        assert self.current_run.status == "in_progress"
        assert self.current_message_snapshot.id == "msg_1"
        assert self.current_run_step_snapshot.id == "step_1"

    async def on_exception(self, exception):
        self.calls.append(type(exception).__name__)

    async def on_timeout(self):
        self.calls.append("timeout")

    async def on_end(self):
        self.calls.append("end")


def test_an_event_handler(connect):
    """`async with` sends the request and gives the handler, which knows all that the SDK's does."""

    async def main():
        client = connect(sse(BODY))
        manager = streamed(client, event_handler=Handler())
        assert not connect.server.requests
        async with manager as handler:
            assert [e.event async for e in handler][-1] == "thread.run.completed"
            assert (await handler.get_final_run()).status == "completed"
            assert len(await handler.get_final_messages()) == 1
            assert len(await handler.get_final_run_steps()) == 1
            await handler.until_done()
        assert handler.calls == [*"abcde", "end"]
        with pytest.raises(RuntimeError, match="serves a stream already"):
            async with streamed(client, event_handler=handler):
                raise AssertionError
        async with streamed(client, event_handler=Handler()) as handler:
            assert [piece async for piece in handler.text_deltas] == [*"abcde"]
        async with streamed(client, event_handler=Handler()) as handler:
            assert (await anext(handler)).event == "thread.run.created"
            assert (await anext(handler)).event == "thread.run.queued"
        assert handler.calls[-1] == "end"
        with pytest.raises(RuntimeError, match="has no stream yet"):
            await Handler().until_done()

    asyncio.run(main())


def test_an_event_handler_hears_of_errors(connect):
    """on_timeout comes before on_exception, on_end last; close() aborts, which is no error."""

    async def main(script, **options):
        client = connect(script, **options)
        handler = Handler()
        async with streamed(client, event_handler=handler) as same:
            assert same is handler
            if not options:
                await handler.close()
        return handler.calls

    def still(exchange):
        exchange.head()
        exchange.wait_for_close()

    handlers = []

    async def timed_out():
        with pytest.raises(APITimeoutError):
            handlers.append(Handler())
            client = connect(still, timeout=0.05)
            async with streamed(client, event_handler=handlers[0]):
                pass

    asyncio.run(timed_out())
    assert handlers[0].calls == ["timeout", "APITimeoutError", "end"]
    assert asyncio.run(main(hanging())) == ["end"]


# --- the client


THREAD = {"id": "thread_1", "object": "thread"}


def test_methods_do_not_hold_the_loop(connect):
    """Calls run side by side, and the loop goes on while they wait."""
    gate = threading.Event()

    def script(exchange):
        exchange.wait(gate)
        answer(200, THREAD)(exchange)

    async def main():
        async with connect(script) as client:
            tasks = [asyncio.create_task(client.beta.threads.retrieve("t")) for _ in range(40)]
            await asyncio.to_thread(connect.server.wait_for_requests, 40)
            gate.set()
            return [one.id for one in await asyncio.gather(*tasks)]

    assert asyncio.run(main()) == ["thread_1"] * 40
    assert wait_until(lambda: not stream_threads())


def test_cancelling_a_call_ends_its_request(connect):
    """A request, and a poll that sleeps, end with their task; the threads end too."""

    async def main():
        client = connect(lambda exchange: exchange.wait_for_close())
        task = asyncio.create_task(client.beta.threads.create())
        await asyncio.to_thread(connect.server.wait_for_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(connect.server.client_closed)
        client = connect(answer(200, run("queued")[1]))
        poll = client.beta.threads.runs.poll("run_1", "thread_1", poll_interval_ms=10**7)
        task = asyncio.create_task(poll)
        await asyncio.to_thread(connect.server.wait_for_requests, 1)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert wait_until(lambda: not stream_threads())


def test_errors_and_options_of_calls(connect):
    """A call raises what the plain client's raises, and copies keep their settings."""

    async def main():
        client = connect(answer(404, {"error": {"message": "no such thread"}}))
        with pytest.raises(NotFoundError, match="no such thread"):
            await client.beta.threads.retrieve("t")
        with pytest.raises(ValueError, match="thread id cannot be ''"):
            await client.beta.threads.retrieve("")
        with pytest.raises(TypeError, match="nonsense"):
            await client.beta.threads.retrieve("t", nonsense=1)
        other = client.with_options(default_headers={"X-One": "1"})
        assert type(other) is AsyncOpenAI
        with pytest.raises(NotFoundError):
            await other.beta.threads.retrieve("t")
        assert connect.server.requests[-1].headers["x-one"] == "1"
        assert repr(client).startswith("AsyncOpenAI(base_url=")
        await client.close()

    asyncio.run(main())


def test_a_client_serves_several_loops(connect):
    """It is bound to none: one asyncio.run after the other can use it."""
    client = connect(answer(200, THREAD))
    for _ in range(2):
        assert asyncio.run(client.beta.threads.retrieve("t")).id == "thread_1"
    asyncio.run(client.close())


@pytest.fixture(scope="module")
def server():
    """Run the embedded server."""
    with LocalServer() as running:
        yield running


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", [AsyncOpenAI, openai.AsyncOpenAI])
def test_the_same_program_with_both_clients(server, kind):
    """Every method against the embedded server, by the official package's client as by ours."""

    async def main():
        async with kind(api_key="any", base_url=server.base_url) as client:
            return await program(client.beta)

    shapes = asyncio.run(main())
    assert shapes["text"].startswith('Hello again! You asked: "message 4".')
    assert shapes["pages"] == [f"message {n}" for n in range(5)]
    assert shapes["statuses"] == ["completed"] * 4
    assert shapes["deleted"] == [True] * 3
    assert shapes["events"][0] == "thread.run.created"
    assert shapes["events"][-1] == "thread.run.completed"
    assert shapes["created"] == "thread.created"
    assert shapes["steps"] == ["message_creation"] * 2


async def program(beta) -> dict:
    """Use every method of the API, in the words of the official package."""
    assistant = await beta.assistants.create(model="gpt-4o", name="one")
    assistant = await beta.assistants.update(assistant.id, name="two")
    assert (await beta.assistants.retrieve(assistant.id)).name == "two"
    assert assistant.id in [one.id async for one in beta.assistants.list(limit=1)]
    thread = await beta.threads.create(messages=[{"role": "user", "content": "message 0"}])
    await beta.threads.update(thread.id, metadata={"k": "v"})
    assert (await beta.threads.retrieve(thread.id)).metadata == {"k": "v"}
    for number in range(1, 5):
        await beta.threads.messages.create(thread.id, role="user", content=f"message {number}")
    page = await beta.threads.messages.list(thread.id, limit=2, order="asc")
    assert (len(page.data), page.has_next_page()) == (2, True)
    assert len((await page.get_next_page()).data) == 2
    listed = [one async for one in page]
    pages = [one.content[0].text.value for one in listed]
    assert len([one async for one in page.iter_pages()]) == 3
    kept = {"thread_id": thread.id}
    await beta.threads.messages.update(listed[0].id, **kept, metadata={"k": "v"})
    assert (await beta.threads.messages.retrieve(listed[0].id, **kept)).metadata == {"k": "v"}
    gone = await beta.threads.messages.delete(listed[0].id, **kept)
    runs = beta.threads.runs
    polled = await runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=1
    )
    made = await runs.create(thread.id, assistant_id=assistant.id, stream=False)
    made = await runs.poll(run_id=made.id, thread_id=thread.id, poll_interval_ms=1)
    await runs.update(made.id, **kept, metadata={"k": "v"})
    seen = await runs.retrieve(made.id, **kept)
    steps = [one async for one in runs.steps.list(made.id, **kept)]
    steps.append(await runs.steps.retrieve(steps[0].id, run_id=made.id, **kept))
    events = []
    async for event in await runs.create(thread.id, assistant_id=assistant.id, stream=True):
        events.append(event.event)
    assert len([one async for one in runs.list(thread.id)]) == 3
    async with runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        text = "".join([piece async for piece in stream.text_deltas])
        assert len(await stream.get_final_messages()) == 1
        final = await stream.get_final_run()
    question = {"messages": [{"role": "user", "content": "hi"}]}
    stream = await beta.threads.create_and_run(
        assistant_id=assistant.id, thread=question, stream=True
    )
    async for event in stream:
        created = event.event
        break
    await beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread=question, poll_interval_ms=1
    )
    async with beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread=question
    ) as stream:
        await stream.until_done()
    return {
        "text": text,
        "pages": pages,
        "events": events,
        "created": created,
        "statuses": [one.status for one in (polled, made, seen, final)],
        "steps": [one.type for one in steps],
        "deleted": [
            gone.deleted,
            (await beta.threads.delete(thread.id)).deleted,
            (await beta.assistants.delete(assistant.id)).deleted,
        ],
    }


def test_every_method_is_there():
    """What the plain client's resources have, these have, with the same parameters."""

    async def main():
        async with AsyncOpenAI("any") as client:
            with OpenAI("any") as plain_client:
                return list(pairs(plain_client.beta, client.beta))

    def pairs(plain_group, group):
        for name in dir(plain_group):
            if name.startswith("_"):
                continue
            one, other = getattr(plain_group, name), getattr(group, name)
            if callable(one):
                yield name, inspect.signature(one), inspect.signature(other), other.__doc__
            else:
                yield from pairs(one, other)

    found = asyncio.run(main())
    assert len(found) > 25
    for name, one, other, doc in found:
        assert one == other, name
        assert doc


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


# --- the tool loop


def test_the_tool_loop(server):
    """Coroutine functions run on the loop, plain ones on threads; every listener hears all."""
    variable = contextvars.ContextVar("variable", default="none")
    places = []

    async def get_weather(city: str) -> str:
        await asyncio.sleep(0)
        places.append(("coroutine", threading.current_thread(), variable.get()))
        return f"dry in {city}"

    def get_weather_here(city: str) -> str:
        places.append(("function", threading.current_thread(), variable.get()))
        return "dry"

    async def main(tool):
        variable.set("makers")
        calls, results = [], []
        async with AsyncOpenAI("any", base_url=server.base_url) as client:
            assistant = await client.beta.assistants.create(model="gpt-4o")
            question = {"role": "user", "content": "What is the weather in Oslo and Lima?"}
            thread = await client.beta.threads.create(messages=[question])
            stream = client.beta.threads.runs.run_tools(
                thread.id, assistant_id=assistant.id, tools=[tool]
            )

            async def called(call):
                await asyncio.sleep(0)
                calls.append(json.loads(call.arguments))

            stream.on("functionToolCall", called).on("functionToolCallResult", results.append)
            return (await stream.final_run()).status, calls, results

    for tool in (get_weather, get_weather_here):
        status, calls, results = asyncio.run(main(tool))
        assert status == "completed"
        assert sorted(call["city"] for call in calls) == ["Lima", "Oslo"]
        assert len(results) == 2
    assert {(kind, thread is threading.main_thread(), value) for kind, thread, value in places} == {
        ("coroutine", True, "makers"),
        ("function", False, "makers"),
    }


def test_abort_while_a_coroutine_function_runs(server):
    """The stream ends at once; nothing is submitted."""

    async def main():
        waiting = asyncio.Event()

        async def get_weather(city: str) -> str:
            waiting.set()
            await asyncio.sleep(PATIENCE)
            raise AssertionError

        async with AsyncOpenAI("any", base_url=server.base_url) as client:
            assistant = await client.beta.assistants.create(model="gpt-4o")
            question = {"role": "user", "content": "What is the weather in Oslo?"}
            thread = await client.beta.threads.create(messages=[question])
            stream = client.beta.threads.runs.run_tools(
                thread.id, assistant_id=assistant.id, tools=[get_weather]
            ).on("functionToolCallResult", nothing)
            await asyncio.wait_for(waiting.wait(), PATIENCE)
            stream.abort()
            with pytest.raises(APIUserAbortError):
                await stream.done()
            (left,) = (await client.beta.threads.runs.list(thread.id)).data
            return left.status

    assert asyncio.run(main()) == "requires_action"
    assert wait_until(lambda: not stream_threads())
