"""Section 5 of the contract: how streams end, and what goes wrong on the way."""

from __future__ import annotations

import json
import logging
import socket
import threading
import traceback

import pytest
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import DONE, answered, encode, run, said, started
from scripted_server import answer, sse

import emitter_stream
from emitter_stream import (
    AbortController,
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    OpenAI,
    OpenAIError,
)

pytestmark = pytest.mark.usefixtures("long_tick")

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)
HALF = encode(FIVE[:10])  # three of the five deltas
FRAMINGS = ("chunked", "length", "close", "gzip")
WAITS = ("done", "until_done", "final_run", "final_messages", "final_run_steps")
KEY = "sk-very-secret-0123456789"


def failure(stream, kind=OpenAIError, names=NAMES):
    """Let a stream fail; check how a failing stream ends, and give its error and recorder."""
    recorder = Recorder(stream, names)
    errors: list = []
    stream.on("error", errors.append)
    with pytest.raises(kind) as caught:
        stream.done(timeout=PATIENCE)
    error = caught.value
    assert errors == [error]
    assert recorder.names[-2:] == ["error", "end"]
    assert recorder.names.count("error") == recorder.names.count("end") == 1
    assert not {"run", "abort"} & set(recorder.names)
    assert (stream.ended, stream.errored, stream.aborted) == (True, True, False)
    for wait in WAITS:
        with pytest.raises(kind) as again:
            getattr(stream, wait)(timeout=PATIENCE)
        assert again.value is error
    return error, recorder


def hang(first: bytes, framing: str = "chunked"):
    """Make a script that sends this much of a body, then nothing, until the client closes."""

    def script(exchange):
        exchange.head(framing=framing, length=1_000_000)
        exchange.body(first)
        exchange.wait_for_close()

    return script


def silent(exchange):
    """Send not even a status line, until the client closes."""
    exchange.wait_for_close()


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

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.cut()

    _, recorder = failure(stream_of(script), APIConnectionError)
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

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.cut()

    _, recorder = failure(stream_of(script, sse(BODY), max_retries=5), APIConnectionError)
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

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.wait(gate)
        exchange.body(encode(FIVE[10:]))
        exchange.finish()

    recorder = Recorder(stream_of(script))
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

    def script(exchange):
        exchange.head()
        exchange.body(HALF)
        exchange.wait(gate)
        exchange.body(encode(FIVE[10:]))
        exchange.finish()

    stream = stream_of(script)
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


# --- error answers

STATUSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "APIStatusError",
    408: "APIStatusError",
    409: "ConflictError",
    418: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "InternalServerError",
    599: "InternalServerError",
}


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
def test_an_error_status_with_a_json_body(stream_of, status, name):
    """Each status has its class, with what the body and the headers say as attributes."""
    error = {"message": "not like this", "type": "some_type", "param": "model", "code": "some_code"}
    script = answer(status, {"error": error}, headers=[("x-request-id", "req_123")])
    caught, recorder = failure(stream_of(script), APIStatusError)
    assert type(caught) is getattr(emitter_stream, name)
    assert "not like this" in caught.message
    assert "not like this" in str(caught)
    assert (caught.status_code, caught.request_id) == (status, "req_123")
    assert (caught.code, caught.param, caught.type) == ("some_code", "model", "some_type")
    assert caught.body in (error, {"error": error})
    assert caught.response.status_code == status
    assert recorder.names == ["error", "end"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"", "application/json"),
        (b"<html>bad gateway</html>", "text/html"),
        (b"plainly wrong", "text/plain"),
        (b'{"error": "only a string"}', "application/json"),
        (b'{"error": null}', "application/json"),
        (b'{"error": []}', "application/json"),
        (b'{"detail": "another shape"}', "application/json"),
        (b'["a list"]', "application/json"),
        (b'"a string"', "application/json"),
        (b"null", "application/json"),
        (b"{broken", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"event: error\ndata: {}\n\n", "text/event-stream"),
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_an_error_status_with_any_other_body(stream_of, status, body, content_type):
    """Without the usual JSON body the class is the same, and the message shows the status."""
    caught, _ = failure(stream_of(answer(status, body, content_type)), APIStatusError)
    assert type(caught).__name__ == STATUSES[status]
    assert caught.status_code == status
    assert str(status) in str(caught) or (body and body[3:8].decode("latin-1") in str(caught))
    assert (caught.code, caught.param, caught.type) == (None, None, None)


def test_an_error_status_whose_body_is_cut(stream_of):
    """An error answer that breaks off is still the error of its status."""

    def script(exchange):
        exchange.head(401, "application/json", "length", 1_000)
        exchange.body(b'{"error": {"message": "hal')
        exchange.cut()

    caught, _ = failure(stream_of(script), APIError)
    assert isinstance(caught, (APIStatusError, APIConnectionError))


def test_an_error_status_with_an_endless_body(stream_of):
    """An error answer without end is not read without end."""

    def script(exchange):
        exchange.head(401, "text/plain", "close")
        while True:
            exchange.body(b"x" * 65536)

    caught, _ = failure(stream_of(script, timeout=2), APIStatusError)
    assert caught.status_code == 401
    assert len(str(caught)) < 10_000


