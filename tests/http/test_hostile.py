"""Servers and parameters that mean harm: paths, headers, redirects, what is no HTTP."""

from __future__ import annotations

import pytest
from harm import BODY, ends
from parity.compare import PATIENCE
from scripted_server import answer, sse

from emitter_stream import OpenAI, OpenAIError

pytestmark = pytest.mark.usefixtures("long_tick")
KEY = "sk-very-secret-0123456789"


# --- ids and headers

IDS = [
    "../../admin",
    "..",
    ".",
    "a/b",
    "a?b=c",
    "a#b",
    "a%2fb",
    "%2e%2e",
    "a b",
    "ü",
    "a\\b",
    "a;b",
]
IDS += [
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\0b",
    "//evil.example/",
    "@evil.example",
    "http://evil/",
    "\u2028",
]


@pytest.mark.parametrize("identifier", IDS)
@pytest.mark.parametrize("call", ["stream", "submit"])
def test_an_id_cannot_leave_its_place_in_the_path(connect, identifier, call):
    """An id is one segment of the path, whatever is in it, or is refused; it reaches no header."""
    client = connect(sse(BODY))
    runs = client.beta.threads.runs
    try:
        if call == "stream":
            runs.stream(identifier, assistant_id="a").done(timeout=PATIENCE)
        else:
            runs.submit_tool_outputs_stream(identifier, thread_id="thread_1", tool_outputs=[]).done(
                timeout=PATIENCE
            )
    except (OpenAIError, ValueError):
        assert connect.server.requests == []
        return
    (request,) = connect.server.requests
    parts = request.target.split("/")
    shape = {"stream": ["v1", "threads", None, "runs"]}.get(call)
    shape = shape or ["v1", "threads", "thread_1", "runs", None, "submit_tool_outputs"]
    assert parts[0] == ""
    assert len(parts) == len(shape) + 1
    assert all(want in (None, part) for part, want in zip(parts[1:], shape, strict=True))
    mine = parts[1 + shape.index(None)]
    assert mine.lower().replace("%2e", ".") not in ("", ".", "..")
    assert "?" not in request.target
    assert "#" not in request.target
    assert "x-evil" not in request.headers


@pytest.mark.parametrize("identifier", ["", None])
def test_an_empty_id_is_refused(connect, identifier):
    """An id that is empty or missing is refused before anything is sent."""
    client = connect(sse(BODY))
    with pytest.raises((OpenAIError, ValueError, TypeError)):
        client.beta.threads.runs.stream(identifier, assistant_id="a").done(timeout=PATIENCE)
    assert connect.server.requests == []


@pytest.mark.parametrize("evil", ["\r\nX-Evil: 1", "\n", "\0", "ключ", "\r\n\r\nGET / HTTP/1.1"])
@pytest.mark.parametrize("place", ["api_key", "organization", "project"])
def test_a_value_cannot_leave_its_header(connect, place, evil):
    """A key or name with a line break is an OpenAIError that does not show it; nothing is sent."""
    value = (KEY if place == "api_key" else "org-1") + evil
    with pytest.raises((OpenAIError, ValueError)) as caught:
        client = connect(sse(BODY), **{"api_key": KEY, place: value})
        client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)
    error: BaseException | None = caught.value
    assert isinstance(error, OpenAIError)
    while error is not None:
        assert KEY not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    for request in connect.server.requests if hasattr(connect, "server") else ():
        assert "x-evil" not in request.headers


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_redirect_does_not_carry_the_key_away(connect, serve, status, host):
    """The key is not sent to another host or port; the outcome is clear either way."""
    other = serve(sse(BODY))
    place = f"http://{host}:{other.port}/v1/threads/thread_1/runs"
    client = connect(answer(status, b"", headers=[("Location", place)]), api_key=KEY)
    ends(client.beta.threads.runs.stream("thread_1", assistant_id="a"))
    assert all(KEY not in request.head.decode("latin-1") for request in other.requests)


