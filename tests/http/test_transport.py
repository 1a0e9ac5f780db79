"""What lies below a stream: connections that are shared, set up, cut, and answers that are odd."""

from __future__ import annotations

import json
import math
import socket
import threading
import zlib

import pytest
from left_behind import stream_threads, wait_until
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import answer, gated, sse

from emitter_stream import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APIUserAbortError,
    BadRequestError,
    InternalServerError,
    OpenAI,
    OpenAIError,
)
from emitter_stream.http.exchange import Exchange
from emitter_stream.http.transport import Transport

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)


def start(client):
    """Start a stream that nobody listens to yet."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")


# --- connections


def test_an_answer_that_an_abort_overtakes_is_closed(serve, monkeypatch):
    """An abort between an answer's coming and its being looked at leaves no connection open."""
    server = serve(sse(BODY))
    transport = Transport(base_url=server.url, headers={}, max_retries=0)
    exchange = transport.exchange("POST", "/threads/thread_1/runs", body={})
    answers = []
    send = transport._session.send

    def overtaken(*args, **options):
        answers.append(send(*args, **options))
        exchange.interrupt()
        return answers[0]

    monkeypatch.setattr(transport._session, "send", overtaken)
    with pytest.raises(APIUserAbortError):
        exchange.open()
    exchange.close()
    assert answers[0].raw.closed
    transport.close()


@pytest.mark.parametrize("coding", ["plain", "gzip"])
@pytest.mark.parametrize("frames", [FIVE, FIVE[:-1]], ids=["with DONE", "without DONE"])
def test_an_abort_leaves_the_next_user_of_the_connection_alone(connect, coding, frames):
    """abort of a stream whose body is read, though not delivered, spares who has its connection."""
    rest = threading.Event()
    body = encode(frames)
    if coding == "gzip":
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()

    def first(exchange):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: text/event-stream"
        head += "\r\nContent-Encoding: gzip" if coding == "gzip" else ""
        exchange.raw(head.encode() + b"\r\n\r\n" + body)  # at once, so that it is read at once

    client = connect(first, gated(rest, BODY[:400], BODY[400:]))
    lagging, goes_on = threading.Event(), threading.Event()
    one = start(client)
    one.on("textDelta", lambda: (lagging.set(), goes_on.wait(PATIENCE))).start()
    assert lagging.wait(PATIENCE)
    connected = threading.Event()
    two = start(client).on("connect", connected.set).start()
    assert connected.wait(PATIENCE)
    one.abort()
    rest.set()
    goes_on.set()
    assert two.final_run(timeout=PATIENCE).status == "completed"
    with pytest.raises(APIUserAbortError):
        one.done(timeout=PATIENCE)
    assert connect.server.connections == 1


@pytest.mark.parametrize("framing", ["chunked", "length", "gzip"])
@pytest.mark.parametrize("frames", [FIVE, FIVE[:-1]], ids=["with DONE", "without DONE"])
def test_streams_one_after_another_share_a_connection(connect, framing, frames):
    """A stream that has ended leaves its connection, set up at some cost, to the next one."""
    client = connect(sse(encode(frames), framing=framing))
    for _ in range(3):
        start(client).done(timeout=PATIENCE)
    assert connect.server.connections == 1


@pytest.mark.parametrize("coding", ["plain", "gzip"])
def test_a_stream_that_ends_leaves_the_next_user_of_its_connection_alone(connect, coding):
    """Who takes a connection over before its last stream has ended has the whole read timeout."""
    ended, read = threading.Event(), threading.Event()
    body = BODY
    if coding == "gzip":
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()

    def first(exchange):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: text/event-stream"
        head += "\r\nContent-Encoding: gzip" if coding == "gzip" else ""
        exchange.raw(head.encode() + b"\r\n\r\n" + body)

    def second(exchange):
        exchange.head()
        exchange.body(BODY[:400])
        exchange.wait(ended)
        exchange.body(BODY[400:410])  # ends the read that began before
        assert not exchange.server.stopping.wait(0.3)  # far longer than any wait for a body's end
        exchange.body(BODY[410:])
        exchange.finish()

    client = connect(first, second)
    streams = []

    def take_over():
        streams.append(start(client).on("event", read.set).start())
        assert read.wait(PATIENCE)

    start(client).on("run", take_over).done(timeout=PATIENCE)
    ended.set()
    assert streams[0].final_run(timeout=PATIENCE).status == "completed"
    assert connect.server.connections == 1


def test_a_kept_connection_that_the_server_has_closed_costs_no_pause(connect, monkeypatch):
    """A request over a connection that is closed under it is sent again at once, on another."""
    monkeypatch.setattr(Exchange, "_delay", lambda *_: pytest.fail("paused"))

    def closing(exchange):
        exchange.cut()

    client = connect(sse(BODY), closing, sse(BODY), max_retries=1)
    start(client).done(timeout=PATIENCE)
    assert start(client).final_run(timeout=PATIENCE).status == "completed"
    assert connect.server.connections == 2


