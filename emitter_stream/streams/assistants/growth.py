"""Assistants deltas that bring one more piece of the text that the delta before brought.

What they lead to is known in advance, so it is not looked for again. ``engine/growth.py`` recognises most
by their bytes, and gives the piece alone; ``next`` recognises the others (of a server that numbers
its events, say) by their shape.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any, ClassVar

import attrs

from ...engine.growth import Path, with_piece
from ...types import (
    Message,
    MessageContent,
    MessageDelta,
    RunStep,
    RunStepDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    event_data_class,
)
from ...types._model import GrowingText, _new, _set_data, _set_views, plain_copy, shared_view
from ...types.assistants.event import EventView
from .delta import growing
from .events import EACH, PIECE

__all__ = ["Growth", "TextGrowth", "ToolCallGrowth"]

Emission = tuple[str, tuple[Any, ...]]


@attrs.define
class TextGrowth:
    """A text block that grows."""

    event: ClassVar[str] = "thread.message.delta"
    path: ClassVar[Path] = ("delta", "content", 0, "text", "value")
    names: ClassVar[tuple[str, ...]] = (EACH, "event", event, "messageDelta", PIECE, "textDelta")
    counted: ClassVar[int] = 3  # the names without the API's own

    # The data of the last event that came whole, or as that, with any text and id.
    pattern: dict[str, Any]
    message_id: Any
    piece: str | None  # that it brought, where it is that event's own
    template: dict[str, Any]  # the object that the piece stands in
    text: GrowingText
    snapshot: Any  # of the text block
    message: Message

    @classmethod
    def after(
        cls, data: dict[str, Any], content: MessageContent | None, message: Message
    ) -> TextGrowth | None:
        """Return how the text of the event just taken may go on, ``None`` for any other event."""
        if _text_in(data) is None or content is None or not isinstance(content.text, Text):
            return None
        snapshot = content.text
        text = growing(snapshot._data, "value")
        if text is None:
            return None
        pattern = _common(data)
        template = pattern["delta"]["content"][0]["text"]
        return cls(pattern, data["id"], None, template, text, snapshot, message)

    def next(self, data: Any) -> TextGrowth | None:
        """Return how it goes on after ``data``, ``None`` if that is more than the text's next piece."""
        piece = _text_in(data)
        if piece is None or data.get("id") != self.message_id:
            return None
        element = data["delta"]["content"][0]
        text = element["text"]
        if element["index"] != self.pattern["delta"]["content"][0]["index"]:
            return None
        if len(text) != len(self.template):  # with or without annotations
            return None
        return TextGrowth(
            data, self.message_id, piece, text, self.text, self.snapshot, self.message
        )

    def data(self, piece: str) -> dict[str, Any]:
        """Return the event's data with ``piece`` in it."""
        if piece is self.piece:
            return self.pattern
        # `copy` and not `{**...}`: it takes two thirds of the time.
        data = self.pattern.copy()
        data["id"] = self.message_id
        delta = data["delta"] = data["delta"].copy()
        element = delta["content"][0].copy()
        text = element["text"] = self.template.copy()
        text["value"] = piece
        delta["content"] = [element]
        return data

    def wants_whole(self, wanted: Container[str]) -> bool:
        """Return whether anybody wants more of the event than its text."""
        return "messageDelta" in wanted or "event" in wanted or self.event in wanted

    def is_heard(self, listened: Container[str]) -> bool:
        """Return whether anybody listens to one of ``calls``."""
        return "textDelta" in listened or "messageDelta" in listened

    def bare(self, piece: str, listened: Container[str]) -> tuple[Emission, ...]:
        """Return the calls for those who want the text and nothing else: most do."""
        calls: tuple[Emission, ...] = ()
        if "textDelta" in listened:
            # Here, where most deltas are made, without the call of a function to make it.
            delta = _new(TextDelta)
            alone = len(self.template) == 1
            _set_data(delta, {"value": piece} if alone else {**self.template, "value": piece})
            _set_views(delta, None)
            calls = (("textDelta", (delta, self.snapshot)),)
        if PIECE in listened and piece:
            calls = ((PIECE, (piece,)), *calls)
        if EACH in listened:
            calls = ((EACH, (self, piece)), *calls)
        return calls

    def again(self, piece: str) -> Iterator[Emission]:
        """Yield every call that the event led to, for a listener that came late."""
        data = self.data(piece)
        yield EACH, (self, piece)
        yield "event", (EventView({"event": self.event, "data": data}),)
        yield self.event, (shared_view(event_data_class(self.event), data),)
        whole, text = self.calls(data)
        yield whole
        if piece:
            yield PIECE, (piece,)
        yield text

    def calls(self, data: dict[str, Any]) -> tuple[Emission, ...]:
        """Return the calls that the event leads to, behind those for the event itself."""
        delta = data["delta"]
        whole, text = _new(MessageDelta), _new(TextDelta)  # as in `bare`
        _set_data(whole, delta)
        _set_views(whole, None)
        _set_data(text, delta["content"][0]["text"])
        _set_views(text, None)
        return ("messageDelta", (whole, self.message)), ("textDelta", (text, self.snapshot))


