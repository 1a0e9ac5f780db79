"""What is called in the reader's own turn of the loop, in the name of a task that sleeps.

Each test runs by the task alone as well: nothing that a listener can see is different.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys

import pytest
from aio_streams import BODY, nothing, read_by_the_loop, soon, turns, values
from five_deltas import FIVE, HALF, Halves
from left_behind import collect_garbage
from parity.transcripts import DONE, encode
from scripted_server import PATIENCE, sse

from emitter_stream import APIUserAbortError, OpenAIError
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.engine.loop import course

EVENTS = [{"event": name, "data": data} for name, data in FIVE if name != DONE[0]]
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@pytest.fixture(params=["at once", "by the task"], autouse=True)
def way(request, monkeypatch):
    """Have calls made at once where that may be, or never."""
    if request.param == "by the task":
        monkeypatch.setattr(course, "can_act", lambda loop: False)
    return request.param


@pytest.fixture(params=["socket", "thread", "debug", "uvloop"])
def run(request, connect):
    """Give a function that runs one with a stream of five deltas, however that is read."""

    def run(main, script=None):
        async def begin():
            if request.param == "thread":
                return await main(AsyncAssistantStream.from_events(EVENTS))
            client = connect(sse(BODY) if script is None else script)
            return await main(client.beta.threads.runs.stream("thread_1", assistant_id="asst_1"))

        if request.param == "uvloop":
            return pytest.importorskip("uvloop").run(begin())
        return asyncio.run(begin(), debug=request.param == "debug")

    return run


def failing_with(error):
    """Make a listener that raises this at the third delta, and what notes all calls."""
    got = []

    def listen(delta):
        got.append(delta.value)
        if delta.value == "c":
            raise error

    return got, listen


def noting_the_end(stream, got):
    """Note the last calls."""
    return stream.on("abort", lambda: got.append("abort")).on("end", lambda: got.append("end"))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no task tells its context")
def test_the_task_sleeps_through_what_need_not_be_awaited(connect, way, monkeypatch):
    """From the beginning of the answer on it is woken for nothing but the end."""
    script = Halves()
    sleep = course.OnCourse._sleep
    slept = []

    async def counted(self):
        slept.append(self)
        await sleep(self)

    async def main():
        at = []
        stream = connect(script).beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        stream.on("textDelta", lambda: at.append(len(slept)))
        await read_by_the_loop(stream)
        await soon(lambda: len(at) == 3)
        script.go_on.set()
        await soon(lambda: len(at) == 5)
        await stream.done()
        return at[0], at[-1]

    monkeypatch.setattr(course.OnCourse, "_sleep", counted)
    first, last = asyncio.run(main())
    assert first == last if way == "at once" else first < last


def test_a_plain_listener_is_in_the_streams_task(run):
    """It is the current one in all of them, and nobody else's step is."""

    async def main(stream):
        seen = set()
        for name in ("connect", "textCreated", "textDelta", "run", "end"):
            stream.on(name, lambda *args: seen.add(asyncio.current_task()))
        await stream.done()
        assert asyncio.current_task() not in seen
        return seen, stream._delivery._task

    seen, task = run(main)
    assert seen == {task}


def test_a_plain_listener_cannot_wait_for_its_stream(run):
    """Not by steps of its own either."""

    async def main(stream):
        refused = []

        def listen():
            waiting = anext(pieces)
            try:
                waiting.send(None)
            except RuntimeError as error:
                refused.append(str(error))

        pieces = stream.events("run")
        await stream.on("textDelta", listen).done()
        return refused

    (message,) = set(run(main))
    assert "cannot wait for its own stream" in message


