"""An abort, wherever it comes from and whatever it meets, ends the stream and its request."""

from __future__ import annotations

import signal
import threading

import pytest
from failing import BODY, FRAMINGS, HALF, WAITS, silent
from parity.compare import PATIENCE, Recorder
from scripted_server import answer, hang, sse

from emitter_stream import AbortController, APIUserAbortError

pytestmark = pytest.mark.usefixtures("long_tick")


# --- aborts


def aborted(recorder):
    """Check how an aborted stream ends."""
    stream = recorder.stream
    for wait in WAITS:
        with pytest.raises(APIUserAbortError):
            getattr(stream, wait)(timeout=PATIENCE)
    assert recorder.ended.wait(PATIENCE)
    assert recorder.names[-2:] == ["abort", "end"]
    assert recorder.names.count("abort") == recorder.names.count("end") == 1
    assert not {"run", "error"} & set(recorder.names)
    (((error),),) = [recorder.of("abort")]
    assert "APIUserAbortError" in error[0]["error"]
    assert (stream.ended, stream.aborted) == (True, True)


WAYS = {
    "abort": lambda stream, controller: stream.abort(),
    "controller": lambda stream, controller: stream.controller.abort(),
    "signal": lambda stream, controller: controller.abort(),
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("way", WAYS)
def test_abort_while_blocked_in_a_read(connect, framing, way):
    """abort from another thread wakes a blocked read; the server sees the connection close."""
    controller = AbortController()
    client = connect(hang(HALF, framing))
    stream = client.beta.threads.runs.stream("t", assistant_id="a", signal=controller.signal)
    recorder = Recorder(stream)
    third = threading.Semaphore(0)
    stream.on("textDelta", lambda: third.release())
    for _ in range(3):
        assert third.acquire(timeout=PATIENCE)
    WAYS[way](stream, controller)
    aborted(recorder)
    assert connect.server.client_closed.wait(PATIENCE)
    assert recorder.names.count("textDelta") == 3


@pytest.mark.parametrize("way", WAYS)
def test_abort_before_the_headers_have_come(connect, way):
    """abort while the server has not answered yet works the same way, without connect."""
    controller = AbortController()
    client = connect(silent)
    stream = client.beta.threads.runs.stream("t", assistant_id="a", signal=controller.signal)
    recorder = Recorder(stream)
    connect.server.wait_for_requests(1)
    WAYS[way](stream, controller)
    aborted(recorder)
    assert "connect" not in recorder.names
    assert connect.server.client_closed.wait(PATIENCE)


@pytest.mark.parametrize("way", WAYS)
def test_abort_from_a_listener(connect, way):
    """abort within a listener: no event follows but abort and end, as in Node."""
    controller = AbortController()
    client = connect(hang(BODY))
    stream = client.beta.threads.runs.stream("t", assistant_id="a", signal=controller.signal)
    recorder = Recorder(stream)
    count = [0]

    def second(delta):
        count[0] += 1
        if count[0] == 2:
            WAYS[way](stream, controller)

    stream.on("textDelta", second)
    aborted(recorder)
    assert count == [2]
    assert recorder.names[-3:] == ["textDelta", "abort", "end"]
    assert connect.server.client_closed.wait(PATIENCE)


def test_abort_from_the_connect_listener(stream_of):
    """abort in connect: nothing but abort and end comes after."""
    stream = stream_of(hang(BODY))
    recorder = Recorder(stream)
    stream.on("connect", stream.abort)
    aborted(recorder)
    assert recorder.names == ["connect", "abort", "end"]


def test_a_signal_that_is_aborted_already(connect):
    """A stream started with an aborted signal is aborted, and sends nothing."""
    controller = AbortController()
    controller.abort()
    client = connect(sse(BODY))
    stream = client.beta.threads.runs.stream("t", assistant_id="a", signal=controller.signal)
    recorder = Recorder(stream)
    aborted(recorder)
    assert recorder.names == ["abort", "end"]
    assert connect.server.requests == []


def test_one_signal_for_many_streams(connect):
    """One signal aborts every stream that it was given to."""
    controller = AbortController()
    client = connect(hang(HALF))
    recorders = [
        Recorder(client.beta.threads.runs.stream("t", assistant_id="a", signal=controller.signal))
        for _ in range(10)
    ]
    connect.server.wait_for_requests(10)
    controller.abort()
    for recorder in recorders:
        aborted(recorder)


def test_abort_twice_and_after_the_end(stream_of):
    """A second abort does nothing; an abort after the end does nothing."""
    stream = stream_of(hang(HALF))
    recorder = Recorder(stream)
    stream.abort()
    stream.abort()
    stream.controller.abort()
    aborted(recorder)
    stream.abort()
    stream = stream_of(sse(BODY))
    stream.done(timeout=PATIENCE)
    stream.abort()
    stream.done(timeout=PATIENCE)
    assert (stream.ended, stream.errored, stream.aborted) == (True, False, False)


def test_abort_before_there_is_a_listener(stream_of):
    """abort of a stream that nobody listens to yet is told to the listeners that come."""
    stream = stream_of(hang(HALF))
    stream_of.server.wait_for_requests(1)
    stream.abort()
    assert stream_of.server.client_closed.wait(PATIENCE)
    aborted(Recorder(stream))


def test_abort_while_a_retry_is_waited_for(connect):
    """abort ends the pause before a retry at once."""
    slow = answer(503, b"", headers=[("Retry-After", "50")])
    client = connect(slow, max_retries=2)
    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    recorder = Recorder(stream)
    connect.server.wait_for_requests(1)
    stream.abort()
    aborted(recorder)
    assert len(connect.server.requests) == 1


def test_abort_by_many_threads_at_once(stream_of):
    """However many threads abort at once, there is one abort and one end."""
    for _ in range(10):
        stream = stream_of(hang(HALF))
        recorder = Recorder(stream)
        start = threading.Barrier(8)

        def abort(start=start, stream=stream):
            start.wait(PATIENCE)
            stream.abort()

        threads = [threading.Thread(target=abort) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        aborted(recorder)


def test_an_iterator_of_an_aborted_stream_raises(stream_of):
    """Iterating a stream that is aborted from elsewhere raises the APIUserAbortError, as in Node."""
    stream = stream_of(hang(HALF))
    seen: list = []

    def iterate():
        for event in stream:
            seen.append(event.event)
            if len(seen) == 10:
                threading.Thread(target=stream.abort).start()

    with pytest.raises(APIUserAbortError):
        iterate()
    assert len(seen) == 10


@pytest.mark.parametrize(
    "wait",
    [
        lambda stream: stream.emitted("run"),
        lambda stream: list(stream),
        lambda stream: list(stream.text_deltas),
    ],
    ids=["emitted", "for", "text"],
)
def test_ctrl_c_before_the_wait_has_begun_aborts_as_well(connect, wait):
    """While what waits attaches its listener, and rings for it, it is in the method already."""
    stream = connect(hang(HALF, "chunked")).beta.threads.runs.stream("t", assistant_id="a")
    delivery = stream._delivery
    attach = delivery.attach

    def interrupted(*args, **options) -> None:
        attach(*args, **options)
        signal.raise_signal(signal.SIGINT)

    delivery.attach = interrupted
    with pytest.raises(KeyboardInterrupt):
        wait(stream)
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
