"""Answers that are no stream: error statuses, what is tried again, pages."""

from __future__ import annotations

import json
import socket

import pytest
from failing import BODY, KEY, failure
from parity.compare import PATIENCE, Recorder
from scripted_server import answer, sse

import emitter_stream
from emitter_stream import APIConnectionError, APIError, APIStatusError, OpenAI, OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")


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


def test_the_response_of_an_error_reads_as_json(stream_of):
    """The body as it came is at ``response``, as text and as JSON, as in the Python SDK."""
    body = {"error": {"message": "no", "code": 7}}
    caught, _ = failure(stream_of(answer(400, body)), APIStatusError)
    assert caught.response.json() == body
    assert json.loads(caught.response.text) == body


@pytest.mark.parametrize(
    ("error", "words"),
    [("model runner has stopped", "model runner has stopped"), ({"message": "no"}, "no")],
)
def test_an_error_in_a_stream_knows_the_request(stream_of, error, words):
    """It has the id that the headers gave; one that is a mere string, Ollama's, is the message."""
    body = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    script = answer(200, body, "text/event-stream", [("x-request-id", "req_123")])
    caught, _ = failure(stream_of(script), APIError)
    assert (str(caught), caught.body, caught.request_id) == (words, error, "req_123")


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


def broken_off(framing, how, piece=b'{"id": '):
    """Make a script whose answer, of JSON, breaks off behind this piece."""

    def script(exchange):
        exchange.head(content_type="application/json", framing=framing, length=100)
        exchange.body(piece)
        getattr(exchange, how)()

    return script


@pytest.mark.parametrize(("how", "piece"), [("cut", b'{"id": '), ("reset", b"")])
@pytest.mark.parametrize("framing", ["length", "chunked", "gzip"])
def test_an_answer_that_breaks_off_is_asked_for_again(connect, framing, how, piece):
    """An answer that is not whole is one that did not come, as in the Python SDK."""
    whole = answer(200, {"id": "gpt-4o"})
    client = connect(broken_off(framing, how, piece), whole, max_retries=1)
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    assert len(connect.server.requests) == 2


def test_an_answer_that_always_breaks_off(connect):
    """After the last try the error says that the connection broke."""
    client = connect(*[broken_off("length", "cut")] * 2, max_retries=1)
    with pytest.raises(APIConnectionError, match="broke"):
        client.models.retrieve("gpt-4o")
    assert len(connect.server.requests) == 2


def test_an_answer_that_stands_still_is_asked_for_again(connect):
    """An answer of which no more comes in time is asked for once more, too."""

    def stands_still(exchange):
        exchange.head(content_type="application/json", framing="length", length=100)
        exchange.wait_for_close()

    whole = [answer(200, {"id": "gpt-4o"})] * 5
    client = connect(stands_still, *whole, timeout=1.0, max_retries=5)
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


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
