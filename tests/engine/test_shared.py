"""Many streams read by one thread: who holds up whom, who reads on, and what stays as it was."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from five_deltas import FIVE, HALF, HalvedChunk, Halves
from left_behind import stream_threads, wait_until
from parity.transcripts import answered, encode
from scripted_server import PATIENCE, sse

from emitter_stream import APITimeoutError, APIUserAbortError, OpenAI, OpenAIError
from emitter_stream.engine import shared

pytestmark = [
    pytest.mark.usefixtures("all_shared"),
    pytest.mark.skipif(not shared._IS_ABLE, reason="streams have threads of their own here"),
]

BODY = encode(FIVE)


@pytest.fixture
def all_shared(monkeypatch):
    """Let every stream be handed over, also where it is the only one, and no turn take too long.

    On a busy machine any turn may.
    """
    monkeypatch.setattr(shared, "FROM", 0)
    monkeypatch.setattr(shared, "LOOK", PATIENCE)
    monkeypatch.setattr(shared, "live", set())  # what other tests have left does not count


@pytest.fixture
def watched(monkeypatch):
    """Let the standby look as often as it does."""
    monkeypatch.setattr(shared, "LOOK", 0.005)


def stream_with(client: OpenAI, listener: Callable[..., object]):
    """Start a stream with a listener of its deltas."""
    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    return stream.on("textDelta", listener).start()


def readers() -> list[str]:
    """Name the threads that read for many."""
    return [thread.name for thread in stream_threads() if "-reader-" in thread.name]


def are_handed_over(count: int) -> Callable[[], bool]:
    """Tell whether so many streams are read along with others, and by no thread of their own."""

    def are() -> bool:
        reader = shared._reader
        own = len(stream_threads()) - len(readers())
        return reader is not None and len(reader._tasks) == count and not own

    return are


def test_many_streams_have_two_threads(connect):
    """However many streams wait for their server, one thread reads for them and one stands by."""
    script = Halves()
    client = connect(script)
    heard: list[str] = []
    streams = [stream_with(client, lambda delta: heard.append(delta.value)) for _ in range(30)]
    assert wait_until(lambda: len(heard) == 90 and are_handed_over(30)())
    assert len(readers()) == 2
    script.go_on.set()
    for stream in streams:
        stream.done(timeout=PATIENCE)
    assert len(heard) == 150
    assert wait_until(lambda: not stream_threads())


def test_few_streams_keep_threads_of_their_own(connect, monkeypatch):
    """Up to a number of streams each is read by the thread that it began on."""
    monkeypatch.setattr(shared, "FROM", 3)
    script = Halves()
    client = connect(script)
    heard: list[str] = []
    first = [stream_with(client, lambda delta: heard.append(delta.value)) for _ in range(3)]
    assert wait_until(lambda: len(heard) == 9)
    assert not readers()
    more = [stream_with(client, lambda delta: heard.append(delta.value)) for _ in range(4)]
    assert wait_until(lambda: len(heard) == 21 and len(stream_threads()) == 5)
    assert len(readers()) == 2
    script.go_on.set()
    for stream in first + more:
        stream.done(timeout=PATIENCE)


def test_a_listener_that_does_not_return_holds_up_its_own_stream_alone(connect, watched):
    """While one listener hangs, the others hear everything, and new streams too."""
    client = connect(sse(BODY))
    hangs, let_go = threading.Event(), threading.Event()

    def hang(delta):
        hangs.set()
        assert let_go.wait(PATIENCE)

    stuck = stream_with(client, hang)
    assert hangs.wait(PATIENCE)
    for _ in range(5):
        assert stream_with(client, lambda delta: None).final_run(timeout=PATIENCE).id == "run_1"
    assert not stuck.ended
    let_go.set()
    stuck.done(timeout=PATIENCE)


def test_slow_listeners_run_side_by_side(connect, watched):
    """Listeners that wait for each other meet, each on the thread of its stream."""
    client = connect(sse(BODY))
    barrier = threading.Barrier(12)
    threads: list[set[str]] = [set() for _ in range(12)]

    def listener(number: int) -> Callable[..., object]:
        def meet(delta):
            barrier.wait(PATIENCE)
            threads[number].add(threading.current_thread().name)

        return meet

    streams = [stream_with(client, listener(number)) for number in range(12)]
    for stream in streams:
        stream.done(timeout=PATIENCE)
    assert [len(names) for names in threads] == [1] * 12
    assert len(set.union(*threads)) == 12


def test_a_stream_that_was_slow_comes_back(connect, watched, monkeypatch):
    """It is read alone, and once it has been quick for a while along with the others again."""
    monkeypatch.setattr(shared, "ALONE", 0.05)
    script = Halves()
    client = connect(script)
    alone: list[bool] = []

    def is_alone() -> bool:
        return threading.current_thread() is stream._delivery.thread

    def listener(delta):
        if not alone:
            alone.append(wait_until(is_alone))

    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    stream.on("textDelta", listener)
    assert wait_until(lambda: bool(alone))
    assert alone == [True]
    assert wait_until(are_handed_over(1))
    script.go_on.set()
    stream.done(timeout=PATIENCE)


@pytest.mark.parametrize("inline", [False, True])
def test_a_listener_may_wait_for_another_stream(connect, inline):
    """A wait within a listener hands the reading over at once, and not only when it is noticed."""
    client = connect(sse(BODY))
    heard: list[str] = []

    def listener(delta):
        other = client.beta.threads.runs.stream("t", assistant_id="a", inline=inline)
        heard.append(other.final_run(timeout=PATIENCE).id)

    stream_with(client, listener).done(timeout=PATIENCE)
    assert heard == ["run_1"] * 5


def test_a_listener_may_wait_for_a_stream_that_the_same_thread_reads(connect):
    """It is read on by another thread, so that the wait comes to its end."""
    script = Halves()
    client = connect(script, sse(BODY))
    awaited = stream_with(client, lambda delta: None)
    assert wait_until(are_handed_over(1))

    def wait_for_it(delta):
        script.go_on.set()
        awaited.done(timeout=PATIENCE)

    stream_with(client, wait_for_it).done(timeout=PATIENCE)
    assert awaited.ended


def test_a_consumer_that_lags_holds_up_its_own_stream_alone(connect):
    """An iterator that nobody takes from holds its reader back, and no other stream."""
    long = answered(*"x" * 2_000)
    taken = threading.Event()

    def script(exchange) -> None:
        exchange.head()
        exchange.body(encode(long[:HALF]))
        # Nobody waits for the stream any more, which would let it run on.
        assert taken.wait(PATIENCE)
        exchange.body(encode(long[HALF:]))
        exchange.finish()

    client = connect(script, sse(encode(FIVE)))
    lagging = client.beta.threads.runs.stream("t", assistant_id="a")
    deltas = lagging.text_deltas
    first = next(deltas)
    taken.set()
    lagging.start()
    for _ in range(3):
        stream_with(client, lambda delta: None).done(timeout=PATIENCE)
    assert not lagging.ended
    assert first + "".join(deltas) == "x" * 2_000


def test_an_abort_wakes_the_reader(connect):
    """A stream that waits for its server ends at once when it is aborted, the others go on."""
    script = Halves()
    client = connect(script)
    heard: list[str] = []
    kept, left = (stream_with(client, lambda delta: heard.append(delta.value)) for _ in range(2))
    assert wait_until(lambda: len(heard) == 6 and are_handed_over(2)())
    left.abort()
    with pytest.raises(APIUserAbortError):
        left.done(timeout=PATIENCE)
    assert wait_until(are_handed_over(1))
    script.go_on.set()
    kept.done(timeout=PATIENCE)


def test_an_abort_within_a_turn(connect):
    """A listener that aborts its own stream and another's hears no more of either."""
    script = Halves()
    client = connect(script, sse(BODY))
    other = stream_with(client, lambda delta: None)
    assert wait_until(are_handed_over(1))
    heard: list[str] = []

    def abort(delta):
        heard.append(delta.value)
        other.abort()
        stream.abort()

    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    stream.on("textDelta", abort)
    for one in (stream, other):
        with pytest.raises(APIUserAbortError):
            one.done(timeout=PATIENCE)
    assert heard == ["a"]
    script.go_on.set()


