"""HTTP by way of requests: one session, requests with retries, and streams that can be interrupted.

Nothing of requests, urllib3 or http.client leaves this module: one table maps their exceptions.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import functools
import http.client
import http.cookiejar
import json
import os
import queue
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import requests
import requests.adapters
import urllib3.exceptions
import urllib3.util

from .. import _fork
from .._bell import Flag
from .._not_given import NOT_GIVEN, NotGiven
from ..exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    HTTPResponse,
    OpenAIError,
    message_of,
    redacted,
    shown,
    status_error,
)
from ..sse import MAX_EVENT_BYTES
from .secrets import (
    Secret,
    SecretBytes,
    basic_credentials,
    hide_headers,
    mask,
    passwords_in,
    secrets_in,
    split_credentials,
)

__all__ = ["DEFAULT_TIMEOUT", "Exchange", "Session", "Timeout", "Transport", "checked_headers"]

_T = TypeVar("_T")

Timeout = float | tuple[float | None, float | None] | None
"""Seconds to connect and between two reads: one number for both, or a pair; ``None`` is for ever."""

DEFAULT_TIMEOUT = 600.0

Session = requests.Session
"""What ``OpenAI(session=...)`` takes."""

_READ_SIZE = 65_536
_ERROR_BODY_SIZE = 1_000_000
_ERROR_BODY_SECONDS = 5.0  # how long a status that is known waits for the text that explains it
_PAGE_SIZE = 4_096
_MAX_REDIRECTS = 5
_LINGER = 0.01  # seconds for the end of a body that has said all


class Transport:
    """A session with one server: its address, headers, timeouts and retries.

    ``headers`` go with each request, the ``Authorization`` among them. ``timeout`` is in seconds.
    ``max_event_bytes`` is how large an event of a stream may be, or an answer that is no stream.
    ``not_found_hint`` is added to the message of a 404. Of ``session`` is taken what ``_Session``
    says; it is neither changed nor closed.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout: Timeout = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        max_event_bytes: int = MAX_EVENT_BYTES,
        not_found_hint: str | None = None,
        session: Session | None = None,
    ) -> None:
        # Without a password that stands in it: requests would show it in each response's address.
        self.base_url, userinfo = split_credentials(base_url.rstrip("/"))
        self.timeout = _checked_timeout(timeout)
        self.max_retries = max_retries
        self.max_event_bytes = max_event_bytes
        self.not_found_hint = not_found_hint
        self._headers = hide_headers(checked_headers(headers))
        self._given = session
        self.secrets = [*secrets_in(self._headers), *passwords_in(userinfo)]
        self._environment: Mapping[str, Any] | None = None
        self._session = self._new_session()
        self._generation = _fork.generation

    @property
    def session(self) -> _Session:
        """requests' session, with connections of this process."""
        if self._generation != _fork.generation:
            # The parent's may hold locks of its threads. Its connections are closed here by now.
            self._session = self._new_session()
            self._environment = None  # a new session does not know the proxies' passwords
            self._generation = _fork.generation
        return self._session

    def _new_session(self) -> _Session:
        session = _Session(self._given)
        session.headers.update(self._headers)
        return session

    @property
    def environment(self) -> Mapping[str, Any]:
        """What the environment variables and the session say of proxies and certificates.

        Asked once a client, as in the official SDK. requests would look through the variables twice
        for each request, a fifth of what a request costs.
        """
        # No cached_property: before Python 3.12 that takes a lock, which a fork may leave taken.
        session = self.session
        if self._environment is None:
            self._environment, passwords = session.settings_for(self.base_url)
            self.secrets += passwords
        return self._environment

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        max_retries: int | None = None,
    ) -> Any:
        """Send a request; return the decoded JSON of the answer."""
        exchange = self.exchange(
            method,
            path,
            query=query,
            body=body,
            headers=headers,
            timeout=timeout,
            max_retries=max_retries,
        )
        return exchange.json()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: Timeout | NotGiven = NOT_GIVEN,
        max_retries: int | None = None,
    ) -> Exchange:
        """Return a request that is not sent yet, for an answer that is a stream."""
        own = hide_headers(checked_headers(headers or {}))
        request = {
            "method": method,
            "url": self.base_url + path,
            "headers": own if _has(own, "content-type") else {**own, **_JSON},
            "params": dict(query or {}),
            "data": None if body is None else json.dumps(body, allow_nan=False).encode(),
        }
        return Exchange(
            self,
            request,
            timeout=self.timeout if isinstance(timeout, NotGiven) else _checked_timeout(timeout),
            max_retries=self.max_retries if max_retries is None else max_retries,
        )

    def close(self) -> None:
        """Close the connections that are kept open for later requests."""
        self.session.close()


