"""What this process says to the others of one PostgreSQL, behind the transactions that it is about.

A transaction that notifies holds a lock, which all others of the database that do so wait for, until
its commit is on the disk: by that a slow disk would take some hundred of them a second, one after the
other. What is said by itself need not be on any disk, and what many transactions have to say goes
together. If it is lost, everybody looks by himself, soon.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from .bus import CHANNEL, Message
from .links import LINK, SESSION, hang_up

_OPTIONS = f"-c synchronous_commit=off -c statement_timeout=5s -c lock_timeout=5s {SESSION}"
_SAY = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload"


class Speaker:
    """Says what it is given, on a thread and over a connection of its own.

    `idle_at` is when it last was, by the monotonic clock: infinite as long as it is.
    """

    def __init__(self, url: URL) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._given: queue.SimpleQueue[Sequence[Message] | None] = queue.SimpleQueue()
        self._connection: psycopg.Connection[Any] | None = None
        self.idle_at = math.inf
        self._thread = threading.Thread(target=self._run, name="assistants-db-say", daemon=True)
        self._thread.start()

    def say(self, messages: Sequence[Message]) -> None:
        """Say these, soon; from any thread."""
        self._given.put(messages)

    def close(self) -> None:
        """Say what was given before, and end."""
        self._given.put(None)
        self._thread.join()

    def hang_up(self) -> None:
        """End a connection by which nothing goes."""
        if self._connection is not None:
            hang_up(self._connection)

    def _run(self) -> None:
        goes_on = True
        try:
            while goes_on:
                given = [self._given.get()]
                with contextlib.suppress(queue.Empty):
                    while given[-1] is not None:
                        given.append(self._given.get_nowait())
                goes_on = given[-1] is not None
                payloads = _payloads([one for some in given if some is not None for one in some])
                if payloads:
                    self._say(payloads)
        finally:
            self._leave()

    def _say(self, payloads: list[str]) -> None:
        self.idle_at = time.monotonic()
        try:
            for _ in range(2):  # the connection may have broken long ago
                with contextlib.suppress(psycopg.Error, OSError):
                    if self._connection is None:
                        self._connection = self._connect()
                    self._connection.execute(_SAY, (CHANNEL, payloads))
                    return
                self._leave()
        finally:
            self.idle_at = math.inf

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._conninfo,
            autocommit=True,
            options=_OPTIONS,
            application_name="emitter-stream says",
            **LINK,
        )

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _payloads(messages: Sequence[Message]) -> list[str]:
    """Return what these say, each run once."""
    runs: dict[Message, dict[str, None]] = {}
    for message in messages:
        who = Message(message.process, message.kind, ())
        runs.setdefault(who, {}).update(dict.fromkeys(message.runs))
    together = [Message(who.process, who.kind, tuple(which)) for who, which in runs.items()]
    return [payload for message in together for payload in message.payloads()]
