"""What is bounded: events on every way they come, plain answers, the texts of errors."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import threading
import zlib

import pytest
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import answer, sse

from emitter_stream import (
    APIConnectionError,
    APIError,
    AssistantStream,
    BadRequestError,
    OpenAI,
    OpenAIError,
)
from emitter_stream.aio import AsyncAssistantStream
from emitter_stream.http import exchange as exchanges
from emitter_stream.sse import EventSource

LIMIT = 100_000
BODY = encode(answered("a", "b", "c"))


def deflated(data):
    packer = zlib.compressobj(9)
    return packer.compress(data) + packer.flush()


def brotlied(data):
    return pytest.importorskip("brotli").compress(data)


def zstandard(data):
    return pytest.importorskip("backports.zstd").compress(data)


CODINGS = {
    "": lambda data: data,
    "gzip": gzip.compress,
    "deflate": deflated,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "deflate, gzip": lambda data: gzip.compress(deflated(data)),
    "br": brotlied,
    "zstd": zstandard,
}


def coded(coding, data, status=200, kind="application/json"):
    headers = [("Content-Encoding", coding)] if coding else []
    return answer(status, CODINGS[coding](data), kind, headers)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_plain_answer_is_bounded_after_decompression(connect, coding):
    """One byte more than max_event_bytes is an error that says how to allow it; as many are read."""
    exact = json.dumps({"id": "x" * LIMIT}).encode()[-LIMIT:]
    exact = b'{"id": "' + exact[8:]
    client = connect(coded(coding, exact), coded(coding, exact + b" "), max_event_bytes=LIMIT)
    assert client.beta.threads.retrieve("t").id
    with pytest.raises(APIError, match=r"100000 bytes.*max_event_bytes") as caught:
        client.beta.threads.retrieve("t")
    assert caught.value.status_code == 200


@pytest.mark.parametrize("coding", [name for name in CODINGS if name])
def test_a_small_answer_does_not_become_a_large_one(connect, coding, monkeypatch):
    """No more is inflated than the bound and one read: a bomb costs no memory."""
    largest = [0]
    content = exchanges.Exchange._content

    def watched(exchange, response):
        read1 = response.raw.read1

        def measured(*args, **options):
            chunk = read1(*args, **options)
            largest[0] += len(chunk)
            return chunk

        response.raw.read1 = measured
        return content(exchange, response)

    monkeypatch.setattr(exchanges.Exchange, "_content", watched)
    bomb = b'{"id": "' + b"x" * 30_000_000 + b'"}'
    client = connect(coded(coding, bomb), max_event_bytes=LIMIT)
    with pytest.raises(APIError, match="max_event_bytes"):
        client.beta.threads.retrieve("t")
    assert 0 < largest[0] <= LIMIT + 65_536
    assert connect.server.connections == 1


def test_members_of_gzip_count_together(connect):
    """A body of many gzip members is one answer."""
    half = LIMIT // 2
    body = gzip.compress(b'{"id": "' + b"x" * half) + gzip.compress(b"x" * half + b'"}')
    client = connect(
        answer(200, body, headers=[("Content-Encoding", "gzip")]), max_event_bytes=LIMIT
    )
    with pytest.raises(APIError, match="max_event_bytes"):
        client.beta.threads.retrieve("t")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_the_text_of_an_error_is_bounded(connect, coding):
    """An error's body that inflates without end is shown as far as it is read."""
    bomb = b'{"padding": "' + b"x" * 30_000_000 + b'"}'
    client = connect(coded(coding, bomb, 400))
    with pytest.raises(BadRequestError) as caught:
        client.beta.threads.retrieve("t")
    assert len(caught.value.response.text) < 1_200_000


@pytest.mark.parametrize("trickle", ["silence", "body", "chunk head"])
@pytest.mark.parametrize("use", ["stream", "method"])
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_an_error_whose_body_never_ends_is_told_in_time(connect, monkeypatch, trickle, use, kind):
    """A known status waits a bounded time for its text, whatever trickles in meanwhile."""
    monkeypatch.setattr(exchanges, "_ERROR_BODY_SECONDS", 0.2)
    ended = threading.Event()

    def script(exchange):
        exchange.head(400, kind)
        exchange.body(b'{"error": {"message": "the reason')
        if trickle == "chunk head":
            exchange.raw(b"5")
        while not exchange.server.stopping.wait(0.02) and not ended.is_set():
            if trickle == "body":
                exchange.body(b"x")
            elif trickle == "chunk head":
                exchange.raw(b";")

    client = connect(script, timeout=600)
    with pytest.raises(BadRequestError, match="the reason"):
        if use == "stream":
            client.beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)
        else:
            client.beta.threads.retrieve("t")
    ended.set()


