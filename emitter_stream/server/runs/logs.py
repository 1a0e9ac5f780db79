"""The events of runs as they are stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from ..store.store import RunEventsRow, RunLogRow
from .tails import Told

EVENTS_KEPT = 3600  # seconds after a run's end

_COUNT = text(
    "UPDATE run_logs SET last = last + :count WHERE run_id = :run_id AND process = :process"
)
_LAST = text("SELECT last FROM run_logs WHERE run_id = :run_id")
_INSERT = text("INSERT INTO run_events (run_id, first, frames) VALUES (:run_id, :first, :frames)")


@dataclass(frozen=True)
class Events:
    """What was read of a run's log: frames, from number `first` on; `last` is that of the log."""

    first: int
    frames: list[bytes]
    last: int
    ended_at: int | None


def store_pieces(
    session: Session, process: str, pieces: Mapping[str, Sequence[bytes]]
) -> list[Told]:
    """Store frames of runs that belong to a process; the others' are left out of what is returned."""
    told = []
    for run_id, frames in pieces.items():
        counted = {"run_id": run_id, "process": process, "count": len(frames)}
        if session.execute(_COUNT, counted).rowcount != 1:  # type: ignore[attr-defined]
            continue
        first = session.execute(_LAST, {"run_id": run_id}).scalar_one() - len(frames) + 1
        session.execute(_INSERT, {"run_id": run_id, "first": first, "frames": b"".join(frames)})
        told.append(Told(run_id, first, frames))
    return told


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
    frames = [part + b"\n\n" for row in rows for part in row.frames.split(b"\n\n")[:-1]]
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
