"""Assistants deltas that bring one more piece of the text that the delta before brought.

``growth.py`` recognises them; what they lead to is known in advance, so it is not looked for again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, ClassVar

import attrs

from ..growth import Path
from ..types import (
    AssistantStreamEvent,
    Message,
    MessageContent,
    MessageDelta,
    RunStep,
    RunStepDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from ..types._model import GrowingText
from .delta import growing

__all__ = ["Growth", "TextGrowth", "ToolCallGrowth"]

Emission = tuple[str, tuple[Any, ...]]


@attrs.frozen
class TextGrowth:
    """A text block that grows."""

    event: ClassVar[str] = "thread.message.delta"
    path: ClassVar[Path] = ("delta", "content", 0, "text", "value")
    names: ClassVar[tuple[str, ...]] = ("event", event, "messageDelta", "textDelta")
    counted: ClassVar[int] = 3  # the names without the API's own

    pattern: dict[str, Any]  # the data of the last event that came the long way
    text: GrowingText
    snapshot: Any  # of the text block
    message: Message

    @classmethod
    def after(
        cls, data: dict[str, Any], content: MessageContent | None, message: Message
    ) -> TextGrowth | None:
        """Return how the text of the event just taken may go on, ``None`` for any other event."""
        elements = data["delta"].get("content")
        if content is None or type(elements) is not list or len(elements) != 1:
            return None
        element = elements[0]
        if element.keys() != {"index", "type", "text"} or element["type"] != "text":
            return None
        text = element["text"]
        if type(text) is not dict or text.keys() != {"value"} or type(text["value"]) is not str:
            return None
        return cls(data, growing(content.text._data, "value"), content.text, message)

    def data(self, piece: str) -> dict[str, Any]:
        """Return the event's data with ``piece`` in it."""
        delta = self.pattern["delta"]
        element = {**delta["content"][0], "text": {"value": piece}}
        return {**self.pattern, "delta": {**delta, "content": [element]}}

    def wants_whole(self, wanted: Container[str]) -> bool:
        """Return whether anybody wants more of the event than its text."""
        return "messageDelta" in wanted or "event" in wanted or self.event in wanted

    def bare(self, piece: str) -> Emission:
        """Return the call for those who want the text and nothing else: most do."""
        return "textDelta", (TextDelta({"value": piece}), self.snapshot)

    def again(self, piece: str) -> Iterator[Emission]:
        """Yield every call that the event led to, for a listener that came late."""
        view = AssistantStreamEvent({"event": self.event, "data": self.data(piece)})
        yield "event", (view,)
        yield self.event, (view.data,)
        yield from self.calls(view)

    def calls(self, view: AssistantStreamEvent) -> Iterator[Emission]:
        """Yield the calls that the event leads to, behind those for the event itself."""
        delta = view._data["data"]["delta"]
        yield "messageDelta", (MessageDelta(delta), self.message)
        yield "textDelta", (TextDelta(delta["content"][0]["text"]), self.snapshot)


@attrs.frozen
class ToolCallGrowth:
    """The arguments, or the code, of a tool call that grow."""

    event: ClassVar[str] = "thread.run.step.delta"
    names: ClassVar[tuple[str, ...]] = ("event", event, "toolCallDelta", "runStepDelta")
    counted: ClassVar[int] = 3  # the names without the API's own

    pattern: dict[str, Any]  # the data of the last event that came the long way
    path: Path
    text: GrowingText
    snapshot: ToolCall
    step: RunStep

    @classmethod
    def after(
        cls, data: dict[str, Any], snapshot: ToolCall, step: RunStep
    ) -> ToolCallGrowth | None:
        """Return how the text of the event just taken may go on, ``None`` for any other event."""
        delta = data["delta"]
        if delta.keys() != {"step_details"}:
            return None
        details = delta["step_details"]
        if type(details) is not dict or details.keys() != {"type", "tool_calls"}:
            return None
        if details["type"] != "tool_calls" or len(details["tool_calls"]) != 1:
            return None
        call = details["tool_calls"][0]
        kind = call.get("type")
        if kind not in ("function", "code_interpreter") or call.keys() != {"index", "type", kind}:
            return None
        part = call[kind]
        field = "arguments" if kind == "function" else "input"
        if type(part) is not dict or part.keys() != {field} or type(part[field]) is not str:
            return None
        path = ("delta", "step_details", "tool_calls", 0, kind, field)
        return cls(data, path, growing(snapshot._data[kind], field), snapshot, step)

    def data(self, piece: str) -> dict[str, Any]:
        """Return the event's data with ``piece`` in it."""
        details = self.pattern["delta"]["step_details"]
        kind, field = self.path[-2:]
        call = {**details["tool_calls"][0], kind: {field: piece}}
        return {**self.pattern, "delta": {"step_details": {**details, "tool_calls": [call]}}}

    def wants_whole(self, wanted: Container[str]) -> bool:
        """Return whether anybody wants more of the event than the call's text."""
        return "runStepDelta" in wanted or "event" in wanted or self.event in wanted

    def bare(self, piece: str) -> Emission:
        """Return the call for those who want the tool call and nothing else."""
        call = self.data(piece)["delta"]["step_details"]["tool_calls"][0]
        return "toolCallDelta", (ToolCallDelta(call), self.snapshot)

    def again(self, piece: str) -> Iterator[Emission]:
        """Yield every call that the event led to, for a listener that came late."""
        view = AssistantStreamEvent({"event": self.event, "data": self.data(piece)})
        yield "event", (view,)
        yield self.event, (view.data,)
        yield from self.calls(view)

    def calls(self, view: AssistantStreamEvent) -> Iterator[Emission]:
        """Yield the calls that the event leads to, behind those for the event itself."""
        delta = view._data["data"]["delta"]
        call = delta["step_details"]["tool_calls"][0]
        yield "toolCallDelta", (ToolCallDelta(call), self.snapshot)
        yield "runStepDelta", (RunStepDelta(delta), self.step)


Growth = TextGrowth | ToolCallGrowth
