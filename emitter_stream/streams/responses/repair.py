"""Events as they would have been sent by a server that keeps to the API: the rules R1 to R6.

Real servers (llama.cpp, Ollama, vLLM, gateways) leave out what the Node SDK needs to place an event.
What is missing is filled in before the event is taken in, from what came before; what is there but
wrong is left as it is. Missing is: absent, or ``null``, and for a string also ``""``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from ...types._model import plain_copy
from .accumulator import ITEM_EVENTS, KNOWN, LIFECYCLE, OPTIONAL_ID, WITHOUT_ITEM_ID, Accumulator
from .javascript import as_index

__all__ = ["Repair"]

_SUMMARY: Final = "response.reasoning_summary_"
_IN_PARTS: Final = frozenset(
    f"response.{name}"
    for name in (
        "content_part.added",
        "content_part.done",
        "output_text.delta",
        "output_text.done",
        "output_text.annotation.added",
        "refusal.delta",
        "refusal.done",
        "reasoning_text.delta",
        "reasoning_text.done",
        "reasoning_summary_part.added",
        "reasoning_summary_part.done",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
    )
)
"""The events for one part of an item."""

_EMPTY_PARTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    f"response.{name}.{verb}": (item_type, part)
    for name, item_type, part in (
        ("output_text", "message", {"type": "output_text", "text": "", "annotations": []}),
        ("refusal", "message", {"type": "refusal", "refusal": ""}),
        ("reasoning_text", "reasoning", {"type": "reasoning_text", "text": ""}),
        ("reasoning_summary_text", "reasoning", {"type": "summary_text", "text": ""}),
    )
    for verb in ("delta", "done")
}
"""The type of item and the part that an event is for, before any text of it has come."""


class Repair:
    """Repairs the events of one response; ``counts`` says by name which rules did how often."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self.counts: Counter[str] = Counter()

    def __call__(self, name: str | None, event: dict[str, Any]) -> bool:
        """Repair an event in place; return whether it is to be taken in.

        ``name`` is what stands in its ``event:`` line.
        """
        if _is_missing(event, "type") and name:
            event["type"] = name
            self.counts["R1"] += 1
        kind = event.get("type")
        if kind is not None and type(kind) is not str:
            return True  # wrong, and no case of a repair
        first = self._accumulator.snapshot is None
        if kind not in KNOWN or (kind == "keepalive" and first):
            self.counts["R2"] += 1
            return False
        if first:
            if kind in LIFECYCLE and kind != "response.created":
                self._begin(event)
        elif kind in ITEM_EVENTS:
            self._repair_item_event(kind, event)
        return True

    def _begin(self, event: dict[str, Any]) -> None:
        self._accumulator.take({**event, "type": "response.created"})
        self.counts["R3"] += 1

    def _repair_item_event(self, kind: str, event: dict[str, Any]) -> None:
        if event.get("output_index") is None:
            index = self._output_index(kind, event)
            if index is None:
                return
            event["output_index"] = index
            self.counts["R4"] += 1
        if kind == "response.output_item.added":
            self._repair_new_item(event)
            return
        item = self._accumulator.item(event["output_index"])
        if item is None:
            return
        if kind == "response.output_item.done":
            self._repair_done_item(event, item)
            return
        if kind not in WITHOUT_ITEM_ID:
            self._repair_item_id(event, item)
        if kind in _IN_PARTS:
            self._repair_part(kind, event, item)

    # R4

    def _output_index(self, kind: str, event: dict[str, Any]) -> int | None:
        accumulator = self._accumulator
        if kind == "response.output_item.added":
            return accumulator.highest_index + 1
        item = event.get("item")
        item_id = item.get("id") if type(item) is dict else event.get("item_id")
        index = accumulator.index_of_id(item_id)
        return accumulator.last_index if index is None else index

    # R5

    def _repair_part(self, kind: str, event: dict[str, Any], item: dict[str, Any]) -> None:
        is_summary = kind.startswith(_SUMMARY)
        field = "summary_index" if is_summary else "content_index"
        parts = item.get("summary" if is_summary else "content")
        count = len(parts) if type(parts) is list else 0
        is_missing = event.get(field) is None
        index = 0 if is_missing else as_index(event[field])
        if index is None or (not is_missing and index < count):
            return
        if kind.endswith("_part.added"):
            if is_missing:
                event[field] = count
                self.counts["R5"] += 1
        elif count:
            event[field] = count - 1
            self.counts["R5"] += 1
        elif index == 0:
            self._open_part(kind, event, item)
            if is_missing:
                event[field] = 0

    def _open_part(self, kind: str, event: dict[str, Any], item: dict[str, Any]) -> None:
        """Let the part that a first text is for be there, empty."""
        item_type, part = _EMPTY_PARTS.get(kind, (None, {}))
        if item.get("type") != item_type:
            return
        field = "summary" if kind.startswith(_SUMMARY) else "content"
        if item.get(field) is None:
            item[field] = []
        if type(item[field]) is list:
            item[field].append(plain_copy(part))
            self.counts["R5"] += 1

    # R6

    def _repair_new_item(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        index = as_index(event["output_index"])
        if type(item) is not dict or index is None or not _is_missing(item, "id"):
            return
        kind = item.get("type")
        if kind in OPTIONAL_ID and type(item.get("call_id")) is str:
            if "id" in item:
                del item["id"]
                self.counts["R6"] += 1
            return
        if kind == "computer_call" and item.get("id") == "":
            return  # Node takes it
        item["id"] = f"item_{index}"
        self.counts["R6"] += 1

    def _repair_done_item(self, event: dict[str, Any], added: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is not dict or item.get("type") != added.get("type"):
            return
        if "id" in added:
            item_id = item.get("id")
            if item_id != added["id"] and (item_id is None or type(item_id) is str):
                item["id"] = added["id"]
                self.counts["R6"] += 1
        elif "id" in item and _is_missing(item, "id"):
            del item["id"]
            self.counts["R6"] += 1

    def _repair_item_id(self, event: dict[str, Any], item: dict[str, Any]) -> None:
        if "id" not in item:
            return
        item_id = event.get("item_id")
        is_unknown = type(item_id) is str and self._accumulator.index_of_id(item_id) is None
        if _is_missing(event, "item_id") or is_unknown:
            event["item_id"] = item["id"]
            self.counts["R6"] += 1


def _is_missing(container: dict[str, Any], field: str) -> bool:
    """Return whether a field that is a string is not there."""
    value = container.get(field)
    return value is None or (type(value) is str and not value)