# --- events


@pytest.mark.parametrize("framing", ["chunked", "length", "close", "gzip"])
@pytest.mark.parametrize("before", [0, 5], ids=["first", "after others of its kind"])
def test_an_event_that_is_too_large_is_refused_on_every_way(connect, framing, before):
    """Also where a delta is like the one before, and comes in one piece."""
    body = encode(answered(*["a"] * before, "x" * 5_000, "b"))
    client = connect(sse(body, framing=framing), max_event_bytes=4_000)
    with pytest.raises(OpenAIError, match=r"4000 bytes.*max_event_bytes"):
        client.beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)


@pytest.mark.parametrize("before", [0, 5])
def test_an_event_that_comes_alone_is_counted(connect, before):
    """A read that brings one delta and nothing else is looked at as any other."""
    frames = [encode([frame]) for frame in answered(*["a"] * before, "x" * 5_000, "b")]

    def script(exchange):
        exchange.head()
        for frame in frames:
            exchange.body(frame)  # a chunk each, which is read by itself
        exchange.finish()

    client = connect(script, max_event_bytes=4_000)
    with pytest.raises(OpenAIError, match=r"4000 bytes.*max_event_bytes"):
        client.beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_an_event_source_counts(piece):
    """EventSource refuses by the same rule, whatever the pieces."""
    body = b"data: " + b"x" * 994 + b"\n\n"
    chunks = [body[at : at + piece] for at in range(0, len(body), piece)]
    assert len(list(EventSource(chunks, max_event_bytes=1_000).events())) == 1
    with pytest.raises(OpenAIError, match="max_event_bytes"):
        list(EventSource(chunks, max_event_bytes=999).events())


LINES = {
    "whole": lambda line: [line + b"\n"],
    "in pieces": lambda line: [line[at : at + 100] for at in range(0, len(line), 100)] + [b"\n"],
    "without an end": lambda line: [line],
    "never ending": lambda line: (b"x" * 100 for _ in range(10**9)),
    "as text": lambda line: [line.decode() + "\r"],
}


@pytest.mark.parametrize("way", LINES)
@pytest.mark.parametrize("side", ["plain", "aio"])
def test_a_line_that_is_too_long_is_refused(way, side):
    """from_readable_stream reads no line without end into memory."""
    line = b'{"event": "x", "data": "' + b"x" * 5_000 + b'"}'
    with pytest.raises(OpenAIError, match=r"4000 bytes.*max_event_bytes"):
        if side == "plain":
            stream = AssistantStream.from_readable_stream(LINES[way](line), max_event_bytes=4_000)
            stream.done(PATIENCE)
        else:

            async def read():
                await AsyncAssistantStream.from_readable_stream(
                    LINES[way](line), max_event_bytes=4_000
                ).done(PATIENCE)

            asyncio.run(read())


def test_lines_within_the_limit_are_read():
    """The limit is for a line, not for the whole."""
    events = [{"event": "x", "data": "y" * 900}] * 10
    lines = "".join(json.dumps(event) + "\n" for event in events).encode()
    heard = []
    stream = AssistantStream.from_readable_stream([lines], max_event_bytes=1_000)
    with pytest.raises(OpenAIError, match="Final run"):
        stream.on("event", heard.append).done(PATIENCE)
    assert len(heard) == 10


# --- what comes of it


def test_without_descriptors_it_is_said_what_to_do(connect, monkeypatch):
    """A process that may open no more files is told so, and how that is changed."""
    client = connect(sse(BODY))

    def refuse(*args, **more):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    with pytest.raises(APIConnectionError, match=r"Too many open files.*ulimit -n"):
        client.beta.threads.runs.stream("t", assistant_id="a").done(timeout=PATIENCE)


def test_no_cookie_is_kept(connect):
    """What an answer sets is sent with no other request, and kept nowhere."""
    setting = answer(200, {"id": "t"}, headers=[("Set-Cookie", "a=" + "x" * 1_000)] * 3)
    client = connect(setting)
    for _ in range(3):
        client.beta.threads.retrieve("t")
    assert not any("cookie" in request.headers for request in connect.server.requests)
    assert len(client._api.transport.session.cookies) == 0


def test_the_limit_of_a_client_is_said_at_64_mib():
    """By default it is what the documentation says."""
    assert OpenAI("sk-test").max_event_bytes == 64 * 1024 * 1024
