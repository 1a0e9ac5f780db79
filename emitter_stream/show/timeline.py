"""What happened in a recorded run, and when: lanes, tool calls, and the figures over all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..exceptions import OpenAIError
from ..recordings import Entry, Recording
from ..streams.assistants.core import AssistantCore
from ..streams.assistants.tool_loop import ToolLoopCore
from .text import text_of, visible

__all__ = ["Call", "Lane", "Timeline", "input_of", "outputs_of"]


@attrs.define
class Lane:
    """A run step or a message. Times are in seconds since the request was sent.

    ``end`` is ``None`` if it did not end; ``pieces`` are the times at which its deltas came.
    """

    kind: str  # "step" or "message"
    number: int
    id: str
    label: str
    start: float
    end: float | None = None
    status: str = ""
    pieces: list[float] = attrs.field(factory=list)
    text: str = ""


@attrs.define
class Call:
    """A tool call. ``input`` and ``output`` are empty where there was none."""

    number: int
    id: str
    type: str
    name: str
    lane: Lane | None
    start: float
    end: float | None = None
    input: str = ""
    output: str = ""
    pieces: list[float] = attrs.field(factory=list)


@attrs.define
class Timeline:
    """A whole recording. ``statuses`` are the run's, each with the time it began."""

    path: str
    created: str = ""
    torn: bool = False
    ended: bool = False  # whether the recording has its end
    error: str | None = None
    connected: float | None = None
    duration: float = 0.0
    events: int = 0
    run_id: str = ""
    model: str = ""
    status: str = ""
    statuses: list[tuple[float, str]] = attrs.field(factory=list)
    lanes: list[Lane] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)
    completion_tokens: int | None = None

    @classmethod
    def of(cls, recording: Recording) -> Timeline:
        """Read a recording to its end, or to where it is no run any more (``error``)."""
        timeline = cls(
            path=visible(recording.path),
            created=text_of(recording.header.get("created")),
            torn=recording.torn,
        )
        _Draft(timeline, ToolLoopCore() if recording.has_rounds else AssistantCore()).read(
            recording
        )
        return timeline

    @property
    def spans(self) -> list[tuple[float, float, str]]:
        """From when to when the run was in which status."""
        ends = [t for t, _ in self.statuses[1:]] + [self.duration]
        return [
            (start, end, status) for (start, status), end in zip(self.statuses, ends, strict=False)
        ]

    @property
    def pieces(self) -> list[float]:
        """When each piece of the model's output came: of text, of arguments, of code."""
        return sorted(t for pieces in self._spans() for t in pieces)

    @property
    def first_token(self) -> float | None:
        """Seconds from the request to the first piece of output."""
        return min(self.pieces, default=None)

    @property
    def rate(self) -> float | None:
        """Pieces a second, over the time in which they came; ``None`` if that is no time."""
        spans = [pieces for pieces in self._spans() if len(pieces) > 1]
        time = sum(pieces[-1] - pieces[0] for pieces in spans)
        # Each span has one gap fewer than pieces.
        return sum(len(pieces) - 1 for pieces in spans) / time if time > 0 else None

    def _spans(self) -> list[list[float]]:
        return [lane.pieces for lane in self.lanes] + [call.pieces for call in self.calls]