def test_context_variables_go_from_call_to_call(run):
    """What one listener sets, plain or not, each later one reads, and nobody else."""

    async def main(stream):
        heard = []

        async def add(delta):
            variable.set(variable.get() + delta.value)
            await asyncio.sleep(0)

        variable.set("maker")
        stream.on("connect", lambda: variable.set("connect"))
        stream.on("textDelta", lambda delta: add(delta) if delta.value in "bd" else None)
        stream.on("textDelta", lambda delta: variable.set(variable.get() + "."))
        stream.on("end", lambda: heard.append(variable.get()))
        await stream.done()
        assert variable.get() == "maker"
        return heard

    assert run(main) == ["connect.b..d.."]


@pytest.mark.parametrize("awaited", [*"abcde", "ace", "abcde"])
def test_a_listener_that_returns_a_coroutine_now_and_then(run, awaited):
    """It is finished before the next call, wherever in what was read at once it comes."""

    async def main(stream):
        order = []

        async def later(text):
            await turns(3)
            order.append(f"{text}!")

        def listen(delta):
            order.append(delta.value)
            return later(delta.value) if delta.value in awaited else None

        stream.on("textDelta", listen).on("textDelta", lambda delta: order.append("-"))
        await stream.done()
        return order

    expected = []
    for text in "abcde":
        expected += [text, f"{text}!", "-"] if text in awaited else [text, "-"]
    assert run(main) == expected


def test_the_order_with_iterators_and_waits(run):
    """Iterators give all of it in order, and so do listeners before and behind them."""

    async def main(stream):
        order, pieces = [], []

        async def iterate():
            async for piece in stream.text_deltas:
                pieces.append(piece)

        stream.on("textDelta", lambda delta: order.append(delta.value))
        iterating = asyncio.create_task(iterate())
        first = asyncio.create_task(stream.emitted("textDelta"))
        stream.on("textDelta", lambda delta: order.append(delta.value.upper()))
        await stream.done()
        await iterating
        assert pieces == [*"abcde"]
        assert (await first)[0].value == "a"
        return order

    assert run(main) == [*"aAbBcCdDeE"]


def test_listeners_that_come_and_go(run):
    """One that a listener attaches hears the next event; one that it detaches does not."""

    async def main(stream):
        got = []

        def late(delta):
            got.append(delta.value)

        def change(delta):
            if delta.value == "b":
                stream.on("textDelta", late)
            if delta.value == "d":
                stream.off("textDelta", late)

        await stream.on("textDelta", change).done()
        return got

    assert run(main) == ["c"]


def test_an_abort_in_a_listener(run):
    """Nothing of what was read with it comes any more."""

    async def main(stream):
        got = []

        def listen(delta):
            got.append(delta.value)
            if delta.value == "c":
                stream.abort()

        noting_the_end(stream.on("textDelta", listen), got)
        with pytest.raises(APIUserAbortError):
            await stream.done()
        return got

    assert run(main) == [*"abc", "abort", "end"]


