"""The events of runs as they are stored."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from ..store.store import RunEventsRow, RunLogRow, Transaction
from .tails import Told

EVENTS_KEPT = 3600  # seconds after a run's end

# What is done for every delta is written for each database: in one go for all runs, and without
# what SQLAlchemy does for a statement, which would cost more than the rest.
_IN_ONE = """
WITH given AS (
    SELECT * FROM unnest(%s::text[], %s::int[], %s::bytea[]) AS given (run_id, count, frames)
), counted AS (
    UPDATE run_logs SET last = last + given.count FROM given
    WHERE run_logs.run_id = given.run_id AND run_logs.process = %s
    RETURNING run_logs.run_id, run_logs.last - given.count + 1 AS first, given.frames
), stored AS (
    INSERT INTO run_events (run_id, first, frames) SELECT run_id, first, frames FROM counted
)
SELECT run_id, first FROM counted
"""
_LASTS = "SELECT run_id, last FROM run_logs WHERE process = ? AND run_id IN (%s)"
_COUNT = "UPDATE run_logs SET last = ? WHERE run_id = ?"
_LOGS = "SELECT run_id, last, ended_at FROM run_logs WHERE run_id = ANY(%s)"
_NEW = """
SELECT run_events.run_id, run_events.first, run_events.frames
FROM unnest(%s::text[], %s::int[]) AS given (run_id, next)
JOIN run_events ON run_events.run_id = given.run_id AND run_events.first >= given.next
ORDER BY run_events.run_id, run_events.first
"""
_MOST = 500  # runs in one statement of SQLite, which takes so many parameters and not many more
_INSERT = "INSERT INTO run_events (run_id, first, frames) VALUES (?, ?, ?)"


@dataclass(frozen=True)
class Events:
    """What was read of a run's log: frames, from number `first` on; `last` is that of the log."""

    first: int
    frames: list[bytes]
    last: int
    ended_at: int | None


def store_pieces(
    session: Transaction, process: str, pieces: Mapping[str, Sequence[bytes]]
) -> list[Told]:
    """Store frames of runs that belong to a process; the others' are left out of what is returned."""
    if not pieces:
        return []
    direct = session.direct
    if direct is not None:
        stored = _store_in_three(direct, process, pieces)
    else:
        stored = _store_in_one(session.connection(), process, pieces)
    return [Told(run_id, first, pieces[run_id]) for run_id, first in stored]


def _store_in_one(
    connection: Connection, process: str, pieces: Mapping[str, Sequence[bytes]]
) -> list[tuple[str, int]]:
    counts = [len(frames) for frames in pieces.values()]
    joined = [b"".join(frames) for frames in pieces.values()]
    found = connection.exec_driver_sql(_IN_ONE, (list(pieces), counts, joined, process))
    return [(run_id, first) for run_id, first in found]


def _store_in_three(
    connection: sqlite3.Connection, process: str, pieces: Mapping[str, Sequence[bytes]]
) -> list[tuple[str, int]]:
    stored: list[tuple[str, int]] = []
    for start in range(0, len(pieces), _MOST):
        run_ids = list(pieces)[start : start + _MOST]
        query = _LASTS % ", ".join("?" * len(run_ids))
        lasts = connection.execute(query, (process, *run_ids)).fetchall()
        counts = [(last + len(pieces[run_id]), run_id) for run_id, last in lasts]
        connection.executemany(_COUNT, counts)
        added = [(run_id, last + 1, b"".join(pieces[run_id])) for run_id, last in lasts]
        connection.executemany(_INSERT, added)
        stored += [(run_id, last + 1) for run_id, last in lasts]
    return stored


def read_new_events(
    session: Session, nexts: Mapping[str, int]
) -> Iterator[tuple[str, Events | None]]:
    """Read the events of several runs, of each from the number on that is wanted next.

    This is for PostgreSQL, where others tell of them many times a second.
    """
    connection = session.connection()
    logs = {
        run_id: (last, ended_at)
        # Before the events: if a run is over here, all its events are there.
        for run_id, last, ended_at in connection.exec_driver_sql(_LOGS, (list(nexts),))
    }
    rows: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    given = (list(nexts), list(nexts.values()))
    for run_id, first, frames in connection.exec_driver_sql(_NEW, given):
        rows[run_id].append((first, frames))
    for run_id, wanted in nexts.items():
        if run_id not in logs:
            yield run_id, None
            continue
        last, ended_at = logs[run_id]
        found = rows[run_id]
        if found and found[0][0] == wanted:
            yield run_id, Events(wanted, _split(frames for _, frames in found), last, ended_at)
        elif found or last >= wanted:  # it is wanted from the middle of a row on
            yield run_id, read_events(session, run_id, wanted - 1)
        elif ended_at is not None:
            yield run_id, Events(wanted, [], last, ended_at)


def _split(joined: Iterable[bytes]) -> list[bytes]:
    return [part + b"\n\n" for frames in joined for part in bytes(frames).split(b"\n\n")[:-1]]


def read_events(session: Session, run_id: str, after: int) -> Events | None:
    """Return a run's events from number `after + 1` on; None if they are not kept any more."""
    log = session.get(RunLogRow, run_id)
    if log is None:
        return None
    begin = (
        select(func.max(RunEventsRow.first))
        .where(RunEventsRow.run_id == run_id, RunEventsRow.first <= after + 1)
        .scalar_subquery()
    )
    query = (
        select(RunEventsRow.first, RunEventsRow.frames)
        .where(RunEventsRow.run_id == run_id, RunEventsRow.first >= func.coalesce(begin, 0))
        .order_by(RunEventsRow.first)
    )
    rows = session.execute(query).all()
    frames = _split(row.frames for row in rows)
    return Events(rows[0].first if rows else log.last + 1, frames, log.last, log.ended_at)


def told_texts(session: Session, run_id: str) -> dict[str, str]:
    """Return what was told of the texts of a run's messages, by the messages' ids."""
    pieces: dict[str, list[str]] = defaultdict(list)
    found = read_events(session, run_id, 0)
    head = b"event: thread.message.delta\ndata: "
    for one in found.frames if found is not None else ():
        if one.startswith(head):
            data = json.loads(one[len(head) :])
            for part in data["delta"].get("content") or ():
                pieces[data["id"]].append(part.get("text", {}).get("value") or "")
    return {message: "".join(texts) for message, texts in pieces.items()}


def forget_events(session: Session, now: int) -> None:
    """Delete the events of runs that ended long ago."""
    session.execute(delete(RunLogRow).where(RunLogRow.ended_at <= now - EVENTS_KEPT))
