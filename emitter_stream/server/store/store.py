"""The tables, and the one thread that touches them.

Every object is a row with the columns that are searched by, and the API's own object as JSON in
`body`. Bodies are replaced, never changed in place.

All transactions of a server run one after the other on one thread over one connection: that is
what makes "no two active runs on a thread" true without locks, what lets an in-memory database be
shared by all requests, and what keeps the event loop free of disk waits. A file is kept locked as
long as the server runs, because a second server would close the first one's runs as interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    URL,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    create_engine,
    event,
    exists,
    text,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.pool import StaticPool

from .reserve import LOG_PAGES, Reserve
from .threads import WorkThreads

logger = logging.getLogger("emitter_stream.server")

T = TypeVar("T")
Clock = Callable[[], float]

SCHEMA_VERSION = 1
PATIENCE = 0.02  # seconds for which the event loop waits for the database rather than disturb it
ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
IS_ACTIVE = "status IN ('queued', 'in_progress', 'requires_action', 'cancelling')"


# Of this server, and no failure of the database.
_MISTAKES = (
    IntegrityError,
    ProgrammingError,
    DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
)


class Base(DeclarativeBase):
    pass


class Row(Base):
    """What all tables have. `seq` is the order of creation and is never used twice."""

    __abstract__ = True
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class Owned(Row):
    """A row that belongs to who made it. `owner` is empty where the server has no keys of its own.

    It is filled in, and looked at, by every `Transaction`.
    """

    __abstract__ = True

    owner: Mapped[str] = mapped_column(default="", server_default="")


class AssistantRow(Owned):
    __tablename__ = "assistants"


class ThreadRow(Owned):
    __tablename__ = "threads"


class ThreadChild(Row):
    """A row that goes when its thread goes, and belongs to who that belongs to."""

    __abstract__ = True

    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"), index=True)


class MessageRow(ThreadChild):
    __tablename__ = "messages"

    run_id: Mapped[str | None] = mapped_column(index=True)


class RunRow(ThreadChild):
    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_status", "status", "expires_at"),
        # One active run a thread, also where several processes make them.
        Index(
            "one_active_run",
            "thread_id",
            unique=True,
            sqlite_where=text(IS_ACTIVE),
            postgresql_where=text(IS_ACTIVE),
        ),
        {"sqlite_autoincrement": True},
    )

    status: Mapped[str]
    expires_at: Mapped[int]


class StepRow(ThreadChild):
    """`usage` is kept from the moment the model is done; the body shows it once the step is."""

    __tablename__ = "steps"

    run_id: Mapped[str] = mapped_column(index=True)
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class ProcessRow(Base):
    """A process that serves this database, as long as it renews its lease.

    `until` is in unix seconds of the database's clock. Whoever finds the row out of date deletes it;
    the runs of that process may then be ended by anybody.
    """

    __tablename__ = "processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[float] = mapped_column(Double)


class RunLogRow(Base):
    """Who works on a run, and how many events it has told; times in unix seconds.

    Small, since it changes with every few deltas. It belongs to a `process`, which alone may go on with
    the run and tell its deltas; nobody owns a run that waits for its client or is over. The row
    goes, and the events with it, `EVENTS_KEPT` after the run's end.
    """

    __tablename__ = "run_logs"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"), index=True)
    process: Mapped[str | None] = mapped_column(index=True)
    last: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[int | None] = mapped_column(index=True)


class RunEventsRow(Base):
    """Some events of a run that were stored together: their frames, one behind the other."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(
        ForeignKey("run_logs.run_id", ondelete="CASCADE"), primary_key=True
    )
    first: Mapped[int] = mapped_column(primary_key=True)
    frames: Mapped[bytes] = mapped_column(LargeBinary)


class ModelCallRow(ThreadChild):
    """What a model gave with a call, to have it back: `id` is the call's, `body` has `id`, `extra`."""

    __tablename__ = "model_calls"

    run_id: Mapped[str] = mapped_column(index=True)


class CompletionRow(Owned):
    """A chat completion that is kept, with the messages of its request."""

    __tablename__ = "completions"

    model: Mapped[str] = mapped_column(index=True)
    messages: Mapped[list[Any]] = mapped_column(JSON)


