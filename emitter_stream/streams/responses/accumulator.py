"""The snapshot of a response: each event of its stream taken in, as the Node SDK does it.

An item is addressed by the ``output_index`` on the wire, which may have gaps; where it stands in the
snapshot's ``output`` is kept beside it. A response that comes as a whole (``response.in_progress``)
may change items and leave others out; ``response.completed`` must have each item that is not done.

What an event brings in is copied, so that no event changes after it was handed out. Texts that
deltas append to are ``GrowingText``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ...exceptions import OpenAIError
from ...types._model import plain_copy
from .changes import CHANGES, output_text, replaced
from .javascript import as_index, field, own_text

__all__ = ["CALLS", "INTERIM", "ITEM_EVENTS", "KNOWN", "LIFECYCLE", "Accumulator", "output_text"]

INTERIM: Final = frozenset(("response.created", "response.queued", "response.in_progress"))
_CUT_SHORT: Final = frozenset(("response.failed", "response.incomplete"))
LIFECYCLE: Final = INTERIM | _CUT_SHORT | {"response.completed"}
"""The events that bring a response as a whole."""

_NOT_TAKEN_IN: Final = frozenset(
    (
        "response.audio.delta",
        "response.audio.done",
        "response.audio.transcript.delta",
        "response.audio.transcript.done",
        "keepalive",
    )
)

# The type of item that each event is for; a content part is a message's or a reasoning's.
_ITEM_TYPES: Final[Mapping[str, str]] = {
    f"response.{name}": item_type
    for item_type, names in {
        "message": "output_text.delta output_text.done output_text.annotation.added "
        "refusal.delta refusal.done",
        "function_call": "function_call_arguments.delta function_call_arguments.done",
        "custom_tool_call": "custom_tool_call_input.delta custom_tool_call_input.done",
        "mcp_call": "mcp_call_arguments.delta mcp_call_arguments.done mcp_call.in_progress "
        "mcp_call.completed mcp_call.failed",
        "mcp_list_tools": "mcp_list_tools.in_progress mcp_list_tools.completed "
        "mcp_list_tools.failed",
        "shell_call": "shell_call_command.added shell_call_command.delta shell_call_command.done",
        "shell_call_output": "shell_call_output_content.delta shell_call_output_content.done",
        "reasoning": "reasoning_text.delta reasoning_text.done reasoning_summary_part.added "
        "reasoning_summary_part.done reasoning_summary_text.delta reasoning_summary_text.done",
        "code_interpreter_call": "code_interpreter_call_code.delta "
        "code_interpreter_call_code.done code_interpreter_call.in_progress "
        "code_interpreter_call.interpreting code_interpreter_call.completed",
        "file_search_call": "file_search_call.in_progress file_search_call.searching "
        "file_search_call.completed",
        "web_search_call": "web_search_call.in_progress web_search_call.searching "
        "web_search_call.completed",
        "image_generation_call": "image_generation_call.in_progress "
        "image_generation_call.generating image_generation_call.completed "
        "image_generation_call.partial_image",
        "compaction": "compaction.compacting",
    }.items()
    for name in names.split()
}
_PART_EVENTS: Final = frozenset(("response.content_part.added", "response.content_part.done"))
_ITEM_BOUNDS: Final = frozenset(("response.output_item.added", "response.output_item.done"))
ITEM_EVENTS: Final = _ITEM_BOUNDS | _PART_EVENTS | _ITEM_TYPES.keys()
"""The events that are for one item, with its ``output_index``."""

WITHOUT_ITEM_ID: Final = _ITEM_BOUNDS | {
    f"response.shell_call_command.{verb}" for verb in ("added", "delta", "done")
}
"""Those of them that have no ``item_id``."""

KNOWN: Final = LIFECYCLE | ITEM_EVENTS | _NOT_TAKEN_IN
"""Every event that is known here."""

# Events that set the status of their item, by their last word.
_STATUS_EVENTS: Final = {
    name: name.rpartition(".")[2]
    for name in _ITEM_TYPES
    if name.split(".")[1]
    in (
        "code_interpreter_call",
        "file_search_call",
        "web_search_call",
        "image_generation_call",
        "mcp_call",
    )
    and not name.endswith(".partial_image")
}
# Calls are told apart by `call_id`; their `id` may come late, or not at all.
CALLS: Final = frozenset(("function_call", "custom_tool_call", "shell_call", "shell_call_output"))
"""The types of items that have a ``call_id``."""

OPTIONAL_ID: Final = frozenset(("function_call", "custom_tool_call"))
"""The types of items that may have no ``id``."""


class Accumulator:
    """Takes in the events of one response.

    ``snapshot`` is the response so far, ``None`` before the first event. Its ``output_text`` is
    there only as long as it is what the server gave; else it follows from the items.
    """

    def __init__(self) -> None:
        self.snapshot: dict[str, Any] | None = None
        self._positions: dict[int, int] = {}  # in the snapshot's output, by index on the wire
        self._wire_indexes: dict[str, int] = {}  # by identity
        self._done: dict[int, dict[str, Any]] = {}  # copies of the items that are done
        self._open: dict[int, str] = {}  # the identities of the others
        self._keys: set[str] = set()  # the ids and call ids of the snapshot's items
        self._found: dict[str, int] = {}  # where the items with these ids were found
        self._told: set[tuple[Any, ...]] = set()  # the events but deltas, each with its indexes
        self._out_of_order = False

    # What repair asks

    def item(self, wire_index: Any) -> dict[str, Any] | None:
        """Return the item with an ``output_index``, ``None`` if there is none."""
        index = as_index(wire_index)
        position = None if index is None else self._positions.get(index)
        if position is None or self.snapshot is None:
            return None
        found: dict[str, Any] = self.snapshot["output"][position]
        return found

    def index_of_id(self, item_id: Any) -> int | None:
        """Return the ``output_index`` of the item with an ``id``, ``None`` if there is none."""
        if type(item_id) is not str or f"id:{item_id}" not in self._keys:
            return None
        # Where it was found before, or else from the end: an event must not cost more for each item.
        found = self._found.get(item_id)
        if found is not None and self._has_id(found, item_id):
            return found
        for index in reversed(self._positions):
            if self._has_id(index, item_id):
                self._found[item_id] = index
                return index
        return None

    def _has_id(self, index: int, item_id: str) -> bool:
        item = self.item(index)
        return item is not None and item.get("id") == item_id

    @property
    def last_index(self) -> int | None:
        """The ``output_index`` of the item that was added last."""
        return next(reversed(self._positions), None)

    @property
    def highest_index(self) -> int:
        """The highest ``output_index`` so far, -1 before the first."""
        return max(self._positions, default=-1)

    # What who goes on elsewhere asks

    def items(self) -> dict[int, dict[str, Any]]:
        """Return copies of the items so far, by their indexes on the wire."""
        return {index: plain_copy(self.item(index)) for index in self._positions}

    def has_told(self, kind: str, *indexes: int) -> bool:
        """Return whether an event has come for an item, or for a part of it; not of deltas."""
        return (kind, *indexes) in self._told

    # Taking in

    def take(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Take in an event of a known type; return it as it is to be handed out.

        That is the event itself, but for a response that came without its ``output``: the event
        then has what is known of it. ``None`` for an item that is ``null``, which says nothing.
        Raises ``OpenAIError`` for an event that does not fit those before.
        """
        try:
            if event["type"] in LIFECYCLE:
                return self._take_response(event)
            return self._take_event(event)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise OpenAIError(
                f"The server sent {event['type']} with fields that are missing or of another kind."
            ) from error

    def finish(self) -> dict[str, Any]:
        """Take the end of the events; return the response, with its ``output_text``."""
        snapshot = self.snapshot
        if snapshot is None:
            raise OpenAIError("The stream ended before any event of a response had come.")
        self._reorder(snapshot)
        if snapshot.get("output_text") is None:
            snapshot["output_text"] = output_text(snapshot)
        return snapshot

    # Whole responses

    def _take_response(self, event: dict[str, Any]) -> dict[str, Any]:
        kind = event["type"]
        current = self.snapshot
        response = event.get("response")
        if type(response) is not dict:
            raise OpenAIError(f"The server sent {kind} without a response.")
        if current is not None and response.get("id") != current.get("id"):
            raise OpenAIError(f"The server sent {kind} for another response than before.")
        if response.get("output") is None:
            response = {**response, "output": self._known_output(kind)}
            if kind not in INTERIM:
                response["output_text"] = output_text(response)
            event = {**event, "response": response}
        if type(response["output"]) is not list:
            raise OpenAIError(f"The server sent {kind} with an output that is no array.")
        if kind == "response.completed":
            self._check_complete(response)
        if current is None:
            if kind != "response.created":
                raise OpenAIError(f"The server sent {kind} before response.created.")
            self._replace(kind, response)
        elif kind not in INTERIM:
            self._replace(kind, response)
        elif not self._update(response, current):
            identities = set(map(_identity, response["output"]))
            left_out = [item for item in current["output"] if _identity(item) not in identities]
            self._replace(kind, {**response, "output": [*response["output"], *left_out]})
        return event

    def _known_output(self, kind: str) -> list[Any]:
        if kind in INTERIM:
            return []
        indexes = self._done if kind == "response.completed" else self._positions
        return [plain_copy(self._latest(index)) for index in sorted(indexes)]

    def _latest(self, wire_index: int) -> dict[str, Any] | None:
        return self._done.get(wire_index) or self.item(wire_index)

    def _check_complete(self, response: dict[str, Any]) -> None:
        if not self._open and not self._done:
            return
        final = {_identity(item): item for item in response["output"]}
        for item in self._done.values():
            replacement = final.get(_identity(item))
            if replacement is not None:
                _check_same_item(item, replacement, "response.completed")
        for index, identity in self._open.items():
            replacement = final.get(identity)
            previous = self._latest(index)
            if replacement is None or previous is None:
                raise OpenAIError(
                    f"The server completed the response without output item {index}, which was "
                    f"not done."
                )
            _check_same_item(previous, replacement, "response.completed")

    def _update(self, incoming: dict[str, Any], snapshot: dict[str, Any]) -> bool:
        """Take what an interim response says into the snapshot; return whether it knows all items."""
        output = incoming["output"]
        text = incoming.get("output_text")
        if output:
            _item_keys(output)
            if text is None:
                output_text(incoming)  # reads it, as Node does
            replacements = []
            for item in output:
                index = self._wire_indexes.get(_identity(item))
                position = None if index is None else self._positions.get(index)
                if index is None or position is None:
                    return False
                replacements.append((index, position, plain_copy(item)))
            for index, position, item in replacements:
                self._put(snapshot, position, item)
                if index in self._done:
                    self._done[index] = plain_copy(item)
            self._reorder(snapshot)
        for key in snapshot.keys() - incoming.keys():
            del snapshot[key]
        for key, value in incoming.items():
            if key != "output":
                snapshot[key] = plain_copy(value)
        if text is None:
            snapshot.pop("output_text", None)
        return True

    def _replace(self, kind: str, response: dict[str, Any]) -> None:
        """Make a response the snapshot."""
        snapshot: dict[str, Any] = plain_copy(response)
        keys = _item_keys(snapshot["output"])
        if snapshot.get("output_text") is None:
            output_text(snapshot)  # reads it, as Node does: a message without content is an error
            snapshot.pop("output_text", None)
        if kind == "response.completed":
            self._out_of_order = False
        else:
            self._renumber(kind, snapshot)
        self.snapshot = snapshot
        self._keys = keys
        if kind in INTERIM:
            self._reorder(snapshot)

    def _renumber(self, kind: str, snapshot: dict[str, Any]) -> None:
        """Find the index on the wire of each item of a snapshot that replaces the one before."""
        known = {_identity(item): index for index, item in self._done.items()}
        known.update((identity, index) for index, identity in self._open.items())
        positions: dict[int, int] = {}
        self._wire_indexes.clear()
        for position, item in enumerate(snapshot["output"]):
            identity = _identity(item)
            index = known.get(identity, position)
            done = self._done.get(index)
            if (
                index in positions
                or (done is not None and _identity(done) != identity)
                or self._open.get(index, identity) != identity
            ):
                raise OpenAIError(f"The server sent {kind} with two output items for one index.")
            previous = self._latest(index)
            if previous is not None:
                _check_same_item(previous, item, kind)
            positions[index] = position
            self._wire_indexes[identity] = index
            if done is not None:
                self._done[index] = plain_copy(item)
            else:
                self._open[index] = identity
        self._positions = positions
        self._out_of_order = kind not in _CUT_SHORT

    def _reorder(self, snapshot: dict[str, Any]) -> None:
        """Put the items in the order of their indexes on the wire, if they may not be in it."""
        if not self._out_of_order:
            return
        self._out_of_order = False
        ordered = sorted(self._positions.items())
        output = snapshot["output"]
        if any(position != new for new, (_, position) in enumerate(ordered)):
            snapshot["output"] = [output[position] for _, position in ordered]
            # The order of the dict stays that in which the items were added.
            new_positions = {index: new for new, (index, _) in enumerate(ordered)}
            self._positions = {index: new_positions[index] for index in self._positions}

    # Events for an item

    def _take_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        kind = event["type"]
        if kind not in KNOWN:
            raise OpenAIError(f"The server sent an event of the type {kind!r:.40}.")
        snapshot = self.snapshot
        if kind == "keepalive":
            return event
        if snapshot is None:
            raise OpenAIError(f"The server sent {kind} before response.created.")
        position = self._position(event, snapshot) if "output_index" in event else None
        if position == _DROPPED:
            return None
        if kind == "response.output_item.added":
            self._add(event, snapshot, position)
        elif kind == "response.output_item.done":
            self._finish_item(event, snapshot, position)
        elif kind in ITEM_EVENTS:
            item = _item_for(event, snapshot, position)
            handle = CHANGES.get(kind)
            if handle is not None:
                handle(event, item, snapshot)
            elif kind in _STATUS_EVENTS:
                item["status"] = _STATUS_EVENTS[kind]
        if not kind.endswith(".delta"):
            indexes = (as_index(event[name]) for name in _INDEXES if name in event)
            self._told.add((kind, *indexes))
        return event

    def _position(self, event: dict[str, Any], snapshot: dict[str, Any]) -> int:
        index = as_index(event["output_index"])
        if index is None:
            raise OpenAIError(
                f"The server sent {event['type']} with the output index "
                f"{event['output_index']!r:.40}."
            )
        if event["type"] == "response.output_item.added":
            if event.get("item") is None:
                return _DROPPED
            if index in self._done or index in self._open:
                raise OpenAIError(f"The server added output item {index} a second time.")
            return len(snapshot["output"])
        position = self._positions.get(index)
        if position is None:
            raise OpenAIError(
                f"The server sent {event['type']} for output item {index}, which was not added."
            )
        return position

    def _add(self, event: dict[str, Any], snapshot: dict[str, Any], position: int | None) -> None:
        item = plain_copy(event["item"])
        output = snapshot["output"]
        if position is None:
            raise OpenAIError("The server added an output item without an output index.")
        keys = _keys_of(item, event["type"])
        _add_keys(self._keys, keys)
        if item["type"] == "message":
            own_text(item)  # reads it, as Node does: a message without content is an error
            snapshot.pop("output_text", None)
        output.append(item)
        index = as_index(event["output_index"])
        assert index is not None
        identity = _identity(item)
        self._positions[index] = position
        self._open[index] = identity
        self._wire_indexes[identity] = index
        self._out_of_order = True

    def _finish_item(
        self, event: dict[str, Any], snapshot: dict[str, Any], position: int | None
    ) -> None:
        if position is None or not snapshot["output"][position]:
            raise OpenAIError("The server ended an output item that was not added.")
        item = plain_copy(event["item"])
        before = snapshot["output"][position]
        self._put(snapshot, position, item)
        if before["type"] == "message":
            own_text(item)
            snapshot.pop("output_text", None)
        index = as_index(event["output_index"])
        assert index is not None
        self._done[index] = plain_copy(item)
        self._open.pop(index, None)

    def _put(self, snapshot: dict[str, Any], position: int, item: dict[str, Any]) -> None:
        """Put an item in the place of one with the same identity."""
        before = snapshot["output"][position]
        _check_same_item(before, item, "response.output_item.done")
        if "id" not in before and "id" in item:
            _add_keys(self._keys, [f"id:{item['id']}"])
        snapshot["output"] = replaced(snapshot["output"], position, item)