def test_a_server_that_stands_still_times_out(connect):
    """Each stream has its own time, and one that runs out ends that stream alone."""
    script = Halves()
    client = connect(script)
    heard: list[str] = []
    patient = stream_with(client, lambda delta: heard.append(delta.value))
    hasty = client.beta.threads.runs.stream("t", assistant_id="a", timeout=0.1)
    with pytest.raises(APITimeoutError):
        hasty.done(timeout=PATIENCE)
    script.go_on.set()
    patient.done(timeout=PATIENCE)


def test_a_slow_listener_is_no_silence_of_the_server(connect, watched):
    """The time that a listener takes does not count as time that nothing came."""
    sent = threading.Event()

    def script(exchange) -> None:
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.body(encode(FIVE[HALF:]))
        exchange.finish()
        sent.set()

    heard: list[str] = []

    def slow(delta):
        heard.append(delta.value)
        assert sent.wait(PATIENCE)
        stream._source.patience = 0.01
        until = time.monotonic() + 0.05
        assert wait_until(lambda: time.monotonic() > until)

    stream = connect(script).beta.threads.runs.stream("t", assistant_id="a")
    stream.on("textDelta", slow).done(timeout=PATIENCE)
    assert heard == ["a", "b", "c", "d", "e"]


def test_a_listener_that_raises_ends_its_own_stream_alone(connect):
    """An exception of a listener, also one that is no Exception, goes to its stream."""
    script = Halves()
    client = connect(script, sse(BODY))
    kept = stream_with(client, lambda delta: None)
    assert wait_until(are_handed_over(1))

    def leave(delta):
        raise SystemExit(3)

    with pytest.raises(OpenAIError, match="SystemExit"):
        stream_with(client, leave).done(timeout=PATIENCE)
    script.go_on.set()
    kept.done(timeout=PATIENCE)


