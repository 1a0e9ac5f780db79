"""How many connections a server has at once: who comes when all places are taken is told so."""

from __future__ import annotations

import logging

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from .errors import ApiError

logger = logging.getLogger("emitter_stream.server")

MOST = 10_000  # by default
# Of the files that this process may have open: for the database, uploads, an upstream's connections.
KEPT_FILES = 256
# Connections without a place that are heard before they are told: an answer that comes before a
# client has sent its request may be lost. All others hear nothing but the answer.
MOST_TURNED_AWAY = 64


class Places:
    """The places of one server; each connection has one from its beginning to its end."""

    def __init__(self, most: int | None = None) -> None:
        if most is not None and most < 1:
            raise ValueError("a server has at least one connection (--max-connections)")
        self.most = _default() if most is None else most
        self.turned_away = 0  # and still there
        self._taken = 0
        self._is_told = False

    def take(self) -> bool:
        """Take a place, if there is one."""
        if self._taken < self.most:
            self._taken += 1
            return True
        self.turned_away += 1
        if not self._is_told:
            self._is_told = True
            logger.warning("all %d connections are taken: others are refused", self.most)
        return False

    def leave(self, *, had_one: bool) -> None:
        """Give a place back, or go without having had one."""
        if not had_one:
            self.turned_away -= 1
            return
        self._taken -= 1
        if self._taken <= self.most * 0.9:  # not at each that goes while others come
            self._is_told = False

    def error(self) -> ApiError:
        """Return what a connection without a place is told."""
        return ApiError(
            503,
            f"The server is busy: all of its {self.most} connections are taken. Try again later.",
            code="too_many_connections",
            type="server_error",
        )

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came on such a connection, as an application."""
        error = self.error()
        answer = JSONResponse(error.body(), error.status, RETRY)
        await answer(scope, receive, send)


RETRY = {"retry-after": "1", "connection": "close"}


def _default() -> int:
    """Return as many as the system lets this process have, with something left for other files."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(allowed - KEPT_FILES, allowed // 2, 1))