class ResponseRow(Owned):
    """A response that is kept, with the items of its request and, when it is over, its events."""

    __tablename__ = "responses"

    input: Mapped[list[Any]] = mapped_column(JSON)
    events: Mapped[list[Any]] = mapped_column(JSON)


class Transaction(Session):
    """A session that sees one owner's objects only, once `owner` is set, and makes them that one's.

    What is done for every run goes through `sql`, without the ORM, which takes fifty times as long
    for a row as SQLite does. Such a statement sees what belongs to anybody.
    """

    owner: str | None = None
    direct: sqlite3.Connection | None = None  # the one that the engine has, on SQLite

    def sql(self, statement: str, *given: object) -> Sequence[Sequence[Any]]:
        """Execute a statement, whose parameters are `?`, and return its rows.

        What the session has not flushed yet goes first. It knows nothing of what is changed here.
        """
        if self.in_transaction():
            self.flush()
        if self.direct is not None:
            return self.direct.execute(statement, given).fetchall()
        found = self.connection().exec_driver_sql(statement.replace("?", "%s"), given)
        return found.all() if found.returns_rows else ()

    def is_untouched(self) -> bool:
        """Return whether nothing of a transaction is left: all went through `sql`, or it is over."""
        return not (self.in_transaction() or self.identity_map)

    def locking(self, statement: str, strength: str = "NO KEY UPDATE") -> str:
        """Return a query whose rows nobody else changes until the transaction is over."""
        return statement if self.direct is not None else f"{statement} FOR {strength}"


@event.listens_for(Transaction, "do_orm_execute")
def _see_own(state: ORMExecuteState) -> None:
    session = state.session
    owner = session.owner if isinstance(session, Transaction) else None
    if owner is None or state.is_column_load or state.is_relationship_load:
        return
    state.statement = state.statement.options(
        with_loader_criteria(Owned, lambda table: table.owner == owner, include_aliases=True),
        with_loader_criteria(
            ThreadChild,
            lambda table: exists().where(ThreadRow.id == table.thread_id, ThreadRow.owner == owner),
            include_aliases=True,
        ),
    )


@event.listens_for(Transaction, "before_flush")
def _make_own(session: Transaction, context: object, instances: object) -> None:
    if session.owner is not None:
        for row in session.new:
            if isinstance(row, Owned):
                row.owner = session.owner


class DatabaseUnusable(Exception):
    """The database cannot be opened: locked by another server, not a database, no permission."""


