"""The sources of many streams are opened by few threads, and by as many as it takes."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from types import SimpleNamespace

import pytest
from aio_streams import deltas, nothing, own_threads, soon, streamed
from five_deltas import FIVE
from left_behind import stream_threads, wait_until
from parity.transcripts import DONE, encode
from scripted_server import PATIENCE, sse

from emitter_stream import APIUserAbortError, AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.engine import opening, shared

EVENTS = [{"event": name, "data": data} for name, data in FIVE if name != DONE[0]]
MANY = 40
variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


class Companions:
    """A script that answers nobody before so many have asked."""

    def __init__(self, count: int) -> None:
        self.all_asked = threading.Event()
        self._lock = threading.Lock()
        self._missing = count

    def __call__(self, exchange) -> None:
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self.all_asked.set()
        exchange.wait(self.all_asked)
        sse(encode(FIVE))(exchange)


def held(gate: threading.Event):
    """Give the events, once the gate is open."""
    assert gate.wait(PATIENCE)
    yield from EVENTS


@pytest.fixture
def many(monkeypatch):
    """Let every stream be one of many."""
    monkeypatch.setattr(shared, "FROM", 0)
    monkeypatch.setattr(shared, "live", set())  # what other tests have left does not count


def text_of(stream) -> str:
    """Read a plain stream to its end."""
    heard = []
    stream.on("textDelta", lambda delta: heard.append(delta.value)).done(timeout=PATIENCE)
    return "".join(heard)


def is_opener(thread: threading.Thread) -> bool:
    """Tell whether a thread opens sources."""
    kind, _, number = thread.name.rpartition("-")
    return kind in (opening.for_threads._name, opening.for_loops._name) and number.isdigit()


def openers() -> list[threading.Thread]:
    """Give the threads that open sources."""
    return [thread for thread in stream_threads() if is_opener(thread)]


def without_looks(monkeypatch, kind=opening.for_threads) -> None:
    """Let nobody see how long sources wait to be opened."""
    monkeypatch.setattr(kind, "_look", nothing)
    monkeypatch.setattr(kind, "_is_looking", False)  # and it is put back


def refuse_openers(monkeypatch) -> None:
    """Let none of them be started from now on."""
    start = threading.Thread.start

    def refuse(thread):
        if is_opener(thread) or thread.name.endswith("-look"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("many")
@pytest.mark.skipif(not shared._IS_ABLE, reason="streams have threads of their own here")
class TestThreads:
    """Streams that threads read."""

    def test_all_are_asked_for_however_long_servers_take(self, connect):
        """Streams of servers that answer none before all have asked; made in one go, and read to the end."""
        client = connect(Companions(MANY))
        streams = [streamed(client) for _ in range(MANY)]
        assert [text_of(stream) for stream in streams] == ["abcde"] * MANY
        assert wait_until(lambda: not stream_threads())

    def test_while_the_process_computes(self, connect, monkeypatch):
        """The same, where another thread leaves no processor to see that the openers wait for servers."""
        monkeypatch.setattr(opening.time, "process_time", opening.time.monotonic)
        self.test_all_are_asked_for_however_long_servers_take(connect)

    def test_few_threads_begin(self, connect, monkeypatch):
        """Without a look there are no more than a few, and each opens one source after another."""
        without_looks(monkeypatch)
        script = Companions(opening.MORE)
        client = connect(script)
        streams = [streamed(client).on("textDelta", nothing).start() for _ in range(MANY)]
        assert script.all_asked.wait(PATIENCE)
        assert max_openers_until(streams) <= opening.MORE
        assert len(connect.server.requests) == MANY

    def test_a_look_where_the_process_waits(self, connect, monkeypatch):
        """Each thread that it starts opens a source, however many others are at one."""
        look = threading.Semaphore(0)
        clock = SimpleNamespace(**vars(opening.time))
        clock.process_time = lambda: 0.0
        clock.sleep = lambda _: look.acquire(timeout=PATIENCE)
        monkeypatch.setattr(opening, "time", clock)
        monkeypatch.setattr(opening, "LONG", 10 * PATIENCE)  # all are at work
        client = connect(Companions(MANY))
        streams = [streamed(client) for _ in range(MANY)]
        for asked in range(opening.MORE, MANY + 1, opening.MORE):
            assert wait_until(lambda number=asked: len(connect.server.requests) == number)
            look.release()
        assert [text_of(stream) for stream in streams] == ["abcde"] * MANY

    def test_few_have_the_thread_each_that_has_opened_them(self, connect, monkeypatch):
        """Up to a number, that thread is the stream's own, for all that its listeners are told."""
        monkeypatch.setattr(shared, "FROM", MANY)
        client = connect(Companions(MANY))
        heard: list[tuple[object, threading.Thread]] = []
        streams = []
        for _ in range(MANY):
            me = object()
            hear = lambda *args, me=me: heard.append((me, threading.current_thread()))
            streams.append(streamed(client).on("connect", hear).on("textDelta", hear).start())
        for stream in streams:
            stream.done(timeout=PATIENCE)
        assert len(heard) == MANY * 6
        assert len(set(heard)) == len({thread for _, thread in heard}) == MANY
        assert all(is_opener(thread) for _, thread in heard)

    def test_who_waits_for_a_listener_opens_nothing_else(self, connect, monkeypatch):
        """Streams that nobody listens to yet keep their threads; those behind them are begun by others."""
        without_looks(monkeypatch)
        client = connect(Companions(1))
        unheard = [streamed(client) for _ in range(MANY)]
        assert text_of(streamed(client)) == "abcde"
        assert wait_until(lambda: len(openers()) == MANY)
        assert [text_of(stream) for stream in unheard] == ["abcde"] * MANY

    def test_a_listener_of_connect_may_take_long(self, connect):
        """It may wait for a stream that is made meanwhile: others open what waits."""
        client = connect(Companions(1))
        heard: list[str] = []
        hear = lambda: heard.append(text_of(streamed(client)))
        streams = [streamed(client).on("connect", hear).start() for _ in range(MANY)]
        for stream in streams:
            stream.done(timeout=PATIENCE)
        assert heard == ["abcde"] * MANY

    def test_each_source_has_its_makers_context(self):
        """Whatever thread opens and reads it, and whatever that did before."""
        seen: list[int] = []
        streams = []
        for number in range(MANY):
            variable.set(number)
            streams.append(AssistantStream.from_events(noting(seen)))
        assert [text_of(stream) for stream in streams] == ["abcde"] * MANY
        assert sorted(seen) == [*range(MANY)]

    def test_an_abort_of_what_waits_to_be_opened(self, connect):
        """The stream ends at once, and its server is never asked."""
        script = Companions(MANY)
        client = connect(script)
        streams = [streamed(client) for _ in range(MANY - 1)]
        ends = []
        last = streamed(client).on("abort", ends.append)
        last.abort()
        with pytest.raises(APIUserAbortError):
            last.done(timeout=PATIENCE)
        assert len(ends) == 1
        streams.append(streamed(client))
        assert [text_of(stream) for stream in streams] == ["abcde"] * MANY
        assert wait_until(lambda: not stream_threads())
        assert len(connect.server.requests) == MANY

    def test_no_thread_is_to_be_had(self, connect, monkeypatch):
        """Where there is none that could open it later, nobody gets a stream."""
        client = connect(Companions(1))
        refuse_openers(monkeypatch)
        with pytest.raises(OpenAIError, match="new thread"):
            streamed(client)
        assert not shared.live
        assert not opening.for_threads.is_alive()

    def test_no_further_thread_is_to_be_had(self, connect, monkeypatch):
        """Those that open have not their answers: one of them comes back, and takes it."""
        script = Companions(MANY + 1)
        client = connect(script)
        streams = [streamed(client) for _ in range(MANY)]
        assert wait_until(lambda: len(connect.server.requests) == MANY)
        with monkeypatch.context() as patch:
            refuse_openers(patch)
            streams.append(streamed(client))
        script.all_asked.set()
        assert [text_of(stream) for stream in streams] == ["abcde"] * (MANY + 1)

    def test_what_should_never_be_raised_is_told(self, connect, monkeypatch, unheard):
        """A mistake of ours in opening is told, and ends no thread that others wait for."""
        client = connect(Companions(1))
        monkeypatch.setattr(opening, "MORE", 1)

        def fail() -> None:
            raise ValueError("never")

        opening.for_threads.open_soon(fail)
        assert text_of(streamed(client)) == "abcde"
        assert wait_until(lambda: not opening.for_threads.is_alive())
        assert [repr(error) for error in unheard] == ["ValueError('never')"]