@attrs.define
class ToolCallGrowth:
    """The arguments, or the code, of a tool call that grow."""

    event: ClassVar[str] = "thread.run.step.delta"
    names: ClassVar[tuple[str, ...]] = (EACH, "event", event, "toolCallDelta", "runStepDelta")
    counted: ClassVar[int] = 3  # the names without the API's own

    pattern: dict[str, Any]  # the data of the last event that came whole
    piece: str  # that it brought
    path: Path
    text: GrowingText
    snapshot: ToolCall
    step: RunStep

    @classmethod
    def after(
        cls, data: dict[str, Any], snapshot: ToolCall, step: RunStep
    ) -> ToolCallGrowth | None:
        """Return how the text of the event just taken may go on, ``None`` for any other event."""
        kind = _kind_of_call_in(data)
        if kind is None:
            return None
        field = _CALL_FIELDS[kind]
        piece = data["delta"]["step_details"]["tool_calls"][0][kind][field]
        path = ("delta", "step_details", "tool_calls", 0, kind, field)
        text = growing(snapshot._data.get(kind), field)
        if text is None:
            return None
        return cls(data, piece, path, text, snapshot, step)

    def next(self, data: Any) -> ToolCallGrowth | None:
        """Return how it goes on after ``data``, ``None`` if that is more than the text's next piece."""
        kind, field = self.path[-2:]
        if _kind_of_call_in(data) != kind or data.get("id") != self.pattern["id"]:
            return None
        call = data["delta"]["step_details"]["tool_calls"][0]
        if call["index"] != self.pattern["delta"]["step_details"]["tool_calls"][0]["index"]:
            return None
        piece = call[kind][field]
        return ToolCallGrowth(data, piece, self.path, self.text, self.snapshot, self.step)

    def data(self, piece: str) -> dict[str, Any]:
        """Return the event's data with ``piece`` in it."""
        if piece is self.piece:
            return self.pattern
        details = self.pattern["delta"]["step_details"]
        kind, field = self.path[-2:]
        call = {**details["tool_calls"][0], kind: {field: piece}}
        return {**self.pattern, "delta": {"step_details": {**details, "tool_calls": [call]}}}

    def wants_whole(self, wanted: Container[str]) -> bool:
        """Return whether anybody wants more of the event than the call's text."""
        return "runStepDelta" in wanted or "event" in wanted or self.event in wanted

    def is_heard(self, listened: Container[str]) -> bool:
        """Return whether anybody listens to one of ``calls``."""
        return "toolCallDelta" in listened or "runStepDelta" in listened

    def bare(self, piece: str, listened: Container[str]) -> tuple[Emission, ...]:
        """Return the calls for those who want the tool call and nothing else."""
        each: tuple[Emission, ...] = ((EACH, (self, piece)),) if EACH in listened else ()
        if "toolCallDelta" not in listened:
            return each
        call = self.data(piece)["delta"]["step_details"]["tool_calls"][0]
        return (*each, ("toolCallDelta", (ToolCallDelta(call), self.snapshot)))

    def behind(self, piece: str) -> Emission:
        """Return the call that comes after the bare one."""
        return "runStepDelta", (RunStepDelta(self.data(piece)["delta"]), self.step)

    def again(self, piece: str) -> Iterator[Emission]:
        """Yield every call that the event led to, for a listener that came late."""
        data = self.data(piece)
        yield EACH, (self, piece)
        yield "event", (EventView({"event": self.event, "data": data}),)
        yield self.event, (shared_view(event_data_class(self.event), data),)
        yield from self.calls(data)

    def calls(self, data: dict[str, Any]) -> tuple[Emission, ...]:
        """Return the calls that the event leads to, behind those for the event itself."""
        delta = data["delta"]
        call = delta["step_details"]["tool_calls"][0]
        return (
            ("toolCallDelta", (shared_view(ToolCallDelta, call), self.snapshot)),
            ("runStepDelta", (shared_view(RunStepDelta, delta), self.step)),
        )