class StorageFailed(Exception):
    """The database cannot be read or written now: the disk is full or broken, the file damaged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.full = "is full" in reason


def _set_pragmas(connection: Any, _record: Any) -> None:
    """Set what stands in no file."""
    # EXCLUSIVE before WAL: the lock is then taken at the first write and kept, and no shared
    # memory file is needed. NORMAL loses nothing when the process is killed.
    for pragma in (
        "busy_timeout=2000",
        "foreign_keys=ON",
        "locking_mode=EXCLUSIVE",
        "synchronous=NORMAL",
        f"wal_autocheckpoint={LOG_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


class Database:
    """An open database. Units: `clock` gives unix seconds.

    Raises `DatabaseUnusable` if it cannot be opened.
    """

    def __init__(self, path: str = ":memory:", clock: Clock = time.time) -> None:
        self.clock = clock
        self._path = path
        self._failing = ""
        self._reserve = Reserve(path) if path not in ("", ":memory:") else None
        self._engine = create_engine(
            URL.create("sqlite", database=path),
            poolclass=StaticPool,
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # or an error would quote what was said, in a log line
        )
        self._connection: Any = None
        self._untouched: Transaction | None = None  # a session that nobody has used, for the next
        event.listen(self._engine, "connect", self._connected)
        self._thread = WorkThreads("assistants-db", patience=PATIENCE)
        try:
            self._thread.submit(self._open).result()
        except DatabaseError as exc:
            self.close()
            reason = "another server is using it" if "locked" in str(exc.orig) else exc.orig
            raise DatabaseUnusable(f"cannot use the database {path}: {reason}") from exc
        except DatabaseUnusable as exc:
            self.close()
            raise DatabaseUnusable(f"cannot use the database {path}: {exc}") from None
        except BaseException:
            self.close()
            raise

    async def call(self, work: Callable[[Transaction], T], *, frees: bool = False) -> T:
        """Run `work` in a transaction of its own; an exception rolls it back.

        `frees`: it deletes, and may use what is kept in reserve for that when the disk is full.
        Raises `StorageFailed`, and logs one line when that begins and one when it ends.
        """
        return await self._thread.call(lambda: self._transact(work, frees))

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a transaction."""
        return self._thread.pending > 0

    def call_now(self, work: Callable[[Transaction], T]) -> T:
        """The same for a caller outside the event loop, which is blocked and told, not the log."""
        return self._thread.submit(lambda: self._once(work)).result()

    def close(self) -> None:
        self._thread.submit(self._close).result()
        self._thread.stop()

    def _connected(self, connection: Any, record: Any) -> None:
        _set_pragmas(connection, record)
        self._connection = connection

    def _open(self) -> None:
        _prepare(self._engine)
        if self._reserve is not None:
            self._reserve.fill()

    def _close(self) -> None:
        self._engine.dispose()
        if self._reserve is not None:
            self._reserve.release()

    def _transact(self, work: Callable[[Transaction], T], frees: bool) -> T:
        changes = self._connection.total_changes
        try:
            result = self._in_reserve(work) if frees else self._in_log(work)
        except StorageFailed as failure:
            if str(failure) != self._failing:
                logger.error("the database %s fails: %s", self._path, failure)
            self._failing = str(failure)
            raise
        # What only reads may have gone well all the time.
        if self._failing and self._connection.total_changes > changes:
            logger.warning("the database %s works again", self._path)
            self._failing = ""
        return result

    def _in_log(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`; if the disk is full, once more with a log that is empty.

        The database may have room in it where the log has none to grow to its usual length.
        """
        try:
            return self._once(work)
        except StorageFailed as failure:
            if not failure.full or self._reserve is None:
                raise
        with contextlib.suppress(DatabaseError):
            self._shorten_log()
        return self._once(work)

    def _in_reserve(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`; if the disk is full, once more in the room that is kept for it."""
        try:
            return self._once(work)
        except StorageFailed as failure:
            if not failure.full or self._reserve is None:
                raise
        self._reserve.release()
        try:
            with contextlib.suppress(DatabaseError):
                self._shorten_log()
            return self._once(work)
        finally:
            with contextlib.suppress(DatabaseError):
                self._shorten_log()
            self._reserve.fill()

    def _once(self, work: Callable[[Transaction], T]) -> T:
        session = self._untouched
        if session is None:
            session = Transaction(self._engine, expire_on_commit=False)
            session.direct = self._connection
        self._untouched = None
        try:
            try:
                result = work(session)
                if session.in_transaction():
                    session.commit()
                self._connection.commit()  # what went through no session
            except BaseException:
                session.rollback()
                with contextlib.suppress(sqlite3.Error):
                    self._connection.rollback()
                raise
            finally:
                # To make and to close one takes as long as what most transactions do, without it.
                if session.is_untouched():
                    self._untouched = session
                else:
                    session.close()
            return result
        except _MISTAKES:
            raise
        except DatabaseError as exc:
            raise StorageFailed(str(exc.orig)) from exc
        except sqlite3.DatabaseError as exc:
            raise StorageFailed(str(exc)) from exc

    def _shorten_log(self) -> None:
        """Move what is in the write-ahead log into the database, and cut the log off."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepare(engine: Engine) -> None:
    """Take the lock and make the tables that are missing; a file of another program stays as is."""
    from .schema import prepare

    with engine.begin() as connection:
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        if version not in (0, SCHEMA_VERSION):
            raise DatabaseUnusable(f"it has format {version}; this version reads {SCHEMA_VERSION}")
        present = set(connection.execute(text("SELECT name FROM sqlite_master")).scalars())
        # With the version alone the server was killed while it made them.
        if present and not (version and present & set(Base.metadata.tables)):
            raise DatabaseUnusable("it is another program's")
        connection.execute(text("PRAGMA journal_mode = WAL"))
        connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))
        prepare(connection)
