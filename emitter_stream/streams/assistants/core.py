"""The Assistants core: run events in, the Node SDK's listener calls out, snapshots held inside.

A transcript of what Node's ``AssistantStream`` does with each event, in its order. ``feed`` is a
generator because Node changes its state between one listener call and the next: a list of calls
made in advance would show listeners a later state.

Longer than 500 lines: it is read beside Node's class, method by method.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import attrs

from ...engine.codec import Codec
from ...engine.core import Emission
from ...engine.growth import GROWTH, Path
from ...engine.history import KEEP
from ...engine.wire import api_error, shown_event
from ...exceptions import OpenAIError
from ...types import (
    AssistantStreamEvent,
    Message,
    MessageContent,
    MessageDelta,
    Run,
    RunStep,
    RunStepDelta,
    StepDetails,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    event_data_class,
)
from ...types._model import live_view, plain_copy, shared_view
from ...types.assistants.event import EventView
from .codec import CODEC
from .delta import accumulate, check_index, merge_element, refuse_unsafe_keys
from .events import EACH, EVENTS, PIECE
from .growth import Growth, TextGrowth, ToolCallGrowth

__all__ = ["RAW_EVENTS", "AssistantCore"]

_MESSAGE_EVENTS = frozenset(
    f"thread.message.{verb}"
    for verb in ("created", "in_progress", "delta", "completed", "incomplete")
)
_STEP_ENDS = frozenset(
    f"thread.run.step.{verb}" for verb in ("completed", "failed", "cancelled", "expired")
)
_STEP_EVENTS = _STEP_ENDS | {
    f"thread.run.step.{verb}" for verb in ("created", "in_progress", "delta")
}
_RUN_ENDS = frozenset(
    f"thread.run.{verb}"
    for verb in ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
)
_RUN_EVENTS = _RUN_ENDS | {
    f"thread.run.{verb}" for verb in ("created", "queued", "in_progress", "cancelling")
}

# What they bring is kept, as a copy, which takes half of the room.
_LASTING = (
    _RUN_ENDS
    | _STEP_ENDS
    | {"thread.run.in_progress", "thread.message.completed", "thread.message.incomplete"}
)

_WITHOUT_EFFECT = ("thread.created", "done", "error")

RAW_EVENTS = ("thread.created", *sorted(_RUN_EVENTS | _STEP_EVENTS | _MESSAGE_EVENTS))
"""The API's own event names, which can be listened to as well."""

_ABSENT = object()  # JavaScript's undefined where it differs from null


