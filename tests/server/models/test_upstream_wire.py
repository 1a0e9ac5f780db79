"""The connections to an upstream: kept, closed, watched, and what comes on them in an unusual way."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from server_helpers import PATIENCE

from emitter_stream.server.models import upstream_wire
from emitter_stream.server.models.upstream_wire import Wires

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello"
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
    return head + await reader.readexactly(int(length or 0))


def said(*answers: bytes, ends: bool = False) -> Answering:
    """Give one answer to each request on a connection; `ends`: then close it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        if not ends:
            await reader.read()

    return serve


class Talk:
    """A server, and the connections to it, in one event loop."""

    def __init__(self, url: str, client: httpx2.AsyncClient, wires: Wires) -> None:
        self.url, self.client, self.wires = url, client, wires
        self.connections = 0
        self.ended = asyncio.Event()  # the first connection, as the server sees it

    async def ask(self, content: bytes = b"{}", **seconds: float) -> httpx2.Response:
        timeout = httpx2.Timeout(PATIENCE, **seconds)
        return await self.client.post(self.url, content=content, timeout=timeout)


def play(answering: Answering, work: Callable[[Talk], Awaitable[Any]], **options: Any) -> Any:
    """Let `work` talk to a server that answers so."""

    async def main() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk.connections += 1
            try:
                await answering(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                talk.ended.set()
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
        port = server.sockets[0].getsockname()[1]
        wires = Wires()
        kind = "https" if options.get("ssl") else "http"
        async with httpx2.AsyncClient(transport=wires) as client:
            talk = Talk(f"{kind}://127.0.0.1:{port}/v1", client, wires)
            result = await asyncio.wait_for(work(talk), PATIENCE)
        server.close()
        return result

    return asyncio.run(main())


def test_a_connection_is_kept():
    """Requests one after the other go over one connection, requests at once over several."""

    async def work(talk: Talk) -> list[int]:
        for _ in range(3):
            assert (await talk.ask()).text == "Hello"
        first = talk.connections
        await asyncio.gather(talk.ask(), talk.ask())
        return [first, talk.connections]

    assert play(said(*[HELLO] * 6), work) == [1, 2]


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        (HELLO, True),
        (HELLO.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"), False),
        (HELLO.replace(b"1.1", b"1.0", 1), False),
        (HELLO + b"more than was asked for", False),
    ],
    ids=["closed", "said", "http-1.0", "too-much"],
)
def test_a_connection_that_cannot_be_kept(answer, ends):
    """A connection that the other side closes, or says things on, has no further request."""

    async def work(talk: Talk) -> int:
        assert (await talk.ask()).text == "Hello"
        while ends and talk.wires._all:  # until it is known here that it is closed
            await asyncio.sleep(0.001)
        assert (await talk.ask()).text == "Hello"
        return talk.connections

    assert play(said(answer, ends=ends), work) == 2


def test_a_kept_connection_is_closed_in_time(monkeypatch):
    """What no request needs any more is closed after some seconds."""
    monkeypatch.setattr(upstream_wire, "IDLE_SECONDS", 0.001)

    async def work(talk: Talk) -> None:
        await talk.ask()
        await talk.ended.wait()

    play(said(HELLO), work)


def test_only_so_many_are_kept(monkeypatch):
    """Of many connections that are free at once some are kept."""
    monkeypatch.setattr(upstream_wire, "MOST_IDLE", 2)

    async def work(talk: Talk) -> int:
        await asyncio.gather(*(talk.ask() for _ in range(5)))
        return len(talk.wires._all)

    assert play(said(HELLO), work) == 2


def test_what_is_not_read_is_closed():
    """An answer that nobody reads to its end closes its connection at once."""

    async def work(talk: Talk) -> None:
        request = talk.client.build_request("POST", talk.url, content=b"{}")
        response = await talk.client.send(request, stream=True)
        assert response.status_code == 200
        await response.aclose()
        await talk.ended.wait()

    play(said(HELLO[:-1]), work)


def test_a_cancel_closes():
    """Who is cancelled while the upstream thinks, or while it speaks, leaves no connection."""

    async def work(talk: Talk) -> None:
        asking = asyncio.create_task(talk.ask())
        while not talk.connections:
            await asyncio.sleep(0.001)
        asking.cancel()
        await talk.ended.wait()
        assert not talk.wires._all
        with pytest.raises(asyncio.CancelledError):
            await asking

    play(said(b""), work)


def test_a_cancel_while_it_is_connected(monkeypatch):
    """Who is cancelled while the connection is made leaves none either."""

    async def work(talk: Talk) -> None:
        loop, made = asyncio.get_running_loop(), []
        connect = loop.create_connection

        async def slowly(*args: Any, **options: Any) -> Any:
            made.append(await connect(*args, **options))
            asking.cancel()
            return made[0]

        monkeypatch.setattr(loop, "create_connection", slowly)
        asking = asyncio.create_task(talk.ask())
        with pytest.raises(asyncio.CancelledError):
            await asking
        await talk.ended.wait()

    play(said(HELLO), work)