class Exchange:
    """One request and its answer. ``request`` are the arguments of ``requests.Request``.

    ``open``, ``read``, ``json`` and ``close`` belong to one thread; ``interrupt`` to any. After
    it, whatever the first thread waits for ends at once in an ``APIUserAbortError``. In a child of
    the process that sent it, it is over.
    """

    def __init__(
        self,
        transport: Transport,
        request: dict[str, Any],
        *,
        timeout: Timeout,
        max_retries: int,
    ) -> None:
        self._transport = transport
        self._request = request
        self._own_secrets = secrets_in(request["headers"])  # a call may bring a key of its own
        self._timeout = timeout
        self._retries_left = max_retries
        self._retries_done = 0
        # Of the answer no more than is needed to close it: an open stream would keep three dozen
        # objects alive with requests' own, for the garbage collector to go through.
        self._raw: Any = None  # urllib3's response
        self._at_end = False  # whether the body was read to its end
        self._waited = 0.0  # seconds that ready() has waited for the next bytes
        self.is_reused = False  # whether the connection has served another request before
        self.headers: Mapping[str, str] = {}  # of the answer, with lower-case names
        self._interrupted = Flag()
        self._generation = _fork.generation  # in which it is sent
        self._connection: _Watched | None = None  # that the answer comes by
        self._socket: socket.socket | None = None  # of that connection
        self._twin: socket.socket | None = None  # the same, before TLS takes it over

    @property
    def max_event_bytes(self) -> int:
        """How large an event of this answer may be."""
        return self._transport.max_event_bytes

    def open(self) -> None:
        """Send the request, again where that helps, until there is an event stream to be read."""
        if not _has(self._request["headers"], "accept"):
            self._request["headers"]["Accept"] = "text/event-stream"
        response = self._send()
        kind = response.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "text/event-stream":
            facts = self._facts(response)
            kind = self.redact(kind)
            raise APIError(
                f"The server answered with HTTP {facts.status_code} and "
                f"{kind or 'no content type'} instead of an event stream: {facts.text[:200]!r}",
                response=facts,
            )
        self._read1 = _reader_of(response)

    def ready(self, seconds: float) -> bool:
        """Wait until there are bytes to be read, or the end; return whether it came to that.

        It waits so many seconds at most. They count towards the time that the server may stand
        still, and end in the same error as a read that waits for too long.
        """
        longest = self._timeout[1] if isinstance(self._timeout, tuple) else self._timeout
        left = threading.TIMEOUT_MAX if longest is None else max(0.0, longest - self._waited)
        if self._at_end or self._has_come(min(seconds, left)):
            self._waited = 0.0
            return True
        if seconds < left:
            self._waited += seconds
            return False
        raise APITimeoutError(f"The server stood still for too long: for {longest} seconds")

    def _has_come(self, seconds: float) -> bool:
        """Return whether bytes to be read, or the end, come within so many seconds."""
        raw, connection = self._raw, self._socket
        buffer: Any = getattr(raw, "_decoded_buffer", None)  # urllib3's, of what was compressed
        if raw is None or connection is None or (buffer is not None and len(buffer)):
            return True
        until = time.monotonic() + seconds
        # What http.client has read ahead is not in the socket any more, and TLS has bytes of its
        # own there; so both are asked before and, TLS, after each wait.
        try:
            while not (found := self._peek(raw._original_response, connection)):
                left = max(0.0, until - time.monotonic())
                if not urllib3.util.wait_for_read(connection, left):
                    return False
                if found is False or not isinstance(connection, ssl.SSLSocket):
                    return True
        except (AttributeError, OSError, ValueError):  # it was closed: the read will tell
            pass
        return True

    def _peek(self, body: Any, connection: socket.socket) -> bool | None:
        """Return whether there is something to be read without a wait, as far as that shows.

        ``None`` where nothing at all has come, ``False`` where it is a part of a chunk's framing,
        behind which more cannot be peeked at.
        """
        patience = connection.gettimeout()
        connection.settimeout(0)
        try:
            found = body.fp.peek(1)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        finally:
            connection.settimeout(patience)
        if not found:  # the end, to TLS; a plain socket says the same of nothing yet
            return True if isinstance(connection, ssl.SSLSocket) else None
        if not body.chunked or body.chunk_left:
            return True
        # Before the data comes the size in a line of its own, before that the end of the last chunk.
        line_end = found.find(b"\n", 0 if body.chunk_left is None else 2)
        return 0 <= line_end < len(found) - 1 or _pending(connection)

    def read(self) -> bytes:
        """Wait for the next bytes of the body and return them; ``b""`` at its end."""
        chunk = self._mapped(self._read1, _READ_SIZE)
        if not chunk:
            self._at_end = True
            return b""
        return chunk

    def read_rest(self) -> None:
        """Read the end of a body that has said all, so that its connection can serve again.

        It mostly has come along; for who leaves the body open, ``_LINGER`` is all the wait.
        """
        body = getattr(self._raw, "_original_response", None)
        # urllib3 has given the connection of a body that it read to its end to the pool by now, so
        # that it may be another exchange's.
        if self._is_elsewhere() or body is None or body.isclosed() or self._socket is None:
            return
        # Whatever goes wrong: the connection is closed then, and nothing is lost.
        with contextlib.suppress(Exception):
            self._socket.settimeout(_LINGER)  # each request sets it anew
            self._at_end = not self._read1(_READ_SIZE)

    def json(self) -> Any:
        """Send the request, again where that helps; return the decoded JSON of the answer."""
        try:
            answer, failure = self._decoded(self._send())
        finally:
            self.close()
        # Not where the text of the answer is a local variable: it may repeat the API key.
        if failure is not None:
            raise failure
        return answer

    def _decoded(self, response: requests.Response) -> tuple[Any, APIError | None]:
        """Return the JSON of an answer, or the error that it is."""
        content = self._content(response)
        if content is None:
            limit = self.max_event_bytes
            return None, APIError(
                f"The server's answer is larger than {limit} bytes (after decompression); "
                f"OpenAI(max_event_bytes=...) sets how large an event or an answer may be.",
                response=self._facts(response, b""),
            )
        try:
            answer = json.loads(content) if content else None
            return (answer if isinstance(answer, dict) else self.redact(answer)), None
        except (ValueError, RecursionError) as error:
            facts = self._facts(response, content)
            failure = APIError(
                f"The server answered with HTTP {facts.status_code} and no JSON: "
                f"{facts.text[:200]!r}",
                response=facts,
            )
            if facts.text == content.decode("utf-8", "replace"):  # the error has all of it
                failure.__cause__ = error
            return None, failure

    def _content(self, response: requests.Response) -> bytes | None:
        """Return the body, ``None`` if it is larger than may be."""
        read = vars(response).get("_content")  # by a hook of the user's session
        if isinstance(read, bytes):
            return read
        # In pieces, also where these come compressed: a few bytes may stand for gigabytes.
        read1 = functools.partial(response.raw.read1, decode_content=True)
        pieces: list[bytes] = []
        left = self.max_event_bytes
        while chunk := self._mapped(read1, _READ_SIZE):
            left -= len(chunk)
            if left < 0:
                return None
            pieces.append(chunk)
        self._at_end = True
        return b"".join(pieces)

    def interrupt(self) -> None:
        """End the exchange from any thread; again does nothing."""
        self._interrupted.set()
        self._hang_up()

    def _hang_up(self) -> None:
        """Shut the connection down under whoever waits for it, from any thread."""
        with _owners:
            raw = self._raw
            # A connection that was read to its end may be another exchange's by now.
            if self._socket is not None and getattr(self._connection, "owner", None) is self:
                # Not Response.close, which waits for the reader; and past SSLSocket.shutdown,
                # which would take the TLS state away under the reader's feet.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            elif self._connection is None and getattr(raw, "connection", None) is not None:
                # It came by an adapter of the user's that makes connections of its own.
                with contextlib.suppress(OSError, ValueError):
                    if not self._is_elsewhere():
                        raw.shutdown()

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, close it if not."""
        if self._is_elsewhere():  # closed here already; who reads it may wait for a lost thread
            return
        with _owners:
            if self._connection is not None and self._connection.owner is self:
                self._connection.owner = None
            self._connection = self._socket = None
            self._close_twin()
        raw, self._raw = self._raw, None
        if raw is not None:
            if not self._at_end:
                raw.close()
            raw.release_conn()

    def _is_elsewhere(self) -> bool:
        return self._generation != _fork.generation

    def _send(self) -> requests.Response:
        self._generation = _fork.generation  # before that it is nobody's
        while True:
            answer = self._try()
            if isinstance(answer, requests.Response):
                return answer
            if isinstance(answer, APIStatusError):
                raise answer
            self.close()
            self._retries_left -= 1
            self._retries_done += 1
            if self._interrupted.wait(answer):
                raise APIUserAbortError()

    def _try(self) -> requests.Response | float | APIStatusError:
        """Send once. Return an answer that is to be read, or the seconds to wait to try again.

        Or the error, for another frame to raise: in this one the response would be seen, which may
        repeat the API key.
        """
        try:
            response = self._mapped(self._follow)
        except APIConnectionError as error:
            if self._retries_left <= 0:
                raise
            # The server may have closed a kept connection just when it was used again.
            is_stale = self.is_reused and not isinstance(error, APITimeoutError)
            return 0.0 if is_stale else self._delay({})
        self.headers = self.redact(
            {name.lower(): value for name, value in response.headers.items()}
        )
        if response.status_code < 300:
            return response
        if self._retries_left > 0 and _is_worth_retrying(response):
            return self._delay(response.headers)
        return self._status_error(response)

    def _follow(self) -> requests.Response:
        """Send, and follow redirects as long as they stay on the same server.

        The key goes to no other host than the one it was given for.
        """
        session = self._transport.session
        settings = self._transport.environment
        prepared = session.prepare_request(requests.Request(**self._request))
        self._own_secrets = secrets_in(prepared.headers)
        redirects = 0
        while True:
            _watcher.exchange = self
            try:
                response = session.send(
                    prepared, timeout=self._timeout, allow_redirects=False, **settings
                )
            except requests.exceptions.HTTPError as error:
                if error.response is None:
                    raise
                response = error.response  # a hook of the user's called raise_for_status()
            finally:
                _watcher.exchange = None
            target = _same_server_target(response)
            if target is None or redirects == _MAX_REDIRECTS:
                # Kept here: an abort at this moment keeps it from being returned, and it would
                # never be closed.
                self._raw = response.raw
                return response
            redirects += 1
            response.close()
            prepared.url = target

    def watch(self, connection: _Watched, *, twin: socket.socket | None = None) -> None:
        """Take the connection that the answer will come by, before the wait for it begins.

        ``twin`` is a second handle on its socket as long as TLS is being set up, which makes the
        first one useless. Raises if the exchange was interrupted meanwhile.
        """
        with _owners:
            self._close_twin()
            self._twin = twin
            connection.owner = self
            self._connection = connection
            self._socket = twin or connection.sock
            if self._socket is not None:
                _sockets.add(self._socket)
            if self._interrupted.is_set():
                raise ConnectionAbortedError("interrupted")

    def _close_twin(self) -> None:
        twin, self._twin = self._twin, None
        if twin is not None:
            twin.close()

    def _mapped(self, function: Callable[..., _T], *args: Any) -> _T:
        """Return ``function(*args)``, with foreign exceptions turned into the library's."""
        result: Any = None
        failure: Exception | None = None
        try:
            result = function(*args)
        except Exception as error:
            failure = self._failure(error)
            if failure is error and not self._interrupted.is_set():
                raise
        # What an interrupted read ends in depends on the framing, so only the flag tells.
        if self._interrupted.is_set():
            raise APIUserAbortError()
        if self._is_elsewhere():  # forked while it waited: the answer is the parent's
            raise _fork.LeftBehind("request")
        # Outside of `except`: there what may show the API key would stay attached to the error.
        if failure is not None:
            raise failure
        answer: _T = result
        return answer

    def _failure(self, error: Exception) -> Exception:
        """Return the library's error for a foreign one, which is its cause if that may be shown."""
        mapped = _map(error)
        if mapped is None:
            return error
        safe = self.redacted(mapped)
        trace = "".join(map(shown, _chain(error)))
        if safe is mapped and not isinstance(error, _SHOWS_HEADERS) and self.redact(trace) == trace:
            safe.__cause__ = error
        return safe

    def redact(self, value: Any) -> Any:
        """Return JSON-like ``value`` without the API key, which a server may repeat to us."""
        return mask([*self._transport.secrets, *self._own_secrets], value)

    def redacted(self, error: OpenAIError) -> OpenAIError:
        """Return an error that came of what the server sent, without the API key in it."""
        return redacted(error, self.redact)

    def _facts(self, response: requests.Response, content: bytes | None = None) -> HTTPResponse:
        """Return what an error shows of a response, whose body is read here if it was not yet."""
        if content is None:
            content = self._error_body(response)
        redact = self.redact
        text = redact(content.decode("utf-8", "replace"))
        return HTTPResponse(response.status_code, redact(response.url), self.headers, text)

    def _error_body(self, response: requests.Response) -> bytes:
        """Return what comes of an error's body: also one that is cut short says something.

        It is waited for ``_ERROR_BODY_SECONDS`` at the most, whatever trickles meanwhile: the
        status is known. A limit for each read would not do, which any byte begins anew.
        """
        read = vars(response).get("_content")
        if isinstance(read, bytes):
            return read
        content = b""
        read1 = functools.partial(response.raw.read1, decode_content=True)
        alarm = threading.Timer(_ERROR_BODY_SECONDS, self._hang_up)
        alarm.daemon = True
        with contextlib.suppress(RuntimeError):  # Python 3.12 starts no thread at its very end
            alarm.start()
        try:
            while len(content) < _ERROR_BODY_SIZE:
                chunk = self._mapped(read1, _READ_SIZE)
                if not chunk:
                    break
                content += chunk
                if len(content) > _PAGE_SIZE and not content.lstrip().startswith((b"{", b"[")):
                    break  # a page, not JSON: it may go on for ever, and a bit of it is shown
        except APIConnectionError:
            pass
        finally:
            alarm.cancel()
        return content

    def _status_error(self, response: requests.Response) -> APIStatusError:
        facts = self._facts(response)
        try:
            body = self.redact(json.loads(facts.text))
        except (ValueError, RecursionError):
            body = None
        error = body.get("error", body) if isinstance(body, dict) else body
        message = error.get("message") if isinstance(error, dict) else error
        if not isinstance(message, str) or not message:
            message = facts.text[:200].strip() or self.redact(response.reason) or "no message"
        if 300 <= facts.status_code < 400:
            message = f"redirect to {facts.headers.get('location')!r} not followed"
        message = f"HTTP {facts.status_code}: {message}"
        hint = self._transport.not_found_hint
        if facts.status_code == 404 and hint:
            message = f"{message} {hint}"
        return status_error(facts.status_code)(message, body=error, response=facts)

    def _delay(self, headers: Mapping[str, str]) -> float:
        """Return the seconds to wait before the next try: the server's wish, or growing ones."""
        wished = _retry_after(headers)
        if wished is not None and 0 <= wished <= 60:
            return wished
        longest = min(0.5 * 2.0**self._retries_done, 8.0)
        return longest * random.uniform(0.75, 1.0)


