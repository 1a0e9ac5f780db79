"""TLS in a process that forks: OpenSSL's locks are never taken when a child is made.

OpenSSL guards what all its users share (which algorithms there are, the certificates of a context)
by locks of its own, and makes none of them anew in a child: where another thread was in there at
the fork, the child's first handshake would wait for ever. So a fork waits until no thread is, and
threads wait for a fork. In there nothing waits for a server.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import time
from collections.abc import Iterator
from threading import get_ident
from typing import Any

import requests.exceptions
import requests.utils
from urllib3.util import ssl_, wait_for_read, wait_for_write

from .. import _fork
from .._bell import Bell

__all__ = ["context", "drop_write_buffer", "undisturbed"]

PATIENCE = 5.0  # seconds that a fork waits at most; to read the certificates takes some 0.02

_inside: list[int] = []  # ids of the threads that are in OpenSSL, once for each time
_forking: list[int] = []
_changed = Bell()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let no other thread fork in this context; it must not wait for anything."""
    me = get_ident()
    try:
        _inside.append(me)
        while not _is_all(_forking, me):
            _inside.remove(me)
            _changed.ring()
            _changed.wait_for(lambda: _is_all(_forking, me))
            _inside.append(me)
        yield
    finally:
        with contextlib.suppress(ValueError):  # an exception came between two of the lines above
            _inside.remove(me)
        if _forking:
            _changed.ring()


def _is_all(threads: list[int], me: int) -> bool:
    return all(thread == me for thread in tuple(threads))


def _before_fork() -> None:
    me = get_ident()
    _forking.append(me)
    # A thread does not wait for itself: the handler of an operating system signal that forks, or
    # that asks the server within a fork, is called between two calls of OpenSSL.
    _changed.wait_for(lambda: _is_all(_inside, me), PATIENCE)


def _after_fork() -> None:
    with contextlib.suppress(ValueError):
        _forking.remove(get_ident())
    _changed.ring()


def _begin_anew() -> None:
    me = get_ident()
    _forking.clear()
    _inside[:] = [thread for thread in _inside if thread == me]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)
_fork.renew(_begin_anew)


class _Context(ssl.SSLContext):
    """A context that many threads make their connections with."""

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["do_handshake_on_connect"] = False
        with undisturbed():
            wrapped = super().wrap_socket(sock, *args, **kwargs)
        try:
            _shake_hands(wrapped)
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """Do nothing: urllib3 sets them for each connection.

        That would free them while OpenSSL copies them in another thread. They are set already.
        """


def _shake_hands(connection: ssl.SSLSocket) -> None:
    """Do the handshake, step by step: between them, where the server is waited for, forks may be."""
    timeout = connection.gettimeout()
    deadline = None if timeout is None else time.monotonic() + timeout
    connection.settimeout(0)
    while True:
        try:
            with undisturbed():
                connection.do_handshake()
            break
        except ssl.SSLWantReadError:
            wait = wait_for_read
        except ssl.SSLWantWriteError:
            wait = wait_for_write
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not wait(connection, left):
            raise TimeoutError("The server did not answer the TLS handshake in time")
    connection.settimeout(timeout)


def drop_write_buffer(connection: ssl.SSLSocket) -> None:
    """Free the 16 KB that OpenSSL writes from, of a connection that only reads from now on.

    To take the server's tickets for later sessions, which come behind the handshake, OpenSSL before
    3.2 makes that buffer anew, and frees it at the end of the next write alone. A write of nothing
    is one, and sends nothing. The caller must be the connection's only reader. It is no handshake: it
    takes no lock that a read does not.
    """
    with contextlib.suppress(OSError):
        timeout = connection.gettimeout()
        connection.settimeout(0)  # or it waits for room if the request is not taken yet
        try:
            connection.send(b"")
        finally:
            connection.settimeout(timeout)


def context(verify: bool | str, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """Return the context for what requests calls ``verify`` and ``cert``; the same for the same.

    It is made anew once one of the files has changed. Raises ``OSError`` if there is none, and
    requests' ``SSLError`` if OpenSSL cannot use it.
    """
    trusted = requests.utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify or None
    own = (cert,) if isinstance(cert, str) else tuple(cert or ())
    paths = own if trusted is None else (trusted, *own)
    return _context(trusted, own, tuple(_version(path) for path in paths))


def _version(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise OSError(f"Could not find a suitable TLS certificate: {path}") from error
    return status.st_mtime_ns, status.st_size, status.st_ino


@functools.lru_cache(maxsize=16)
def _context(trusted: Any, own: tuple[Any, ...], versions: object) -> ssl.SSLContext:
    with undisturbed():
        made = ssl_.create_urllib3_context(
            cert_reqs=ssl.CERT_NONE if trusted is None else ssl.CERT_REQUIRED
        )
        try:
            if trusted is not None:
                is_folder = os.path.isdir(trusted)
                made.load_verify_locations(
                    cafile=None if is_folder else trusted, capath=trusted if is_folder else None
                )
            if own:
                made.load_cert_chain(own[0], own[1] if own[1:] else None, _refuse_to_ask)
        except OSError as error:
            raise requests.exceptions.SSLError(error) from error
        made.set_alpn_protocols(ssl_.ALPN_PROTOCOLS)
    if type(made) is ssl.SSLContext:  # and not what another library has put in its place
        made.__class__ = _Context
    return made


def _refuse_to_ask() -> str:
    raise OSError("the client's private key is encrypted")  # OpenSSL would ask at the terminal
