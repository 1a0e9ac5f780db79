"""Who may come in: the names of the server, web pages, keys; and how long a request may take."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import uvicorn
from server_helpers import HEADERS, PATIENCE, Raw
from uvicorn.server import ServerState

from emitter_stream import cli
from emitter_stream.server import LocalServer
from emitter_stream.server.http.connection import BODY_BYTES, TimedConnection


def status_for(raw: Raw, host: str, **headers: str) -> int:
    """Give the status of a request with this `Host`."""
    reply = raw("POST", "/threads", {}, {**HEADERS, "Host": host, **headers})
    return reply.status if reply.status == 200 else reply.status * (reply.error is not None)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:1", "127.8.9.1", "[::1]", "[::1]:8000"],
)
def test_loopback_is_let_in(raw, host):
    """All names of loopback are the server's, with any port."""
    assert status_for(raw, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "evillocalhost"),
        *("127.0.0.1.evil.example", "10.0.0.1", "[2001:db8::1]", "evil.example@localhost"),
        *(
            "localhost:80@evil.example",
            "localhost evil.example",
            "localhost, evil.example",
            "",
            ":",
        ),
        *("[::1", "[::1]x", "localhost/x", "localhost:80:80", "127.0.0.1:x", "0x7f.1", "*"),
    ],
)
def test_other_names_are_refused(raw, host):
    """A name that a web page may have made lead here is refused (DNS rebinding)."""
    assert status_for(raw, host) == 400


def test_every_request_is_looked_at(raw):
    """The name is looked at before the key and the path, for every method."""
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        reply = raw(method, "/nowhere", None, {"Host": "evil.example"})
        assert reply.status == 400 and reply.error["code"] == "invalid_host"


def test_two_hosts_are_none():
    """A request that names two hosts gets nothing."""
    with LocalServer() as server:
        raw = Raw(server.base_url)
        with socket.create_connection((raw.host, raw.port), timeout=PATIENCE) as connection:
            connection.sendall(
                b"GET /v1/assistants HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
                b"Authorization: Bearer x\r\nConnection: close\r\n\r\n"
            )
            assert b" 400 " in connection.makefile("rb").readline()


def test_names_that_are_allowed(start):
    """More names can be allowed: one, all below one, and all there are."""
    raw = Raw(start(allowed_hosts=["api.example", "*.sub.example"]).base_url)
    hosts = ["api.example:443", "API.example", "a.sub.example", "localhost"]
    assert [status_for(raw, host) for host in hosts] == [200] * 4
    hosts = ["sub.example", "a.api.example", "xsub.example"]
    assert [status_for(raw, host) for host in hosts] == [400] * 3
    assert status_for(Raw(start(allowed_hosts=["*"]).base_url), "any.example") == 200


@pytest.mark.parametrize("name", ["", "http://a.example", "a.example:80", "a/b", "*x", "a b"])
def test_names_that_are_none(name, capsys):
    """What is no name is refused before the server starts."""
    with pytest.raises(ValueError, match="no host name"):
        LocalServer(allowed_hosts=[name])
    assert cli.main(["serve", "--allowed-host", name]) == 1
    assert "no host name" in capsys.readouterr().err


def test_a_server_on_every_address_needs_names(start, capsys):
    """It cannot know what it is called, so it says so; with a name it starts."""
    for host in ("0.0.0.0", "::"):
        assert cli.main(["serve", "--port", "0", "--any-key", "--host", host]) == 1
        assert "--allowed-host" in capsys.readouterr().err
    server = start(host="0.0.0.0", any_key=True, allowed_hosts=["api.example"])
    raw = Raw(server.base_url.replace("0.0.0.0", "127.0.0.1"))
    assert [status_for(raw, host) for host in ("api.example", "b.example")] == [200, 400]


def test_pages_of_others_are_refused(raw):
    """A browser says whose page sends a request: only the server's own may."""
    own = f"{raw.host}:{raw.port}"
    for origin, status in (
        (f"http://{own}", 200),
        (f"https://{own}", 200),
        ("http://evil.example", 403),
        (f"http://{raw.host}:1", 403),
        (f"http://{own}.evil.example", 403),
        ("null", 403),
    ):
        assert status_for(raw, own, Origin=origin) == status
    reply = raw("OPTIONS", "/threads", None, {"Origin": "http://evil.example"})
    assert reply.status == 403 and not [name for name in reply.headers if "access-control" in name]


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    with connection.makefile("rb") as file:
        return file.read()


