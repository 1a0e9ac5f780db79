"""The connections to an upstream: a transport of httpx2 for hundreds of requests at once.

The transport that httpx2 has looks at all its connections, and asks the system about each that is
idle, whenever a request begins or ends, and takes five times as long for a request. Of three
hundred runs that begin together that was most of what the first word waited for. What is said on a
connection is h11's work here as there; what does not go straight to its host, by a proxy, is
left to httpx2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import getproxies

import h11
import httpx2

MOST_IDLE = 100  # connections that are kept for the next requests
IDLE_SECONDS = 5.0  # for which one is kept
READ_AHEAD = 64 * 1024  # bytes that wait to be taken until no more is read
AT_ONCE = 4 * 1024  # bytes of an answer that are handed on together, about
MOST_HEAD_BYTES = 100 * 1024  # of an answer
EYEBALLS = 0.25  # seconds for one address of a name until the next is tried as well


def transport() -> httpx2.AsyncBaseTransport | None:
    """Return the running event loop's; None where httpx2 has to do it: proxies, and other loops."""
    proxies = getproxies()
    if any(proxies.get(kind) for kind in ("http", "https", "all")):
        return None
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        return None  # it may not know of `happy_eyeballs_delay`
    return Wires()


class Wires(httpx2.AsyncBaseTransport):
    """The connections of one event loop to one host."""

    def __init__(self) -> None:
        self._all: set[Wire] = set()
        self._idle: dict[Wire, asyncio.TimerHandle] = {}  # the latest last
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and wait for the head of its answer. Raises `httpx2.HTTPError`."""
        timeouts = request.extensions["timeout"]
        wire = self._take() or await self._connect(request.url, timeouts["connect"])
        try:
            await wire.send(request, await request.aread(), timeouts["write"])
            head = await wire.head(timeouts["read"])
        except BaseException:
            wire.drop()
            raise
        body = AnswerBody(self, wire, timeouts["read"])
        headers = head.headers.raw_items()
        return httpx2.Response(head.status_code, headers=headers, stream=body, request=request)

    async def aclose(self) -> None:
        for wire in list(self._all):
            wire.drop()
        await asyncio.sleep(0)  # asyncio closes what was aborted in the next round

    def _take(self) -> Wire | None:
        if not self._idle:
            return None
        wire, timer = self._idle.popitem()
        timer.cancel()
        return wire

    def keep(self, wire: Wire) -> None:
        """Keep a connection whose answer was read to its end, for the next request."""
        if len(self._idle) >= MOST_IDLE or not wire.begin_anew():
            wire.drop()
        else:
            self._idle[wire] = asyncio.get_running_loop().call_later(IDLE_SECONDS, wire.drop)

    def forget(self, wire: Wire) -> None:
        self._all.discard(wire)
        timer = self._idle.pop(wire, None)
        if timer is not None:
            timer.cancel()

    def is_idle(self, wire: Wire) -> bool:
        return wire in self._idle

    async def _connect(self, url: httpx2.URL, seconds: float) -> Wire:
        host, is_tls = url.raw_host.decode("ascii"), url.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = httpx2.create_ssl_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        loop = asyncio.get_running_loop()
        making = loop.create_task(
            loop.create_connection(
                lambda: Wire(self),
                host,
                url.port or (443 if is_tls else 80),
                ssl=self._tls if is_tls else None,
                # An address needs none, and the race takes as long as the connection.
                happy_eyeballs_delay=None if _is_address(host) else EYEBALLS,
            )
        )
        try:
            # Not `wait_for`, which may lose a cancel that comes together with the connection.
            await asyncio.wait({making}, timeout=seconds)
            if not making.done():
                raise httpx2.ConnectTimeout("")
            _, wire = making.result()
        except (OSError, UnicodeError) as exc:
            raise httpx2.ConnectError(str(exc)) from exc
        except BaseException:
            making.cancel()
            making.add_done_callback(_drop_made)
            raise
        self._all.add(wire)
        return wire


class Wire(asyncio.Protocol):
    """One connection: what has come, and who waits for more."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD_BYTES)
        self._came: list[bytes] = []
        self._size = 0  # of what came
        self._is_paused = False  # nothing is read, since enough lies there
        self._is_full = False  # what was sent is not taken yet
        self._is_over = False  # no more will come
        self._reason: Exception | None = None  # for its end, if it is not the other side's will
        self._waiting: asyncio.Future[None] | None = None

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._wires.is_idle(self):  # an answer that nobody has asked for
            self.drop()
            return
        self._came.append(data)
        self._size += len(data)
        if self._size >= READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _end(self, reason: Exception | None) -> None:
        if not self._is_over:
            self._is_over, self._reason = True, reason
            self._wires.forget(self)
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, seconds: float, late: type[httpx2.TimeoutException]) -> None:
        waiting = self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, _give_up, waiting, late)
        try:
            await waiting
        finally:
            timer.cancel()
            self._waiting = None

    # One request

    async def send(self, request: httpx2.Request, content: bytes, seconds: float) -> None:
        """Send a request; an answer may come before it is all taken."""
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        try:
            sent = [self._http.send(head)]
            if content:
                sent.append(self._http.send(h11.Data(data=content)))
            sent.append(self._http.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as exc:
            raise httpx2.LocalProtocolError(str(exc)) from exc
        self._transport.write(b"".join(part for part in sent if part))
        while self._is_full and not self._came and not self._is_over:
            await self._wait(seconds, httpx2.WriteTimeout)

    async def head(self, seconds: float) -> h11.Response | h11.InformationalResponse:
        """Return the head of the answer."""
        while True:
            event = self.event()
            if event is None:
                await self.more(seconds)
            elif isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                return event

    def event(self) -> Any:
        """Return what comes next of the answer, None if it is not there yet."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as exc:
            raise httpx2.RemoteProtocolError(str(exc)) from exc
        return None if event is h11.NEED_DATA else event

    async def more(self, seconds: float) -> None:
        """Wait until more has come, and take it. Raises `httpx2.HTTPError` if none will."""
        if not self._came and not self._is_over:
            await self._wait(seconds, httpx2.ReadTimeout)
        if self._came:
            data = self._came[0] if len(self._came) == 1 else b"".join(self._came)
            self._came, self._size = [], 0
            if self._is_paused and not self._is_over:
                self._is_paused = False
                self._transport.resume_reading()
            self._http.receive_data(data)
        elif self._reason is not None:
            raise httpx2.ReadError(str(self._reason)) from self._reason
        elif self._http.their_state is h11.SEND_RESPONSE:
            raise httpx2.RemoteProtocolError("closed without an answer")
        else:
            self._http.receive_data(b"")  # an answer may end so

    def begin_anew(self) -> bool:
        """Return whether another request can be sent, once an answer was read."""
        if self._is_over or self._came or self._is_full or self._http.trailing_data[0]:
            return False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def drop(self) -> None:
        """Close at once."""
        self._wires.forget(self)
        self._transport.abort()


class AnswerBody(httpx2.AsyncByteStream):
    """The body of an answer. Its connection is kept if it was read to the end, else closed."""

    def __init__(self, wires: Wires, wire: Wire, seconds: float) -> None:
        self._wires = wires
        self._wire: Wire | None = wire
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        wire, failure = self._wire, None
        while wire is not None:
            pieces: list[bytes] = []
            size, event = 0, None
            try:
                while size < AT_ONCE and isinstance(event := wire.event(), h11.Data):
                    pieces.append(bytes(event.data))
                    size += len(event.data)
            except httpx2.RemoteProtocolError as exc:
                failure = exc
            if pieces:
                yield b"".join(pieces)
            if failure is not None:
                raise failure
            if event is None:
                await wire.more(self._seconds)
            elif not isinstance(event, h11.Data):  # its end
                return

    async def aclose(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._wires.keep(wire)


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdecimal() or ":" in host


def _give_up(waiting: asyncio.Future[None], late: type[httpx2.TimeoutException]) -> None:
    if not waiting.done():
        waiting.set_exception(late(""))


def _drop_made(making: asyncio.Task[tuple[asyncio.BaseTransport, Wire]]) -> None:
    """Close a connection that came when nobody wanted it any more."""
    if not making.cancelled() and making.exception() is None:
        making.result()[1].drop()