class _Watcher(threading.local):
    """The exchange that this thread is sending, for the connection to tell its socket to."""

    exchange: Exchange | None = None


_watcher = _Watcher()

# Held while a connection changes hands and while one is shut down, and for nothing longer.
# Re-entrant, for the handler of an operating system signal that aborts while its own thread is in
# there. `with` takes no other kind of lock without a moment at which an exception leaves it taken.
_owners = threading.RLock()

_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # of every connection


def _begin_anew() -> None:
    """Leave the parent's connections alone, in a child: close its copies of them, and no more."""
    global _owners, _sockets
    _owners = threading.RLock()
    sockets, _sockets = list(_sockets), weakref.WeakSet()
    for connection in sockets:
        # Not shutdown(), nor anything that TLS would say goodbye with: the parent would be cut off.
        # And not close(), which waits until nothing reads the socket any more.
        with contextlib.suppress(OSError):
            os.close(connection.detach())


_fork.renew(_begin_anew)


class _Watching:
    """What is mixed into adapters, so that connections tell their socket before they wait on it.

    urllib3 shows it only once the headers have come, too late for an abort before that.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - its frames show the proxy's password
            raise error.with_traceback(None) from error.__cause__
        plain: type | None = getattr(pool, "ConnectionCls", None)
        if plain is not None and not issubclass(plain, _Watched):
            pool.ConnectionCls = _watched(plain)
        return pool


class _Adapter(_Watching, requests.adapters.HTTPAdapter):
    """requests' adapter, whose pools are ours.

    It knows the credentials of proxies, whose addresses come without them.
    """

    def __init__(self, **options: Any) -> None:
        self.credentials: dict[str, Secret] = {}  # by proxy
        super().__init__(**options)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        known = self.credentials.get(proxy)
        return super().proxy_headers(proxy) if known is None else {"Proxy-Authorization": known}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _make_pools_ours(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _make_pools_ours(manager)
        return manager


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
    return type(connection.__name__, (_Watched, connection), {})


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
    return type(kind.__name__, (_Watching, kind), {})


def _watching(adapter: requests.adapters.BaseAdapter) -> requests.adapters.BaseAdapter:
    """Return an adapter that is the user's own in all but that its connections can be watched.

    It shares all that the user's has, its pools too. One that is not made of HTTPAdapter comes back
    as it is.
    """
    if not isinstance(adapter, requests.adapters.HTTPAdapter) or isinstance(adapter, _Watching):
        return adapter
    kind: Any = type(adapter)
    view: requests.adapters.HTTPAdapter = object.__new__(_watching_kind(kind))
    view.__dict__ = adapter.__dict__
    return view


class _Session(requests.Session):
    """The session of a transport, with what a user's session says where one is given.

    Of that one count: ``verify``, ``cert``, ``proxies``, ``trust_env`` (as they are at the first
    request), ``headers`` (under the client's own), ``params``, ``hooks``, ``auth`` (it has the last
    word on the ``Authorization``), the cookies that are in it, and its adapters. Where it has
    requests' plain ``HTTPAdapter``, ours takes its place. Nothing is written into it.
    """

    def __init__(self, given: requests.Session | None = None) -> None:
        super().__init__()
        self._given = given
        # With no auth of its own, requests takes one from ~/.netrc and overwrites ours.
        self.auth = _keep_headers
        self.trust_env = False  # see settings_for
        self._plain = _Adapter(pool_maxsize=1_000)
        self.mount("http://", self._plain)
        self.mount("https://", self._plain)
        if given is not None:
            self.headers.update(given.headers)
            self.params, self.hooks = given.params, given.hooks
            self.auth = given.auth or _keep_headers
            self.cookies.update(given.cookies)
        # The servers' cookies are not kept: what one answer sets is nothing to the next request.
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))

    def settings_for(self, url: str) -> tuple[dict[str, Any], list[Secret]]:
        """Return what ``send`` is to be told of proxies and certificates, and the passwords in it.

        Beside what requests reads from the environment, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``
        count, which everything else that is made with OpenSSL looks at.
        """
        asked = self._given or requests.Session()
        settings: Any = asked.merge_environment_settings(url, {}, True, None, None)
        if asked.verify is not True:
            settings["verify"] = asked.verify  # requests would let the environment go over it
        elif settings["verify"] is True and asked.trust_env:
            named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
            settings["verify"] = named or True
        passwords: list[Secret] = []
        is_ours = self.get_adapter(url) is self._plain
        for scheme, proxy in settings["proxies"].items():
            if not isinstance(proxy, str):
                continue
            bare, userinfo = split_credentials(proxy if "//" in proxy else f"http://{proxy}")
            passwords += passwords_in(userinfo)
            if userinfo is None:
                continue
            settings["proxies"][scheme] = Secret(proxy)
            if is_ours and bare.lower().startswith("http"):  # urllib3 wants it whole for SOCKS
                with contextlib.suppress(ValueError):  # requests says what is wrong with it
                    bare = requests.utils.prepend_scheme_if_needed(bare, "http")  # type: ignore[no-untyped-call]
                self._plain.credentials[bare] = basic_credentials(userinfo)
                settings["proxies"][scheme] = bare
        return settings, [*passwords, *secrets_in(self._plain.credentials)]

    def get_adapter(self, url: str) -> Any:
        if self._given is None:
            return super().get_adapter(url)
        theirs = self._given.get_adapter(url)
        if type(theirs) is requests.adapters.HTTPAdapter:
            return super().get_adapter(url)
        return _watching(theirs)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        prepared = super().prepare_request(request)
        prepared.headers.update(hide_headers(prepared.headers))  # what `auth` and cookies added
        for name in ("User-Agent", "Accept-Encoding"):
            # Not wished for: but what is only missing, urllib3 would add.
            prepared.headers.setdefault(name, urllib3.util.SKIP_HEADER)
        return prepared

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: redirects are left to ``Exchange``.

        requests would look at each even if told not to follow: read its body, however long, and
        parse where it leads, which may raise anything.
        """


