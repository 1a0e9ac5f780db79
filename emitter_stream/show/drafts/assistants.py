"""Runs of assistants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...engine.core import Emission
from ...recordings import Entry, Recording
from ...streams.assistants.core import AssistantCore
from ...streams.assistants.tool_loop import ToolLoopCore
from ..text import text_of, visible
from ..timeline import Call, Lane, Timeline
from .base import Draft, inside, listed

__all__ = ["AssistantDraft", "input_of", "outputs_of"]


class AssistantDraft(Draft):
    """A run, or a run through several rounds of function calls."""

    core: AssistantCore

    def __init__(self, timeline: Timeline, recording: Recording) -> None:
        super().__init__(timeline, ToolLoopCore() if recording.has_rounds else AssistantCore())
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._calls: dict[str, Call] = {}
        self._call: Call | None = None
        self._running: list[Call | None] = []  # functions that run_tools waits for

    def take(self, calls: Iterable[Emission]) -> None:
        for name, args in calls:
            handle = getattr(self, f"_on_{name}", None)
            if handle is not None:
                handle(*args)

    def taken(self, entry: Entry) -> None:
        name = entry.name if isinstance(entry.name, str) else ""
        if not name.startswith("thread.run.") or name.startswith("thread.run.step."):
            return
        status = name.removeprefix("thread.run.")
        if status != "created":
            self.status(status)
        self.named(entry.data)
        self.tokens(inside(entry.data, "usage", "completion_tokens"))

    def _on_runStepCreated(self, step: Any) -> None:
        label = text_of(step.type).replace("_", " ") or "step"
        self._lanes["step", str(step.id)] = self.lane("step", step.id, label)

    def _on_runStepDone(self, step: Any, _snapshot: Any) -> None:
        self._close("step", step)
        for call in inside(step.to_dict(), "step_details", "tool_calls") or ():
            self._update(call)

    def _on_messageCreated(self, message: Any) -> None:
        label = text_of(message.role) or "message"
        self._lanes["message", str(message.id)] = self.lane("message", message.id, label)

    def _on_messageDone(self, message: Any) -> None:
        lane = self._close("message", message)
        if lane is not None:
            lane.text = "\n".join(_texts(message.to_dict())) or lane.text

    def _close(self, kind: str, thing: Any) -> Lane | None:
        lane = self._lanes.get((kind, str(thing.id)))
        if lane is not None:
            lane.end = self.now
            lane.status = text_of(thing.status)
        return lane

    def _on_textDelta(self, delta: Any, _snapshot: Any) -> None:
        message = self.core.current_message
        lane = None if message is None else self._lanes.get(("message", str(message.id)))
        if lane is not None and isinstance(delta.value, str) and delta.value:
            lane.pieces.append(self.now)
            lane.text += visible(delta.value)

    def _on_toolCallCreated(self, call: Any) -> None:
        data = call.to_dict()
        step = self.core.current_run_step
        lane = None if step is None else self._lanes.get(("step", str(step.id)))
        name = inside(data, "function", "name")
        made = self.call(inside(data, "id"), inside(data, "type"), name, lane)
        key = str(inside(data, "id"))
        if key in self._calls:
            key = f"{key} {made.number}"
        self._calls[key] = self._call = made
        self._update(data, made)
        if made.input:
            made.pieces.append(self.now)

    def _on_toolCallDelta(self, delta: Any, _snapshot: Any) -> None:
        data, call = delta.to_dict(), self._call
        if call is None:
            return
        if input_of(data):
            call.pieces.append(self.now)

    def _on_toolCallDone(self, call: Any) -> None:
        made = self._call
        if made is not None:
            made.end = self.now
            self._update(call.to_dict(), made)

    def _on_functionToolCall(self, call: Any) -> None:
        self._running.append(self._calls.get(str(call.id)))

    def _on_functionToolCallResult(self, output: Any) -> None:
        call = self._running.pop(0) if self._running else None  # they come in the calls' order
        if call is not None:
            call.output = text_of(output)
            call.end = self.now

    def _update(self, data: Any, call: Call | None = None) -> None:
        """Take over what is known of a call's input and output."""
        call = call or self._calls.get(str(inside(data, "id")))
        if call is None:
            return
        call.input = input_of(data) or call.input
        call.output = "\n".join(outputs_of(data)) or call.output


def input_of(call: Any) -> str:
    """Return the arguments or the code of a tool call, or of a delta of one."""
    for path in (("function", "arguments"), ("code_interpreter", "input")):
        given = inside(call, *path)
        if given:
            return text_of(given)
    return ""


def outputs_of(call: Any) -> Iterator[str]:
    """Yield what a tool call gave, each as text to be shown."""
    output = inside(call, "function", "output")
    if output:
        yield text_of(output)
    for item in listed(inside(call, "code_interpreter", "outputs")):
        if inside(item, "type") == "image":
            yield f"[image {text_of(inside(item, 'image', 'file_id'))}]"
        else:
            yield text_of(inside(item, "logs"))
    for item in listed(inside(call, "file_search", "results")):
        yield f"{text_of(inside(item, 'file_name'))} (score {text_of(inside(item, 'score'))})"


def _texts(message: Any) -> Iterator[str]:
    for block in listed(inside(message, "content")):
        kind = inside(block, "type")
        if kind == "text":
            yield text_of(inside(block, "text", "value"))
        else:
            yield f"[{text_of(kind)}]"
