"""A TCP proxy on loopback that cuts connections, or lets them stand still, when it is told to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 120.0


class Proxy:
    """Passes bytes on to ``target``, a host and a port, or the path of a socket.

    ``cuts`` are numbers of bytes, for one connection after the other: so many of the answer's go
    through, then the connection is reset. 0 and later connections are not cut.
    """

    def __init__(self, target: tuple[str, int] | str, cuts: tuple[int, ...] = ()) -> None:
        self.target = target
        self.cuts = list(cuts)
        self.cut_count = 0
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def stall(self) -> None:
        """Let nothing through; the connections stay."""
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Reset all connections that there are."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            _reset(sock)

    def close(self) -> None:
        self._closed = True
        self._flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                _reset(client)
                client.close()
                continue
            with self._lock:
                self._sockets |= {client, server}
                left = self.cuts.pop(0) if self.cuts else 0
            self._start(self._serve, client, server, left)

    def _connect(self) -> socket.socket:
        if not isinstance(self.target, str):
            return socket.create_connection(self.target)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(self.target)
        return sock

    def _serve(self, client: socket.socket, server: socket.socket, left: int) -> None:
        forth = threading.Thread(
            target=self._pass_on, args=(client, server, 0), name="proxy", daemon=True
        )
        forth.start()
        self._pass_on(server, client, left)
        forth.join(PATIENCE)
        with self._lock:
            self._sockets -= {client, server}
        client.close()
        server.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket, left: int) -> None:
        limited = left > 0
        try:
            while data := source.recv(65_536):
                self._flows.wait()
                if limited and len(data) >= left:
                    sink.sendall(data[:left])
                    self.cut_count += 1
                    break
                left -= len(data)
                sink.sendall(data)
            else:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        _reset(sink)
        _reset(source)


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
