"""Responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...engine.core import Emission
from ...streams.responses.core import ResponseCore
from ..text import text_of
from ..timeline import Call, Lane, Timeline
from .base import Draft, inside, listed

__all__ = ["GIVEN", "SAID", "ResponseDraft", "gave", "given_to"]

_STATUSES = ("queued", "in_progress", "completed", "failed", "incomplete", "cancelled")

# The deltas that say something, without `.delta`: who says it.
SAID = {
    "output_text": "assistant",
    "refusal": "refusal",
    "reasoning_text": "reasoning",
    "reasoning_summary_text": "reasoning",
    "audio.transcript": "assistant",
}
# Those that are a tool's input.
GIVEN = (
    "function_call_arguments",
    "mcp_call_arguments",
    "custom_tool_call_input",
    "code_interpreter_call_code",
)


class ResponseDraft(Draft):
    """One response."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline, ResponseCore())
        timeline.what = "response"
        self._items: dict[Any, Lane | Call] = {}

    def take(self, calls: Iterable[Emission]) -> None:
        for name, args in calls:
            if name == "event":
                event = args[0].to_dict()
                kind = text_of(event.get("type")).removeprefix("response.")
                if isinstance(event.get("response"), dict):
                    self._response(kind, event["response"])
                elif kind == "output_item.added":
                    self._add(event["output_index"], event["item"])
                elif kind == "output_item.done":
                    self._done(event["output_index"], event["item"])
                elif kind.endswith(".delta"):
                    self._delta(kind.removesuffix(".delta"), event)

    def _response(self, kind: str, response: dict[str, Any]) -> None:
        timeline = self.timeline
        self.named(response)
        self.tokens(inside(response, "usage", "output_tokens"))
        if kind in _STATUSES:
            self.status(kind)
        reason = text_of(inside(response, "incomplete_details", "reason"))
        if reason:
            timeline.reason = reason
        failure = response.get("error")
        if kind == "failed" and failure is not None:
            words = (inside(failure, "code"), inside(failure, "message"))
            timeline.error = ": ".join(text_of(word) for word in words if word) or "failed"

    def _add(self, index: Any, item: Any) -> None:
        kind = text_of(inside(item, "type"))
        row: Lane | Call
        if kind == "message":
            row = self.lane("message", item.get("id"), text_of(item.get("role")) or "assistant")
        elif kind == "reasoning":
            row = self.lane("reasoning", item.get("id"), "")
        else:
            name = inside(item, "name") or kind.removesuffix("_call").replace("_", " ")
            row = self.call(inside(item, "id"), kind, name, None)
        self._items[index] = row

    def _done(self, index: Any, item: Any) -> None:
        row = self._items.get(index)
        if row is None:
            return
        row.end = self.now
        row.status = text_of(inside(item, "status")) or "completed"
        if isinstance(row, Call):
            row.input = given_to(item) or row.input
            row.output = "\n".join(gave(item)) or row.output
        elif row.kind == "message":
            row.text = "\n".join(_texts(item)) or row.text

    def _delta(self, what: str, event: dict[str, Any]) -> None:
        row, piece = self._items.get(event.get("output_index")), event.get("delta")
        if row is None or not isinstance(piece, str) or not piece:
            return
        if isinstance(row, Lane) and what in SAID:
            row.pieces.append(self.now)
            row.text += text_of(piece)
        elif isinstance(row, Call) and what in GIVEN:
            row.pieces.append(self.now)
            row.input += text_of(piece)


def given_to(item: Any) -> str:
    """Return what a tool was given, of the item that its call is."""
    for field in ("arguments", "input", "code"):
        given = inside(item, field)
        if given:
            return text_of(given)
    for field in ("queries", "action", "actions", "operation"):
        given = inside(item, field)
        if given:
            return text_of(given)
    return ""


def gave(item: Any) -> Iterator[str]:
    """Yield what a tool gave, each as text to be shown."""
    for field in ("output", "error"):
        given = inside(item, field)
        if given:
            yield text_of(given)
    for output in listed(inside(item, "outputs")):
        yield text_of(inside(output, "logs")) or f"[{text_of(inside(output, 'type'))}]"
    for result in listed(inside(item, "results")):
        yield f"{text_of(inside(result, 'filename'))} (score {text_of(inside(result, 'score'))})"
    if inside(item, "type") == "image_generation_call" and inside(item, "result"):
        yield "[image]"


def _texts(item: Any) -> Iterator[str]:
    for part in listed(inside(item, "content")):
        text = inside(part, "text") or inside(part, "refusal")
        yield text_of(text) if text else f"[{text_of(inside(part, 'type'))}]"