def test_a_connection_with_more_on_it_is_not_used_again(connect):
    """What a server sends behind [DONE] is not taken for the answer to the next request."""

    def chatty(exchange):
        exchange.head()
        exchange.body(BODY)
        exchange.body(b"event: thread.run.failed\ndata: {}\n\n")
        exchange.finish()

    client = connect(chatty)
    for _ in range(2):
        assert start(client).final_run(timeout=PATIENCE).status == "completed"
    assert connect.server.connections == 2


@pytest.fixture
def silent_server():
    """Give a socket that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener
    assert wait_until(lambda: not stream_threads())


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_abort_of_a_connection_that_is_being_set_up(silent_server, scheme):
    """abort ends a stream whose server keeps silent in the TLS handshake, or before its headers."""
    url = f"{scheme}://127.0.0.1:{silent_server.getsockname()[1]}/v1"
    stream = start(OpenAI(api_key="sk-test", base_url=url, timeout=600, max_retries=0))
    peer, _ = silent_server.accept()
    with peer:
        peer.settimeout(PATIENCE)
        assert peer.recv(65_536)  # the client's part of the handshake, or its request
        stream.abort()
        with pytest.raises(APIUserAbortError):
            stream.done(timeout=PATIENCE)
        assert wait_until(lambda: not stream_threads())
        while peer.recv(65_536):
            pass  # up to the end, which a client that holds the connection open would not send


# --- the environment


@pytest.fixture
def no_environment(monkeypatch):
    """Take away what this machine's environment says of proxies; give the means to say more."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_proxy_of_the_environment_is_used(serve, no_environment):
    """As in the official SDK, the environment's proxy gets each request of a client, streams too."""
    proxy = serve(sse(BODY), sse(BODY))
    no_environment.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    client = OpenAI(base_url="http://assistants.invalid/v1", api_key="sk-test", max_retries=0)
    start(client).done(timeout=PATIENCE)
    no_environment.delenv("HTTP_PROXY")  # it is asked once a client
    start(client).done(timeout=PATIENCE)
    target = "http://assistants.invalid/v1/threads/thread_1/runs"
    assert [request.target for request in proxy.requests] == [target, target]


def test_hosts_that_the_environment_excepts_are_reached_directly(serve, no_environment):
    """NO_PROXY is minded."""
    server = serve(sse(BODY))
    no_environment.setenv("HTTP_PROXY", "http://assistants.invalid:1")
    no_environment.setenv("NO_PROXY", "127.0.0.1")
    client = OpenAI(base_url=server.url, api_key="sk-test", max_retries=0)
    start(client).done(timeout=PATIENCE)
    assert [request.target for request in server.requests] == ["/v1/threads/thread_1/runs"]


# --- timeouts

SENSELESS = [0, -1, 0.0, math.nan, math.inf, 1e12, "5", True, (), (1,), (1, 2, 3), (0, 5), (5, -1)]
SENSELESS += [(5, math.nan), ("1", 2), (True, 1), [1, 2], object(), b"5"]


