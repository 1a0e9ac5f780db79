"""The body of an answer, read without waiting: what has come of it, and no more.

``http.client`` reads the framing of a body by lines and by counts, each of which waits, and loses what
had come where it must not. So one thread that reads for many answers has this in its place, from
the head on. What is wrong with a body ends in the same errors.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from typing import Any

import urllib3
import urllib3.exceptions
import urllib3.util

__all__ = ["Lease", "PolledBody", "WouldWait", "can_be_polled"]

_READ_SIZE = 16_384
_LINE_MAX = 65_536  # of a line in the framing, as http.client has it


class WouldWait(Exception):
    """Nothing that can be read has come yet."""


def can_be_polled(connection: object, answer: Any) -> bool:
    """Return whether the body of http.client's ``answer`` can be read this way.

    Not where the socket is no plain one and no plain TLS (a proxy's TLS within TLS, pyOpenSSL's, a
    greenlet's), where something else has begun to read, or where nothing can be come back to.
    """
    plain = type(connection) is socket.socket and socket.socket.__module__ == "socket"
    with_tls = type(connection) is ssl.SSLSocket and ssl.SSLSocket.__module__ == "ssl"
    file = getattr(answer, "fp", None)
    if not (plain or with_tls) or file is None or answer.isclosed():
        return False
    return getattr(getattr(file, "raw", None), "_sock", None) is connection


class Lease:
    """What of urllib3's response is still needed: the connection, and where it is to be given back."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, response: Any) -> None:
        self._connection = response._connection
        self._pool = response._pool
        # It is freed now, and would close both.
        response._connection = response._fp = None
        if isinstance(self._connection, http.client.HTTPConnection):
            # http.client's answer, half a kilobyte, which it keeps to see whether that is over. It is.
            self._connection._HTTPConnection__response = None  # type: ignore[attr-defined]

    @classmethod
    def of(cls, response: Any) -> Any:
        """Return what stands for ``response``; itself where it is not urllib3's own."""
        return cls(response) if type(response) is urllib3.HTTPResponse else response

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def release_conn(self) -> None:
        """Give the connection back; again does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pool is not None:
            self._pool._put_conn(connection)


class PolledBody:
    """Reads what has come of a body. One thread at a time.

    ``patience`` is how many seconds the server may stand still, ``None`` for ever; it is for who
    waits to see to that. ``at_once`` is how many bytes are read at most.
    """

    def __init__(
        self,
        connection: socket.socket,
        answer: http.client.HTTPResponse,
        patience: float | None,
        at_once: int | None = None,
    ) -> None:
        self.patience = patience
        self._connection = connection
        self._timeout = connection.gettimeout()
        connection.settimeout(0)
        self._at_once = at_once or _READ_SIZE
        self._tls = connection if isinstance(connection, ssl.SSLSocket) else None
        # Whether TLS may have more of a record: a read that gives less than was asked for gives all.
        self._is_cut = self._tls is not None
        self._early = _read_ahead(answer)  # by http.client, along with the head
        # The buffer is large, and empty from now on. Only what holds the socket open has to stay, of
        # a connection that http.client has closed itself because it serves no other request.
        self._file: io.RawIOBase = answer.fp.detach()
        answer.fp = None  # type: ignore[assignment]  # it is over, as far as http.client knows
        self._chunks = _Chunks() if getattr(answer, "chunked", False) else None
        self._left: int | None = answer.length  # bytes, of a body whose length is known
        self._length = answer.length or 0
        self._is_over = self._chunks is None and self._left == 0
        answer.headers = answer.msg = _NO_HEADERS
        self._has_surplus = False  # whether something came behind the end

    def fileno(self) -> int:
        """Return what a selector watches."""
        return self._connection.fileno()

    def has_more(self) -> bool:
        """Return whether ``read1`` has something to give that does not show at the socket."""
        if self._early or self._is_over or (self._chunks is not None and self._chunks.failure):
            return True
        return self._is_cut and self._tls is not None and self._tls.pending() > 0

    def wait(self, seconds: float | None) -> bool:
        """Wait until there is something to be read, so many seconds at most; return whether it is so."""
        return self.has_more() or urllib3.util.wait_for_read(self._connection, seconds)

    def read1(self, size: int) -> bytes:
        """Return what has come, ``b""`` at the end. Raises ``WouldWait`` where there is nothing.

        ``size`` is for who passes for ``HTTPResponse.read1``.
        """
        chunks = self._chunks
        while not self._is_over:
            data, self._early = self._early, b""
            if chunks is not None and chunks.failure is not None:
                raise chunks.failure
            if not data:
                try:
                    if self._tls is None:
                        data = self._connection.recv(self._at_once)
                    else:
                        data = self._tls.read(self._at_once)  # what `recv` calls
                        self._is_cut = len(data) >= self._at_once
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    raise WouldWait from None
                if not data:
                    self._take_end()
                    return b""
            found = b"" if chunks is None else chunks.alone_in(data)
            if found or (found := self._taken(data)):
                return found
        return b""

    def ends(self, seconds: float) -> bool:
        """Return whether the end comes within so many seconds, and nothing before it."""
        for left in (seconds, 0.0):
            try:
                self._has_surplus = bool(self.read1(_READ_SIZE)) or self._has_surplus
                return not self._has_surplus
            except WouldWait:
                if not left or not self.wait(left):
                    return False
        return False

    def give_back(self) -> bool:
        """Let go of the connection; return whether it can serve another request."""
        is_whole = self._is_over and not self._has_surplus
        self._connection.settimeout(self._timeout)
        self._file.close()
        return is_whole

    def _taken(self, data: bytes) -> bytes:
        chunks = self._chunks
        if chunks is not None:
            found = chunks.feed(data)
            if chunks.is_over:
                self._is_over = True
                self._has_surplus = bool(chunks.rest)
            return found
        if self._left is None:
            return data
        if len(data) > self._left:
            data = data[: self._left]
            self._has_surplus = True
        self._left -= len(data)
        self._is_over = self._left == 0
        return data

    def _take_end(self) -> None:
        """Take the end of the connection; raise ``IncompleteRead`` where it comes too early."""
        if self._chunks is not None and not self._chunks.is_in_trailer:
            raise http.client.IncompleteRead(b"")
        if self._chunks is None and self._left:
            error = urllib3.exceptions.IncompleteRead(self._length - self._left, self._left)
            raise urllib3.exceptions.ProtocolError(f"Connection broken: {error!r}", error)
        self._is_over = True


class _Chunks:
    """Takes the framing of a chunked body away, however it is cut."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_in_trailer = False
        self.rest = b""  # what is not taken yet: the beginning of a line, or what is behind the end
        self.failure: http.client.HTTPException | None = None  # which comes behind what was found
        self._left = 0  # bytes of the chunk that is being read
        self._to_skip = 0  # of the line end behind a chunk

    def alone_in(self, data: bytes) -> bytes:
        """Return what is in a chunk that comes alone and whole, by far the most common; else nothing.

        Then it is for ``feed``.
        """
        if self._left or self.rest or self._to_skip or self.is_in_trailer:
            return b""
        start = data.find(b"\n", 0, 12) + 1
        try:
            if start > 1 and int(data[:start], 16) == len(data) - start - 2:
                return data[start:-2]
        except ValueError:  # there is more in that line than a number, or none
            pass
        return b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return those of the body. Raises http.client's errors."""
        found: list[bytes] = []
        if self.rest:
            data = self.rest + data
            self.rest = b""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                piece = data[at : at + self._left]
                found.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._to_skip = 2
            elif self._to_skip:
                skipped = min(self._to_skip, end - at)
                self._to_skip -= skipped
                at += skipped
            elif self.is_over:
                self.rest = data[at:]
                break
            else:
                line_end = data.find(b"\n", at)
                if line_end < 0 and end - at <= _LINE_MAX:
                    self.rest = data[at:]
                    break
                try:
                    self._take_line(data[at : end if line_end < 0 else line_end])
                except http.client.HTTPException as error:
                    if not found:
                        raise
                    self.failure = error
                    break
                at = line_end + 1
        return found[0] if len(found) == 1 else b"".join(found)

    def _take_line(self, line: bytes) -> None:
        if len(line) >= _LINE_MAX:
            raise http.client.LineTooLong("trailer line" if self.is_in_trailer else "chunk size")
        if self.is_in_trailer:
            self.is_over = not line.rstrip(b"\r")
            return
        self._left = _size_of(line)
        self.is_in_trailer = not self._left


def _read_ahead(answer: Any) -> bytes:
    """Return what http.client has read of a body along with the head."""
    try:
        found = answer.fp.peek(1)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        found = b""
    return bytes(answer.fp.read1(len(found))) if found else b""


_NO_HEADERS = http.client.HTTPMessage()  # of answers whose own have been looked at


def _size_of(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        size = -1
    if size < 0:
        raise http.client.IncompleteRead(b"")
    return size
