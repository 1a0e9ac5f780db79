"""An HTTP/1.1 server on loopback that does, byte by byte, what a test's script says.

A script is a function of one `Exchange`; the n-th request gets the n-th script, and further
requests get the last one. Nothing is done behind the script's back: a body ends only when
`finish` is called, and a connection is cut, reset or left hanging when the script says so.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 120.0  # seconds after which something that never came is a failure, not a hang


class ServerStopped(Exception):
    """Ends a script whose server is being closed."""


@dataclass
class Request:
    """One request as it came in, header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)

    def json(self):
        """Give the body, read as JSON."""
        return json.loads(self.body)


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, server: ScriptedServer, sock: socket.socket, request: Request):
        self.server = server
        self.sock = sock
        self.request = request
        self.client_closed = threading.Event()
        self.keep_alive = True
        self._framing = "close"
        self._gzip = None

    def raw(self, data: bytes) -> None:
        """Send these bytes, nothing added."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            self._saw_close()
            raise ServerStopped from error

    def head(
        self,
        status: int = 200,
        content_type: str | None = "text/event-stream; charset=utf-8",
        framing: str = "chunked",
        length: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send the status line and headers; `framing` says how `body` will frame what follows.

        The framings are chunked, length (give `length`), close, gzip (chunked) and gzip-close.
        """
        self._framing = framing
        lines = [f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        if framing in ("chunked", "gzip"):
            lines.append("Transfer-Encoding: chunked")
        if framing == "length":
            lines.append(f"Content-Length: {length}")
        if framing in ("close", "gzip-close"):
            lines.append("Connection: close")
            self.keep_alive = False
        if framing in ("gzip", "gzip-close"):
            lines.append("Content-Encoding: gzip")
            self._gzip = zlib.compressobj(wbits=31)
        lines += [f"{name}: {value}" for name, value in headers]
        self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def framed(self, data: bytes) -> bytes:
        """Give the bytes that carry this piece of body in the current framing."""
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        if self._framing in ("chunked", "gzip") and data:
            return b"%x\r\n%b\r\n" % (len(data), data)
        return data

    def body(self, data: bytes, piece: int | None = None) -> None:
        """Send a piece of the body, as one chunk, or cut into pieces of `piece` bytes.

        Where the framing is chunked the cuts are chunks of their own, which a client that reads
        what has arrived gets one by one, however many of them share a packet. Else each is a
        `send` with TCP_NODELAY.
        """
        if not piece:
            self.raw(self.framed(data))
            return
        pieces = (data[at : at + piece] for at in range(0, len(data), piece))
        if self._framing == "chunked":
            self.raw(b"".join(map(self.framed, pieces)))
        else:
            for part in pieces:
                self.raw(self.framed(part))

    def finish(self) -> None:
        """End the body in the way its framing ends one."""
        if self._gzip is not None:
            tail = self._gzip.flush(zlib.Z_FINISH)
            self._gzip = None
            self.raw(self.framed(tail))
        if self._framing in ("chunked", "gzip"):
            self.raw(b"0\r\n\r\n")
        if self._framing in ("close", "gzip-close"):
            self.cut()

    def cut(self) -> None:
        """Close the connection in the ordinary way (FIN), wherever the answer stands."""
        self.keep_alive = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection (RST)."""
        self.keep_alive = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server._forget(self.sock)
        self.sock.close()

    def wait(self, gate: threading.Event, timeout: float = PATIENCE) -> None:
        """Do nothing until the test sets `gate`, or the server is closed."""
        limit = time.monotonic() + timeout
        while not gate.wait(0.02):
            if self.server.stopping.is_set():
                raise ServerStopped
            assert time.monotonic() < limit, "the test never opened this gate"

    def wait_for_close(self, timeout: float = PATIENCE) -> bool:
        """Send nothing and wait until the client closes; `client_closed` is set then."""
        self.keep_alive = False
        try:
            self.sock.settimeout(timeout)
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        if self.server.stopping.is_set():
            return False
        self._saw_close()
        return True

    def _saw_close(self) -> None:
        self.client_closed.set()
        self.server.client_closed.set()


Script = Callable[[Exchange], None]


class ScriptedServer:
    """A context manager; `url` is the base URL for a client, `requests` what it was asked."""

    def __init__(self, *scripts: Script):
        self.scripts = scripts
        self.stopping = threading.Event()
        self.client_closed = threading.Event()  # some script saw the client go
        self.requests: list[Request] = []
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while True:
            with self._lock:
                for sock in self._sockets:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                threads, self._threads = self._threads, []
            if not threads:
                break
            for thread in threads:
                thread.join(PATIENCE)
                assert not thread.is_alive(), "a script did not end"

    def wait_for_requests(self, count: int, timeout: float = PATIENCE) -> list[Request]:
        """Wait until that many requests have come in, and give them."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout):
                raise AssertionError(f"{len(self.requests)} of {count} requests came")
            return list(self.requests)

    def _start(self, target: Callable[..., None], *args) -> None:
        thread = threading.Thread(target=target, args=args, name="scripted-server", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets.add(sock)
                self.connections += 1
                self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            pending = b""
            while not self.stopping.is_set():
                sock.settimeout(None)
                request, pending = read_request(sock, pending)
                if request is None:
                    return
                exchange = Exchange(self, sock, request)
                with self._arrived:
                    number = len(self.requests)
                    self.requests.append(request)
                    self.exchanges.append(exchange)
                    self._arrived.notify_all()
                self.scripts[min(number, len(self.scripts) - 1)](exchange)
                if not exchange.keep_alive:
                    return
        except (ServerStopped, ConnectionError):
            pass
        finally:
            self._forget(sock)
            sock.close()


def read_request(sock: socket.socket, pending: bytes) -> tuple[Request | None, bytes]:
    """Read one request, and give it with the bytes that came after it."""
    while b"\r\n\r\n" not in pending:
        try:
            more = sock.recv(65536)
        except OSError:
            more = b""
        if not more:
            return None, b""
        pending += more
    head, _, body = pending.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        more = sock.recv(65536)
        if not more:
            return None, b""
        body += more
    return Request(method, target, headers, body[:length], head), body[length:]


def sse(body: bytes, piece: int | None = None, framing: str = "chunked") -> Script:
    """Make a script that answers with this event stream and ends it properly."""

    def script(exchange: Exchange) -> None:
        exchange.head(framing=framing, length=len(body))
        exchange.body(body, piece)
        exchange.finish()

    return script


def gated(gate: threading.Event, first: bytes, rest: bytes) -> Script:
    """Make a script that sends the second part of an event stream once the gate is open."""

    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.body(first)
        exchange.wait(gate)
        exchange.body(rest)
        exchange.finish()

    return script


def hang(first: bytes, framing: str = "chunked") -> Script:
    """Make a script that sends this much of a body, then nothing, until the client closes."""

    def script(exchange: Exchange) -> None:
        exchange.head(framing=framing, length=1_000_000)
        exchange.body(first)
        exchange.wait_for_close()

    return script


def cut_off(first: bytes) -> Script:
    """Make a script that sends this much of a body and closes the connection."""

    def script(exchange: Exchange) -> None:
        exchange.head()
        exchange.body(first)
        exchange.cut()

    return script


def answer(
    status: int,
    body: bytes | dict = b"",
    content_type: str | None = "application/json",
    headers: Iterable[tuple[str, str]] = (),
) -> Script:
    """Make a script that answers with a whole body, JSON if it is a dict."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = list(headers)

    def script(exchange: Exchange) -> None:
        exchange.head(status, content_type, "length", len(data), headers)
        exchange.body(data)

    return script
