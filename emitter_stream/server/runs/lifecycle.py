"""The life of runs, their steps and messages: every change of status stands here.

Each method is one transaction's work and returns the objects as they then are, so that what is
sent to a client is always stored already.

Longer than 500 lines: one table of statuses, and each change checks it against all the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ..http.errors import bad_request, not_found
from ..models.model import count_tokens
from ..store import objects
from ..store.file_rows import FileRow
from ..store.objects import Json
from ..store.resources import Equipped
from ..store.run_rows import Log, Run, Step
from ..store.store import (
    ACTIVE,
    AssistantRow,
    ProcessRow,
    RunLogRow,
    RunRow,
    ThreadRow,
    Transaction,
)
from .feed import encode, framed
from .logs import read_events, told_texts
from .tails import Told

Event = tuple[str, Json]

WORKING = ("queued", "in_progress", "cancelling")  # what only a process may leave


class Interrupted(Exception):
    """The run must not go on: it was cancelled, has expired, or the server stops."""


class Disowned(Exception):
    """The run is another process's by now, or nobody's any more: nothing more may be written."""


class LeaseOver(Exception):
    """This process has not renewed its lease in time: what it takes now, others would end."""


@dataclass(frozen=True)
class Ending:
    """How a run ends before its time: `cancelled`, `expired` or `failed` (then with an error)."""

    status: str
    message: str = ""
    code: str = "server_error"

    @property
    def error(self) -> Json | None:
        if self.status != "failed":
            return None
        return {"code": self.code, "message": self.message}

    @property
    def step_error(self) -> Json | None:
        """The same for a step, whose errors have no code for a bad prompt."""
        error = self.error
        if error is not None and error["code"] == "invalid_prompt":
            error["code"] = "server_error"
        return error


@dataclass(frozen=True)
class Context:
    """What a worker needs to ask the model: bodies, oldest first.

    `messages` are role and content of those of the thread that the run may read, `own` those that it
    has written.
    `asides` is what the model gave with its calls, by the calls' ids.
    """

    run: Json
    messages: list[Json]
    own: list[Json]
    steps: list[Json]
    used: Json
    asides: Mapping[str, Json]
    files: tuple[tuple[str, str], ...] = ()  # ids and names of what its code can read


class Lifecycle(Equipped):
    """The work of one transaction of a `process`.

    `told` is what it tells of runs, `over` those that have come to their end.
    """

    def __init__(
        self,
        session: Transaction,
        now: int,
        owner: str | None = None,
        *,
        process: str = "",
        at_work: Callable[[str], bool] = lambda _: False,
    ) -> None:
        super().__init__(session, now, owner)
        self.process = process
        self._at_work = at_work  # the runs that have a worker here, which closes them itself
        self.told: list[Told] = []
        self.over: list[Json] = []
        self._logs: dict[str, Log | None] = {}
        self._runs: dict[str, Run] = {}  # that this transaction has locked

    def delete_thread(self, thread_id: str) -> Json:
        """Delete a thread and all in it; whoever follows a run there has heard its end."""
        for log in self.session.scalars(select(RunLogRow).filter_by(thread_id=thread_id)):
            self.told.append(Told(log.run_id, log.last + 1, (), ended=True))
        return self.delete(ThreadRow, "thread", thread_id)

    # who works on a run, and what it tells

    def log(self, run_id: str) -> Log | None:
        """Return a run's log, which nobody else may change until this transaction is over."""
        if run_id not in self._logs:
            self._logs[run_id] = self.run_rows.log(run_id)
        return self._logs[run_id]

    def _locked(self, run_id: str, thread_id: str | None = None) -> Run:
        """Return a run as it is now; nobody else changes it until this transaction is over."""
        run = self._runs.get(run_id)
        if run is None:
            self.log(run_id)  # in one order, the log first, or two might wait for each other
            run = self.run_rows.run(run_id, thread_id)
            if run is None:
                raise not_found("run", run_id)
            self._runs[run_id] = run
        return run

    def own(self, run_id: str) -> None:
        """Make sure that the run is still this process's; raises `Disowned`."""
        log = self.log(run_id)
        if log is None or log.process != self.process:
            raise Disowned

    def tell(self, run_id: str, events: Sequence[Event], before: Sequence[bytes] = ()) -> None:
        """Store events of a run, behind the frames `before`: they happen in this transaction."""
        frames = [*before, *_frames(events)]
        log = self.log(run_id)
        if log is None or not frames:  # it was made before there were logs
            return
        first = log.last + 1
        log.last += len(frames)
        self.run_rows.save_log(log)
        self.run_rows.add_events(run_id, first, frames)
        self.told.append(Told(run_id, first, frames, log.ended_at is not None))

    def unstored(self, run_id: str, frames: Sequence[bytes], after: int) -> Sequence[bytes]:
        """Return those of `frames` that are not stored yet, behind event number `after`.

        A transaction whose answer was lost may have gone well.
        """
        found = read_events(self.session, run_id, after)
        if found is None:
            return frames
        stored = b"".join(found.frames[max(0, after + 1 - found.first) :])
        # Frames are told apart by their first and last lines. If so many are there, fewer are, too;
        # to compare one by one would take minutes where a hundred thousand are in doubt.
        counts = range(1, len(frames) + 1)
        count = bisect_left(counts, True, key=lambda count: b"".join(frames[:count]) not in stored)
        return frames[count:]

    def check_lease(self) -> None:
        """Make sure that this process may begin something; raises `LeaseOver`."""
        if not self.run_rows.has_lease(self.process):
            raise LeaseOver

    def _take(self, run: Run) -> None:
        """Make a run this process's."""
        self.check_lease()
        log = self.log(run.id)
        if log is None:  # it is new, or was made before there were logs
            log = self._logs[run.id] = Log(run.id, run.thread_id, self.process)
            self.run_rows.add_log(log)
        else:
            log.process = self.process
            self.run_rows.save_log(log)

    # beginnings

    def create_run(self, thread_id: str, params: Json, lifetime: int) -> Json:
        thread = self.body(ThreadRow, thread_id, lock=True)
        assistant = self.body(AssistantRow, params["assistant_id"])
        active = self.run_rows.active_run(thread_id)
        if active is not None:
            raise bad_request(f"Thread {thread_id} already has an active run {active}.")
        messages = params.get("additional_messages")
        if messages:
            self.add_messages(thread_id, messages)
            # What is attached to them may have given the thread a store.
            thread = self.body(ThreadRow, thread_id)
        params = self.settled(params)
        body = objects.run(thread, assistant, params, self.now, lifetime)
        check_tool_choice(body["tool_choice"], body["tools"])
        run = Run(body["id"], thread_id, body["status"], body["expires_at"], body)
        self.run_rows.add_run(run)
        self._logs[run.id], self._runs[run.id] = None, run
        self._take(run)
        return body

    def create_thread_and_run(self, params: Json, lifetime: int) -> tuple[Json, Json]:
        given = params.get("thread") or {}
        thread = self.create_thread(given, {"code_interpreter": {"file_ids": []}})
        return thread, self.create_run(thread["id"], params, lifetime)

    def set_status(self, run: Run, status: str, **fields: Any) -> Json:
        log = self.log(run.id)
        if log is not None and (status == "requires_action" or status not in ACTIVE):
            log.process = None
            log.ended_at = None if status in ACTIVE else self.now
            self.run_rows.save_log(log)
        run.status, run.body = status, {**run.body, "status": status, **fields}
        self.run_rows.save_run(run)
        if status not in ACTIVE:
            self.over.append(run.body)
        return run.body

    def _working(self, run_id: str) -> Run:
        """Return a run that may go on; a cancel that came in between stops the worker here."""
        run = self._locked(run_id)
        if run.status not in ("queued", "in_progress"):
            raise Interrupted
        return run

    def start_run(self, run_id: str) -> Context:
        """Let a queued run begin, or go on; returns what it begins with."""
        run = self._working(run_id)
        is_new = run.body["started_at"] is None
        self.set_status(run, "in_progress", started_at=self.now)
        return self.context(run_id, is_new=is_new)

    def context(self, run_id: str, *, is_new: bool = False) -> Context:
        """Return what a run is asked with; one that `is_new` has done nothing yet."""
        run, rows = self._working(run_id), self.run_rows
        steps = [] if is_new else rows.steps(run_id)
        return Context(
            run=run.body,
            messages=self._readable(run),
            own=[] if is_new else rows.messages(run_id),
            steps=[step.body for step in steps],
            used=_usage(step.usage for step in steps),
            asides={} if is_new else rows.calls(run_id),
            files=self._code_files(run.body),
        )

    def _readable(self, run: Run) -> list[Json]:
        """Return role and content of the thread's messages as far back as the run may read, oldest first.

        From the newest on, so that what it does not read costs nothing, however long the thread is.
        """
        strategy, limit = run.body["truncation_strategy"], run.body["max_prompt_tokens"]
        most = strategy["last_messages"] if strategy["type"] == "last_messages" else None
        others = self.run_rows.others(run.thread_id, run.id)
        if most is None and limit is None:
            return list(others)[::-1]
        bodies: list[Json] = []
        count = tokens = 0
        for body in others:
            bodies.append(body)
            texts = [part["text"]["value"] for part in body["content"] if part["type"] == "text"]
            count += bool(body["content"])  # an empty one is left out
            if limit is not None:
                tokens += sum(map(count_tokens, texts))
            # One more than fits: it is dropped as the API does.
            if count == most or (limit is not None and tokens > limit):
                break
        return bodies[::-1]

    def _code_files(self, run: Json) -> tuple[tuple[str, str], ...]:
        ids = (run["tool_resources"].get("code_interpreter") or {}).get("file_ids") or ()
        if not ids:
            return ()
        query = select(FileRow).where(FileRow.id.in_(ids)).order_by(FileRow.seq)
        return tuple((row.id, row.body["filename"]) for row in self.session.scalars(query))

    # steps

    def open_message(self, run_id: str) -> tuple[Json, Json]:
        """Begin a message; returns the step and the message."""
        run = self._working(run_id).body
        message = objects.run_message(run, self.now)
        details = {
            "type": "message_creation",
            "message_creation": {"message_id": message["id"]},
        }
        self.run_rows.add_message(run["thread_id"], run_id, message)
        return self._open_step(run, details), message

    def open_calls(self, run_id: str) -> Json:
        run = self._working(run_id).body
        return self._open_step(run, {"type": "tool_calls", "tool_calls": []})

    def _open_step(self, run: Json, details: Json) -> Json:
        step = objects.step(run, self.now, details)
        self.run_rows.add_step(step)
        return step

    def save_content(self, message_id: str, content: list[Json]) -> None:
        """Keep what has been written so far, for who reads it."""
        self._change_message(message_id, content=content)

    def _change_message(self, message_id: str, **fields: Any) -> Json:
        body = self.run_rows.message(message_id)
        if body is None:
            raise not_found("message", message_id)
        body.update(fields)
        self.run_rows.save_message(body)
        return body

    def save_calls(self, step_id: str, calls: list[Json], usage: Json | None = None) -> None:
        """Keep what a tool step holds so far; `usage` is what the answer cost, once that is known."""
        self._change_step(self._step(step_id), usage, step_details=_details(calls))

    def _step(self, step_id: str) -> Step:
        step = self.run_rows.step(step_id)
        if step is None:
            raise not_found("run step", step_id)
        return step

    def _change_step(self, step: Step, cost: Json | None, **fields: Any) -> Json:
        step.usage = cost or step.usage
        step.body = {**step.body, **fields}
        self.run_rows.save_step(step)
        return step.body

    def keep_asides(self, run_id: str, asides: Mapping[str, Json]) -> None:
        """Keep what the model wants back with its calls, by the calls' ids."""
        thread_id = self._locked(run_id).thread_id
        for call_id, aside in asides.items():
            self.run_rows.add_call(thread_id, run_id, call_id, aside)

    def finish_message(
        self, step: Json, message_id: str, content: list[Json], usage: Json, *, cut: str | None
    ) -> tuple[Json, Json]:
        """End a message, whole or cut off for the reason `cut`; returns the message and the step."""
        self._working(step["run_id"])
        ended: Json = {"status": "completed", "completed_at": self.now}
        if cut is not None:
            ended = {"status": "incomplete", "incomplete_details": {"reason": cut}}
            ended["incomplete_at"] = self.now
        message = self._change_message(message_id, content=content, **ended)
        return message, self._finish_step(self._step(step["id"]), usage)

    def finish_calls(self, step: Json, calls: list[Json], usage: Json) -> Json:
        """End a tool step whose calls all have their outputs."""
        self._working(step["run_id"])
        return self._finish_step(self._step(step["id"]), usage, step_details=_details(calls))

    def cut_calls(self, step: Json, calls: list[Json], usage: Json) -> Json:
        """End a tool step that was cut off: its calls are not whole and must not be used."""
        self._working(step["run_id"])
        ended = {"status": "cancelled", "cancelled_at": self.now, "usage": usage}
        details = _details(calls)
        return self._change_step(self._step(step["id"]), usage, step_details=details, **ended)

    def _finish_step(self, step: Step, usage: Json | None, **fields: Any) -> Json:
        ended = {"status": "completed", "completed_at": self.now, "usage": usage}
        return self._change_step(step, usage, **fields, **ended)

    # function calls

    def await_outputs(self, step: Json, calls: list[Json], usage: Json) -> Json:
        """Leave the step open until the client has sent its outputs; returns the run."""
        run = self._working(step["run_id"])
        self.save_calls(step["id"], calls, usage)
        wanted = [
            {
                "id": call["id"],
                "type": "function",
                "function": {
                    "name": call["function"]["name"],
                    "arguments": call["function"]["arguments"],
                },
            }
            for call in calls
            if call["type"] == "function"
        ]
        action = {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": wanted},
        }
        return self.set_status(run, "requires_action", required_action=action)

    def submit_outputs(self, thread_id: str, run_id: str, outputs: list[Json]) -> tuple[Json, Json]:
        """Give a waiting run all its outputs; returns the step and the run, queued again."""
        run = self._locked(run_id, thread_id)
        if run.status != "requires_action":
            raise bad_request(f'Runs in status "{run.status}" do not accept tool outputs.')
        wanted = run.body["required_action"]["submit_tool_outputs"]["tool_calls"]
        expected = [call["id"] for call in wanted]
        got = [output.get("tool_call_id") for output in outputs]
        # Compared with their counts: an output that comes twice is one too many.
        if sorted(map(str, got)) != sorted(expected):
            raise bad_request(f"Expected tool outputs for call_ids {expected}, got {got}")
        by_id = {output["tool_call_id"]: output.get("output") or "" for output in outputs}
        step = self._open_steps(run_id)[-1]
        calls = [
            {**call, "function": {**call["function"], "output": by_id[call["id"]]}}
            if call["id"] in by_id
            else call
            for call in step.body["step_details"]["tool_calls"]
        ]
        done = self._finish_step(step, step.usage, step_details=_details(calls))
        self._take(run)
        return done, self.set_status(run, "queued", required_action=None)

    # ends

    def finish_run(self, run_id: str, incomplete: str | None, also: Json | None = None) -> Event:
        """End a run by itself; `incomplete` is the limit that it ran into.

        `also` is the usage of an answer that left no step.
        """
        run = self._working(run_id)
        used = _usage([*(step.usage for step in self.run_rows.steps(run_id)), also])
        fields: Json = {"expires_at": None, "usage": used}
        if incomplete is not None:
            fields["incomplete_details"] = {"reason": incomplete}
            return "thread.run.incomplete", self.set_status(run, "incomplete", **fields)
        ended = self.set_status(run, "completed", completed_at=self.now, **fields)
        return "thread.run.completed", ended

    def mark_cancelling(self, thread_id: str, run_id: str) -> Json:
        run = self._locked(run_id, thread_id)
        if run.status not in ACTIVE:
            raise bad_request(f"Cannot cancel run with status '{run.status}'.")
        if run.status == "requires_action":
            self._take(run)
        body = self.set_status(run, "cancelling", required_action=None)
        self.tell(run_id, [("thread.run.cancelling", body)])
        return body

    def close_run(self, run_id: str, ending: Ending, before: Sequence[bytes] = ()) -> bool:
        """End a run and all that is open in it, and tell it behind the frames `before`.

        Return False if it is over already.
        """
        run = self._locked(run_id)
        if run.status not in ACTIVE:
            return False
        events: list[Event] = []
        for message in self.run_rows.messages(run_id):
            if message["status"] == "in_progress":
                closed = self._change_message(
                    message["id"],
                    status="incomplete",
                    incomplete_details={"reason": f"run_{ending.status}"},
                    incomplete_at=self.now,
                )
                events.append(("thread.message.incomplete", closed))
        times = {f"{ending.status}_at": self.now}
        steps = self.run_rows.steps(run_id)
        for step in steps:
            if step.body["status"] == "in_progress":
                closed = self._change_step(
                    step, None, status=ending.status, last_error=ending.step_error, **times
                )
                events.append((f"thread.run.step.{ending.status}", objects.shown_step(closed)))
        if ending.status == "expired":
            times = {}  # a run, unlike a step, has no expired_at
        body = self.set_status(
            run,
            ending.status,
            last_error=ending.error,
            required_action=None,
            expires_at=None,
            usage=_usage(step.usage for step in steps),
            **times,
        )
        events.append((f"thread.run.{ending.status}", body))
        self.tell(run_id, events, before)
        return True

    def close_due(self, found: list[str]) -> bool:
        """Close the runs whose time is over, as far as nobody else does; they are put into `found`.

        Return whether there is any, closed here or not.

        They wait for tool outputs, or their worker could not store their end.
        """
        over = self.run_rows.due(self.now, self.process)
        for run_id, status in over:
            if not self._at_work(run_id):
                found.append(run_id)
                self.close_run(run_id, Ending("cancelled" if status == "cancelling" else "expired"))
        return bool(over)

    def recover(self) -> None:
        """Close what a server that was killed left in the middle, where there is no other server.

        Runs that wait for tool outputs are not touched: they need no worker and can go on.
        """
        query = select(RunRow.id).where(RunRow.status.in_(WORKING))
        for run_id in self.session.scalars(query).all():
            self._close_lost(run_id)

    def is_alive(self, process: str) -> bool:
        """Return whether another process is there, and renews its lease."""
        return self.session.get(ProcessRow, process) is not None and process != self.process

    def orphans(self) -> list[str]:
        """Return runs whose process is gone: it did not renew its lease."""
        query = (
            select(RunLogRow.run_id)
            .where(RunLogRow.process.is_not(None))
            .where(RunLogRow.process.not_in(select(ProcessRow.id)))
            .limit(100)
        )
        return list(self.session.scalars(query))

    def close_orphan(self, run_id: str) -> None:
        """Close a run whose process is gone, unless somebody did so meanwhile."""
        log = self.log(run_id)
        if log is None or log.process is None:
            return
        if self.session.get(ProcessRow, log.process) is None:
            self._close_lost(run_id)

    def ours(self) -> list[str]:
        """Return the runs of this process."""
        query = select(RunLogRow.run_id).where(RunLogRow.process == self.process)
        return list(self.session.scalars(query))

    def to_cancel(self) -> list[str]:
        """Return the runs of this process that are to be cancelled."""
        query = select(RunRow.id).join(RunLogRow, RunLogRow.run_id == RunRow.id)
        query = query.where(RunLogRow.process == self.process, RunRow.status == "cancelling")
        return list(self.session.scalars(query))

    def _close_lost(self, run_id: str) -> None:
        """Close a run whose process is gone; what it told of a message belongs to that."""
        run = self._locked(run_id)
        ending = Ending("failed", "The server was stopped in the middle of this run.")
        if run.status == "cancelling":
            ending = Ending("cancelled")
        elif run.expires_at <= self.now:
            ending = Ending("expired")
        texts = told_texts(self.session, run_id)
        for message in self.run_rows.messages(run_id):
            if message["status"] == "in_progress" and message["id"] in texts:
                kept = message["content"]
                images = [part for part in kept if part["type"] != "text"]
                marks = [m for p in kept if p["type"] == "text" for m in p["text"]["annotations"]]
                text = texts[message["id"]]
                said = [objects.text_content(text, marks)] if text else []
                self.save_content(message["id"], [*images, *said])
        self.close_run(run_id, ending)

    def _open_steps(self, run_id: str) -> list[Step]:
        steps = self.run_rows.steps(run_id)
        return [step for step in steps if step.body["status"] == "in_progress"]