@pytest.mark.parametrize("kind", [KeyError, StopIteration, asyncio.CancelledError, GeneratorExit])
def test_an_error_of_a_listener(run, kind):
    """The stream ends in it, with what was raised as the cause."""
    error = kind("why")

    async def main(stream):
        got, listen = failing_with(error)
        noting_the_end(stream.on("textDelta", listen), got)
        with pytest.raises(OpenAIError, match="A listener for 'textDelta' raised") as raised:
            await stream.done()
        assert raised.value.__cause__ is error
        return got

    if sys.version_info < (3, 11) and kind is asyncio.CancelledError:
        pytest.skip("Python 3.10 cannot tell it from a cancelled task's")
    assert run(main) == [*"abc", "end"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_leaves_the_loop(run, kind):
    """It does so from a listener, and the stream has ended by then."""
    got, listen = failing_with(kind())

    async def main(stream):
        stream._delivery.loop.set_exception_handler(nothing)  # it has left the loop, and it says so
        noting_the_end(stream.on("textDelta", listen), got)
        await stream.done()

    with pytest.raises(kind):
        run(main)
    assert got == [*"abc", "abort", "end"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot tell whom it is for")
@pytest.mark.parametrize("coroutine", [False, True])
def test_a_listener_that_cancels_its_task(run, coroutine):
    """The task is at its next wait when it sees that: a coroutine behind it has begun by then."""

    async def main(stream):
        got = []

        async def wait():
            got.append("waits")
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                got.append("cancelled")
                raise

        def listen(delta):
            got.append(delta.value)
            if delta.value == "c":
                asyncio.current_task().cancel()
                return wait() if coroutine else None
            return None

        noting_the_end(stream.on("textDelta", listen), got)
        with pytest.raises(APIUserAbortError):
            await stream.done()
        return [one for one in got if one not in "de"]

    cancelled = ["waits", "cancelled"] if coroutine else []
    assert run(main) == [*"abc", *cancelled, "abort", "end"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot tell whom it is for")
def test_cancelled_before_it_comes_to_what_is_left_for_it(run):
    """A coroutine that a listener has returned gets that, though the task had not seen it yet."""

    async def main(stream):
        got = []
        task = stream._delivery._task

        async def wait():
            got.append("waits")
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                got.append("cancelled")

        def listen(delta):
            if delta.value == "b":
                asyncio.get_running_loop().call_soon(task.cancel)
                return wait()
            return None

        noting_the_end(stream.on("textDelta", listen), got)
        with pytest.raises(APIUserAbortError):
            await stream.done()
        return got

    assert run(main) == ["waits", "cancelled", "abort", "end"]


def test_a_loop_that_ends_before_it_comes_to_what_is_left(connect):
    """What a listener has returned is let go of without a word."""
    loop = asyncio.new_event_loop()
    complaints = []
    loop.set_exception_handler(lambda loop, context: complaints.append(context))
    script = Halves()
    got = []

    async def later():
        await asyncio.sleep(PATIENCE)

    def listen(delta):
        got.append(delta.value)
        if delta.value == "d":
            loop.stop()
            return later()
        return None

    def begin():
        client = connect(script)
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        return stream.on("textDelta", listen)

    async def main():
        stream = begin()
        await soon(lambda: len(got) == 3)
        return stream

    stream = loop.run_until_complete(main())
    script.go_on.set()
    loop.run_forever()
    loop.close()
    stream.abort()
    assert stream.ended
    assert got == [*"abcd"]
    del stream
    collect_garbage()
    assert not [one for one in complaints if "destroyed" not in one["message"]]


def test_a_loop_within_the_loop(run):
    """Rounds that a listener makes of its own loop change nothing: the task waits until it is done."""

    async def main(stream):
        got = []
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            stream.abort()
            pytest.skip("its rounds are made by others")

        def listen(delta):
            got.append(delta.value)
            task = asyncio.current_task()
            asyncio.tasks._leave_task(loop, task)
            stream._delivery._wake()
            for _ in range(3 * len(loop._ready)):
                handle = loop._ready.popleft()
                if not handle.cancelled():
                    handle._run()
                loop.call_soon(nothing)  # it goes by their number
            asyncio.tasks._enter_task(loop, task)
            got.append(delta.value.upper())

        noting_the_end(stream.on("textDelta", listen), got)
        await stream.done()
        return got

    assert run(main) == [*"aAbBcCdDeE", "end"]


def test_others_have_their_turn_amid_much(connect):
    """Of what is read at once some hundred events are given, and then others run."""
    events = [*FIVE[:HALF], *[FIVE[HALF - 1]] * 2_000, *FIVE[HALF:]]

    async def main():
        stream = connect(sse(encode(events))).beta.threads.runs.stream("t", assistant_id="a")
        got, at = [], []

        async def look():
            while not stream.ended:
                at.append(len(got))
                await asyncio.sleep(0)

        stream.on("textDelta", got.append)
        await asyncio.gather(stream.done(), look())
        assert len(values(got)) == 2_005
        return at

    at = asyncio.run(main())
    assert max(later - earlier for earlier, later in itertools.pairwise(at)) <= 512