@pytest.fixture
def patient(start, monkeypatch) -> Raw:
    """Raw requests to a server that waits a moment for a head, and for a body."""
    monkeypatch.setattr("emitter_stream.server.http.connection.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("emitter_stream.server.http.connection.BODY_SECONDS", 0.3)
    return Raw(start().base_url)


HEAD = (
    b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
    b"OpenAI-Beta: assistants=v2\r\n"
)
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST",
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n",
    ],
    ids=["first line", "headers", "body", "chunked"],
)
def test_half_a_request_is_not_waited_for(patient, sent):
    """Who does not send the rest of a request is told so, and loses the connection."""
    with socket.create_connection((patient.host, patient.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert patient("POST", "/threads", {}).status == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x00\r\n\r\n", HEAD + b"x: " + b"y" * 20_000], ids=["garbage", "long"]
)
def test_what_is_no_request_is_refused(raw, sent):
    """Bytes that are not HTTP, and a head that is too long, are an error in the API's form."""
    with socket.create_connection((raw.host, raw.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        head = connection.recv(15, socket.MSG_WAITALL)
        body = connection.recv(10_000).partition(b"\r\n\r\n")[2]
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_a_byte_now_and_then_is_not_enough(patient):
    """The time is the whole head's: what comes in between does not begin it anew."""
    with socket.create_connection((patient.host, patient.port), timeout=PATIENCE) as connection:
        closed = threading.Event()

        def drip() -> None:
            connection.sendall(HEAD)
            while not closed.wait(0.05):
                try:
                    connection.sendall(b"x: y\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert b" 408 " in connection.recv(100)
        finally:
            closed.set()
            thread.join()


def test_a_connection_without_a_request_is_closed(patient):
    """Who connects and says nothing is let go of, with nothing said."""
    with socket.create_connection((patient.host, patient.port), timeout=PATIENCE) as connection:
        assert read_all(connection) == b""


@pytest.mark.parametrize("at_once", [False, True], ids=["later", "sent ahead"])
def test_the_next_request_of_a_connection(patient, at_once):
    """A kept connection has the same limit for each head."""
    with socket.create_connection((patient.host, patient.port), timeout=PATIENCE) as connection:
        if at_once:
            connection.sendall(WHOLE + b"POST")
        else:
            connection.sendall(WHOLE)
            assert b" 200 " in connection.recv(15, socket.MSG_WAITALL)
            connection.sendall(b"POST")
        assert b"HTTP/1.1 408 " in read_all(connection)


def test_a_refused_body_is_not_waited_for(patient):
    """A request that was answered before its body came loses the connection all the same."""
    refused = HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: 100\r\n\r\n{"
    with socket.create_connection((patient.host, patient.port), timeout=PATIENCE) as connection:
        connection.sendall(refused)
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 ") == 1 and b" 400 " in answer


class Hand:
    """An event loop whose time is over when the test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._limits: list[tuple[mock.Mock, Callable[[], None]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, seconds: float, function: Callable[[], None]) -> mock.Mock:
        handle = mock.Mock(is_cancelled=False)
        handle.cancel.side_effect = lambda: setattr(handle, "is_cancelled", True)
        self._limits.append((handle, function))
        return handle

    def let_time_pass(self) -> None:
        due, self._limits = self._limits, []
        for handle, function in due:
            if not handle.is_cancelled:
                function()


def test_a_slow_upload_gets_on():
    """A body has its time for each piece of it; when too little comes in one, it is given up."""
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        seen.append(message["type"] == "http.disconnect")

    async def talk() -> None:
        loop: Any = Hand(asyncio.get_running_loop())
        transport = mock.Mock(**{"is_closing.return_value": False})
        config = uvicorn.Config(app, log_config=None)
        config.load()
        server = TimedConnection(config, ServerState(), {}, loop)
        server.connection_made(transport)
        server.data_received(HEAD + b"Content-Length: 99999999\r\n\r\n")
        for _ in range(3):
            for _ in range(16):
                server.data_received(b"x" * (BODY_BYTES // 16))
                await asyncio.sleep(0)  # the application's turn
            loop.let_time_pass()
            transport.close.assert_not_called()
        server.data_received(b"x" * (BODY_BYTES - 1))
        loop.let_time_pass()
        transport.close.assert_called_once()
        assert transport.write.call_args[0][0].startswith(b"HTTP/1.1 408 ")
        await asyncio.gather(*server.tasks)
        server.connection_lost(None)

    asyncio.run(talk())
    assert seen == [True]


def test_a_long_answer_has_no_limit(start, gate, monkeypatch):
    """The limits are for requests: a stream may take as long as its run."""
    monkeypatch.setattr("emitter_stream.server.http.connection.HEAD_SECONDS", 0.2)
    monkeypatch.setattr("emitter_stream.server.http.connection.BODY_SECONDS", 0.2)
    raw = Raw(start(model=gate).base_url)
    assistant, thread = raw.assistant(), raw.thread("Hello")
    with raw.stream(f"/threads/{thread}/runs", {"assistant_id": assistant}) as stream:
        stream.until("thread.message.delta")
        with socket.create_connection((raw.host, raw.port), timeout=PATIENCE) as other:
            read_all(other)  # the limit has passed
        gate.open()
        stream.until("thread.run.completed")
