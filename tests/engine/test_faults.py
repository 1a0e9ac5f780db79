"""Section 5 of the contract: how streams end, and what goes wrong on the way."""

from __future__ import annotations

import threading

import pytest
from failing import BODY, FIVE, FRAMINGS, HALF, WAITS, failure, silent
from parity.compare import PATIENCE, Recorder
from parity.transcripts import DONE, encode, run, said, started
from scripted_server import cut_off, gated, hang, sse

from emitter_stream import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    OpenAIError,
)

pytestmark = pytest.mark.usefixtures("long_tick")


# --- good ends


def test_a_finished_run_gives_run_and_then_end(stream_of):
    """connect comes once and first; a finished run ends in run, end."""
    recorder = Recorder(stream_of(sse(BODY)))
    recorder.stream.done(timeout=PATIENCE)
    assert recorder.names[0] == "connect"
    assert recorder.names[-2:] == ["run", "end"]
    assert recorder.names.count("connect") == recorder.names.count("end") == 1
    stream = recorder.stream
    assert (stream.ended, stream.errored, stream.aborted) == (True, False, False)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_events_arrive_without_delay(stream_of, framing):
    """Each event is delivered while the server still waits to send the next, in any framing."""
    frames = [encode([frame]) for frame in FIVE]
    gates = [threading.Event() for _ in frames]

    def script(exchange):
        exchange.head(framing=framing, length=len(BODY))
        for gate, frame in zip(gates, frames, strict=True):
            exchange.wait(gate)
            exchange.body(frame)
        exchange.finish()

    heard = threading.Semaphore(0)
    stream = stream_of(script).on("event", lambda: heard.release())
    for gate in gates[:-1]:
        gate.set()
        assert heard.acquire(timeout=PATIENCE)
    gates[-1].set()
    stream.done(timeout=PATIENCE)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_after_done_the_end_of_the_body_is_not_needed(stream_of, framing):
    """[DONE] ends the stream though the server never ends the body; the connection is closed."""
    stream = stream_of(hang(BODY, framing))
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert stream_of.server.client_closed.wait(PATIENCE)


def test_a_reset_after_done_is_no_error(stream_of):
    """What happens to the connection after [DONE] does not matter."""

    def script(exchange):
        exchange.head()
        exchange.body(BODY)
        exchange.reset()

    recorder = Recorder(stream_of(script))
    try:
        recorder.stream.done(timeout=PATIENCE)
    except APIConnectionError:
        # A reset may overtake bytes that are not read yet; then [DONE] never came.
        assert "run" not in recorder.names


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream; charset=UTF-8"])
def test_content_types_of_a_stream(stream_of, content_type):
    """The content type is compared without regard to case and parameters."""

    def script(exchange):
        exchange.head(content_type=content_type)
        exchange.body(BODY)
        exchange.finish()

    stream_of(script).done(timeout=PATIENCE)


# --- streams that stop


def test_cut_in_the_middle_of_a_chunk(stream_of):
    """A connection closed inside a chunk is an APIConnectionError."""

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.raw(b"ff\r\nevent: thread.mess")
        exchange.cut()

    _, recorder = failure(stream_of(script), APIConnectionError)
    assert recorder.names.count("textDelta") == 3


def test_cut_between_chunks(stream_of):
    """A chunked body without its last chunk is an APIConnectionError."""
    _, recorder = failure(stream_of(cut_off(HALF)), APIConnectionError)
    assert recorder.names.count("textDelta") == 3


def test_cut_before_the_content_length_is_reached(stream_of):
    """A body shorter than its Content-Length is an APIConnectionError."""

    def script(exchange):
        exchange.head(framing="length", length=len(BODY))
        exchange.body(HALF)
        exchange.cut()

    _, recorder = failure(stream_of(script), APIConnectionError)
    assert recorder.names.count("textDelta") == 3


