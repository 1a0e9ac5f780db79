"""What has come of a body and was not read: whether there is any, and all of it at once."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any

import urllib3.util

from .sockets import has_pending

__all__ = ["Flood", "peek"]

_LARGE = 4_096  # bytes; more than a delta has, and where they come one by one nothing is looked for


class Flood:
    """Reads a chunked body; where the server is ahead, in pieces as large as may be.

    What is read is handed from thread to thread, which costs as much for one delta as for hundreds.
    """

    def __init__(self, body: Any, connection: socket.socket) -> None:
        self._body = body
        self._connection = connection
        self._failure: Exception | None = None  # of a read behind something that came

    def read1(self, size: int) -> bytes:
        """Wait for the next bytes and return them with what else is there, ``size`` at most."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        chunk: bytes = self._body.read1(size)
        size -= len(chunk)
        if len(chunk) < _LARGE or not size:
            return chunk
        chunks = [chunk]
        try:
            while size and self._has_more() and (chunk := self._body.read1(size)):
                chunks.append(chunk)
                size -= len(chunk)
        except (OSError, http.client.HTTPException) as error:
            self._failure = error.with_traceback(None)
        return b"".join(chunks)

    def _has_more(self) -> bool:
        connection = self._connection
        if not self._body.chunk_left:
            return bool(peek(self._body, connection))
        # In the middle of a chunk all bytes are its own; to peek at them would be to read less.
        if isinstance(connection, ssl.SSLSocket):
            return has_pending(connection)
        return urllib3.util.wait_for_read(connection, 0)


def peek(body: Any, connection: socket.socket) -> bool | None:
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
    return 0 <= line_end < len(found) - 1 or has_pending(connection)