class AssistantCore:
    """Turns the events of one run into listener calls and snapshots.

    ``wanted`` says which names are to be emitted; the others are not made at all. Snapshots are
    kept up to date in any case. Where ``listened`` is another container, ``wanted`` has more names
    than somebody listens to, for those who may come late: what can be made again is then given to
    them as a recipe (engine/history.py), and made for those alone who listen.
    """

    codec: Codec = CODEC
    events: Mapping[str, int] = EVENTS
    open_prefix: str = ""
    aliases: Container[str] = frozenset((EACH, PIECE, *RAW_EVENTS))  # most repeat an `event`
    made: Mapping[str, str] = {}
    """The names of events that come from no server, each with the object that it must be."""

    def __init__(self) -> None:
        self.wanted: Container[str] = EVENTS
        self.listened: Container[str] = self.wanted
        self.current_run: Any = None
        self.current_message: Message | None = None
        self.current_run_step: RunStep | None = None
        self.final_run: Any = None
        self.messages: dict[str, Message] = {}
        self.run_steps: dict[str, RunStep] = {}
        # The last event: its name and data, or its growth and its piece; and the view that was made
        # of which event. Each is replaced whole, since any thread may ask for the current event.
        self._last: tuple[Any, Any] | None = None
        self._stranger: tuple[Any, Any] | None = None  # the first event that is none of the API's
        self._seen: tuple[Any, AssistantStreamEvent | None] = (None, None)
        self._growth: Growth | None = None  # how the last event's text may go on
        self._message_id: str | None = None  # of the message that is open
        self._content_index: int | None = None
        self._content: MessageContent | None = None  # the block that the last delta was for
        self._step_id: str | None = None  # of the step that is open
        self._tool_call_index: Any = _ABSENT
        self._tool_call: ToolCall | None = None

    @property
    def current_event(self) -> AssistantStreamEvent | None:
        """The last event, made when it is asked for: most are never looked at."""
        last, (seen, view) = self._last, self._seen
        if last is None or last is seen:
            return view
        event, data = last
        if isinstance(event, Growth):
            made = {"event": event.event, "data": event.data(data)}
        else:
            made = {"event": event, "data": data}
        made_view: AssistantStreamEvent = shared_view(EventView, made)
        self._seen = (last, made_view)
        return made_view

    def growth(self) -> Path | None:
        """Return where the last event's text stands, if the next may differ in that alone."""
        return None if self._growth is None else self._growth.path

    def grown(self, piece: str) -> tuple[str, Any]:
        """Return the name and the data of the event that ``GROWTH`` with ``piece`` stands for."""
        growth = self._growth
        assert growth is not None
        return growth.event, growth.data(piece)

    def feed(self, event: Any, data: Any) -> Iterable[Emission]:
        """Take one event; give the listener calls it leads to, each before the next is made.

        ``GROWTH`` in place of its name, and a string as its data, is the last event with that
        string where ``growth()`` says.

        Raises ``OpenAIError`` where the Node SDK ends the stream with an error, before the
        ``event`` call if the event does not fit the ones before.
        """
        growth = self._growth
        if growth is not None:
            if event is GROWTH:
                listened = self.listened
                # What comes of most deltas: without a generator and the calls of `_grow`, for
                # half of the time.
                if (
                    type(growth) is TextGrowth
                    and self.wanted is listened
                    and "messageDelta" not in listened
                    and "event" not in listened
                    and "thread.message.delta" not in listened
                    and growth.text.append(data)
                ):
                    self._last = (growth, data)
                    return growth.bare(data, listened)
                return self._grow(growth, data)
            following = growth.next(data) if event == growth.event else None
            if following is not None:
                self._growth = following
                return self._grow(following, following.piece or "")
        return self._take(event, data)

    def _take(self, event: Any, data: Any) -> Iterator[Emission]:
        """Take an event, whatever it brings."""
        handle: Callable[[str, Any], Iterator[Emission]] | None
        if event is None:
            handle = None
        elif event in _MESSAGE_EVENTS:
            self._check_message(event, data)
            handle = self._message_delta if event == "thread.message.delta" else self._message
        elif event in _STEP_EVENTS:
            self._check_step(event, data)
            handle = self._step_delta if event == "thread.run.step.delta" else self._step
        elif event in _RUN_EVENTS:
            handle = self._run
        else:
            handle = None
        if event in _LASTING:
            data = plain_copy(data)
        if handle is None and self._stranger is None and event not in _WITHOUT_EFFECT:
            self._stranger = (event, data)
        self._last = (event, data)
        self._growth = None
        if self.wanted is not self.listened:
            yield KEEP, (_RECIPES.get(event) or _EventRecipe(event, (EACH, "event")), data)
        yield from self._emit_event(event, data)
        if event is not None and handle is not None:
            yield from handle(event, data)
        elif event == "error":
            raise api_error(data)

    def _grow(self, growth: Growth, piece: str) -> Iterable[Emission]:
        """Take an event that brings the next piece of a text, and nothing else."""
        if growth.wants_whole(self.listened):
            return self._grow_whole(growth, piece)
        return self._grow_bare(growth, piece)

    def _grow_bare(self, growth: Growth, piece: str) -> Iterator[Emission]:
        """Take such an event for those who want no more of it than the text or the call."""
        listened = self.listened
        self._last = (growth, piece)
        if self.wanted is not listened:
            yield KEEP, (growth, piece)
        if not growth.text.append(piece):
            yield from self._grow_again(growth, piece)
            return
        yield from growth.bare(piece, listened)
        # A listener that was just called may have attached one for what comes behind it.
        if "runStepDelta" in listened and isinstance(growth, ToolCallGrowth):
            yield growth.behind(piece)

    def _grow_whole(self, growth: Growth, piece: str) -> Iterator[Emission]:
        """Take such an event for those who want it as well."""
        listened = self.listened
        event, data = growth.event, growth.data(piece)
        self._last = last = (event, data)
        if self.wanted is not listened:
            yield KEEP, (growth, piece)
        # What `_emit_event` does, in half of the time.
        if EACH in listened:
            yield EACH, (growth, piece)
        if "event" in listened:
            view: AssistantStreamEvent = shared_view(EventView, {"event": event, "data": data})
            self._seen = (last, view)
            yield "event", (view,)
        if event in listened:
            yield event, (shared_view(event_data_class(event), data),)
        # As in Node, after `event` and before the others.
        if growth.text.append(piece):
            has_piece = PIECE in listened and piece and type(growth) is TextGrowth
            if growth.is_heard(listened):
                first, second = growth.calls(data)
                yield first
                if has_piece:
                    yield PIECE, (piece,)
                yield second
            elif has_piece:
                yield PIECE, (piece,)
        else:
            yield from self._grow_again(growth, piece)

    def _grow_again(self, growth: Growth, piece: str) -> Iterator[Emission]:
        """Take such an event after a listener has written to the snapshot: by what is there now."""
        self._growth = None
        handle = self._message_delta if isinstance(growth, TextGrowth) else self._step_delta
        yield from handle(growth.event, growth.data(piece))
        if self._growth is None:
            self._growth = growth  # the next event may come as one piece more of this

    def _emit_event(self, event: Any, data: Any) -> Iterator[Emission]:
        listened = self.listened
        if EACH in listened:
            yield EACH, (event, data)
        if "event" in listened:
            yield "event", (self.current_event,)
        if event in listened and event in _RECIPES:
            yield event, (shared_view(event_data_class(event), data),)

    def finish(self) -> Iterator[Emission]:
        """Take the end of the events; raises ``OpenAIError`` if the run has not come to its end."""
        if not self.final_run and type(self.final_run) is not list:
            if self._stranger is not None and not self._has_begun():
                raise OpenAIError(
                    f"Final run has not been received, nor any other event of an Assistants run. "
                    f"What came instead begins with {shown_event(*self._stranger)}"
                )
            raise OpenAIError(
                "Final run has not been received: the stream stopped before the run came to an "
                "end. The run may still go on; runs.retrieve() and messages.list() tell."
            )
        yield "run", (self.final_run,)

    def _has_begun(self) -> bool:
        return self.current_run is not None or bool(self.messages or self.run_steps)

    # Messages

    def _check_message(self, event: str, data: Any) -> None:
        message_id = _id_of(event, data)
        if event == "thread.message.created":
            if self.current_message is not None:
                raise OpenAIError(
                    f"The server created message {message_id!r} before message "
                    f"{self._message_id!r} was done."
                )
            if message_id in self.messages:
                raise OpenAIError(f"The server created message {message_id!r} a second time.")
            self._message_id = message_id
        elif self.current_message is None:
            raise OpenAIError(f"The server sent {event} with no message open.")
        elif message_id != self._message_id:
            raise OpenAIError(
                f"The server sent {event} for message {message_id!r} while message "
                f"{self._message_id!r} is open."
            )

    def _message(self, event: str, data: Any) -> Iterator[Emission]:
        message_id: str = data["id"]
        if event == "thread.message.created":
            # A copy: the snapshot grows, the event that was handed out does not.
            message = self.current_message = self.messages[message_id] = live_view(
                Message, plain_copy(data)
            )
            self._content_index = self._content = None
            yield "messageCreated", (message,)
        elif event != "thread.message.in_progress":
            message = self.current_message = self.messages[message_id] = Message(data)
            if self._content_index is not None:
                if data.get("content") is None:
                    raise OpenAIError(f"The server sent {event} without content.")
                if type(_element(data["content"], self._content_index)) is dict:
                    yield from self._content_done(message.content[self._content_index])
            yield "messageDone", (message,)
            self._content_index = self._content = None
            self.current_message = self._message_id = None

    def _message_delta(self, event: str, data: Any) -> Iterator[Emission]:
        message = self.current_message
        assert message is not None
        delta = _delta_of(event, data)
        elements: list[Any] = []
        blocks: list[MessageContent | None] = []
        if type(delta) is dict and _is_true(delta.get("content")):
            elements = _array(delta["content"], "message delta's content")
            refuse_unsafe_keys(delta)
            # Looked up at once: a listener may take blocks out of the message.
            blocks, created = self._merge_content(message, elements)
            for block in created:
                if block is not None and block.type == "text":
                    yield "textCreated", (block.text,)
        wanted = self.wanted
        if "messageDelta" in wanted:
            yield "messageDelta", (shared_view(MessageDelta, delta), message)
        content: MessageContent | None = None
        index = -1
        for element, content in zip(elements, blocks, strict=True):
            index = int(element["index"])
            if element.get("type") == "text" and _is_true(element.get("text")):
                if content is None or content.type != "text":
                    raise OpenAIError(
                        f"The server sent a text delta for content block {index}, which is no text."
                    )
                if PIECE in wanted and (piece := shared_view(TextDelta, element["text"]).value):
                    yield PIECE, (piece,)
                if "textDelta" in wanted:
                    yield "textDelta", (shared_view(TextDelta, element["text"]), content.text)
            if index != self._content_index:
                if self._content is not None:
                    yield from self._content_done(self._content)
                self._content_index = index
            self._content = content
        if content is not None and _stands_in(message._data.get("content"), index, content):
            self._growth = TextGrowth.after(data, content, message)

    def _merge_content(
        self, message: Message, elements: list[Any]
    ) -> tuple[list[MessageContent | None], list[MessageContent | None]]:
        """Merge a delta's elements; return the block of each, and those of the new ones."""
        array = _array(message._data.get("content"), "message content")
        length = len(array)
        indexes, are_new = [], []
        for element in elements:
            if type(element) is not dict:
                raise OpenAIError("The server sent a message delta with a block that is no object.")
            index = check_index(element, length)
            are_new.append(merge_element(array, index, element))
            indexes.append(index)
        content = message.content
        blocks: list[MessageContent | None] = [content[index] for index in indexes]
        return blocks, list(itertools.compress(blocks, are_new))

    def _content_done(self, content: Any) -> Iterator[Emission]:
        if content.type == "text":
            yield "textDone", (content.text, self.current_message)
        elif content.type == "image_file":
            yield "imageFileDone", (content.image_file, self.current_message)

    # Run steps and tool calls

    def _check_step(self, event: str, data: Any) -> None:
        step_id = _id_of(event, data)
        if event == "thread.run.step.delta":
            delta = data.get("delta")
            if type(delta) is dict and "id" in delta:
                raise OpenAIError("The server sent a run step's delta with an id field in it.")
        if event == "thread.run.step.created":
            if self._step_id is not None:
                raise OpenAIError(
                    f"The server created run step {step_id!r} before run step "
                    f"{self._step_id!r} was done."
                )
            if step_id in self.run_steps:
                raise OpenAIError(f"The server created run step {step_id!r} a second time.")
            self._step_id = step_id
        elif self._step_id is not None:
            if step_id != self._step_id:
                raise OpenAIError(
                    f"The server sent {event} for run step {step_id!r} while run step "
                    f"{self._step_id!r} is open."
                )
        elif event == "thread.run.step.delta":
            raise OpenAIError(f"The server sent {event} for run step {step_id!r}, not open.")
        elif step_id in self.run_steps:
            raise OpenAIError(f"The server sent {event} for run step {step_id!r}, already done.")
        elif event == "thread.run.step.in_progress":
            self._step_id = step_id

    def _step(self, event: str, data: Any) -> Iterator[Emission]:
        step_id: str = data["id"]
        if event in _STEP_ENDS:
            step = self.run_steps[step_id] = RunStep(data)
            self.current_run_step = self._step_id = None
            if _type_of(data.get("step_details")) == "tool_calls" and self._tool_call is not None:
                yield "toolCallDone", (self._tool_call,)
            yield "runStepDone", (step, step)
            self._forget_tool_call()
            return
        # A copy: the snapshot grows, the event that was handed out does not.
        step = self.current_run_step = self.run_steps[step_id] = live_view(
            RunStep, plain_copy(data)
        )
        if event == "thread.run.step.created":
            self._forget_tool_call()
            yield "runStepCreated", (step,)

    def _step_delta(self, event: str, data: Any) -> Iterator[Emission]:
        step = self.run_steps[data["id"]]
        self.current_run_step = step
        delta = _delta_of(event, data)
        if type(delta) is not dict and (type(delta) is list or (delta and type(delta) is str)):
            raise OpenAIError("The server sent thread.run.step.delta with a delta that is none.")
        details = None
        call: Any = None
        snapshot: ToolCall | None = None
        delta_view: Any = delta
        if type(delta) is dict:
            refuse_unsafe_keys(delta)
            accumulate(step._data, delta)
            delta_view = shared_view(RunStepDelta, delta)
            details = delta.get("step_details")
        if (
            type(details) is dict
            and details.get("type") == "tool_calls"
            and _is_true(details.get("tool_calls"))
            and _type_of(step._data.get("step_details")) == "tool_calls"
        ):
            for call in _array(details["tool_calls"], "tool calls"):
                if type(call) is not dict:
                    raise OpenAIError("The server sent a tool call delta that is no object.")
                snapshot = _call_at(step, call)
                if _same_index(call.get("index", _ABSENT), self._tool_call_index):
                    yield "toolCallDelta", (shared_view(ToolCallDelta, call), snapshot)
                    continue
                if self._tool_call is not None:
                    yield "toolCallDone", (self._tool_call,)
                self._tool_call_index = call.get("index", _ABSENT)
                self._tool_call = snapshot
                if snapshot is not None:
                    yield "toolCallCreated", (snapshot,)
        yield "runStepDelta", (delta_view, step)
        if snapshot is not None and _call_at(step, call) is snapshot:
            self._growth = ToolCallGrowth.after(data, snapshot, step)

    def _forget_tool_call(self) -> None:
        self._tool_call_index = _ABSENT
        self._tool_call = None

    # Runs

    def _run(self, event: str, data: Any) -> Iterator[Emission]:
        self.current_run = Run(data) if type(data) is dict else data
        if event in _RUN_ENDS:
            self.final_run = self.current_run
            if self._tool_call is not None:
                yield "toolCallDone", (self._tool_call,)
            self._forget_tool_call()