class _FinalResponse(http.client.HTTPResponse):
    """http.client's response, past each 1xx that a proxy may send before (it skips 100 alone)."""

    def _read_status(self) -> Any:
        while True:
            status_line = super()._read_status()  # type: ignore[misc]
            if not 100 < status_line[1] < 200 or status_line[1] == 101:
                return status_line
            http.client.parse_headers(self.fp)


class _Watched:
    """What is mixed into urllib3's connection classes: they tell their socket before they wait on it.

    urllib3 shows it only once the headers have come, too late for an abort before that.
    """

    sock: socket.socket | None
    owner: Exchange | None = None  # guarded by _owners
    is_used = False  # whether a request has gone over this socket
    send: Callable[[Any], None]
    _buffer: list[bytes]  # the lines of the request's head
    response_class = _FinalResponse

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if _watcher.exchange is not None:
            _watcher.exchange.is_reused = self.is_used
        self._tell()  # a kept connection has its socket by now
        result = super().request(*args, **kwargs)  # type: ignore[misc]
        self.is_used = True
        self._tell()
        return result

    def _new_conn(self) -> Any:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        self.is_used = False
        _sockets.add(connection)
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
        if _watcher.exchange is not None:
            _watcher.exchange.watch(self, twin=twin)
        elif twin is not None:
            twin.close()