@pytest.mark.parametrize("framing", ["chunked", "close", "gzip"])
def test_ended_cleanly_but_early(stream_of, framing):
    """A body that ends properly before a terminal run event is an error, no short success."""
    _, recorder = failure(stream_of(sse(HALF, None, framing)))
    assert recorder.names.count("textDelta") == 3


def test_done_without_a_terminal_run_event(stream_of):
    """[DONE] alone does not make a run finished."""
    failure(stream_of(sse(encode([*FIVE[:10], DONE]))))


def test_reset_in_the_middle(stream_of):
    """A connection that is reset is an APIConnectionError."""
    heard = threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.wait(heard)
        exchange.reset()

    stream = stream_of(script).on("textDelta", heard.set)
    failure(stream, APIConnectionError)


def test_a_broken_stream_is_never_begun_again(stream_of):
    """A stream that has begun is not retried, however many retries are allowed."""
    _, recorder = failure(stream_of(cut_off(HALF), sse(BODY), max_retries=5), APIConnectionError)
    assert len(stream_of.server.requests) == 1
    assert recorder.names.count("connect") == 1


def test_cut_inside_gzip(stream_of):
    """A compressed body that is cut off is an error."""

    def script(exchange):
        exchange.head(framing="gzip-close")
        exchange.body(HALF)
        exchange.cut()

    failure(stream_of(script))


# --- stalls


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stall_is_a_timeout(stream_of, framing):
    """Nothing for longer than the read timeout is an APITimeoutError, and the request is closed."""
    error, recorder = failure(stream_of(hang(HALF, framing), timeout=0.3), APITimeoutError)
    assert recorder.names.count("textDelta") == 3
    assert isinstance(error, APIConnectionError)
    assert stream_of.server.client_closed.wait(PATIENCE)


@pytest.mark.parametrize("timeout", [0.2, (5, 0.2)])
def test_no_answer_at_all_is_a_timeout(stream_of, timeout):
    """A server that never sends its headers is an APITimeoutError without connect."""
    _, recorder = failure(stream_of(silent, timeout=timeout), APITimeoutError)
    assert "connect" not in recorder.names


def test_the_timeout_of_the_call_goes_before_the_clients(connect):
    """timeout= of the call is used instead of the client's."""
    client = connect(hang(HALF))
    failure(client.beta.threads.runs.stream("t", assistant_id="a", timeout=0.2), APITimeoutError)
    client = connect(hang(HALF), timeout=0.2)
    stream = client.beta.threads.runs.stream("t", assistant_id="a", timeout=PATIENCE)
    with pytest.raises(TimeoutError):
        stream.done(timeout=0.5)
    stream.abort()


def test_the_timeout_is_between_two_reads_and_not_for_the_whole(stream_of):
    """A stream longer than its timeout is fine as long as it never stalls that long."""
    clock = threading.Event()

    def script(exchange):
        exchange.head()
        for frame in FIVE:
            clock.wait(0.1)
            exchange.body(encode([frame]))
        exchange.finish()

    stream_of(script, timeout=1.0).done(timeout=PATIENCE)


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_that_times_out_leaves_the_stream_running(stream_of, wait):
    """A waiting method's own timeout is the built-in TimeoutError, and no error of the stream."""
    gate = threading.Event()

    recorder = Recorder(stream_of(gated(gate, HALF, encode(FIVE[10:]))))
    with pytest.raises(TimeoutError) as caught:
        getattr(recorder.stream, wait)(timeout=0.05)
    assert not isinstance(caught.value, OpenAIError)
    with pytest.raises(TimeoutError):
        recorder.stream.emitted("run", timeout=0.05)
    assert not recorder.stream.ended
    gate.set()
    recorder.stream.done(timeout=PATIENCE)
    assert recorder.names[-2:] == ["run", "end"]
    assert recorder.names.count("textDelta") == 5


