"""One request and its answer: sent, again where that helps, read, and ended from any thread.

Longer than 500 lines: who ends it may do so in the middle of each of its steps.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import requests
import urllib3.util

from .. import _fork
from .._bell import Flag
from ..exceptions import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    Headers,
    HTTPResponse,
    OpenAIError,
    redacted,
    shown,
    status_error,
)
from . import sockets, tls
from .errors import SHOWS_HEADERS, chain_of, late, mapped_error
from .floods import Flood, peek
from .form import FormBody
from .polled import Lease, PolledBody, can_be_polled
from .retries import is_worth_retrying, pause, same_server_target
from .secrets import Secret, mask, secrets_in

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["LINGER", "Exchange", "Timeout", "Waits"]

_T = TypeVar("_T")

Waits = float | tuple[float | None, float | None] | None
"""Seconds to connect and between two reads: one number for both, or a pair; ``None`` is for ever."""


class TimeoutObject(Protocol):
    """``httpx.Timeout``, which is ``openai.Timeout``: what it says of writing and of a pool is left."""

    @property
    def connect(self) -> float | None: ...

    @property
    def read(self) -> float | None: ...


Timeout = Waits | TimeoutObject
"""The same as it is given; objects of the official Python SDK may stand for a pair."""

_READ_SIZE = 65_536
_ERROR_BODY_SIZE = 1_000_000
_ERROR_BODY_SECONDS = 5.0  # how long a status that is known waits for the text that explains it
_PAGE_SIZE = 4_096
_MAX_REDIRECTS = 5
LINGER = 0.01  # seconds for the end of a body that has said all


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
        timeout: Waits,
        max_retries: int,
        not_found_hint: str | None = None,
    ) -> None:
        self._transport = transport
        self._not_found_hint = not_found_hint
        self._request = request
        self._own_secrets = self._secrets_of(request["headers"])
        self._timeout = timeout
        self._retries_left = max_retries
        self._retries_done = 0
        # Of the answer no more than is needed to close it: an open stream would keep three dozen
        # objects alive with requests' own, for the garbage collector to go through.
        self._raw: Any = None  # urllib3's response
        self._polled: PolledBody | None = None  # that it is read by, once nobody waits in a read
        self._at_end = False  # whether the body was read to its end
        self._waited = 0.0  # seconds that ready() has waited for the next bytes
        self.authorize: Callable[[], Mapping[str, str]] | None = None
        """What gives further headers, each time the request is sent, on the thread that sends."""
        self.is_reused = False  # whether the connection has served another request before
        self.headers: Mapping[str, str] = {}  # of the answer, with lower-case names
        self.status_code = 0  # of the answer
        self.keeps_content = False
        self.content: bytes | None = None  # the body that was decoded, if it was to be kept
        self._interrupted = Flag()
        self._generation = _fork.generation  # in which it is sent
        self._connection: sockets.Watched | None = None  # that the answer comes by
        self._socket: socket.socket | None = None  # of that connection
        self._twin: socket.socket | None = None  # the same, before TLS takes it over

    @property
    def origin(self) -> tuple[str, int]:
        """The host and the port that it is sent to."""
        url = urllib.parse.urlsplit(self._request["url"])
        return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)

    @property
    def method(self) -> str:
        """The request's method."""
        method: str = self._request["method"]
        return method

    @property
    def url(self) -> str:
        """Where the request was sent, without the query."""
        url: str = self._request["url"]
        return url

    @property
    def retries_taken(self) -> int:
        """How often it was sent again."""
        return self._retries_done

    @property
    def head(self) -> HTTPResponse | None:
        """The answer without its body, once it has begun."""
        return self._facts_of(self.status_code, self.url, b"") if self.status_code else None

    @property
    def is_interrupted(self) -> bool:
        """Whether it was ended by ``interrupt``."""
        return self._interrupted.is_set()

    @property
    def max_event_bytes(self) -> int:
        """How large an event of this answer may be."""
        return self._transport.max_event_bytes

    def open(self) -> None:
        """Send the request, again where that helps, until there is an event stream to be read."""
        if not has_header(self._request["headers"], "accept"):
            self._request["headers"]["Accept"] = "text/event-stream"
        response = self._send()
        kind = response.headers.get("content-type", "")
        # A proxy may say it twice: "text/event-stream, text/event-stream".
        if re.split("[;,]", kind, maxsplit=1)[0].strip().lower() != "text/event-stream":
            facts = self._facts(response)
            kind = self.redact(kind)
            raise APIError(
                f"The server answered with HTTP {facts.status_code} and "
                f"{kind or 'no content type'} instead of an event stream: {facts.text[:200]!r}",
                response=facts,
            )
        connection = self._socket
        if isinstance(connection, ssl.SSLSocket):  # the tickets have come, before the head
            tls.drop_write_buffer(connection)
        self._read1 = _reader_of(response, connection)

    def open_content(self) -> None:
        """Send the request, again where that helps, until there is a body of any kind to be read."""
        self._read1 = _reader_of(self._send(), self._socket)

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
        raise late(longest)

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
            while not (found := peek(raw._original_response, connection)):
                left = max(0.0, until - time.monotonic())
                if not urllib3.util.wait_for_read(connection, left):
                    return False
                if found is False or not isinstance(connection, ssl.SSLSocket):
                    return True
        except (AttributeError, OSError, ValueError):  # it was closed: the read will tell
            pass
        return True

    def read(self) -> bytes:
        """Wait for the next bytes of the body and return them; ``b""`` at its end."""
        # As `_mapped` does it, without its calls: this is done for each delta.
        failure: Exception | None = None
        chunk = b""
        try:
            chunk = self._read1(_READ_SIZE)
        except Exception as error:
            failure = self._failure(error)
            if failure is error and not self._interrupted.raised:
                raise
        if failure is not None or self._interrupted.raised or self._generation != _fork.generation:
            raise self._ending(failure)
        if not chunk:
            self._at_end = True
        return chunk

    def poll(self, at_once: int | None = None) -> PolledBody | None:
        """Let ``read`` wait no longer: it raises ``WouldWait`` where nothing has come.

        Before the first ``read``, which takes ``at_once`` bytes at most. Return what tells when
        something comes; ``None`` where it cannot be.
        """
        connection = self._socket
        answer: Any = getattr(self._raw, "_original_response", None)
        if "content-encoding" in self.headers or self._connection is None or connection is None:
            return None
        if not can_be_polled(connection, answer):
            return None
        patience = self._timeout[1] if isinstance(self._timeout, tuple) else self._timeout
        self._polled = PolledBody(connection, answer, patience, at_once)
        # There may be thousands that stand open for long: nothing is kept of them but what is read by.
        self._raw = Lease.of(self._raw)
        self._request = {"url": self._request["url"]}
        self._read1 = self._polled.read1
        return self._polled

    def has_rest(self) -> bool:
        """Return whether ``read_rest`` would not wait: of what ``poll`` was said to."""
        with contextlib.suppress(Exception):  # then there is nothing to wait for either
            self._at_end = self._polled is not None and self._polled.ends(0)
        return self._at_end

    def read_rest(self) -> None:
        """Read the end of a body that has said all, so that its connection can serve again.

        It mostly has come along; for who leaves the body open, ``LINGER`` is all the wait.
        """
        if self._polled is not None:
            if not self._is_elsewhere() and not self._at_end:
                with contextlib.suppress(Exception):
                    self._at_end = self._polled.ends(LINGER)
            return
        body = getattr(self._raw, "_original_response", None)
        # urllib3 has given the connection of a body that it read to its end to the pool by now, so
        # that it may be another exchange's.
        if self._is_elsewhere() or body is None or body.isclosed() or self._socket is None:
            return
        # Whatever goes wrong: the connection is closed then, and nothing is lost.
        with contextlib.suppress(Exception):
            self._socket.settimeout(LINGER)  # each request sets it anew
            self._at_end = not self._read1(_READ_SIZE)

    def json(self) -> Any:
        """Send the request, again where that helps; return the decoded JSON of the answer.

        An answer that breaks off is asked for again as one that did not come: so does the Python SDK.
        """
        try:
            while True:
                try:
                    answer, failure = self._decoded(self._send())
                    break
                except APIConnectionError:
                    # One that `_send` raises has had all its tries.
                    if self._retries_left <= 0 or self._interrupted.is_set():
                        raise
                    pause_before = self._delay({})
                self._try_again(pause_before)
        finally:
            self.close()
        # Not where the text of the answer is a local variable: it may repeat the API key.
        if failure is not None:
            raise failure
        return answer

    def _decoded(self, response: requests.Response) -> tuple[Any, APIError | None]:
        content = self._content(response)
        if self.keeps_content:
            self.content = content
        return self.decoded(content, response.url)

    def decoded(self, content: bytes | None, url: str | None = None) -> tuple[Any, APIError | None]:
        """Return the JSON of an answer's body, ``None`` if it was too large; or the error that it is.

        For another frame to raise: in this one the body would be seen.
        """
        url = self.url if url is None else url
        if content is None:
            limit = self.max_event_bytes
            return None, APIError(
                f"The server's answer is larger than {limit} bytes (after decompression); "
                f"OpenAI(max_event_bytes=...) sets how large an event or an answer may be.",
                response=self._facts_of(self.status_code, url, b""),
            )
        try:
            answer = json.loads(content) if content else None
            return (answer if isinstance(answer, dict) else self.redact(answer)), None
        except (ValueError, RecursionError) as error:
            facts = self._facts_of(self.status_code, url, content)
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
        content = self.bounded(iter(lambda: self._mapped(read1, _READ_SIZE), b""))
        self._at_end = content is not None
        return content

    def bounded(self, pieces: Iterable[bytes]) -> bytes | None:
        """Return the pieces of a body together, ``None`` as soon as they are more than may be."""
        found: list[bytes] = []
        left = self.max_event_bytes
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                return None
            found.append(piece)
        return b"".join(found)

    def interrupt(self) -> None:
        """End the exchange from any thread; again does nothing."""
        self._interrupted.set()
        self._hang_up()

    def _hang_up(self) -> None:
        """Shut the connection down under whoever waits for it, from any thread."""
        with sockets.owners:
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
        with sockets.owners:
            if self._connection is not None and self._connection.owner is self:
                self._connection.owner = None
            self._connection = self._socket = None
            self._close_twin()
        raw, self._raw = self._raw, None
        polled, self._polled = self._polled, None
        if polled is not None:
            self._at_end = polled.give_back() and self._at_end
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
            self._try_again(answer)

    def _try_again(self, seconds: float) -> None:
        """Wait before the request is sent once more."""
        self.close()
        self._retries_left -= 1
        self._retries_done += 1
        if self._interrupted.wait(seconds):
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
        self.headers = Headers(
            self.redact({name.lower(): value for name, value in response.headers.items()})
        )
        self.status_code = response.status_code
        if response.status_code < 300:
            return response
        if self._retries_left > 0 and is_worth_retrying(response):
            return self._delay(response.headers)
        return self._status_error(response)

    def _follow(self) -> requests.Response:
        """Send, and follow redirects as long as they stay on the same server.

        The key goes to no other host than the one it was given for.
        """
        session = self._transport.session
        settings = self._transport.environment
        if isinstance(self._request["data"], FormBody):
            self._request["data"].rewind()  # it may have been sent before
        if self.authorize is not None:
            self._request["headers"] = {**self._request["headers"], **self.authorize()}
        prepared = session.prepare_request(requests.Request(**self._request))
        self._own_secrets = self._secrets_of(prepared.headers)
        redirects = 0
        while True:
            sockets.watcher.exchange = self
            try:
                response = session.send(
                    prepared, timeout=self._timeout, allow_redirects=False, **settings
                )
            except requests.exceptions.HTTPError as error:
                if error.response is None:
                    raise
                response = error.response  # a hook of the user's called raise_for_status()
            finally:
                sockets.watcher.exchange = None
            target = same_server_target(response)
            if target is None or redirects == _MAX_REDIRECTS:
                # Kept here: an abort at this moment keeps it from being returned, and it would
                # never be closed.
                self._raw = response.raw
                return response
            redirects += 1
            response.close()
            prepared.url = target

    def watch(self, connection: sockets.Watched, *, twin: socket.socket | None = None) -> None:
        """Take the connection that the answer will come by, before the wait for it begins.

        ``twin`` is a second handle on its socket as long as TLS is being set up, which makes the
        first one useless. Raises if the exchange was interrupted meanwhile.
        """
        with sockets.owners:
            self._close_twin()
            self._twin = twin
            connection.owner = self
            self._connection = connection
            self._socket = twin or connection.sock
            if self._socket is not None:
                sockets.open_sockets.add(self._socket)
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
            if failure is error and not self._interrupted.raised:
                raise
        # Outside of `except`: there what may show the API key would stay attached to the error.
        if failure is not None or self._interrupted.raised or self._is_elsewhere():
            raise self._ending(failure)
        answer: _T = result
        return answer

    def _ending(self, failure: Exception | None) -> Exception:
        """Return what something ends in that was interrupted, left in the parent, or failed."""
        # What an interrupted read ends in depends on the framing, so only the flag tells.
        if self._interrupted.raised:
            return APIUserAbortError()
        if failure is None or self._is_elsewhere():  # forked while it waited
            return _fork.LeftBehind("request")
        return failure

    def _failure(self, error: Exception) -> Exception:
        """Return the library's error for a foreign one, which is its cause if that may be shown."""
        mapped = mapped_error(error)
        if mapped is None:
            return error
        safe = self.redacted(mapped)
        trace = "".join(map(shown, chain_of(error)))
        if safe is mapped and not isinstance(error, SHOWS_HEADERS) and self.redact(trace) == trace:
            safe.__cause__ = error
        return safe

    def _secrets_of(self, headers: Mapping[str, Any]) -> Sequence[Secret]:
        """Return those that the client does not know of: a call may bring a key of its own."""
        own = [key for key in secrets_in(headers) if key not in self._transport.secrets]
        return own or ()

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
        return self._facts_of(response.status_code, response.url, content)

    def _facts_of(self, status_code: int, url: str, content: bytes) -> HTTPResponse:
        text = self.redact(content.decode("utf-8", "replace"))
        return HTTPResponse(status_code, self.redact(url), self.headers, text)

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
        if facts.status_code == 404 and self._not_found_hint:
            message = f"{message} {self._not_found_hint}"
        return status_error(facts.status_code)(message, body=error, response=facts)

    def _delay(self, headers: Mapping[str, str]) -> float:
        return pause(headers, self._retries_done)


def _reader_of(
    response: requests.Response, connection: socket.socket | None
) -> Callable[[int], bytes]:
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
        return read1 if connection is None else Flood(plain, connection).read1
    return functools.partial(raw.read1, decode_content=True)


def has_header(headers: Mapping[str, Any], name: str) -> bool:
    return any(own.lower() == name for own in headers)