@attrs.frozen
class _EventRecipe:
    """Makes the calls for an event itself, which are not all that it leads to."""

    name: Any
    names: tuple[str, ...]  # EACH, "event", and the event's own if that can be listened to
    counted: ClassVar[int] = 1

    def again(self, data: Any) -> Iterator[Emission]:
        for name in self.names:
            if name == EACH:
                yield name, (self.name, data)
            elif name == "event":
                yield name, (EventView({"event": self.name, "data": data}),)
            else:
                yield name, (shared_view(event_data_class(name), data),)


_RECIPES: dict[Any, _EventRecipe] = {
    name: _EventRecipe(name, (EACH, "event", name)) for name in RAW_EVENTS
}


def _id_of(event: str, data: Any) -> str:
    identifier = data.get("id") if type(data) is dict else None
    if type(identifier) is not str or not identifier:
        raise OpenAIError(f"The server sent {event} without a valid id.")
    return identifier


def _delta_of(event: str, data: dict[str, Any]) -> Any:
    if data.get("delta") is None:
        raise OpenAIError(f"The server sent {event} without a delta.")
    return data["delta"]


def _type_of(value: Any) -> Any:
    if value is None:
        raise OpenAIError("The server sent a run step without step_details.")
    return value.get("type") if type(value) is dict else None