def max_openers_until(streams) -> int:
    """Wait for the streams; return how many threads opened sources at most."""
    most = 0

    def are_over() -> bool:
        nonlocal most
        most = max(most, len(openers()))
        return all(stream.ended for stream in streams)

    assert wait_until(are_over)
    return most


def noting(seen: list[int]):
    """Give the events, and note what the variable was."""
    first = variable.get()
    variable.set(-1)
    yield from EVENTS
    seen.append(first)


class TestLoops:
    """Streams that event loops read."""

    def test_all_are_asked_for_however_long_servers_take(self, aio_connect):
        """Streams of servers that answer none before all have asked; made in one go, and read to the end."""
        script = Companions(MANY)

        async def main():
            client = aio_connect(script)
            streams = [streamed(client) for _ in range(MANY)]
            return await asyncio.gather(*map(deltas, streams))

        assert asyncio.run(main()) == ["abcde"] * MANY
        assert wait_until(lambda: not stream_threads())

    def test_while_the_process_computes(self, aio_connect, monkeypatch):
        """The same, where another thread leaves no processor to see that the openers wait for servers."""
        monkeypatch.setattr(opening.time, "process_time", opening.time.monotonic)
        self.test_all_are_asked_for_however_long_servers_take(aio_connect)

    def test_few_threads_begin(self, aio_connect, monkeypatch):
        """Without a look there are no more than a few, and each opens one source after another."""
        without_looks(monkeypatch, opening.for_loops)

        async def main():
            client = aio_connect(Companions(opening.MORE))
            streams = [streamed(client) for _ in range(MANY)]
            began = len(openers())
            assert await asyncio.gather(*map(deltas, streams)) == ["abcde"] * MANY
            return began

        assert asyncio.run(main()) <= opening.MORE

    def test_a_thread_that_is_kept_opens_nothing_else(self):
        """Iterables that block keep their threads: the streams behind them are begun by others."""
        gate = threading.Event()

        async def main():
            blocked = [AsyncAssistantStream.from_events(held(gate)) for _ in range(MANY)]
            free = [AsyncAssistantStream.from_events(EVENTS) for _ in range(MANY)]
            assert await asyncio.gather(*map(deltas, free)) == ["abcde"] * MANY
            await soon(lambda: len(own_threads()) == MANY)
            gate.set()
            assert await asyncio.gather(*map(deltas, blocked)) == ["abcde"] * MANY

        asyncio.run(main())
        assert wait_until(lambda: not stream_threads())

    def test_each_source_has_its_makers_context(self):
        """Whatever thread opens and reads it, and whatever that did before."""
        seen: list[int] = []

        async def main():
            streams = []
            for number in range(MANY):
                variable.set(number)
                streams.append(AsyncAssistantStream.from_events(noting(seen)))
            await asyncio.gather(*map(deltas, streams))

        asyncio.run(main())
        assert sorted(seen) == [*range(MANY)]

    def test_an_abort_of_what_waits_to_be_opened(self, aio_connect):
        """The stream ends at once, and its server is never asked."""
        script = Companions(MANY)

        async def main():
            client = aio_connect(script)
            streams = [streamed(client) for _ in range(MANY)]
            ends = []
            last = streamed(client).on("abort", ends.append)
            last.abort()
            with pytest.raises(APIUserAbortError):
                await last.done()
            assert len(ends) == 1
            await asyncio.gather(*map(deltas, streams))
            await soon(lambda: not own_threads())

        asyncio.run(main())
        assert len(aio_connect.server.requests) == MANY

    @pytest.mark.parametrize("beside", [0, MANY])
    def test_no_thread_is_to_be_had(self, aio_connect, monkeypatch, beside):
        """Where there is none that could open it later, the stream ends in that error."""
        script = Companions(beside + 1)

        async def main():
            client = aio_connect(script)
            streams = [streamed(client) for _ in range(beside)]
            await soon(lambda: len(aio_connect.server.requests) == beside)
            with monkeypatch.context() as patch:
                refuse_openers(patch)
                stream = streamed(client).on("textDelta", nothing)
            if not beside:
                with pytest.raises(OpenAIError, match="new thread"):
                    await stream.done()
                return
            # Those that open have not their answers: one of them comes back, and takes it.
            script.all_asked.set()
            assert await deltas(stream) == "abcde"
            await asyncio.gather(*map(deltas, streams))

        asyncio.run(main())

    def test_a_loop_that_is_closed_with_sources_that_wait(self, aio_connect):
        """None of them is asked for any more, and no thread is left."""
        script = Companions(10**6)
        loop = asyncio.new_event_loop()

        async def main():
            client = aio_connect(script)
            return [streamed(client) for _ in range(MANY)]

        loop.set_exception_handler(nothing)
        streams = loop.run_until_complete(main())
        loop.close()
        assert wait_until(lambda: all(stream.ended for stream in streams))
        assert wait_until(lambda: not stream_threads())
        assert len(aio_connect.server.requests) <= MANY