# --- retries


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_failed_first_request_is_retried(stream_of, status):
    """408, 409, 429 and 5xx are tried again, with the same body, and then all is well."""
    bad = answer(status, {"error": {"message": "later"}}, headers=[("Retry-After", "0")])
    recorder = Recorder(stream_of(bad, bad, sse(BODY), max_retries=2))
    recorder.stream.done(timeout=PATIENCE)
    requests = stream_of.server.requests
    assert len(requests) == 3
    assert len({(r.method, r.target, r.body) for r in requests}) == 1
    assert recorder.names.count("connect") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_other_errors_are_not_retried(stream_of, status):
    """What will not get better is not tried again."""
    failure(stream_of(answer(status, b""), sse(BODY), max_retries=2), APIStatusError)
    assert len(stream_of.server.requests) == 1


def test_two_retries_by_default(serve):
    """Without max_retries there are three attempts in all."""
    server = serve(answer(503, b"", headers=[("Retry-After", "0")]))
    client = OpenAI(api_key="sk-test", base_url=server.url)
    failure(client.beta.threads.runs.stream("t", assistant_id="a"), APIStatusError)
    assert len(server.requests) == 3


def test_retry_after_is_honoured(stream_of):
    """A retry does not come before the time that Retry-After names."""
    import time

    times: list[float] = []

    def first(exchange):
        times.append(time.monotonic())
        answer(429, b"", headers=[("Retry-After", "1")])(exchange)

    def second(exchange):
        times.append(time.monotonic())
        sse(BODY)(exchange)

    stream_of(first, second, max_retries=1).done(timeout=PATIENCE)
    assert times[1] - times[0] >= 0.98


@pytest.mark.parametrize(
    "value", ["soon", "-5", "", "1e400", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"]
)
def test_a_senseless_retry_after_is_no_obstacle(stream_of, value):
    """A Retry-After that makes no sense, or is past, does not break the retry."""
    bad = answer(503, b"", headers=[("Retry-After", value)])
    stream_of(bad, sse(BODY), max_retries=1).done(timeout=PATIENCE)


def test_a_connection_that_breaks_before_the_answer_is_retried(stream_of):
    """A connection closed or reset without an answer is tried again."""
    recorder = Recorder(stream_of(lambda x: x.cut(), lambda x: x.reset(), sse(BODY), max_retries=2))
    recorder.stream.done(timeout=PATIENCE)
    assert len(stream_of.server.requests) == 3
    assert recorder.names.count("connect") == 1


def test_a_kept_connection_that_died_meanwhile(connect):
    """A connection that the server closed between two streams does not fail the second one."""

    def once(exchange):
        sse(BODY)(exchange)
        exchange.cut()

    client = connect(once, max_retries=2)
    for _ in range(5):
        client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)