@pytest.mark.parametrize("wait", WAITS)
def test_the_timeouts_of_waiting_methods(stream_of, wait):
    """Infinity and None wait for the end; what is no number of seconds is a TypeError at once."""
    gate = threading.Event()

    stream = stream_of(gated(gate, HALF, encode(FIVE[10:])))
    for timeout in ("5", b"5", True, float("nan"), [5], (1, 2), object()):
        with pytest.raises(TypeError, match="timeout"):
            getattr(stream, wait)(timeout=timeout)
    for timeout in (0, -1, float("-inf"), 0.01):
        with pytest.raises(TimeoutError):
            getattr(stream, wait)(timeout=timeout)
    gate.set()
    for timeout in (float("inf"), 1e12, None, 10**30):
        getattr(stream, wait)(timeout=timeout)
        assert stream.ended


# --- error events

SHAPES = {
    b'{"error": {"message": "M", "type": "T", "param": "P", "code": "C"}}': ("M", "T", "P", "C"),
    b'{"message": "M", "type": "T", "param": "P", "code": "C"}': ("M", "T", "P", "C"),
    b'{"error": null, "message": "M", "code": "C"}': ("M", None, None, "C"),
    b'{"error": {"message": "M"}}': ("M", None, None, None),
    b'{"error": "M"}': (None, None, None, None),
    b'{"message": null}': (None, None, None, None),
    b'{"message": {"a": 1}}': (None, None, None, None),
    b'"M"': (None, None, None, None),
    b"{}": (None, None, None, None),
    b"[]": (None, None, None, None),
    b"null": (None, None, None, None),
    b"5": (None, None, None, None),
}


@pytest.mark.parametrize(("data", "fields"), SHAPES.items())
def test_an_error_event_in_each_of_its_shapes(stream_of, data, fields):
    """An error event ends the stream with an APIError that says what the server said."""
    body = HALF + b"event: error\ndata: " + data + b"\n\n" + encode(FIVE[10:])
    error, recorder = failure(stream_of(sse(body)), APIError)
    message, kind, param, code = fields
    if message is not None:
        assert message in error.message
        assert message in str(error)
    if b'"M"' in data:
        assert "M" in str(error)
    assert (error.type, error.param, error.code) == (kind, param, code)
    assert recorder.names.count("textDelta") == 3
    assert not isinstance(error, (APIStatusError, APIConnectionError))


def test_an_error_event_closes_the_request(stream_of):
    """After an error event nothing more is read."""
    stream = stream_of(hang(HALF + b'event: error\ndata: {"message": "M"}\n\n'))
    failure(stream, APIError)
    assert stream_of.server.client_closed.wait(PATIENCE)


def test_an_error_object_in_an_unnamed_event(stream_of):
    """An event without a name whose object has an error is the server's error as well."""
    error, _ = failure(stream_of(sse(HALF + b'data: {"error": {"message": "M"}}\n\n')), APIError)
    assert "M" in error.message


def test_a_failed_run_is_no_error(stream_of):
    """thread.run.failed is how a run ends, and no error of the stream."""
    frames = [*started(), run("failed", last_error={"code": "server_error", "message": "M"}), DONE]
    final = stream_of(sse(encode(frames))).final_run(timeout=PATIENCE)
    assert (final.status, final.last_error.message) == ("failed", "M")


def test_an_error_in_the_middle_leaves_what_came(stream_of):
    """After an error the snapshots of what had come are still there."""
    stream = stream_of(sse(HALF))
    failure(stream)
    assert stream.current_message_snapshot().content[0].text.value == "abc"
    assert stream.current_run().status == "in_progress"


def test_many_steps_and_messages(stream_of):
    """A run of many messages ends with all of them in final_messages and final_run_steps."""
    frames = [*started()]
    for number in range(50):
        frames += said(number, [f"{number}", "!"])
    stream = stream_of(sse(encode([*frames, run("completed"), DONE])))
    texts = [one.content[0].text.value for one in stream.final_messages(timeout=PATIENCE)]
    assert texts == [f"{number}!" for number in range(50)]
    assert len(stream.final_run_steps()) == 50