def test_early_hints():
    """What comes before the head is no answer."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"

    async def work(talk: Talk) -> str:
        return (await talk.ask()).text

    assert play(said(hints + HELLO), work) == "Hello"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nHello", "Hello"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n9\r\nthe", None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\nnonsense", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHello", None),
    ],
    ids=["to-its-end", "cut-chunk", "no-chunk", "too-short"],
)
def test_an_end(answer, text):
    """What came is told before it is known whether it was whole."""

    async def work(talk: Talk) -> tuple[bytes, bool]:
        request = talk.client.build_request("POST", talk.url, content=b"{}")
        response = await talk.client.send(request, stream=True)
        heard = b""
        try:
            async for piece in response.aiter_bytes():
                heard += piece
        except httpx2.RemoteProtocolError:
            return heard, False
        finally:
            await response.aclose()
        return heard, True

    heard, is_whole = play(said(answer, ends=True), work)
    assert heard.startswith(b"Hello") and is_whole == (text is not None)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"no HTTP\r\n\r\n"])
def test_no_answer(answer):
    """A connection that ends before an answer, or says something else, is an error of its own kind."""

    async def work(talk: Talk) -> None:
        with pytest.raises(httpx2.RemoteProtocolError):
            await talk.ask()
        assert not talk.wires._all

    play(said(answer, ends=True), work)


def test_silence():
    """An upstream that says nothing for too long is given up, and its connection closed."""

    async def work(talk: Talk) -> None:
        with pytest.raises(httpx2.ReadTimeout):
            await talk.ask(read=0.05)
        await talk.ended.wait()

    play(said(b""), work)


def test_a_request_that_is_not_taken():
    """An answer may come while the request is still being sent; without one, that takes its time."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO.replace(b"200", b"413"))
        await talking.wait()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talking.wait()

    async def refused(talk: Talk) -> None:
        assert (await talk.ask(bytes(2**25))).status_code == 413
        talking.set()

    async def ignored(talk: Talk) -> None:
        with pytest.raises(httpx2.WriteTimeout):
            await talk.ask(bytes(2**25), write=0.05)
        talking.set()

    talking = asyncio.Event()
    play(refuse, refused)
    talking = asyncio.Event()
    play(ignore, ignored)


def test_back_pressure():
    """Of an answer that is read slowly only so much is taken ahead."""
    size = 2**25

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        writer.write(bytes(size))
        await reader.read()

    async def work(talk: Talk) -> int:
        request = talk.client.build_request("POST", talk.url, content=b"{}")
        response = await talk.client.send(request, stream=True)
        (wire,) = talk.wires._all
        while not wire._is_paused:
            await asyncio.sleep(0.001)
        ahead = wire._size
        count = 0
        async for piece in response.aiter_bytes():
            count += len(piece)
        await response.aclose()
        assert count == size
        return ahead

    # What one read of the event loop gives comes on top.
    assert play(pour, work) < upstream_wire.READ_AHEAD + 2**20


def test_nobody_there():
    """Where nobody listens there is no connection."""

    async def work(talk: Talk) -> None:
        with pytest.raises(httpx2.ConnectError):
            await talk.client.post("http://127.0.0.1:1/v1", content=b"{}")
        with pytest.raises(httpx2.ConnectError):
            await talk.client.post("https://127.0.0.1:1/v1", content=b"{}")
        with pytest.raises(httpx2.ConnectError):
            await talk.client.post("http://a..b/v1", content=b"{}")

    play(said(), work)


def test_proxies(monkeypatch):
    """Where the environment names a proxy, httpx2's own transport goes there."""

    async def chosen() -> Any:
        return upstream_wire.transport()

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(asyncio.run(chosen()), Wires)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert asyncio.run(chosen()) is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """A key and a certificate for 127.0.0.1, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl program")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    more = ["subjectAltName=IP:127.0.0.1", "-keyout", "-", "-out", "-"]
    made = subprocess.run([*command.split(), *more], check=True, capture_output=True)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(made.stdout)
    return str(file)


@pytest.mark.parametrize("is_known", [True, False])
def test_tls(certificate, monkeypatch, is_known):
    """TLS is spoken with who shows a certificate that is known, and with nobody else."""
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def work(talk: Talk) -> None:
        if not is_known:
            with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await talk.ask()
            return
        for _ in range(2):
            assert (await talk.ask()).text == "Hello"
        assert talk.connections == 1

    play(said(HELLO, HELLO), work, ssl=context)