def _pending(connection: socket.socket) -> bool:
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


_SHOWS_HEADERS = (requests.exceptions.InvalidHeader,)

# The first that fits counts, so the narrow stand before the wide.
_MAPPED: tuple[tuple[type[Exception], type[APIConnectionError], str], ...] = (
    (
        requests.exceptions.ConnectTimeout,
        APITimeoutError,
        "The server could not be reached in time",
    ),
    (requests.exceptions.Timeout, APITimeoutError, "The server did not answer in time"),
    (urllib3.exceptions.TimeoutError, APITimeoutError, "The server stood still for too long"),
    (TimeoutError, APITimeoutError, "The server stood still for too long"),
    (requests.exceptions.ConnectionError, APIConnectionError, "The connection failed"),
    (requests.exceptions.ChunkedEncodingError, APIConnectionError, "The connection broke"),
    (requests.exceptions.ContentDecodingError, APIConnectionError, "The answer cannot be decoded"),
    (urllib3.exceptions.DecodeError, APIConnectionError, "The answer cannot be decoded"),
    (urllib3.exceptions.HTTPError, APIConnectionError, "The connection broke"),
    (http.client.HTTPException, APIConnectionError, "The connection broke"),
    (OSError, APIConnectionError, "The connection broke"),
)


def _map(error: Exception) -> OpenAIError | None:
    """Return the library's error for a foreign one, ``None`` for one that is a mistake of ours."""
    if isinstance(error, OpenAIError):
        return None
    if isinstance(error, requests.exceptions.InvalidHeader):
        if error.args and isinstance(error.args[0], urllib3.exceptions.InvalidHeader):
            return APIConnectionError(f"The server's answer is no HTTP: {message_of(error)}")
        return OpenAIError("A header of the request has characters that HTTP does not allow.")
    # requests' own errors about the request itself (no scheme, a bad URL) are ValueErrors.
    if isinstance(error, requests.exceptions.RequestException) and isinstance(error, ValueError):
        return OpenAIError(f"The request cannot be sent: {message_of(error)}")
    if isinstance(error, ValueError):  # http.client's way with numbers that are none
        return APIConnectionError(f"The server's answer is no HTTP: {message_of(error)}")
    for foreign, ours, what in _MAPPED:
        if isinstance(error, foreign):
            return ours(f"{what}: {_innermost(error)}")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that it came of, as a traceback shows them."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _innermost(error: BaseException) -> str:
    """Return the message at the root of an exception that others wrap: theirs repeat it, nested."""
    seen = 0
    while seen < 10:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
        seen += 1
    return message_of(error)


