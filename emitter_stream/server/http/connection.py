"""A connection of uvicorn's that has one of the places, and ends when a request takes too long to be sent.

Uvicorn limits how long a kept connection may be idle, but not how long a request may take to
arrive: a client that sends a byte now and then, or none at all, would hold its connection for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import ApiError
from .places import MOST_TURNED_AWAY, RETRY, Places

HEAD_SECONDS = 10.0
BODY_SECONDS = 120.0
BODY_BYTES = 1024 * 1024  # of a body, in each of these times: a slow upload gets on, too


class TimedConnection(H11Protocol):
    """Allows `HEAD_SECONDS` for a request's head, from the connection or the head's first byte on,
    and `BODY_SECONDS` for each `BODY_BYTES` of the body behind it, read or not; then it answers 408
    and closes.

    The states are h11's of the client: IDLE is a head that is due, SEND_BODY a body. All others
    are a request that is there as a whole; then it is the server's turn.

    Uvicorn's own `limit_concurrency` would refuse the requests of connections that are there
    already, and in plain text.
    """

    places = Places()  # those of the server; see `connections_of`
    _has_place = False
    _limit: asyncio.TimerHandle | None = None
    _awaited: Any = None
    _came = 0  # bytes, since the limit was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._has_place = self.places.take()
        if not self._has_place:
            if self.places.turned_away > MOST_TURNED_AWAY:
                self._refuse(self.places.error(), RETRY)
                transport.close()
                return
            self.app = self.places.refuse
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._came += len(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        self.places.leave(had_one=self._has_place)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # What was sent ahead may be the beginning of a next request.
        if self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            self._watch()

    def _watch(self) -> None:
        state = self.conn.their_state
        # `cycle` is the request's that came last; a head that follows is awaited anew.
        awaited = (state, self.cycle) if state in (h11.IDLE, h11.SEND_BODY) else None
        if awaited != self._awaited:
            self._await(awaited)

    def _await(self, awaited: Any) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._awaited, self._came = awaited, 0
        if awaited is not None:
            seconds = HEAD_SECONDS if awaited[0] is h11.IDLE else BODY_SECONDS
            self._limit = self.loop.call_later(seconds, self._time_is_over)

    def _time_is_over(self) -> None:
        if self._awaited[0] is h11.SEND_BODY and self._came >= BODY_BYTES:
            self._await(self._awaited)
        else:
            self._too_late()

    def _too_late(self) -> None:
        """Answer, if a request has begun and no answer has, and close."""
        if self.transport.is_closing():
            return
        silent = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        begun = self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever reads the body hears that there is no more
            self.cycle.message_event.set()
        if not begun and not silent:
            self._refuse(ApiError(408, "The request took too long to arrive."))
        self.transport.close()
        # What the client does not take is not waited for.
        self.loop.call_later(1, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has a head of more than 16 KiB, in the API's form."""
        self._refuse(ApiError(400, msg))
        self.transport.close()

    def _refuse(self, error: ApiError, more: Mapping[str, str] = MappingProxyType({})) -> None:
        body, phrase = error.json(), HTTPStatus(error.status).phrase
        headers = {"content-type": "application/json", "connection": "close", **more}
        headers["content-length"] = str(len(body))
        lines = [f"HTTP/1.1 {error.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)


def connections_of(places: Places) -> type[TimedConnection]:
    """Return the connections of one server: uvicorn makes them by a class."""
    return type("TimedConnection", (TimedConnection,), {"places": places})
