"""The bound on connections: who comes when all places are taken is told so, and may come again."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import openai
import pytest
from server_helpers import HEADERS, PATIENCE, LiveStream, Raw

from emitter_stream.server import LocalServer
from emitter_stream.server.http import places
from emitter_stream.server.http.places import Places

REQUEST = b"".join(
    (
        b"GET /v1/assistants HTTP/1.1\r\nHost: localhost\r\n",
        *(f"{name}: {value}\r\n".encode() for name, value in HEADERS.items()),
        b"Connection: close\r\n\r\n",
    )
)


@pytest.fixture
def full(start, gate, monkeypatch) -> Iterator[tuple[Raw, ExitStack]]:
    """Give a server of three places, and what ends the three streams that have them."""
    monkeypatch.setattr("emitter_stream.server.http.connection.HEAD_SECONDS", PATIENCE)
    raw = Raw(start(model=gate, max_connections=3).base_url)
    # Three connections in all: one that is closed may have its place for a moment.
    connections = [raw.connection() for _ in range(3)]

    def make(path: str, body: dict[str, str]) -> str:
        connections[0].request("POST", raw.prefix + path, json.dumps(body), HEADERS)
        return json.loads(connections[0].getresponse().read())["id"]

    body = {"assistant_id": make("/assistants", {"model": "m"})}
    threads = [make("/threads", {}) for _ in connections]
    with ExitStack() as streams:
        for connection, thread in zip(connections, threads, strict=True):
            path = f"{raw.prefix}/threads/{thread}/runs"
            stream = streams.enter_context(LiveStream(connection, path, body))
            stream.until("thread.run.created")
        yield raw, streams


def told(raw: Raw, sent: bytes = REQUEST) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer; the server closes the connection behind it."""
    with socket.create_connection((raw.host, raw.port), timeout=PATIENCE) as connection:
        if sent:
            connection.sendall(sent)
        with connection.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
    return head, body


def check_busy(head: bytes, body: bytes) -> None:
    assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 1" in head.lower()
    assert b"\r\nconnection: close" in head.lower()
    assert json.loads(body)["error"] == {
        "message": "The server is busy: all of its 3 connections are taken. Try again later.",
        "type": "server_error",
        "param": None,
        "code": "too_many_connections",
    }


def test_one_too_many_is_told(full, gate, caplog):
    """Over the bound a request is answered 503, the others go on; a place that is free is taken."""
    raw, streams = full
    with caplog.at_level(logging.WARNING, "emitter_stream.server"):
        for _ in range(3):
            check_busy(*told(raw))
    lines = [text for one in caplog.records if "connections" in (text := one.getMessage())]
    assert lines == ["all 3 connections are taken: others are refused"]
    gate.open()
    streams.close()
    deadline = time.monotonic() + PATIENCE
    while not (answer := told(raw))[0].startswith(b"HTTP/1.1 200 "):
        check_busy(*answer)
        assert time.monotonic() < deadline


def test_a_kept_connection_keeps_its_place(start):
    """Who has a place is answered for as long as the connection lasts."""
    raw = Raw(start(max_connections=1).base_url)
    connection = raw.connection()
    for _ in range(3):
        connection.request("GET", "/v1/assistants", headers=HEADERS)
        response = connection.getresponse()
        assert response.status == 200 and response.read()
        assert raw("GET", "/assistants").status == 503
    connection.close()


def test_the_sdk_comes_again(full, gate):
    """The official SDK heeds Retry-After: its request is answered once there is a place."""
    raw, streams = full
    errors: list[int] = []

    def seen(response) -> None:
        errors.append(response.status_code)
        if response.status_code == 503:
            gate.open()
            streams.close()

    url = f"http://{raw.host}:{raw.port}/v1"
    with openai.OpenAI(base_url=url, api_key="any", max_retries=60) as client:
        client._client.event_hooks["response"].append(seen)
        assert client.files.list().data == []
    assert errors[0] == 503 and errors[-1] == 200


def test_crowds_are_not_waited_for(full, monkeypatch):
    """Of many that say nothing only some are waited for; the next one is told at once."""
    raw, _ = full
    monkeypatch.setattr("emitter_stream.server.http.connection.MOST_TURNED_AWAY", 5)
    with ExitStack() as crowd:
        for _ in range(5):
            address = (raw.host, raw.port)
            crowd.enter_context(socket.create_connection(address, timeout=PATIENCE))
        check_busy(*told(raw, b""))
        check_busy(*told(raw, b""))


def test_the_default_leaves_files_for_others():
    """Without a number it is what open files allow, less some, and at most 10,000."""
    most = Places().most
    assert 1 <= most <= places.MOST
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max-connections"):
            LocalServer(max_connections=wrong)
