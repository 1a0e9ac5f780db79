"""The Responses core: the API's events in, listener calls out, the snapshot held inside.

Each event is repaired (repair.py), taken into the snapshot (accumulator.py), and then handed out:
as ``event``, and under its own name. As in Node all state changes before the first call, so that
the calls of one event can be made together.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import attrs

from ...engine.codec import Codec, WireEvent
from ...engine.core import Emission
from ...engine.growth import GROWTH, Path
from ...engine.history import KEEP
from ...engine.wire import api_error
from ...exceptions import OpenAIError
from ...types._model import GrowingText, live_view, plain_copy, untouched
from ...types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseStreamEventBase,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
)
from ...types.responses.events import snapshot_view
from .accumulator import INTERIM, KNOWN, LIFECYCLE, Accumulator
from .codec import CODEC, NUMBER, PADDING
from .events import EVENTS, OPEN_PREFIX
from .parsing import ResponseParser, is_cut
from .repair import Repair

__all__ = ["ResponseCore"]

# Where the text stands that a delta is for: the parts it is in and the field of their index, if any,
# and its own field.
_PLACES: Final[Mapping[str, tuple[str, str, str]]] = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
    "response.function_call_arguments.delta": ("", "content_index", "arguments"),
    "response.mcp_call_arguments.delta": ("", "content_index", "arguments"),
    "response.custom_tool_call_input.delta": ("", "content_index", "input"),
    "response.code_interpreter_call_code.delta": ("", "content_index", "code"),
}
_ENDS: Final = LIFECYCLE - INTERIM  # what is kept of them is a copy: it takes half of the room
_HALF = re.compile("[\ud800-\udfff]").search  # of a character that JavaScript has in two


class ResponseCore:
    """Turns the events of one response into listener calls and a snapshot.

    Of events with a ``sequence_number`` up to ``starting_after`` nobody is told; they are taken in.
    ``wanted`` and ``listened`` are as in every core: where they differ, what is not listened to may
    be asked for later, and goes as a recipe.
    """

    codec: Codec = CODEC
    events: Mapping[str, int] = EVENTS
    open_prefix: str = OPEN_PREFIX
    aliases: Container[str] = EVENTS.keys() - {"event"}  # each repeats an `event`
    made: Mapping[str, str] = {}

    def __init__(
        self, parser: ResponseParser | None = None, starting_after: int | None = None
    ) -> None:
        self.wanted: Container[str] = EVENTS
        self.listened: Container[str] = self.wanted
        self.final: Response | None = None
        self.completed = False  # whether response.completed came
        self._parser = ResponseParser() if parser is None else parser
        self._starting_after = starting_after
        self._accumulator = Accumulator()
        self._repair = Repair(self._accumulator)
        self._growth: _Growth | None = None
        self._last: dict[str, Any] | None = None
        self._live: Response | None = None
        self._name: Any = None  # in the last event's frame

    @property
    def current_event(self) -> ResponseStreamEventBase | None:
        """The event that was fed last, as it is handed out; made when it is asked for."""
        last = self._last
        return None if last is None else ResponseStreamEventBase(last)

    @property
    def snapshot(self) -> Response | None:
        """The response so far, which grows."""
        data, live = self._accumulator.snapshot, self._live
        if live is None or live._data is not data:
            live = self._live = None if data is None else live_view(Response, data)
        return live

    @property
    def repairs(self) -> Counter[str]:
        """How often each rule of repair.py was needed."""
        return self._repair.counts

    def items(self) -> dict[int, dict[str, Any]]:
        """Return copies of the items so far, by their ``output_index``."""
        return self._accumulator.items()

    def has_told(self, kind: str, *indexes: int) -> bool:
        """Return whether an event other than a delta has come for an item, or a part of it."""
        return self._accumulator.has_told(kind, *indexes)

    def growth(self) -> Path | None:
        """Return where the last event's text stands, if the next may differ in that alone."""
        return None if self._growth is None else ("delta",)

    def grown(self, piece: Any) -> WireEvent:
        """Return the event that ``GROWTH`` with ``piece`` stands for, by its name and data."""
        last = self._last
        assert last is not None
        event = last.copy()
        if type(piece) is str:
            event["delta"] = piece
            return self._name, event
        event["delta"] = piece[0]
        if piece[1] is not None:
            event[PADDING] = piece[1]
        if len(piece) == 3:
            event[NUMBER] = piece[2]
        return self._name, event

    def feed(self, name: Any, event: Any) -> Iterable[Emission]:
        """Take one event, with what stood in its ``event:`` line; return the calls it leads to.

        Raises ``APIError`` for the server's error, ``OpenAIError`` for an event that does not fit.
        """
        if name is GROWTH:
            name, event = self.grown(event)
        else:
            self._name = name
        growth = self._growth
        if growth is None:
            return self._take(name, event)
        # The next piece of the same text, and nothing else: by far most events. `is` tells 1 from
        # true, and an index that is too large for it only takes the long way.
        try:
            piece = event["delta"]
            if (
                event["output_index"] is not growth.output_index
                or event["item_id"] != growth.item_id
                or event["type"] != growth.kind
                or event.get(growth.index_field) is not growth.index
                or type(piece) is not str
                or not (piece.isascii() or _HALF(piece) is None)
                or event.get("logprobs")
                or not growth.text.append(piece)  # somebody has written to the snapshot
            ):
                return self._take(name, event)
        except (KeyError, TypeError):
            return self._take(name, event)
        self._last = event
        growth.length += len(piece)
        kind, listened = growth.kind, self.listened
        if self.wanted is not listened or self._starting_after is not None or "event" in listened:
            return self._calls(kind, event, growth.event)
        # Nobody listens to every event: what most programs do.
        return ((kind, (growth.event(event, True),)),) if kind in listened else ()

    def finish(self) -> Iterable[Emission]:
        """Take the end of the events; raises ``OpenAIError`` for texts that cannot be parsed."""
        self._growth = None
        self.final = Response(self._parser.parse(self._accumulator.finish()))
        return ()

    def _take(self, name: Any, event: Any) -> Iterable[Emission]:
        """Take an event, whatever it brings."""
        self._growth = None
        if type(event) is not dict:
            raise OpenAIError(f"The server sent an event that is no object: {event!r:.80}")
        known = self._repair(name, event)
        self._last = event
        kind: Any = event.get("type")
        if kind == "error":
            raise _error_in(event)
        if not known:
            return self._calls(kind, event, ResponseStreamEventBase)
        taken = self._accumulator.take(event)
        if taken is None:
            return ()
        if kind in _ENDS:
            taken = plain_copy(taken)
        self._last = taken
        view: Callable[[dict[str, Any]], ResponseStreamEventBase] = ResponseStreamEventBase
        if kind == "response.completed":
            self.completed = True
            if self._parser.parses:
                view = self._completed
        elif kind == "response.output_text.done":
            view = self._done
        elif kind in _PLACES:
            view = self._begin_growth(kind, event).event
        return self._calls(kind, taken, view)

    def _calls(
        self, kind: Any, event: dict[str, Any], view: Callable[[Any], ResponseStreamEventBase]
    ) -> Iterable[Emission]:
        """Return the calls for an event that has been taken in."""
        if self._starting_after is not None and not self._is_new(event):
            return ()
        listened = self.listened
        recipe = _recipe(kind)
        if self.wanted is not listened or any(name in listened for name in recipe.names):
            return self._told(recipe, view(event))
        return ()

    def _told(self, recipe: _Recipe, view: ResponseStreamEventBase) -> Iterator[Emission]:
        """Yield the calls for an event, each if somebody listens when it is its turn."""
        listened = self.listened
        if self.wanted is not listened:
            yield KEEP, (recipe, view)
        if "event" in listened:
            yield "event", (view,)
        for name in recipe.names[1:]:
            if name in listened:
                yield name, (view.by_name(),)

    def _is_new(self, event: dict[str, Any]) -> bool:
        number: Any = event.get("sequence_number")
        return type(number) in (int, float) and number > self._starting_after

    def _begin_growth(self, kind: str, event: dict[str, Any]) -> _Growth:
        """Take note of how the text of a delta that was just taken in may go on."""
        parts, index_field, field = _PLACES[kind]
        holder: Any = self._accumulator.item(event["output_index"])
        if parts:
            holder = holder[parts][int(event[index_field])]
        text = holder[field]
        so_far = text.read()
        view = _SNAPSHOT_VIEWS.get(kind)
        growth = _Growth(
            kind,
            event["item_id"],
            event["output_index"],
            index_field,
            event.get(index_field),
            text,
            len(so_far),
            view,
        )
        if "\ud800" <= so_far[-1:] <= "\udbff":
            # The next piece may make a whole character of this half, also in what this event shows.
            growth.text = GrowingText(so_far)
        else:
            self._growth = growth
        return growth

    def _completed(self, event: dict[str, Any]) -> ResponseStreamEventBase:
        return ResponseCompletedEvent(event, self._parser.parse)

    def _done(self, event: dict[str, Any]) -> ResponseStreamEventBase:
        return ResponseTextDoneEvent(event, functools.partial(self._parse_done, event))

    def _parse_done(self, event: dict[str, Any]) -> Any:
        """Return what a text that ended becomes; ``None`` for one that was cut short."""
        status = (self._accumulator.snapshot or {}).get("status")
        if status in ("incomplete", "failed", "cancelled"):
            return None
        item = self._accumulator.item(event["output_index"]) or {}
        try:
            return self._parser.parse_text(event["text"], item.get("phase"))
        except OpenAIError:
            # That the answer was cut short is known when it ends, an event or two later.
            if status != "completed" and is_cut(event["text"]):
                return None
            raise