@pytest.mark.parametrize("timeout", SENSELESS, ids=range(len(SENSELESS)))
def test_a_senseless_timeout_is_refused_where_it_is_given(connect, timeout):
    """A timeout that is no time is a ValueError, at the client and at the call; nothing is sent."""
    with pytest.raises(ValueError, match="timeout"):
        OpenAI(api_key="sk-test", base_url="http://127.0.0.1:1/v1", timeout=timeout)
    client = connect(sse(BODY))
    runs = client.beta.threads.runs
    with pytest.raises(ValueError, match="timeout"):
        runs.stream("thread_1", assistant_id="asst_1", timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        client.beta.threads.retrieve("thread_1", timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        start(client.with_options(timeout=timeout))
    assert connect.server.requests == []


@pytest.mark.parametrize(
    "timeout", [None, 20, 20.5, (20, 20), (None, 20), (20, None), (None, None)]
)
def test_timeouts_that_make_sense(connect, timeout):
    """A number, a pair and None, for no limit, are taken, by the client and by the call."""
    client = connect(sse(BODY), timeout=timeout)
    start(client).done(timeout=PATIENCE)
    runs = connect(sse(BODY)).beta.threads.runs
    runs.stream("thread_1", assistant_id="asst_1", timeout=timeout).done(timeout=PATIENCE)


# --- answers

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
}
INTERIM["several"] = b"".join(INTERIM.values()) * 2


@pytest.mark.parametrize("interim", INTERIM)
def test_interim_answers_are_skipped(connect, interim):
    """102 and 103 before the answer, as proxies send them, are passed over as 100 is."""

    def stream_behind(exchange):
        exchange.raw(INTERIM[interim])
        sse(BODY)(exchange)

    def thread_behind(exchange):
        exchange.raw(INTERIM[interim])
        answer(200, {"id": "thread_1"}, headers=[("X-Mine", "1")])(exchange)

    client = connect(stream_behind, thread_behind)
    assert start(client).final_run(timeout=PATIENCE).status == "completed"
    assert client.beta.threads.retrieve("thread_1").id == "thread_1"


@pytest.mark.parametrize(
    ("head", "body", "kind"),
    [
        ((400, "application/json"), b'{"error": {"message": "the reason"}}', BadRequestError),
        ((400, "application/json"), b'{"error": {"message": "the reason', BadRequestError),
        ((500, "text/html"), b"<html>the reason", InternalServerError),
        ((200, "text/html"), b"<html>the reason", APIError),
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked", "gzip"])
def test_an_error_that_is_cut_short_shows_what_came(connect, head, body, kind, framing):
    """The body of an error whose connection breaks in the middle is shown as far as it came."""

    def script(exchange):
        exchange.head(*head, framing=framing, length=500)
        exchange.body(body)
        exchange.cut()

    with pytest.raises(kind, match="the reason") as caught:
        start(connect(script)).done(timeout=PATIENCE)
    assert not isinstance(caught.value, APIConnectionError)
    assert caught.value.status_code == head[0]


@pytest.mark.parametrize("more", [(), [("Content-Type", "text/event-stream")]], ids=["one", "two"])
def test_a_content_type_in_one_header_or_two(connect, more):
    """A proxy that sets the header once more does no harm."""

    def script(exchange):
        exchange.head(content_type="Text/Event-Stream;charset=utf-8", headers=more)
        exchange.body(encode(FIVE))
        exchange.finish()

    assert start(connect(script)).final_run(timeout=PATIENCE).status == "completed"


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_that_never_ends_is_not_waited_for(connect, status):
    """A page instead of a stream is shown without a wait for its end, and the connection closed."""

    def script(exchange):
        exchange.head(status, "text/html")
        exchange.body(b"<html>the reason" + b"<br>" * 3_000)
        exchange.wait_for_close()

    with pytest.raises(APIError, match="the reason"):
        start(connect(script, timeout=600)).done(timeout=PATIENCE)
    assert connect.server.client_closed.wait(PATIENCE)


def test_an_error_of_json_is_read_to_its_end(connect):
    """The message of a long JSON error is found, in however many pieces it comes."""
    error = {"padding": "x" * 50_000, "error": {"message": "the reason"}}

    def script(exchange):
        exchange.head(400, "application/json")
        exchange.body(json.dumps(error).encode(), piece=1_000)
        exchange.finish()

    with pytest.raises(BadRequestError, match="the reason"):
        start(connect(script)).done(timeout=PATIENCE)


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:port/v1",
        "http://[::1/v1",
        "http://a]b/v1",
        "http://evil.test/v1",
        "/v1/a b",
        "/v1/thr\xe9ads",
        "?" + "x" * 5_000,
    ],
    ids=range(8),
)
@pytest.mark.parametrize("wanted", ["stream", "thread"])
def test_redirects_to_odd_places(connect, place, wanted):
    """A redirect to a bad port, host or path is an error of the library, never a foreign one."""
    client = connect(answer(307, b"", headers=[("Location", place)]))
    with pytest.raises(OpenAIError):
        if wanted == "stream":
            start(client).done(timeout=PATIENCE)
        else:
            client.beta.threads.retrieve("thread_1")


@pytest.mark.parametrize("status", [301, 307])
def test_the_body_of_a_redirect_is_not_read_without_end(connect, status):
    """A redirect elsewhere is an error at once, however long the page that comes with it."""

    def script(exchange):
        place = [("Location", "http://elsewhere.test/v1")]
        exchange.head(status, "text/html", headers=place)
        exchange.body(b"<br>" * 3_000)
        exchange.wait_for_close()

    with pytest.raises(APIStatusError, match=r"elsewhere\.test"):
        start(connect(script, timeout=600)).done(timeout=PATIENCE)
    assert connect.server.client_closed.wait(PATIENCE)


DATES = ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 99999 00:00:00 GMT"]
DATES += ["Mon, 99 Jan 2020 00:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +99999999999", "inf", "Mon,"]
DATES += ["Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "9" * 5_000]


@pytest.mark.parametrize("date", DATES, ids=range(len(DATES)))
def test_odd_dates_in_retry_after(connect, date):
    """A Retry-After whose date no calendar has does not get in the way of the retry."""
    client = connect(answer(429, b"", headers=[("Retry-After", date)]), sse(BODY), max_retries=1)
    assert start(client).final_run(timeout=PATIENCE).status == "completed"