_DROPPED: Final = -1
_INDEXES: Final = ("output_index", "content_index", "summary_index", "command_index")


def _identity(item: dict[str, Any]) -> str:
    """Return what stays the same of an item from its first event to its last."""
    kind = item.get("type")
    item_id = None if kind in CALLS else item.get("id")
    return json.dumps([kind, item_id, item.get("call_id")])


def _keys_of(item: dict[str, Any], kind: str) -> list[str]:
    """Return the keys of an item of which there may be one only; raises for an item without."""
    item_type = item.get("type")
    if type(item_type) is not str:
        raise OpenAIError(f"The server sent {kind} with an output item without a type.")
    keys = []
    if "id" in item:
        item_id = item["id"]
        if type(item_id) is not str or (not item_id and item_type != "computer_call"):
            raise OpenAIError(f"The server sent {kind} with an output item without a valid id.")
        keys.append(f"id:{item_id}")
    elif item_type not in OPTIONAL_ID:
        raise OpenAIError(f"The server sent {kind} with an output item without an id.")
    if item_type in CALLS:
        call_id = item.get("call_id")
        if type(call_id) is not str or (not call_id and item_type != "function_call"):
            raise OpenAIError(f"The server sent {kind} with a call without a call_id.")
        keys.append(f"call:{item_type}:{call_id}")
    return keys


