"""Streams come and go and leave nothing behind: no thread, no socket, no file descriptor."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest
from left_behind import collect_garbage, stream_threads, wait_until
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from samples import tries
from scripted_server import ScriptedServer, answer, hang, sse

from emitter_stream import APIUserAbortError, AssistantStream, OpenAI, OpenAIError

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)
DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> int:
    """Count the open file descriptors of this process."""
    return len(os.listdir(DESCRIPTORS))


@pytest.fixture
def nothing_left():
    """Check that threads and file descriptors are as many afterwards as before."""
    collect_garbage()
    assert wait_until(lambda: not stream_threads())
    threads = threading.active_count()
    count = descriptors() if DESCRIPTORS.exists() else 0
    yield
    collect_garbage()
    assert wait_until(lambda: not stream_threads()), stream_threads()
    assert wait_until(lambda: threading.active_count() <= threads), threading.enumerate()
    if DESCRIPTORS.exists():
        assert wait_until(lambda: descriptors() <= count), (descriptors(), count)


def use_done(stream):
    """Wait for the end."""
    stream.done(timeout=PATIENCE)


def use_listen(stream):
    """Listen, and wait for nothing."""
    ended = threading.Event()
    stream.on("textDelta", lambda delta: None).on("end", ended.set)
    assert ended.wait(PATIENCE)


def use_iterate(stream):
    """Iterate to the end."""
    assert len(list(stream)) == len(FIVE) - 1


def use_break(stream):
    """Leave an iteration early."""
    for _ in stream:
        break


def use_abort(stream):
    """Abort at once."""
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)


def use_text(stream):
    """Take the first text and go on without."""
    next(stream.text_deltas)
    stream.done(timeout=PATIENCE)


def use_with(stream):
    """Leave with by an exception."""
    with pytest.raises(KeyError), stream:
        raise KeyError


def use_raise(stream):
    """Raise in a listener."""
    stream.on("textDelta", lambda: 1 / 0)
    with pytest.raises(OpenAIError):
        stream.done(timeout=PATIENCE)


USES = [use_done, use_listen, use_iterate, use_break, use_abort, use_text, use_with, use_raise]


@pytest.mark.tries
def test_hundreds_of_streams_leave_nothing(nothing_left):
    """Hundreds of streams, used in every way and gone, leave no thread, socket or descriptor."""
    with ScriptedServer(sse(BODY)) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, timeout=PATIENCE)
        for number in range(tries(320, 1_000)):
            use = USES[number % len(USES)]
            use(client.beta.threads.runs.stream("thread_1", assistant_id="asst_1"))
        assert wait_until(lambda: not stream_threads())
        del client


def test_1000_streams_at_a_time_keep_few_connections(nothing_left):
    """One client used for 200 streams, one after the other, does not pile up connections."""
    with ScriptedServer(sse(BODY)) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, timeout=PATIENCE)
        gc.collect()
        for _ in range(200):
            client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)
        if DESCRIPTORS.exists():
            assert wait_until(lambda: descriptors() < 100)
        del client


def test_200_streams_at_once_leave_nothing(nothing_left):
    """200 streams at the same time, each used in another way, leave nothing either."""
    with ScriptedServer(sse(BODY)) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, timeout=PATIENCE)
        streams = [client.beta.threads.runs.stream("t", assistant_id="a") for _ in range(200)]
        for number, stream in enumerate(streams):
            USES[number % len(USES)](stream)
        del client, streams, stream


@pytest.mark.parametrize(
    "script",
    [
        answer(401, {"error": {"message": "no"}}),
        answer(200, b"<html>", "text/html"),
        lambda exchange: exchange.reset(),
        lambda exchange: (exchange.head(), exchange.body(BODY[:500]), exchange.cut()),
        lambda exchange: (exchange.head(), exchange.body(BODY[:500]), exchange.reset()),
    ],
)
def test_failed_streams_leave_nothing(nothing_left, script):
    """Streams that fail, in each way, leave no thread, socket or descriptor."""
    with ScriptedServer(script) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, max_retries=0, timeout=PATIENCE)
        for _ in range(30):
            with pytest.raises(OpenAIError):
                client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)
        del client


def test_connection_refused_leaves_nothing(nothing_left):
    """Streams to a port where nobody listens leave nothing."""
    with ScriptedServer(sse(BODY)) as server:
        url = server.url
    client = OpenAI(api_key="sk-test", base_url=url, max_retries=0)
    for _ in range(30):
        with pytest.raises(OpenAIError):
            client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)


def test_aborted_while_blocked_leaves_nothing(nothing_left):
    """Streams that are aborted while blocked in a read leave nothing."""

    def silent(exchange):
        exchange.wait_for_close()

    with ScriptedServer(*[silent, hang(BODY[:500])] * 15) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, timeout=PATIENCE)
        for number in range(30):
            stream = client.beta.threads.runs.stream("t", assistant_id="a")
            server.wait_for_requests(number + 1)
            stream.abort()
            with pytest.raises(APIUserAbortError):
                stream.done(timeout=PATIENCE)
        del client, stream


def test_a_stream_that_has_ended_is_freed(nothing_left):
    """A stream that has ended, and is let go, is not kept alive by the library."""
    import weakref

    with ScriptedServer(sse(BODY)) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url)
        stream = client.beta.threads.runs.stream("t", assistant_id="a")
        stream.on("textDelta", lambda: None).done(timeout=PATIENCE)
        ref = weakref.ref(stream)
        del stream
        assert wait_until(lambda: gc.collect() is not None and ref() is None)
        del client


def test_an_abandoned_iterator_frees_the_stream(nothing_left):
    """An iterator that is begun, left lying and dropped does not hold its stream for ever."""
    with ScriptedServer(sse(encode(answered(*"x" * 20_000)))) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url)
        iterators = []
        for _ in range(10):
            iterator = client.beta.threads.runs.stream("t", assistant_id="a").text_deltas
            next(iterator)
            iterators.append(iterator)
        assert len(stream_threads()) == 10
        del iterator, iterators
        gc.collect()
        assert wait_until(lambda: not stream_threads())
        del client


def test_streams_without_a_server_leave_nothing(nothing_left):
    """from_events and from_readable_stream leave no thread behind either."""
    events = [{"event": name, "data": data} for name, data in FIVE if name != "done"]
    for _ in range(200):
        stream = AssistantStream.from_events(events)
        again = AssistantStream.from_readable_stream(stream.to_readable_stream())
        again.done(timeout=PATIENCE)


def test_threads_are_named(nothing_left):
    """While a stream is open it has a thread whose name begins with emitter-stream."""
    gate = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(BODY[:500])
        exchange.wait(gate)

    with ScriptedServer(script) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url)
        before = set(threading.enumerate())
        stream = client.beta.threads.runs.stream("t", assistant_id="a")
        server.wait_for_requests(1)
        mine = [t for t in set(threading.enumerate()) - before if "scripted" not in t.name]
        assert [thread.name[:14] for thread in mine] == ["emitter-stream"]
        stream.abort()
        gate.set()
        with pytest.raises(APIUserAbortError):
            stream.done(timeout=PATIENCE)
        del client, stream
