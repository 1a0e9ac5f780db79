"""Connections that tell their socket before they wait on it, and what makes requests use them."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import queue
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests.adapters
import urllib3.connection

from .. import _fork
from . import tls
from .secrets import Secret, SecretBytes

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["Adapter", "Watched", "has_pending", "open_sockets", "owners", "watcher", "watching"]


class _Watcher(threading.local):
    """The exchange that this thread is sending, for the connection to tell its socket to."""

    exchange: Exchange | None = None


watcher = _Watcher()

# Held while a connection changes hands and while one is shut down, and for nothing longer.
# Re-entrant, for the handler of an operating system signal that aborts while its own thread is in
# there. `with` takes no other kind of lock without a moment at which an exception leaves it taken.
owners = threading.RLock()

open_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # of every connection


def _begin_anew() -> None:
    """Leave the parent's connections alone, in a child: close its copies of them, and no more."""
    global owners, open_sockets
    owners = threading.RLock()
    inherited, open_sockets = list(open_sockets), weakref.WeakSet()
    for connection in inherited:
        # Not shutdown(), nor anything that TLS would say goodbye with: the parent would be cut off.
        # And not close(), which waits until nothing reads the socket any more.
        with contextlib.suppress(OSError):
            os.close(connection.detach())


_fork.renew(_begin_anew)


class Watching:
    """What is mixed into adapters, so that connections tell their socket before they wait on it.

    urllib3 shows it only once the headers have come, too late for an abort before that.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - its frames show the proxy's password
            raise error.with_traceback(None) from error.__cause__
        plain: type | None = getattr(pool, "ConnectionCls", None)
        if plain is not None and not issubclass(plain, Watched):
            pool.ConnectionCls = _watched(plain)
        return pool


class Adapter(Watching, requests.adapters.HTTPAdapter):
    """requests' adapter, whose pools are ours.

    It knows the credentials of proxies, whose addresses come without them; and, for the proxies
    that speak TLS, what counts as a certificate (the arguments of ``tls.context``).
    """

    def __init__(self, **options: Any) -> None:
        self.credentials: dict[str, Secret] = {}  # by proxy
        self.certificates: tuple[Any, Any] = (True, None)
        super().__init__(**options)

    # requests leaves it to urllib3 to make a context of OpenSSL for each connection.

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, {}
        return host, {"cert_reqs": _rigour(verify), "ssl_context": tls.context(verify, cert)}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = _rigour(verify)  # all else is in the context

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        known = self.credentials.get(proxy)
        return super().proxy_headers(proxy) if known is None else {"Proxy-Authorization": known}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _make_pools_ours(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        if args[0] not in self.proxy_manager and args[0].lower().startswith("https:"):
            kwargs["proxy_ssl_context"] = tls.context(*self.certificates)
        manager = super().proxy_manager_for(*args, **kwargs)
        _make_pools_ours(manager)
        return manager


def _rigour(verify: Any) -> str:
    return "CERT_REQUIRED" if verify else "CERT_NONE"


def _make_pools_ours(manager: Any) -> None:
    """Give a pool manager pools without locks, whose connections tell their socket."""
    pools = {scheme: _our_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
    manager.pool_classes_by_scheme = pools


def _our_pool(pool: Any) -> Any:
    if issubclass(pool.QueueCls, _Kept):
        return pool
    connection = _watched(pool.ConnectionCls)
    return type(pool.__name__, (pool,), {"QueueCls": _Kept, "ConnectionCls": connection})


def _watched(connection: type) -> type:
    kind = WatchedTLS if issubclass(connection, urllib3.connection.HTTPSConnection) else Watched
    return type(connection.__name__, (kind, connection), {})


class _Kept:
    """What a pool of urllib3 keeps its connections in, by the names of ``queue.LifoQueue``.

    That has a lock, which a thread may hold at a fork; the child's copy of the pool, which empties
    it at the latest at the interpreter's exit, would wait for that thread.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._connections: list[Any] = []

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, connection: Any, block: bool = False) -> None:
        if len(self._connections) >= self._maxsize:
            raise queue.Full
        if connection is not None:  # urllib3 fills a new pool with as many as it may have
            self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)


@functools.cache
def _watching_kind(kind: Any) -> type:
    return type(kind.__name__, (Watching, kind), {})


def watching(adapter: requests.adapters.BaseAdapter) -> requests.adapters.BaseAdapter:
    """Return an adapter that is the user's own in all but that its connections can be watched.

    It shares all that the user's has, its pools too. One that is not made of HTTPAdapter comes back
    as it is.
    """
    if not isinstance(adapter, requests.adapters.HTTPAdapter) or isinstance(adapter, Watching):
        return adapter
    kind: Any = type(adapter)
    view: requests.adapters.HTTPAdapter = object.__new__(_watching_kind(kind))
    view.__dict__ = adapter.__dict__
    return view


class _FinalResponse(http.client.HTTPResponse):
    """http.client's response, past each 1xx that a proxy may send before (it skips 100 alone)."""

    def _read_status(self) -> Any:
        while True:
            status_line = super()._read_status()  # type: ignore[misc]
            if not 100 < status_line[1] < 200 or status_line[1] == 101:
                return status_line
            http.client.parse_headers(self.fp)


class Watched:
    """What is mixed into urllib3's connection classes: they tell their socket before they wait on it.

    urllib3 shows it only once the headers have come, too late for an abort before that.
    """

    sock: socket.socket | None
    owner: Exchange | None = None  # guarded by owners
    is_used = False  # whether a request has gone over this socket
    send: Callable[[Any], None]
    _buffer: list[bytes]  # the lines of the request's head
    response_class = _FinalResponse

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if watcher.exchange is not None:
            watcher.exchange.is_reused = self.is_used
        self._tell()  # a kept connection has its socket by now
        result = super().request(*args, **kwargs)  # type: ignore[misc]
        self.is_used = True
        self._tell()
        return result

    def _new_conn(self) -> Any:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        self.is_used = False
        open_sockets.add(connection)
        try:
            self._tell(connection.dup())  # before TLS, which may wait for the server as well
        except BaseException:
            connection.close()  # nobody else knows of it yet
            raise
        return connection

    # http.client makes plain bytes of the head, which the frames from there on would show.

    def putheader(self, header: Any, *values: Any) -> None:
        if len(values) != 1 or not isinstance(values[0], Secret):
            super().putheader(header, *values)  # type: ignore[misc]
            return
        super().putheader(header, "")  # type: ignore[misc]
        self._buffer[-1] = SecretBytes(self._buffer[-1] + values[0].encode("latin-1"))

    def _send_output(self, message_body: Any = None, encode_chunked: bool = False) -> None:
        head = SecretBytes(b"\r\n".join((*self._buffer, b"", b"")))
        self._buffer.clear()
        self.send(head)
        if message_body is not None:  # urllib3 sends it by itself
            self.send(message_body)

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - its frames show the proxy's password
            raise error.with_traceback(None) from error.__cause__

    def _tell(self, twin: socket.socket | None = None) -> None:
        if watcher.exchange is not None:
            watcher.exchange.watch(self, twin=twin)
        elif twin is not None:
            twin.close()


class WatchedTLS(Watched):
    """``Watched``, for connections that have more than 30 fields."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        make = super().__new__
        if make is not object.__new__:  # somebody's own
            return make(cls, *args, **kwargs)
        made = make(cls)
        # Python begins with a dict that shares its keys, and at the 31st makes one of it that is twice
        # as large as need be: 1.5 KB. So it is none that shares from the beginning.
        made.__dict__ = {}
        return made


def has_pending(connection: socket.socket) -> bool:
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