def test_connection_refused(serve):
    """Nobody listening there is an APIConnectionError without connect."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    error, recorder = failure(
        client.beta.threads.runs.stream("t", assistant_id="a"), APIConnectionError
    )
    assert recorder.names == ["error", "end"]
    assert KEY not in f"{error} {error!r}"


@pytest.mark.parametrize("url", ["http://host.invalid/v1", "ftp://x/v1", "nonsense", "http://["])
def test_a_base_url_that_leads_nowhere(serve, url):
    """A host that does not exist, or a URL that is none, is an OpenAIError, now or later."""
    with pytest.raises(OpenAIError):
        OpenAI(api_key=KEY, base_url=url, max_retries=0).beta.threads.runs.stream(
            "t", assistant_id="a"
        ).done(timeout=PATIENCE)


# --- what is no stream


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json", None])
def test_a_page_instead_of_a_stream(stream_of, content_type):
    """What is not text/event-stream is an error that shows status, type and 200 characters."""
    page = b"<html>" + b"login, please " * 100
    error, recorder = failure(stream_of(answer(200, page, content_type)))
    text = str(error)
    assert "200" in text
    assert page[:190].decode() in text
    assert page[:230].decode() not in text
    assert content_type is None or content_type.partition(";")[0] in text
    assert not {"event", "run"} & set(recorder.names)


def test_an_endless_page_instead_of_a_stream(stream_of):
    """A page without end is not read without end, and the connection is closed."""

    def script(exchange):
        exchange.head(200, "text/html", "close")
        while True:
            exchange.body(b"<br>" * 1000)

    failure(stream_of(script))
    assert stream_of.server.exchanges[0].client_closed.wait(PATIENCE)


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


# --- the key


ECHO = f"Incorrect API key provided: {KEY}"


def raw(data: bytes):
    """Make a script that sends these bytes as they are, and closes."""
    return lambda exchange: (exchange.raw(data), exchange.cut())


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = KEY.encode()
ELSEWHERE = [("Location", f"http://elsewhere.test/{KEY}")]
REPLIES = {
    "empty 401": answer(401, b""),
    "stall": hang(HALF),
    "401 that repeats it": answer(401, {"error": {"message": ECHO, "code": KEY}}),
    "page that repeats it": answer(200, ECHO.encode(), "text/html"),
    "event that repeats it": sse(encode([("error", {"message": ECHO})])),
    "broken event that repeats it": sse(b"data: {" + ECHO.encode() + b"\n\n"),
    "event that repeats it in an object": sse(encode([("error", {"a": [KEY], KEY: 1})])),
    "event that repeats it where messages are cut": sse(
        encode([("error", {"a": "x" * 125 + KEY})])
    ),
    "401 that repeats it as a string": answer(401, json.dumps(ECHO).encode()),
    "string that repeats it": answer(200, json.dumps(ECHO).encode()),
    "array that repeats it": answer(200, json.dumps([KEY, {KEY: KEY}]).encode()),
    "broken JSON that repeats it": answer(200, b"{" + ECHO.encode()),
    "headers that repeat it": answer(400, b"{}", headers=[("X-Key", KEY), ("X-Request-Id", KEY)]),
    "reason": raw(b"HTTP/1.1 401 " + SECRET + b"\r\nContent-Length: 0\r\n\r\n"),
    "content type": answer(200, b"hello", f"text/{KEY}"),
    "content type of an error": answer(400, b"hello", f"text/{KEY}"),
    "location": answer(307, b"", headers=ELSEWHERE),
    "status line": raw(b"Bearer " + SECRET + b"\r\n\r\n"),
    "status": raw(b"HTTP/1.1 " + SECRET + b" OK\r\n\r\n"),
    "chunk size": raw(CHUNKED % b"text/event-stream" + SECRET + b"\r\n"),
    "chunk size of JSON": raw(CHUNKED % b"application/json" + SECRET + b"\r\n"),
    "length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5, " + SECRET + b"\r\n\r\n"),
    "coding": answer(200, b"hello", "text/event-stream", [("Content-Encoding", f"gzip, {KEY}")]),
}


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("use", ["stream", "method"])
def test_the_api_key_is_in_no_message_repr_or_log(connect, caplog, reply, use):
    """Neither errors nor objects nor logs show the API key, wherever the server repeats it."""
    caplog.set_level(logging.DEBUG)
    client = connect(REPLIES[reply], api_key=KEY, timeout=0.2)
    texts = [repr(client), str(client), repr(client.beta.threads.runs)]
    with pytest.raises(OpenAIError) as caught:
        if use == "stream":
            stream = client.beta.threads.runs.stream("t", assistant_id="a")
            texts.append(repr(stream))
            stream.done(timeout=PATIENCE)
        else:
            client.beta.threads.retrieve("t")
    error: BaseException | None = caught.value
    texts.append("".join(traceback.format_exception(error)))
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), str(getattr(error, "message", ""))]
        texts += [repr(getattr(error, name, "")) for name in ("body", "code", "type", "request_id")]
        response = getattr(error, "response", None)
        texts += [repr(response), str(dict(getattr(response, "headers", {})))]
        texts.append(getattr(response, "text", ""))
        error = error.__cause__ or error.__context__
    for text in (*texts, caplog.text, *(str(record.__dict__) for record in caplog.records)):
        assert KEY not in text


def test_a_missing_key_is_said_at_once(monkeypatch):
    """Without a key, and without the variable, OpenAI() says what is missing."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(OpenAIError, match="OPENAI_API_KEY"):
        OpenAI()


def test_environment_variables(serve, monkeypatch):
    """OPENAI_API_KEY, _BASE_URL, _ORG_ID and _PROJECT_ID are used."""
    server = serve(sse(BODY))
    for name, value in {
        "OPENAI_API_KEY": "sk-env",
        "OPENAI_BASE_URL": server.url,
        "OPENAI_ORG_ID": "org-env",
        "OPENAI_PROJECT_ID": "proj-env",
    }.items():
        monkeypatch.setenv(name, value)
    OpenAI().beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer sk-env"
    assert headers["openai-organization"] == "org-env"
    assert headers["openai-project"] == "proj-env"


def test_the_three_ways_to_start_a_stream(connect):
    """The three streaming calls go to their paths with their bodies, stream being true."""
    client = connect(sse(BODY))
    threads = client.beta.threads
    threads.runs.stream("thread_1", assistant_id="a", instructions="hi").done(timeout=PATIENCE)
    threads.create_and_run_stream(assistant_id="a").done(timeout=PATIENCE)
    outputs = [{"tool_call_id": "call_1", "output": "42"}]
    threads.runs.submit_tool_outputs_stream(
        "run_1", thread_id="thread_1", tool_outputs=outputs
    ).done(timeout=PATIENCE)
    first, second, third = connect.server.requests
    assert first.target == "/v1/threads/thread_1/runs"
    assert first.json() == {"assistant_id": "a", "instructions": "hi", "stream": True}
    assert second.target == "/v1/threads/runs"
    assert second.json() == {"assistant_id": "a", "stream": True}
    assert third.target == "/v1/threads/thread_1/runs/run_1/submit_tool_outputs"
    assert third.json() == {"tool_outputs": outputs, "stream": True}


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