def _checked_timeout(timeout: Timeout) -> Timeout:
    """Return ``timeout``; refuse here what would fail somewhere inside the first request."""
    pair = isinstance(timeout, tuple) and len(timeout) == 2
    for seconds in timeout if isinstance(timeout, tuple) and pair else (timeout,):
        if seconds is None:
            continue
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0 < seconds <= threading.TIMEOUT_MAX:  # type: ignore[operator]
            raise ValueError(
                f"timeout is a number of seconds above 0, a (connect, read) pair of such, or "
                f"None for no limit; not {timeout!r}"
            )
    return timeout


_IS_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_JSON = {"Content-Type": "application/json"}


def checked_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``headers``; refuse names and values that HTTP does not allow.

    Values are not shown. ``None`` is allowed: such a header is not sent.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or _IS_TOKEN(name) is None:
            raise OpenAIError(
                f"{name!r:.100} cannot be the name of a header: HTTP allows letters, digits and "
                f"any of !#$%&'*+-.^_`|~ in one."
            )
        if value is None:
            continue
        latin = isinstance(value, str) and all(ord(character) < 256 for character in value)
        if not latin or not value.isprintable() or value != value.strip():
            raise OpenAIError(
                f"The value for the header {name!r} has characters that HTTP does not allow, "
                f"or white space around it."
            )
    return headers