def _add_keys(keys: set[str], more: list[str]) -> None:
    for key in more:
        if key in keys:
            raise OpenAIError(f"The server sent two output items with the same {key!r:.80}.")
    keys.update(more)


def _item_keys(output: list[Any]) -> set[str]:
    keys: set[str] = set()
    for item in output:
        _add_keys(keys, _keys_of(item, "a response"))
    return keys


def _check_same_item(before: dict[str, Any], after: dict[str, Any], kind: str) -> None:
    """Raise unless ``after`` is a later state of the item ``before``."""
    _keys_of(before, kind)
    _keys_of(after, kind)
    item_type = before["type"]
    adds_id = "id" not in before and item_type in OPTIONAL_ID
    names = ("type", *(() if adds_id else ("id",)), *(("call_id",) * (item_type in CALLS)))
    for name in names:
        if before.get(name) != after.get(name):
            raise OpenAIError(
                f"The server sent {kind} with the {name} {after.get(name)!r:.80} for the output "
                f"item whose {name} is {before.get(name)!r:.80}."
            )


def _item_for(event: dict[str, Any], snapshot: dict[str, Any], position: int | None) -> Any:
    """Return the item that an event is for; raises if it is not for that."""
    kind = event["type"]
    if position is None:
        raise OpenAIError(f"The server sent {kind} without an output index.")
    item = snapshot["output"][position]
    if kind in WITHOUT_ITEM_ID:
        expected = _ITEM_TYPES[kind]
    else:
        item_id = event.get("item_id")
        if type(item_id) is not str or not item_id:
            raise OpenAIError(f"The server sent {kind} without a valid item_id.")
        if item.get("id") != item_id:
            raise OpenAIError(
                f"The server sent {kind} for the item {item_id!r:.80}, but with the output index "
                f"of the item {item.get('id')!r:.80}."
            )
        if kind in _PART_EVENTS:
            is_thought = field(event.get("part"), "type") == "reasoning_text"
            expected = "reasoning" if is_thought else "message"
        else:
            expected = _ITEM_TYPES[kind]
    if item["type"] != expected:
        raise OpenAIError(
            f"The server sent {kind} for an output item of type {item['type']!r:.40}."
        )
    return item