def test_a_redirect_in_a_circle_ends(connect):
    """A redirect to itself is an OpenAIError after a while."""
    client = connect(answer(307, b"", headers=[("Location", "/v1/threads/thread_1/runs")]))
    error = ends(client.beta.threads.runs.stream("thread_1", assistant_id="a"))
    assert error is not None
    assert len(connect.server.requests) < 50


@pytest.mark.parametrize("place", ["", "http://[", "gopher://x/", "file:///etc/passwd", "//"])
def test_a_redirect_to_nowhere(connect, place):
    """A redirect that leads to no HTTP address is an OpenAIError."""
    client = connect(answer(307, b"", headers=[("Location", place)]))
    assert ends(client.beta.threads.runs.stream("thread_1", assistant_id="a")) is not None


def test_netrc_does_not_replace_the_key(connect, tmp_path, monkeypatch):
    """A .netrc entry for the host does not take the place of the API key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login you password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client = connect(sse(BODY))
    client.beta.threads.runs.stream("thread_1", assistant_id="a").done(timeout=PATIENCE)
    assert connect.server.requests[0].headers["authorization"] == "Bearer sk-test"


# --- servers that speak no HTTP

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ANSWERS = {
    "nothing": b"",
    "noise": bytes(range(256)) * 4,
    "no status": b"HELLO\r\n\r\n",
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 999": b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n",
    "status 100 only": b"HTTP/1.1 100 Continue\r\n\r\n",
    "headers cut": HEAD,
    "long header": HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X%d: y\r\n" % n for n in range(5_000)) + b"\r\n",
    "no colon": HEAD + b"nonsense\r\n\r\n" + BODY,
    "bad length": HEAD + b"Content-Length: many\r\n\r\n" + BODY,
    "negative length": HEAD + b"Content-Length: -5\r\n\r\n" + BODY,
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY,
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
    "negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + BODY,
    "endless chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000,
    "no gzip": HEAD + b"Content-Encoding: gzip\r\n\r\n" + BODY,
    "half gzip": HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00",
    "unknown coding": HEAD + b"Content-Encoding: rot13\r\n\r\n" + BODY,
    "unknown charset": HEAD.replace(b"stream", b"stream; charset=klingon") + b"\r\n" + BODY,
    "binary body": HEAD + b"\r\n" + bytes(range(256)) * 20,
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_no_http(stream_of, name):
    """Whatever comes, the stream ends, and its error is the library's own."""

    def script(exchange):
        exchange.raw(ANSWERS[name])
        exchange.cut()

    error = ends(stream_of(script, timeout=5))
    if error is None:  # then everything was there all the same
        assert BODY in ANSWERS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_to_a_method_that_are_no_http(connect, name):
    """Whatever comes as the answer to a method, its error is the library's own."""

    def script(exchange):
        exchange.raw(ANSWERS[name].replace(b"text/event-stream", b"application/json"))
        exchange.cut()

    with pytest.raises(OpenAIError) as caught:
        connect(script, timeout=5).beta.threads.retrieve("thread_1")
    assert len(str(caught.value)) < 2_000


def test_a_gzip_bomb_is_bounded(stream_of):
    """A small body that unpacks to one enormous event is an error at max_event_bytes."""

    def script(exchange):
        exchange.head(framing="gzip")
        exchange.body(b"data: ")
        for _ in range(2_000):
            exchange.body(b"\0" * 1_000_000)

    assert ends(stream_of(script, max_event_bytes=1_000_000)) is not None


def test_a_hundred_broken_streams_leave_the_client_usable(connect):
    """After a hundred failed streams of every kind the client still works."""
    scripts = [
        lambda x: (x.raw(ANSWERS["noise"]), x.cut()),
        lambda x: x.reset(),
        lambda x: (x.head(), x.body(BODY[:100]), x.cut()),
        answer(500, b"x"),
        answer(200, b"x", "text/html"),
    ]
    client: OpenAI = connect(*(scripts * 20), sse(BODY))
    for _ in range(100):
        assert ends(client.beta.threads.runs.stream("t", assistant_id="a")) is not None
    assert ends(client.beta.threads.runs.stream("t", assistant_id="a")) is None
