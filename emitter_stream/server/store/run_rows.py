"""The rows of runs as their work needs them: by statements of their own, not by the ORM.

A run takes some twenty statements. Through the ORM these were nearly all that a short run cost.
Each row that is changed is locked before, where others may change it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .objects import Json
from .store import IS_ACTIVE, Owned, Transaction

_LOG = "SELECT thread_id, process, last, ended_at FROM run_logs WHERE run_id = ?"
_RUN = "SELECT thread_id, status, expires_at, body FROM runs WHERE id = ?"
_OWNED = " AND EXISTS (SELECT 1 FROM threads WHERE threads.id = runs.thread_id AND owner = ?)"
_BODY = "SELECT body FROM %s WHERE id = ?"
_ACTIVE_RUN = f"SELECT id FROM runs WHERE thread_id = ? AND {IS_ACTIVE}"
_DUE = (
    "SELECT runs.id, runs.status FROM runs LEFT JOIN run_logs ON run_logs.run_id = runs.id "
    f"WHERE {IS_ACTIVE} AND expires_at <= ? AND (process IS NULL OR process = ?)"
)
_LEASE = (
    "SELECT id FROM processes "
    "WHERE id = ? AND until > extract(epoch FROM clock_timestamp())::float8"
)
_MESSAGE = "SELECT body FROM messages WHERE id = ?"
_MESSAGES = "SELECT id, body FROM messages WHERE run_id = ? ORDER BY seq"
# As text of JSON, so that a page is parsed at once. Of SQLite role and content alone are asked for:
# that takes a fifth of the time. PostgreSQL cannot do so where a text has a zero in it.
_SAID = {True: "json_extract(body, '$.role', '$.content')", False: "CAST(body AS text)"}
_OTHERS = (
    "SELECT seq, %s FROM messages WHERE thread_id = ? AND (run_id IS NULL OR run_id <> ?) "
    "AND seq < ? ORDER BY seq DESC LIMIT ?"
)
_NEWEST = 2**62  # no message has such a number
_STEPS = "SELECT id, body, usage FROM steps WHERE run_id = ? ORDER BY seq"
_STEP = "SELECT id, body, usage FROM steps WHERE id = ?"
_CALLS = "SELECT id, body FROM model_calls WHERE run_id = ?"


@dataclass
class Log:
    """Who works on a run, and how many events it has told; see `RunLogRow`."""

    run_id: str
    thread_id: str
    process: str | None
    last: int = 0
    ended_at: int | None = None


@dataclass
class Run:
    id: str
    thread_id: str
    status: str
    expires_at: int
    body: Json


@dataclass
class Step:
    id: str
    body: Json
    usage: Json | None


class RunRows:
    """The rows of runs as one transaction sees them."""

    def __init__(self, session: Transaction) -> None:
        self._session = session
        self._sql = session.sql

    def owned(self, table: type[Owned], object_id: str, *, lock: bool = False) -> Json | None:
        """Return the body of a thread or an assistant, one of the owner's."""
        if "\0" in object_id:
            return None
        query, given = _BODY % table.__tablename__, [object_id]
        if self._session.owner is not None:
            query, given = f"{query} AND owner = ?", [object_id, self._session.owner]
        found = self._sql(self._session.locking(query) if lock else query, *given)
        return _read(found[0][0]) if found else None

    def log(self, run_id: str) -> Log | None:
        """Return a run's log, which nobody else may change until this transaction is over."""
        if "\0" in run_id:
            return None
        found = self._sql(self._session.locking(_LOG, "UPDATE"), run_id)
        return Log(run_id, *found[0]) if found else None

    def add_log(self, log: Log) -> None:
        self._sql(
            "INSERT INTO run_logs (run_id, thread_id, process, last) VALUES (?, ?, ?, ?)",
            log.run_id,
            log.thread_id,
            log.process,
            log.last,
        )

    def save_log(self, log: Log) -> None:
        self._sql(
            "UPDATE run_logs SET process = ?, last = ?, ended_at = ? WHERE run_id = ?",
            log.process,
            log.last,
            log.ended_at,
            log.run_id,
        )

    def add_events(self, run_id: str, first: int, frames: Iterable[bytes]) -> None:
        self._sql(
            "INSERT INTO run_events (run_id, first, frames) VALUES (?, ?, ?)",
            run_id,
            first,
            b"".join(frames),
        )

    def run(self, run_id: str, thread_id: str | None = None) -> Run | None:
        """Return a run, one of the owner's whose transaction this is; locked."""
        if "\0" in run_id:
            return None
        query, given = _RUN, [run_id]
        if self._session.owner is not None:
            query, given = query + _OWNED, [run_id, self._session.owner]
        found = self._sql(self._session.locking(query), *given)
        if not found or thread_id not in (None, found[0][0]):
            return None
        thread, status, expires_at, body = found[0]
        return Run(run_id, thread, status, expires_at, _read(body))

    def add_run(self, run: Run) -> None:
        self._sql(
            "INSERT INTO runs (id, thread_id, status, expires_at, body) VALUES (?, ?, ?, ?, ?)",
            run.id,
            run.thread_id,
            run.status,
            run.expires_at,
            json.dumps(run.body),
        )

    def save_run(self, run: Run) -> None:
        self._sql(
            "UPDATE runs SET status = ?, body = ? WHERE id = ?",
            run.status,
            json.dumps(run.body),
            run.id,
        )

    def has_lease(self, process: str) -> bool:
        """Return whether what a process takes is its own; where it is the only one, always."""
        return self._session.direct is not None or bool(self._sql(_LEASE, process))

    def active_run(self, thread_id: str) -> str | None:
        """Return the id of a thread's active run. There is an index of just these."""
        found = self._sql(_ACTIVE_RUN, thread_id)
        return found[0][0] if found else None

    def due(self, now: int, process: str) -> list[tuple[str, str]]:
        """Return the ids and statuses of runs whose time is over: a process's, and nobody's."""
        return [(run_id, status) for run_id, status in self._sql(_DUE, now, process)]

    def message(self, message_id: str) -> Json | None:
        """Return a message's body, locked."""
        found = self._sql(self._session.locking(_MESSAGE), message_id)
        return _read(found[0][0]) if found else None

    def messages(self, run_id: str) -> list[Json]:
        """Return the bodies of what a run has written, oldest first."""
        return [_read(body) for _, body in self._sql(_MESSAGES, run_id)]

    def others(self, thread_id: str, run_id: str) -> Iterator[Json]:
        """Yield the role and content of a thread's messages that are not the run's, newest first.

        In pages, so that what is not wanted is not read.
        """
        on_sqlite = self._session.direct is not None
        before, size = _NEWEST, 32
        while True:
            found = self._sql(_OTHERS % _SAID[on_sqlite], thread_id, run_id, before, size)
            said = json.loads(f"[{','.join([one for _, one in found])}]")
            if on_sqlite:
                said = [{"role": role, "content": content} for role, content in said]
            yield from said
            if len(found) < size:
                return
            before, size = found[-1][0], size * 4

    def add_message(self, thread_id: str, run_id: str, body: Json) -> None:
        self._sql(
            "INSERT INTO messages (id, thread_id, run_id, body) VALUES (?, ?, ?, ?)",
            body["id"],
            thread_id,
            run_id,
            json.dumps(body),
        )

    def save_message(self, body: Json) -> None:
        self._sql("UPDATE messages SET body = ? WHERE id = ?", json.dumps(body), body["id"])

    def step(self, step_id: str) -> Step | None:
        return next(_steps(self._sql(_STEP, step_id)), None)

    def steps(self, run_id: str) -> list[Step]:
        """Return a run's steps, oldest first."""
        return list(_steps(self._sql(_STEPS, run_id)))

    def add_step(self, body: Json) -> None:
        self._sql(
            "INSERT INTO steps (id, thread_id, run_id, body, usage) VALUES (?, ?, ?, ?, ?)",
            body["id"],
            body["thread_id"],
            body["run_id"],
            json.dumps(body),
            json.dumps(None),
        )

    def save_step(self, step: Step) -> None:
        self._sql(
            "UPDATE steps SET body = ?, usage = ? WHERE id = ?",
            json.dumps(step.body),
            json.dumps(step.usage),
            step.id,
        )

    def calls(self, run_id: str) -> dict[str, Json]:
        """Return what the model gave with a run's calls, by the calls' ids."""
        return {call_id: _read(body) for call_id, body in self._sql(_CALLS, run_id)}

    def add_call(self, thread_id: str, run_id: str, call_id: str, body: Json) -> None:
        self._sql(
            "INSERT INTO model_calls (id, thread_id, run_id, body) VALUES (?, ?, ?, ?)",
            call_id,
            thread_id,
            run_id,
            json.dumps(body),
        )


def _steps(found: Sequence[Sequence[Any]]) -> Iterator[Step]:
    for step_id, body, usage in found:
        yield Step(step_id, _read(body), _read(usage))


def _read(value: Any) -> Any:
    """Return what is in a column of JSON: some drivers have read it already."""
    return json.loads(value) if isinstance(value, (str, bytes)) else value
