"""How a run's stream goes on after its connection broke: attached to the run, or by asking for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ..._bell import Flag
from ...engine.codec import WireEvent
from ...engine.core import Emission
from ...engine.sources import Source
from ...exceptions import APIError
from .core import _RUN_ENDS, _STEP_ENDS, AssistantCore

__all__ = ["AttachedCore", "Connection", "RunResumption", "missing_events"]

_Ids = tuple[str, str]
"""A run's thread and the run."""


class Connection(Protocol):
    """What a resumption asks of the client."""

    def attached(self, ids: _Ids, after: int) -> Source:
        """Return the events of a run from number ``after + 1`` on."""
        ...

    def polled(self, ids: _Ids, core: AssistantCore, interrupted: Flag) -> Source:
        """Return what ``core`` does not know of a run, once it has settled."""
        ...


class AttachedCore(AssistantCore):
    """The core of a stream that is attached to a run: of the first ``after`` events nobody is told.

    They are taken in, since the snapshots need them.
    """

    def __init__(self, after: int) -> None:
        super().__init__()
        self._untold = after

    def feed(self, event: Any, data: Any) -> Iterable[Emission]:
        """Take an event; see ``AssistantCore.feed``."""
        emissions = super().feed(event, data)
        if self._untold <= 0:
            return emissions
        self._untold -= 1
        for _ in emissions:
            pass
        return ()


class RunResumption:
    """What is known of one stream of a run.

    ``first`` is the number of the stream's first event as the server said it, ``None`` if it did
    not: then it cannot attach. ``ids`` are needed before the first event that has them. ``whole``:
    the stream goes on beyond where the run needs its client, as one that was attached.
    """

    def __init__(
        self,
        core: AssistantCore,
        connection: Connection,
        first: Callable[[], int | None],
        ids: _Ids | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self._core = core
        self._connection = connection
        self._first = first
        self._ids = ids
        self._count = 0
        self._attaches = True
        self._whole = whole

    def passed(self, event: WireEvent) -> bool:
        self._count += 1
        return event[0] in _RUN_ENDS and not (
            self._whole and event[0] == "thread.run.requires_action"
        )

    def is_over(self) -> bool:
        run = self._core.final_run
        if run is None:
            return False
        return not (self._whole and getattr(run, "status", None) == "requires_action")

    def following(self, interrupted: Flag) -> Source | None:
        ids = self._ids = self._ids or _ids_of(self._core.current_run)
        if ids is None:
            return None
        first = self._first()
        if self._attaches and first is not None:
            return self._connection.attached(ids, first - 1 + self._count)
        self._attaches = False
        return self._connection.polled(ids, self._core, interrupted)

    def refused(self, error: APIError) -> bool:
        attached, self._attaches = self._attaches, False
        return attached

    def was_told_nothing(self) -> None:
        """Do nothing: a server that stops ends what is attached to it; another goes on."""


def _ids_of(run: Any) -> _Ids | None:
    data = run.to_dict() if run is not None and hasattr(run, "to_dict") else {}
    ids = (data.get("thread_id"), data.get("id"))
    return ids if all(isinstance(one, str) and one for one in ids) else None  # type: ignore[return-value]


def missing_events(
    core: AssistantCore, run: Any, steps: Iterable[Any], messages: Iterable[Any]
) -> Iterator[WireEvent]:
    """Yield the events that lead from what ``core`` knows of a run to what it is now.

    ``run``, ``steps`` and ``messages`` (both oldest first) are the objects as JSON. A text comes as
    one delta with what is missing at its end.
    """
    by_id = {message["id"]: message for message in messages}
    for step in steps:
        known = core.run_steps.get(step["id"])
        before = {} if known is None else known.to_dict()
        if f"thread.run.step.{before.get('status')}" in _STEP_ENDS:
            continue
        details = step["step_details"]
        if known is None:
            empty = {**details, "tool_calls": []} if "tool_calls" in details else details
            begun = {**step, "status": "in_progress", "step_details": empty}
            yield "thread.run.step.created", begun
            yield "thread.run.step.in_progress", begun
        if details["type"] == "message_creation":
            message = by_id.get(details["message_creation"]["message_id"])
            if message is not None:
                yield from _missing_of_message(core, message)
        else:
            calls = (before.get("step_details") or {}).get("tool_calls") or []
            deltas = _call_deltas(calls, details.get("tool_calls") or [])
            if deltas:
                change = {"step_details": {"type": "tool_calls", "tool_calls": deltas}}
                yield (
                    "thread.run.step.delta",
                    {"id": step["id"], "object": "thread.run.step.delta", "delta": change},
                )
        if f"thread.run.step.{step['status']}" in _STEP_ENDS:
            yield f"thread.run.step.{step['status']}", step
    yield f"thread.run.{run['status']}", run


def _missing_of_message(core: AssistantCore, message: Any) -> Iterator[WireEvent]:
    known = core.messages.get(message["id"])
    before = {} if known is None else known.to_dict()
    if before.get("status") in ("completed", "incomplete"):
        return
    if known is None:
        begun = {**message, "status": "in_progress", "content": []}
        yield "thread.message.created", begun
        yield "thread.message.in_progress", begun
    had = before.get("content") or []
    parts = [
        delta
        for index, part in enumerate(message.get("content") or [])
        if (delta := _part_delta(index, had[index] if index < len(had) else None, part))
    ]
    if parts:
        delta = {"content": parts}
        yield (
            "thread.message.delta",
            {"id": message["id"], "object": "thread.message.delta", "delta": delta},
        )
    if message.get("status") in ("completed", "incomplete"):
        yield f"thread.message.{message['status']}", message


def _part_delta(index: int, had: Any, part: Any) -> Any:
    """Return what is missing of a part of a message's content; ``None`` if nothing is."""
    if had is None:
        return {"index": index, **part}
    if part.get("type") != "text" or had.get("type") != "text":
        return None
    missing = _rest((had.get("text") or {}).get("value"), part["text"].get("value"))
    return {"index": index, "type": "text", "text": {"value": missing}} if missing else None


def _call_deltas(had: list[Any], calls: list[Any]) -> list[Any]:
    deltas: list[Any] = []
    for index, call in enumerate(calls):
        if index >= len(had):
            deltas.append({"index": index, **call})
            continue
        kind, before = call["type"], had[index].get(call["type"]) or {}
        missing: dict[str, Any] = {}
        for field in ("arguments", "input"):
            rest = _rest(before.get(field), (call.get(kind) or {}).get(field))
            if rest:
                missing[field] = rest
        outputs = (call.get(kind) or {}).get("outputs") or []
        new = outputs[len(before.get("outputs") or []) :]
        if new:
            start = len(outputs) - len(new)
            missing["outputs"] = [{"index": start + n, **one} for n, one in enumerate(new)]
        if missing:
            deltas.append({"index": index, "type": kind, kind: missing})
    return deltas


def _rest(had: Any, whole: Any) -> str:
    """Return what is missing of a text; nothing if it became another one."""
    if not isinstance(whole, str):
        return ""
    before = str(had or "")
    return whole[len(before) :] if whole.startswith(before) else ""
