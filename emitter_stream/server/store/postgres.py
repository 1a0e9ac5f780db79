"""The store on PostgreSQL: several threads, several processes, one database.

What several processes rely on stands in the database: a run's log says whose the run is, locks of
rows keep two transactions from changing one thing, an index keeps a thread to one active run. Times
that processes compare are the database's, so that their own clocks do not matter.

A transaction that does not get on is given up, on both sides, so that a process that stands still
holds nobody else back, and one whose network does not loses no thread of its own to it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..http.errors import ApiError
from .bus import CHANNEL, Heard, Message
from .links import LINK, SESSION, hang_up
from .schema import prepare
from .speaker import Speaker
from .store import (
    Clock,
    DatabaseUnusable,
    StorageFailed,
    Transaction,
)
from .threads import WorkThreads

logger = logging.getLogger("emitter_stream.server")

T = TypeVar("T")

THREADS = 6
PATIENCE = 10.0  # seconds for one transaction, and for an answer
IMPATIENCE = 1.0  # seconds, with a database that cannot be reached
_TRIES = 4  # of a transaction that others came in the way of
_SAID = "emitter_stream said"  # in a session's `info`
_AGAIN = ("40001", "40P01")  # serialization failure, deadlock
_OPTIONS = (
    "-c statement_timeout=8s -c lock_timeout=8s -c idle_in_transaction_session_timeout=4s "
    f"-c client_min_messages=error -c timezone=UTC {SESSION}"
)


class PostgresDatabase:
    """An open database of a URL `postgresql://...`. Units: `clock` gives unix seconds.

    Raises `DatabaseUnusable` if it cannot be opened.
    """

    is_busy = False  # with what would need this process's interpreter for long

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = _driver_url(url)
        self.shown = self._url.set(drivername="postgresql").render_as_string(hide_password=True)
        self._own_clock = clock
        # How far the database's clock is ahead of our monotonic one.
        self._ahead = time.time() - time.monotonic()
        self._failing = ""
        self._is_away = False  # whether that was because it could not be reached
        self._failed_at = 0.0
        self._at_work: dict[int, tuple[float, Any]] = {}  # by thread: since when, with what
        self._engine = create_engine(
            self._url,
            pool_size=THREADS,
            max_overflow=0,
            pool_timeout=PATIENCE,
            pool_recycle=1800,
            connect_args={
                "options": _OPTIONS,
                "application_name": "emitter-stream",
                **LINK,
            },
            hide_parameters=True,
        )
        event.listen(self._engine, "checkout", self._checked_out)
        event.listen(self._engine, "checkin", self._checked_in)
        self._closed = threading.Event()
        self._listener: _Listener | None = None
        self._speaker: Speaker | None = None
        self._threads = WorkThreads("assistants-db", THREADS)
        self._watch = threading.Thread(
            target=self._look_after, name="assistants-db-watch", daemon=True
        )
        self._watch.start()
        try:
            self._threads.submit(self._open).result()
        except (DBAPIError, StorageFailed) as exc:
            self.close()
            reason = str(getattr(exc, "orig", exc)).strip().replace("\n", " ")
            raise DatabaseUnusable(f"cannot use the database {self.shown}: {reason}") from None
        except DatabaseUnusable as exc:
            self.close()
            raise DatabaseUnusable(f"cannot use the database {self.shown}: {exc}") from None
        except BaseException:
            self.close()
            raise

    def clock(self) -> float:
        """Return the database's time, as of the last look at it."""
        if self._own_clock is not None:
            return self._own_clock()
        return time.monotonic() + self._ahead

    async def call(self, work: Callable[[Transaction], T], *, frees: bool = False) -> T:
        """Run `work` in a transaction of its own; an exception rolls it back.

        It may be run again if it meets another transaction. Raises `StorageFailed`, and logs one
        line when that begins and one when it ends.
        """
        asked_at = time.monotonic()
        return await self._threads.call(lambda: self._transact(work, asked_at))

    def call_now(self, work: Callable[[Transaction], T]) -> T:
        """The same for a caller outside the event loop, which is blocked and told, not the log."""
        return self._threads.submit(lambda: self._repeatedly(work)).result()

    def listen(self, heard: Heard) -> None:
        """Call `heard` with what processes say, on a thread of its own; None: something was missed."""
        self._speaker = Speaker(self._url)
        self._listener = _Listener(self._url, heard)

    def say(self, session: Transaction, messages: Sequence[Message]) -> None:
        """Say something to all processes when the transaction is over, if it goes well."""
        session.info.setdefault(_SAID, []).extend(messages)

    def renew(self, session: Transaction, process: str, seconds: float) -> bool:
        """Renew the lease of a process, and look at the database's clock; False if it is lost."""
        self._look_at_clock(session)
        done = session.execute(
            text("UPDATE processes SET until = :until WHERE id = :id"),
            {"until": self._now(session) + seconds, "id": process},
        )
        return bool(done.rowcount)  # type: ignore[attr-defined]

    def register(self, session: Transaction, process: str, seconds: float) -> None:
        """Begin the lease of a process."""
        session.execute(
            text(
                "INSERT INTO processes (id, until) VALUES (:id, :until) "
                "ON CONFLICT (id) DO UPDATE SET until = excluded.until"
            ),
            {"until": self._now(session) + seconds, "id": process},
        )

    def bury(self, session: Transaction) -> None:
        """Delete the processes whose lease is over."""
        session.execute(
            text(
                "DELETE FROM processes WHERE id IN (SELECT id FROM processes WHERE until < :now "
                "FOR UPDATE SKIP LOCKED)"
            ),
            {"now": self._now(session)},
        )

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._threads.stop()
        if self._speaker is not None:
            self._speaker.close()
        self._engine.dispose()
        self._closed.set()  # until here somebody may have to be woken
        self._watch.join()

    def _now(self, session: Transaction) -> float:
        now = text("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(session.execute(now).scalar_one())

    def _look_at_clock(self, session: Transaction) -> None:
        before = time.monotonic()
        now = self._now(session)
        # It was that late at some moment in between: what is known already is corrected as far as
        # that says, however long it took.
        self._ahead = min(max(self._ahead, now - time.monotonic()), now - before)

    def _open(self) -> None:
        with self._engine.begin() as connection:
            # One process at a time; the others find what it made.
            connection.execute(text("SELECT pg_advisory_xact_lock(7361920418)"))
            prepare(connection)
        self._once(self._look_at_clock)

    def _transact(self, work: Callable[[Transaction], T], asked_at: float) -> T:
        # Each try to reach a database that is not there takes seconds: who came behind others, or
        # just after them, is told what they have found, or the last of many would wait for minutes.
        now = time.monotonic()
        if self._is_away and (now - asked_at > IMPATIENCE or now - self._failed_at < IMPATIENCE):
            raise StorageFailed(self._failing)
        try:
            result = self._repeatedly(work)
        except StorageFailed as failure:
            if not self._failing:
                logger.error("the database %s fails: %s", self.shown, failure)
            self._failing = str(failure)
            self._is_away, self._failed_at = _is_away(failure), time.monotonic()
            raise
        if self._failing:
            logger.warning("the database %s works again", self.shown)
            self._failing, self._is_away = "", False
        return result

    def _repeatedly(self, work: Callable[[Transaction], T]) -> T:
        for left in reversed(range(_TRIES)):
            try:
                return self._once(work)
            except IntegrityError as exc:
                # Another process was quicker: the next try sees what it did.
                if not left or "one_active_run" not in str(exc.orig):
                    raise
            except _Again as again:
                if not left:
                    raise StorageFailed(str(again)) from again.__cause__
        raise AssertionError

    def _once(self, work: Callable[[Transaction], T]) -> T:
        has_ended = False
        thread = threading.get_ident()
        self._at_work[thread] = (time.monotonic(), None)
        try:
            with Transaction(self._engine, expire_on_commit=False) as session:
                result = work(session)
                session.flush()
                has_ended = True
                session.commit()
                said = session.info.get(_SAID)
                if said and self._speaker is not None:
                    self._speaker.say(said)
                return result
        except (ProgrammingError, DataError, IntegrityError) as exc:
            if "NUL (0x00)" in str(exc.orig):  # in what a request looks for; ids are seen to before
                raise ApiError(400, "A text has a zero byte.", code="invalid_value") from exc
            raise  # a mistake of this server's, or met another's transaction
        except PoolTimeout as exc:
            raise StorageFailed("all connections are in use") from exc
        except DatabaseError as exc:
            reason = _reason(exc)
            is_lost = isinstance(exc, OperationalError) and exc.connection_invalidated
            # A connection that was lost before the end: nothing was done, and others may be there.
            if getattr(exc.orig, "sqlstate", None) in _AGAIN or (is_lost and not has_ended):
                raise _Again(reason) from exc
            raise StorageFailed(reason) from exc
        finally:
            self._at_work.pop(thread, None)

    def _checked_out(self, connection: Any, _record: Any, _proxy: Any) -> None:
        thread = threading.get_ident()
        since, _ = self._at_work.get(thread, (time.monotonic(), None))
        self._at_work[thread] = (since, connection)

    def _checked_in(self, _connection: Any, _record: Any) -> None:
        thread = threading.get_ident()
        if thread in self._at_work:
            self._at_work[thread] = (self._at_work[thread][0], None)

    def _look_after(self) -> None:
        """Wake the threads whose transaction does not get on: nothing else would."""
        while not self._closed.wait(1.0):
            now = time.monotonic()
            for since, connection in list(self._at_work.values()):
                if connection is not None and now - since > PATIENCE:
                    hang_up(connection)
            listener, speaker = self._listener, self._speaker
            if listener is not None and now - listener.heard_at > 2 * PATIENCE:
                listener.hang_up()
            if speaker is not None and now - speaker.idle_at > PATIENCE:
                speaker.hang_up()


class _Again(Exception):
    """The transaction was rolled back, and may go well another time."""


class _Listener:
    """Hears what processes say, over a connection of its own that is made anew when it breaks."""

    def __init__(self, url: URL, heard: Heard) -> None:
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._heard = heard
        self._connection: psycopg.Connection[Any] | None = None
        self._closed = threading.Event()
        self.heard_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="assistants-db-bus", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self.hang_up()
        self._thread.join()

    def hang_up(self) -> None:
        """End a connection by which nothing comes, not even an answer."""
        self.heard_at = time.monotonic()
        if self._connection is not None:
            hang_up(self._connection)

    def _run(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error, OSError):
                self._listen()
            self._closed.wait(0.5)

    def _listen(self) -> None:
        connection = psycopg.connect(
            self._conninfo,
            autocommit=True,
            options=f"-c statement_timeout=5s {SESSION}",
            application_name="emitter-stream bus",
            **LINK,
        )
        try:
            self._connection = connection
            connection.execute(f"LISTEN {CHANNEL}")
            self.heard_at = time.monotonic()
            self._heard(None)
            while not self._closed.is_set():
                for notice in connection.notifies(timeout=0.5):
                    self.heard_at = time.monotonic()
                    self._heard(Message.of(notice.payload))
                    if self._closed.is_set():
                        return
                if time.monotonic() - self.heard_at > PATIENCE / 2:
                    connection.execute("SELECT 1")  # or a dead connection would look like silence
                    self.heard_at = time.monotonic()
        finally:
            self._connection = None
            connection.close()


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable("cannot use the database: its URL is none") from None
    return parsed.set(drivername="postgresql+psycopg")


def _is_away(failure: StorageFailed) -> bool:
    """Return whether the database said nothing at all: not even what is wrong."""
    cause = failure.__cause__
    return isinstance(cause, OperationalError) and getattr(cause.orig, "sqlstate", None) is None


def _reason(exc: DBAPIError) -> str:
    return " ".join(str(exc.orig).split())[:300] or type(exc.orig).__name__