def _array(value: Any, what: str) -> list[Any]:
    if type(value) is not list:
        raise OpenAIError(f"The server sent a {what} that is no array.")
    return value


def _element(array: Any, index: int) -> Any:
    """Return ``array[index]``, ``None`` where there is none, as JavaScript does."""
    return array[index] if type(array) is list and index < len(array) else None


def _stands_in(array: Any, index: int, content: MessageContent) -> bool:
    """Return whether a listener has left a block where it was."""
    return type(array) is list and index < len(array) and array[index] is content._data


def _call_at(step: RunStep, call: dict[str, Any]) -> ToolCall | None:
    """Return the snapshot of the call that a delta is for, ``None`` where JavaScript has none."""
    index = call.get("index")
    details = step.step_details
    calls = details.tool_calls if isinstance(details, StepDetails) else None
    if type(index) is str and index.isascii() and index.isdigit() and str(int(index)) == index:
        index = int(index)  # JavaScript takes "1" for 1 here
    if type(index) is float and index.is_integer():
        index = int(index)
    if type(index) is not int or not isinstance(calls, list) or not 0 <= index < len(calls):
        return None
    snapshot = calls[index]
    return snapshot if isinstance(snapshot, ToolCall) else None  # a listener may put in anything


def _same_index(one: Any, other: Any) -> bool:
    """Tell what JavaScript's ``===`` tells of two indexes: ``True`` is not 1, 1.0 is."""
    return one == other and (type(one) is bool) == (type(other) is bool)


def _is_true(value: Any) -> bool:
    """Tell what JavaScript takes for true: empty objects and arrays are."""
    return type(value) in (dict, list) or bool(value)