def _frames(events: Iterable[Event]) -> Iterator[bytes]:
    """Encode events; an object that is told under two names after each other is encoded once."""
    told: Json | None = None
    text = ""
    for event, data in events:
        if data is not told:
            told, text = data, encode(data)
        yield framed(event, text)


def _details(calls: list[Json]) -> Json:
    return {"type": "tool_calls", "tool_calls": calls}


def _usage(used: Iterable[Json | None]) -> Json:
    """Add up what answers cost."""
    parts = [part for part in used if part]
    return objects.usage(
        sum(part["prompt_tokens"] for part in parts),
        sum(part["completion_tokens"] for part in parts),
        sum(part["prompt_token_details"]["cached_tokens"] for part in parts),
        sum(part["completion_tokens_details"]["reasoning_tokens"] for part in parts),
    )


def check_tool_choice(choice: Any, tools: list[dict[str, Any]]) -> None:
    """Refuse a `tool_choice` that names a tool the run does not have."""
    if not isinstance(choice, dict):
        if choice == "required" and not tools:
            raise bad_request(
                "Invalid value for 'tool_choice': 'required' needs at least one tool.",
                "tool_choice",
                "invalid_value",
            )
        return
    if choice["type"] == "function":
        name = choice["function"]["name"]
        if any(t["type"] == "function" and t["function"]["name"] == name for t in tools):
            return
    else:
        name = choice["type"]
        if any(tool["type"] == name for tool in tools):
            return
    raise bad_request(
        f"Invalid value for 'tool_choice': '{name}' is not one of the run's tools.",
        "tool_choice",
        "invalid_value",
    )