@attrs.define
class _Growth:
    """The text that the last event brought a piece of, and what its next piece must come with."""

    kind: str
    item_id: Any
    output_index: Any
    index_field: str
    index: Any
    text: GrowingText
    length: int  # of the text so far
    view: _SnapshotView | None  # of an event that knows the text so far

    def event(self, data: dict[str, Any], by_name: bool = False) -> ResponseStreamEventBase:
        """Return the view of an event that has just been taken in."""
        view = self.view
        if view is None:
            return ResponseStreamEventBase(data)
        return snapshot_view(view, data, (self.text, self.length, by_name))


_SnapshotView = type[ResponseTextDeltaEvent] | type[ResponseFunctionCallArgumentsDeltaEvent]

_SNAPSHOT_VIEWS: Final[Mapping[str, _SnapshotView]] = {
    "response.output_text.delta": ResponseTextDeltaEvent,
    "response.function_call_arguments.delta": ResponseFunctionCallArgumentsDeltaEvent,
}


@attrs.frozen
class _Recipe:
    """Makes the calls of one event: as ``event``, and under its own name if that can be heard."""

    names: tuple[str, ...]
    counted: ClassVar[int] = 1

    def again(self, view: ResponseStreamEventBase) -> Iterator[Emission]:
        view = untouched(view)
        yield "event", (view,)
        for name in self.names[1:]:
            yield name, (view.by_name(),)


_RECIPES: Final = {name: _Recipe(("event", name)) for name in KNOWN}
_NAMELESS: Final = _Recipe(("event",))


def _recipe(kind: Any) -> _Recipe:
    if type(kind) is not str:
        return _NAMELESS
    known = _RECIPES.get(kind)
    if known is None:
        known = _Recipe(("event", kind)) if kind.startswith(OPEN_PREFIX) else _NAMELESS
    return known


def _error_in(event: dict[str, Any]) -> OpenAIError:
    """Return the error that an event of the type ``error`` is, flat or nested."""
    nested = event.get("error")
    return api_error(nested if type(nested) in (dict, list) else event)