def _has(headers: Mapping[str, Any], name: str) -> bool:
    return any(own.lower() == name for own in headers)


def _reader_of(response: requests.Response) -> Callable[[int], bytes]:
    """Return what reads what has arrived of a body, up to a number of bytes.

    That is urllib3's ``read1``; but for a plain chunked body http.client's own does the same, for
    two thirds of the CPU (measured with deltas that arrive alone, one a millisecond). A body with a
    length needs urllib3: it alone tells one that is cut short.
    """
    raw = response.raw
    plain = getattr(raw, "_original_response", None)
    is_plain = "content-encoding" not in response.headers and getattr(plain, "chunked", False)
    if plain is not None and is_plain:
        read1: Callable[[int], bytes] = plain.read1
        return read1
    return functools.partial(raw.read1, decode_content=True)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _same_server_target(response: requests.Response) -> str | None:
    """Return where a redirect leads, ``None`` if it is none that may be followed."""
    location = response.headers.get("location")
    # 301 to 303 would turn a POST into a GET.
    follows = (307, 308) if response.request.method != "GET" else (301, 302, 303, 307, 308)
    if response.status_code not in follows or not location:
        return None
    here = urllib.parse.urlsplit(response.url)
    try:
        target = urllib.parse.urljoin(response.url, location)
        there = urllib.parse.urlsplit(target)
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:
        return None
    return target if same else None


def _is_worth_retrying(response: requests.Response) -> bool:
    wish = response.headers.get("x-should-retry")
    if wish in ("true", "false"):
        return wish == "true"
    return response.status_code in (408, 409, 429) or response.status_code >= 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, ``None`` if there is none."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return float(headers[name]) * unit
    try:
        when = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    return (when - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