def test_the_context_of_the_maker(connect):
    """Listeners that one thread calls have each the context that their stream was made in."""
    client = connect(sse(BODY))
    request = contextvars.ContextVar[int]("request", default=0)
    heard: list[tuple[int, int]] = []

    def listener(number: int) -> Callable[..., object]:
        return lambda delta: heard.append((number, request.get()))

    streams = []
    for number in range(1, 6):
        request.set(number)
        streams.append(stream_with(client, listener(number)))
    for stream in streams:
        stream.done(timeout=PATIENCE)
    assert len(heard) == 25
    assert all(number == seen for number, seen in heard)


@pytest.mark.parametrize("missing", ["_start_standby", "start", "__init__"])
def test_without_another_thread_a_stream_is_read_where_it_began(connect, monkeypatch, missing):
    """Where no thread or no descriptor is left, the streams come to their end all the same."""

    def refuse(reader, *args: object) -> None:
        if missing == "start":
            reader._close()
        raise OSError(24, "Too many open files") if missing == "__init__" else RuntimeError("no")

    given = (lambda reader: False) if missing == "_start_standby" else refuse
    monkeypatch.setattr(shared._SharedReader, missing, given)
    client = connect(sse(BODY))
    for stream in [stream_with(client, lambda delta: None) for _ in range(3)]:
        assert stream.final_run(timeout=PATIENCE).id == "run_1"


def test_reading_that_fails_ends_all_streams_with_an_error(connect, monkeypatch, unheard):
    """What should never be, a selector that breaks, is told to each stream."""
    script = Halves()
    client = connect(script)
    streams = [stream_with(client, lambda delta: None) for _ in range(2)]
    assert wait_until(are_handed_over(2))

    def broken(seconds):
        raise OSError("the selector is broken")

    monkeypatch.setattr(shared._reader._selector, "select", broken)
    script.go_on.set()
    for stream in streams:
        with pytest.raises(OpenAIError):
            stream.done(timeout=PATIENCE)
    assert wait_until(lambda: not stream_threads())
    unheard.clear()


def test_a_word_that_comes_while_another_is_taken_is_not_lost():
    """Who hands over while the reader takes note of one before leaves it ready to be woken again."""
    reader = shared._SharedReader()
    waked = reader._wakened
    task: Any = SimpleNamespace(stream=SimpleNamespace(thread=None))

    class Late:
        def recv(self, size: int) -> bytes:
            reader.take(task)
            return waked.recv(size)

    reader.take(task)
    reader._wakened = Late()
    reader._watch()
    reader._wakened = waked
    reader.take(task)
    assert reader._selector.select(0)
    reader._close()


def test_connections_serve_again(connect):
    """A connection that was read to its end without waiting is used for the next request."""
    client = connect(sse(BODY))
    for _ in range(4):
        stream_with(client, lambda delta: None).done(timeout=PATIENCE)
        assert wait_until(lambda: not stream_threads())
    assert len({id(exchange.sock) for exchange in connect.server.exchanges}) == 1


@pytest.mark.parametrize("framing", ["chunked", "length", "close", "gzip", "gzip-close"])
@pytest.mark.parametrize("piece", [None, 1])
def test_every_framing(connect, framing, piece):
    """However a body is framed and cut, the text is whole; one that is packed has its own thread."""
    client = connect(sse(BODY, piece, framing))
    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    assert "".join(stream.text_deltas) == "abcde"


def test_a_chunk_that_comes_in_halves(connect):
    """A half of a chunk's size or end keeps nobody waiting, and is not lost."""
    script = HalvedChunk()
    client = connect(script, sse(BODY))
    halting = stream_with(client, lambda delta: None)
    assert wait_until(lambda: len(connect.server.requests) == 1)
    for gate in script.gates:
        gate.set()
        stream_with(client, lambda delta: None).done(timeout=PATIENCE)
    halting.done(timeout=PATIENCE)