class _Draft:
    """A timeline while it is being made."""

    def __init__(self, timeline: Timeline, core: AssistantCore) -> None:
        self._timeline = timeline
        self._core = core
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._calls: dict[str, Call] = {}
        self._call: Call | None = None
        self._running: list[Call | None] = []  # functions that run_tools waits for
        self._now = 0.0

    def read(self, recording: Recording) -> None:
        timeline = self._timeline
        try:
            for entry in recording.entries():
                self._now = timeline.duration = entry.t
                self._take(entry)
                if entry.error is not None:
                    raise entry.error
            for _ in self._core.finish():
                pass
        except OpenAIError as error:
            timeline.error = visible(f"{type(error).__name__}: {error}")
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            # The stream would end in an error here as well.
            timeline.error = visible(f"the events make no sense: {type(error).__name__}: {error}")

    def _take(self, entry: Entry) -> None:
        timeline = self._timeline
        if entry.kind == "connect":
            timeline.connected = entry.t
        elif entry.kind == "end":
            timeline.ended = True
        else:
            timeline.events += not entry.made
            event = self._core.made.get(entry.name, entry.name) if entry.made else entry.name
            for name, args in self._core.feed(event, entry.data):
                handle = getattr(self, f"_on_{name}", None)
                if handle is not None:
                    handle(*args)
            what = entry.name if isinstance(entry.name, str) else ""
            if what.startswith("thread.run.") and not what.startswith("thread.run.step."):
                self._run(what.removeprefix("thread.run."), entry.data)

    def _run(self, status: str, data: Any) -> None:
        timeline = self._timeline
        if status != "created":
            timeline.status = visible(status)
            timeline.statuses.append((self._now, timeline.status))
        timeline.run_id = text_of(_in(data, "id")) or timeline.run_id
        timeline.model = text_of(_in(data, "model")) or timeline.model
        tokens = _in(data, "usage", "completion_tokens")
        if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens < 10**12:
            timeline.completion_tokens = tokens

    def _lane(self, kind: str, identifier: Any, label: str) -> Lane:
        number = 1 + sum(known == kind for known, _ in self._lanes)
        lane = Lane(kind, number, text_of(identifier), label, self._now)
        self._lanes[kind, str(identifier)] = lane
        self._timeline.lanes.append(lane)
        return lane

    def _on_runStepCreated(self, step: Any) -> None:
        self._lane("step", step.id, text_of(step.type).replace("_", " ") or "step")

    def _on_runStepDone(self, step: Any, _snapshot: Any) -> None:
        self._close("step", step)
        for call in _in(step.to_dict(), "step_details", "tool_calls") or ():
            self._update(call)

    def _on_messageCreated(self, message: Any) -> None:
        self._lane("message", message.id, text_of(message.role) or "message")

    def _on_messageDone(self, message: Any) -> None:
        lane = self._close("message", message)
        if lane is not None:
            lane.text = "\n".join(_texts(message.to_dict())) or lane.text

    def _close(self, kind: str, thing: Any) -> Lane | None:
        lane = self._lanes.get((kind, str(thing.id)))
        if lane is not None:
            lane.end = self._now
            lane.status = text_of(thing.status)
        return lane

    def _on_textDelta(self, delta: Any, _snapshot: Any) -> None:
        message = self._core.current_message
        lane = None if message is None else self._lanes.get(("message", str(message.id)))
        if lane is not None and isinstance(delta.value, str) and delta.value:
            lane.pieces.append(self._now)
            lane.text += visible(delta.value)

    def _on_toolCallCreated(self, call: Any) -> None:
        data = call.to_dict()
        step = self._core.current_run_step
        lane = None if step is None else self._lanes.get(("step", str(step.id)))
        kind = text_of(_in(data, "type"))
        name = text_of(_in(data, "function", "name")) or kind.replace("_", " ") or "tool"
        made = Call(len(self._calls) + 1, text_of(_in(data, "id")), kind, name, lane, self._now)
        key = str(_in(data, "id"))
        if key in self._calls:
            key = f"{key} {made.number}"
        self._calls[key] = self._call = made
        self._timeline.calls.append(made)
        self._update(data, made)
        if made.input:
            made.pieces.append(self._now)

    def _on_toolCallDelta(self, delta: Any, _snapshot: Any) -> None:
        data, call = delta.to_dict(), self._call
        if call is None:
            return
        if input_of(data):
            call.pieces.append(self._now)

    def _on_toolCallDone(self, call: Any) -> None:
        made = self._call
        if made is not None:
            made.end = self._now
            self._update(call.to_dict(), made)

    def _on_functionToolCall(self, call: Any) -> None:
        self._running.append(self._calls.get(str(call.id)))

    def _on_functionToolCallResult(self, output: Any) -> None:
        call = self._running.pop(0) if self._running else None  # they come in the calls' order
        if call is not None:
            call.output = text_of(output)
            call.end = self._now

    def _update(self, data: Any, call: Call | None = None) -> None:
        """Take over what is known of a call's input and output."""
        call = call or self._calls.get(str(_in(data, "id")))
        if call is None:
            return
        call.input = input_of(data) or call.input
        call.output = "\n".join(outputs_of(data)) or call.output


def input_of(call: Any) -> str:
    """Return the arguments or the code of a tool call, or of a delta of one."""
    for path in (("function", "arguments"), ("code_interpreter", "input")):
        given = _in(call, *path)
        if given:
            return text_of(given)
    return ""


def outputs_of(call: Any) -> Iterator[str]:
    """Yield what a tool call gave, each as text to be shown."""
    output = _in(call, "function", "output")
    if output:
        yield text_of(output)
    for item in _list(_in(call, "code_interpreter", "outputs")):
        if _in(item, "type") == "image":
            yield f"[image {text_of(_in(item, 'image', 'file_id'))}]"
        else:
            yield text_of(_in(item, "logs"))
    for item in _list(_in(call, "file_search", "results")):
        yield f"{text_of(_in(item, 'file_name'))} (score {text_of(_in(item, 'score'))})"


def _texts(message: Any) -> Iterator[str]:
    for block in _list(_in(message, "content")):
        kind = _in(block, "type")
        if kind == "text":
            yield text_of(_in(block, "text", "value"))
        else:
            yield f"[{text_of(kind)}]"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _in(value: Any, *path: str) -> Any:
    """Return what stands at ``path`` in nested objects, ``None`` if there is no such place."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