Growth = TextGrowth | ToolCallGrowth

_CALL_FIELDS = {"function": "arguments", "code_interpreter": "input"}
"""The field that grows in each kind of tool call."""


_patterns: dict[object, dict[str, Any]] = {}


def _common(data: dict[str, Any]) -> dict[str, Any]:
    """Return what is ``data``, which brings a text and no more, but for the text in it and its id.

    It is the same one for all streams: each would keep six objects alive otherwise, and the garbage
    collector go through them.
    """
    delta = data["delta"]
    element = delta["content"][0]
    key = (*delta, delta.get("role"), element["index"], *element, *element["text"])
    if len(data) != 3 or data.get("object") != TextGrowth.event:
        return {**data, "delta": _kept(key, lambda: with_piece(delta, TextGrowth.path[1:], ""))}
    return _kept(
        (key, *data), lambda: plain_copy(with_piece({**data, "id": ""}, TextGrowth.path, ""))
    )


def _kept(key: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was kept under ``key``, made the first time."""
    kept = _patterns.get(key)
    if kept is None:
        if len(_patterns) >= _PATTERNS:
            _patterns.clear()
        kept = _patterns[key] = make()
    return kept


_PATTERNS = 64


def _text_in(data: Any) -> str | None:
    """Return the piece that a message's delta brings to one text block, ``None`` if it brings more."""
    try:
        delta = data["delta"]
        (element,) = delta["content"]
        text = element["text"]
        piece = text["value"]
        fits = (
            (len(delta) == 1 or (len(delta) == 2 and type(delta["role"]) is str))
            and (len(element) == 3 and element["type"] == "text" and type(element["index"]) is int)
            and (len(text) == 1 or (len(text) == 2 and text["annotations"] == []))
        )
    except (KeyError, TypeError, ValueError):
        return None
    return piece if fits and type(piece) is str else None


def _kind_of_call_in(data: Any) -> str | None:
    """Return the kind of the one tool call whose text a step's delta brings, ``None`` if it brings more."""
    try:
        delta = data["delta"]
        details = delta["step_details"]
        (call,) = details["tool_calls"]
        kind: str = call["type"]
        part = call[kind]
        fits = (
            len(delta) == 1
            and (len(details) == 2 and details["type"] == "tool_calls")
            and (len(call) == 3 and type(call["index"]) is int)
            and (len(part) == 1 and type(part[_CALL_FIELDS[kind]]) is str)
        )
    except (KeyError, TypeError, ValueError):
        return None
    return kind if fits else None
