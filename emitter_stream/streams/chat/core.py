"""The chat core: chunks in, the Node SDK's listener calls out, the completion held inside.

A transcript of what Node's ``ChatCompletionStream`` does with each chunk, in its order, after
``repairs.py`` has put in what the server left out. ``feed`` is a generator because Node changes its
state between one listener call and the next.

Longer than 500 lines: all of it changes one state, and it is read beside Node's class, method by method.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ...engine.growth import GROWTH, Path
from ...engine.wire import loads
from ...exceptions import OpenAIError
from ...types._model import GrowingText, LiveList, live_list, live_view, plain_copy, text_so_far
from ...types.chat import (
    ChatCompletionChunk,
    ChatCompletionTokenLogprob,
    ContentDeltaEvent,
    ContentDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    ParsedChatCompletionSnapshot,
    RefusalDeltaEvent,
    RefusalDoneEvent,
)
from ..partial_json import GrowingJSON, JSONBudget
from ..structured import Parser, parsed
from .codec import CODEC, MESSAGE_PREFIX
from .conversation import Conversation, Emission
from .events import ALIASES, EVENTS, EVERYTHING
from .finals import Parsing, final_completion, parse_completion, refuse_unfinished
from .growth import PADDING, ArgumentsGrowth, ContentGrowth, Growth, grow
from .repairs import REASONING, ChunkRepair, is_true

__all__ = ["ChatCore"]

MOST_TOOL_CALLS = 128


@attrs.define(eq=False)
class _Call:
    """What is known of one tool call beside its snapshot."""

    name: str | None = None  # once it is settled, where any tool's arguments are parsed
    parser: Parser | None = None
    json: GrowingJSON | None = None


@attrs.define(eq=False)
class _Choice:
    """What is known of one choice beside its snapshot."""

    content_done: bool = False
    refusal_done: bool = False
    logprobs_content_done: bool = False
    logprobs_refusal_done: bool = False
    calls_done: set[int] = attrs.field(factory=set)
    current_call: int | None = None
    content_json: GrowingJSON | None = None
    calls: dict[int, _Call] = attrs.field(factory=dict)
    logprobs: dict[str, LiveList[Any]] = attrs.field(factory=dict)  # what shows them, by name


class ChatCore:
    """Turns the chunks of a completion into listener calls and a growing snapshot.

    ``wanted`` says which names are to be emitted; see ``AssistantCore`` for ``listened``.
    ``repairs`` counts what was repaired. One that ``replays`` takes what ``to_readable_stream``
    wrote: several completions, one after another, and the results of tools between them.
    """

    events: Mapping[str, int] = EVENTS
    aliases: Container[str] = ALIASES
    made: Mapping[str, str] = {}
    codec = CODEC
    open_prefix = ""

    def __init__(self, parsing: Parsing | None = None, *, replays: bool = False) -> None:
        self.wanted: Container[str] = EVENTS
        self.listened: Container[str] = self.wanted
        self.parsing = parsing or Parsing()
        self.conversation = Conversation()
        self.repairs: Counter[str] = Counter()
        self._replays = replays
        self._replayed_id: Any = None
        self._last_view: ParsedChatCompletionSnapshot | None = None
        self._begin()

    def _begin(self) -> None:
        """Begin a completion."""
        self._snapshot: dict[str, Any] | None = None
        self._view: ParsedChatCompletionSnapshot | None = None
        self._choices: dict[int, _Choice] = {}
        self._audio_done: set[int] = set()
        self._budget = JSONBudget()
        self._repair = ChunkRepair(self.repairs, self._arguments_of)
        self._growth: Growth | None = None

    # For the stream

    @property
    def current_snapshot(self) -> ParsedChatCompletionSnapshot | None:
        """The completion so far; ``None`` before the first chunk and after the last."""
        return self._view

    @property
    def last_snapshot(self) -> ParsedChatCompletionSnapshot | None:
        """The completion so far, or the last one."""
        return self._view or self._last_view

    @property
    def current_event(self) -> object:
        """Not kept: each chunk is an emission of its own."""
        return None

    def growth(self) -> Path | None:
        """Return where the last chunk's text stands, if the next may differ in that alone."""
        return None if self._growth is None else self._growth.path

    def grown(self, piece: Any) -> tuple[Any, Any]:
        """Return the name and the data of the event that ``GROWTH`` with ``piece`` stands for."""
        assert self._growth is not None
        text, padding = piece if type(piece) is tuple else (piece, None)
        return None, self._growth.data(text, padding)

    def feed(self, event: Any, data: Any) -> Iterable[Emission]:
        """Take one chunk; yield the listener calls it leads to, each before the next is made.

        ``GROWTH`` in place of its name, and a string as its data, is the last chunk with that
        string where ``growth()`` says. Raises ``OpenAIError`` where the Node SDK ends the stream.
        """
        growth = self._growth
        if growth is None:
            return self._take(data)
        padding = chunk = None
        if event is not GROWTH:
            piece = growth.piece_in(data)
            if piece is None:
                return self._take(data)
            padding, chunk = data.get(PADDING), data
        elif type(data) is tuple:
            piece, padding = data
        else:
            piece = data
        listened = self.listened
        take = growth.take_whole if EVERYTHING in listened else growth.take
        return take(piece, padding, chunk, listened, self.wanted is not listened)

    def finish(self) -> Iterator[Emission]:
        """Take the end of the chunks; ``OpenAIError`` if the answer has not come to its end."""
        if self._snapshot is not None or not (self._replays and self.conversation.completions):
            yield from self.with_everything(self.end_completion())
        yield from self.conversation.finals()

    def end_completion(self) -> Iterator[Emission]:
        """Take the end of one completion."""
        self._growth = None
        snapshot = self._snapshot
        if snapshot is None:
            raise OpenAIError("The stream ended without a chunk of a completion.")
        completion = final_completion(snapshot, self._audio_done)
        parse_completion(completion, self.parsing)
        self._last_view = self._view
        self._begin()
        self._replayed_id = None
        yield from self.conversation.add_completion(completion)

    # One chunk

    def _take(self, data: Any) -> Iterator[Emission]:
        """Take a chunk, whatever it brings."""
        self._growth = None
        if self._replays:
            if _is_made_message(data):
                yield from self.with_everything(self._take_message(_made_message(data)))
                return
            identifier = data.get("id") if type(data) is dict else None
            if self._replayed_id and identifier and identifier != self._replayed_id:
                # Another request was made.
                yield from self.with_everything(self.end_completion())
        if type(data) is not dict:
            raise OpenAIError(f"The server sent {_brief(data)} where a chunk should be.")
        chunk = self._repair.repaired(data)
        choices = chunk["choices"]
        if type(choices) is not list:
            raise OpenAIError(f"The server sent a chunk whose choices are {_brief(choices)}.")
        completion = self._accumulate(chunk, choices)
        if self._replays and is_true(chunk.get("id")):
            self._replayed_id = chunk["id"]
        yield from self.with_everything(self._calls_of_chunk(chunk, choices, completion))
        if not self._repair.changed and len(choices) == 1:
            self._growth = self._growth_after(data, chunk, choices[0])

    def _calls_of_chunk(
        self, chunk: dict[str, Any], choices: list[Any], completion: dict[str, Any]
    ) -> Iterator[Emission]:
        if "chunk" in self.wanted or EVERYTHING in self.wanted:
            yield "chunk", (ChatCompletionChunk(chunk), self._view)
        for choice in choices:
            yield from self._events_of(choice, completion["choices"][choice["index"]])

    def with_everything(self, calls: Iterator[Emission]) -> Iterator[Emission]:
        """Yield calls, each once more for those who want all of them in their order."""
        for name, args in calls:
            yield name, args
            if EVERYTHING in self.wanted and name != "content":
                yield EVERYTHING, (name, args)

    def _take_message(self, made: Any) -> Iterator[Emission]:
        """Take a message that ``to_readable_stream`` put between two completions."""
        message = made.get("message") if type(made) is dict else None
        if type(message) is not dict:
            raise OpenAIError(f"There is no message in {_brief(made)}.")
        if self._snapshot is not None:
            ids = made.get("tool_call_ids")
            calls = _calls_of(self._snapshot, 0)
            for call, identifier in zip(calls, ids if type(ids) is list else (), strict=False):
                if type(call) is dict and is_true(identifier):
                    call["id"] = identifier
            yield from self.end_completion()
        self._replayed_id = None
        yield from self.conversation.tool_message(plain_copy(message))

    def _accumulate(self, chunk: dict[str, Any], choices: list[Any]) -> dict[str, Any]:
        rest = {k: v for k, v in chunk.items() if k not in ("choices", PADDING)}
        snapshot = self._snapshot
        if snapshot is None:
            snapshot = self._snapshot = {**plain_copy(rest), "choices": []}
            self._view = live_view(ParsedChatCompletionSnapshot, snapshot)
        elif is_true(chunk.get("id")):
            snapshot.update(plain_copy(rest))
        for choice in choices:
            if type(choice) is not dict:
                raise OpenAIError(f"The server sent a choice that is {_brief(choice)}.")
            self._accumulate_choice(snapshot["choices"], choice)
        return snapshot

    def _accumulate_choice(self, array: list[Any], given: dict[str, Any]) -> None:
        index = given.get("index")
        if type(index) is not int or not 0 <= index < self.parsing.most_choices:
            raise OpenAIError(f"The server sent a choice with the invalid index {_brief(index)}.")
        other = {k: plain_copy(v) for k, v in given.items() if k not in _CHOICE_FIELDS}
        finish = given.get("finish_reason")
        choice = array[index] if index < len(array) else None
        if choice is None:
            choice = {"finish_reason": finish, "index": index, "message": {}, "logprobs": None}
            choice.update(other)
            array.extend([None] * (index + 1 - len(array)))
            array[index] = choice
        self._accumulate_logprobs(choice, given.get("logprobs"))
        if is_true(finish):
            choice["finish_reason"] = finish
            if self.parsing.unfinished_is_error:
                refuse_unfinished(finish, self._view)
        choice.update(other)
        delta = given.get("delta")
        if not is_true(delta):
            return
        if type(delta) is not dict:
            raise OpenAIError(f"The server sent a delta that is {_brief(delta)}.")
        self._accumulate_message(choice, delta)

    def _accumulate_logprobs(self, choice: dict[str, Any], given: Any) -> None:
        if not is_true(given):
            return
        if type(given) is not dict:
            raise OpenAIError(f"The server sent logprobs that are {_brief(given)}.")
        lists = {name: given[name] for name in ("content", "refusal") if is_true(given.get(name))}
        if any(type(tokens) is not list for tokens in lists.values()):
            raise OpenAIError("The server sent logprobs that are no list of tokens.")
        logprobs = choice["logprobs"]
        if not is_true(logprobs):
            choice["logprobs"] = plain_copy(given)
            return
        logprobs.update(
            {k: plain_copy(v) for k, v in given.items() if k not in ("content", "refusal")}
        )
        for name, tokens in lists.items():
            if logprobs.get(name) is None:
                logprobs[name] = []
            if type(logprobs[name]) is not list:
                raise OpenAIError("The server sent logprobs that are no list of tokens.")
            logprobs[name].extend(plain_copy(tokens))

    def _accumulate_message(self, choice: dict[str, Any], delta: dict[str, Any]) -> None:
        message, index = choice["message"], choice["index"]
        self._audio_done.discard(index)
        rest = {k: v for k, v in delta.items() if k not in _DELTA_FIELDS}
        for name in REASONING:
            if name in rest and name in message:
                if type(rest[name]) is str and type(_text(message[name])) is str:
                    _append(message, name, rest.pop(name))
                    self.repairs["C5"] += 1
                elif rest[name] is None:
                    del rest[name]
                    self.repairs["C5"] += 1
        message.update(plain_copy(rest))
        audio, function_call = delta.get("audio"), delta.get("function_call")
        if not rest and _ends_audio(delta):
            self._audio_done.add(index)
        if is_true(delta.get("refusal")):
            _append(message, "refusal", delta["refusal"])
        if is_true(delta.get("role")):
            message["role"] = delta["role"]
        if is_true(audio):
            _accumulate_audio(message, _object(audio, "audio"))
        if is_true(function_call):
            _accumulate_function_call(message, _object(function_call, "a function call"))
        if delta.get("content") is not None:
            self._accumulate_content(index, message, delta["content"])
        calls = delta.get("tool_calls")
        if is_true(calls):
            if type(calls) is not list:
                raise OpenAIError(f"The server sent tool calls that are {_brief(calls)}.")
            self._accumulate_calls(index, message, calls)

    def _accumulate_content(self, index: int, message: dict[str, Any], piece: Any) -> None:
        if self.parsing.content is None or is_true(message.get("refusal")):
            _append(message, "content", piece)
            return
        if type(piece) is not str:
            raise OpenAIError(f"The server sent content that is {_brief(piece)}.")
        state = self._state(index)
        if state.content_json is None:
            state.content_json = GrowingJSON(self._budget)
        due = state.content_json.add(piece)
        _append(message, "content", piece)
        if due:
            message["parsed"] = state.content_json.value(_growing(message, "content").read())
        elif piece or not state.content_json.root:
            message["parsed"] = None

    def _accumulate_calls(self, choice: int, message: dict[str, Any], calls: list[Any]) -> None:
        array = message.get("tool_calls")
        if type(array) is not list:
            array = message["tool_calls"] = []
        for given in calls:
            if type(given) is not dict:
                raise OpenAIError(f"The server sent a tool call that is {_brief(given)}.")
            index = given.get("index")
            if type(index) is not int or not 0 <= index < MOST_TOOL_CALLS:
                raise OpenAIError(
                    f"The server sent a tool call with the invalid index {_brief(index)}."
                )
            array.extend([None] * (index + 1 - len(array)))
            call = array[index]
            if call is None:
                call = array[index] = {}
            self._accumulate_call(choice, index, call, given)

    def _accumulate_call(
        self, choice: int, index: int, call: dict[str, Any], given: dict[str, Any]
    ) -> None:
        function, custom = given.get("function"), given.get("custom")
        name = function.get("name") if type(function) is dict else None
        known: _Call | None = None
        if self.parsing.has_tools:
            known = self._state(choice).calls.setdefault(index, _Call())
            if known.name is not None and (
                given.get("type", "function") != "function"
                or (type(function) is dict and function.get("name", known.name) != known.name)
            ):
                raise OpenAIError("The server changed the name or the type of a tool call.")
        call.update(plain_copy({k: v for k, v in given.items() if k not in _CALL_FIELDS}))
        for field in ("id", "type"):
            if is_true(given.get(field)):
                call[field] = given[field]
        if is_true(custom):
            custom = _object(custom, "a custom tool")
            snapshot = call.setdefault("custom", {"name": custom.get("name") or "", "input": ""})
            if is_true(custom.get("name")):
                snapshot["name"] = custom["name"]
            if is_true(custom.get("input")):
                _append(snapshot, "input", custom["input"])
        if not is_true(function):
            return
        function = _object(function, "a function")
        snapshot = call.setdefault("function", {"name": name or "", "arguments": ""})
        if is_true(name):
            snapshot["name"] = name
        if known is not None and known.name is None:
            self._settle_name(known, call)
        piece = function.get("arguments")
        if piece is None:
            return
        if known is None or (known.name is not None and known.parser is None):
            _append(snapshot, "arguments", piece)
            return
        if type(piece) is not str:
            raise OpenAIError(f"The server sent arguments that are {_brief(piece)}.")
        if known.json is None:
            known.json = GrowingJSON(self._budget)
        due = known.json.add(piece)
        _append(snapshot, "arguments", piece)
        if due and known.parser is not None:
            text = _growing(snapshot, "arguments").read()
            snapshot["parsed_arguments"] = known.json.value(text)
        elif piece and "parsed_arguments" in snapshot:
            del snapshot["parsed_arguments"]

    def _settle_name(self, known: _Call, call: dict[str, Any]) -> None:
        """Find out whether a call's arguments are parsed, as soon as it says what it calls."""
        name = call["function"].get("name")
        if call.get("type") != "function" or type(name) is not str or not name:
            return
        known.name = name
        known.parser = self.parsing.tools.get(name)
        if known.parser is None and known.json is not None:
            known.json.withdraw()
            known.json = None

    def _state(self, index: int) -> _Choice:
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _Choice()
        return state

    def _arguments_of(self, choice: int, call: int) -> str:
        """Return the arguments that a tool call has come to."""
        calls = _calls_of(self._snapshot, choice)
        found = calls[call] if call < len(calls) else None
        function = found.get("function") if type(found) is dict else None
        text = _text(function.get("arguments")) if type(function) is dict else None
        return text if type(text) is str else ""

    # The calls that a chunk leads to

    def _events_of(self, given: dict[str, Any], choice: dict[str, Any]) -> Iterator[Emission]:
        wanted = self.wanted
        message = choice["message"]
        delta = given.get("delta")
        delta = delta if type(delta) is dict else {}
        if message.get("role") == "assistant":
            content = _text(message.get("content"))
            if delta.get("content") is not None and is_true(content):
                if "content" in wanted:
                    yield "content", (delta["content"], content)
                if "content.delta" in wanted or EVERYTHING in wanted:
                    event = {"delta": delta["content"], "snapshot": _shown(message, "content")}
                    if "parsed" in message:
                        event["parsed"] = message["parsed"]
                    yield "content.delta", (ContentDeltaEvent(event),)
            refusal = _text(message.get("refusal"))
            if delta.get("refusal") is not None and is_true(refusal):
                event = {"delta": delta["refusal"], "snapshot": _shown(message, "refusal")}
                yield "refusal.delta", (RefusalDeltaEvent(event),)
            yield from self._logprobs(given.get("logprobs"), choice)
        state = self._state(choice["index"])
        finished = is_true(choice["finish_reason"])
        calls: list[Any] = delta.get("tool_calls") or []
        if finished:
            yield from self._content_done(state, choice)
            if state.current_call is not None:
                yield from self._call_done(state, choice, state.current_call)
        for call in calls:
            if state.current_call != call["index"]:
                yield from self._content_done(state, choice)
                if state.current_call is not None:
                    yield from self._call_done(state, choice, state.current_call)
            state.current_call = call["index"]
        for call in calls:
            snapshot = message["tool_calls"][call["index"]]
            if snapshot.get("type") != "function":
                continue
            _object(snapshot.get("function"), "the function of a tool call")
            if "tool_calls.function.arguments.delta" in wanted or EVERYTHING in wanted:
                function = call.get("function")
                piece = function.get("arguments") if type(function) is dict else None
                yield (
                    "tool_calls.function.arguments.delta",
                    (_arguments_delta(snapshot, call["index"], "" if piece is None else piece),),
                )

    def _logprobs(self, given: Any, choice: dict[str, Any]) -> Iterator[Emission]:
        if type(given) is not dict:
            return
        snapshot, state = choice["logprobs"], self._state(choice["index"])
        for name, event_class in _LOGPROBS_DELTAS:
            event_name = f"logprobs.{name}.delta"
            if given.get(name) is None or not (
                event_name in self.wanted or EVERYTHING in self.wanted
            ):
                continue
            so_far = snapshot.get(name) if type(snapshot) is dict else None
            if type(so_far) is not list:  # whatever it is, that is all there is
                so_far = [] if so_far is None else so_far
                yield event_name, (event_class({name: given[name], "snapshot": so_far}),)
                continue
            shown = state.logprobs.get(name)
            if shown is None or shown._data is not so_far:
                # One for all events: each would make a view of each token so far.
                shown = live_list(ChatCompletionTokenLogprob, so_far)
                state.logprobs[name] = shown
            shown.follow()
            yield event_name, (event_class({name: given[name], "snapshot": shown}),)

    def _content_done(self, state: _Choice, choice: dict[str, Any]) -> Iterator[Emission]:
        message = choice["message"]
        content, refusal = _text(message.get("content")), _text(message.get("refusal"))
        refused = is_true(refusal)
        alone = not (refused or message.get("tool_calls") or is_true(message.get("function_call")))
        if content is not None and (content != "" or alone) and not state.content_done:
            state.content_done = True
            value = None
            if self.parsing.content is not None and not refused:
                value = parsed(self.parsing.content, content, "The answer")
            yield "content.done", (ContentDoneEvent({"content": content, "parsed": value}),)
        if refused and not state.refusal_done:
            state.refusal_done = True
            yield "refusal.done", (RefusalDoneEvent({"refusal": refusal}),)
        logprobs = choice["logprobs"]
        if type(logprobs) is not dict:
            return
        if is_true(logprobs.get("content")) and not state.logprobs_content_done:
            state.logprobs_content_done = True
            event = LogprobsContentDoneEvent({"content": plain_copy(logprobs["content"])})
            yield "logprobs.content.done", (event,)
        if is_true(logprobs.get("refusal")) and not state.logprobs_refusal_done:
            state.logprobs_refusal_done = True
            refusals = LogprobsRefusalDoneEvent({"refusal": plain_copy(logprobs["refusal"])})
            yield "logprobs.refusal.done", (refusals,)

    def _call_done(self, state: _Choice, choice: dict[str, Any], index: int) -> Iterator[Emission]:
        if index in state.calls_done:
            return
        call = choice["message"]["tool_calls"][index]
        if not is_true(call.get("type")):
            raise OpenAIError(f"The server sent the tool call {index} without a type.")
        if call["type"] != "function":
            return
        function = _object(call.get("function"), "the function of a tool call")
        name, arguments = function.get("name"), _text(function.get("arguments"))
        value = None
        parser = self.parsing.tools.get(name) if isinstance(name, str) else None
        if parser is not None:
            if type(arguments) is not str:
                raise OpenAIError(f"The server sent no arguments for {name!r}.")
            value = parsed(parser, arguments, f"What the model wrote for {name!r}")
        if is_true(choice["finish_reason"]):
            state.calls_done.add(index)
        event = {"name": name, "index": index, "arguments": arguments, "parsed_arguments": value}
        yield (
            "tool_calls.function.arguments.done",
            (FunctionToolCallArgumentsDoneEvent(event),),
        )

    # The short way

    def _growth_after(
        self, data: dict[str, Any], chunk: dict[str, Any], given: dict[str, Any]
    ) -> Growth | None:
        """Return how the chunk just taken may go on, ``None`` if the next may bring anything."""
        delta, snapshot = given.get("delta"), self._snapshot
        assert snapshot is not None
        assert self._view is not None
        choice = snapshot["choices"][given["index"]]
        message, state = choice["message"], self._state(given["index"])
        if (
            type(delta) is not dict
            or is_true(choice["finish_reason"])
            or is_true(given.get("logprobs"))
            or message.get("role") != "assistant"
        ):
            return None
        brought = [name for name, value in delta.items() if value is not None and name != "role"]
        if brought == ["content"]:
            if not is_true(_text(message["content"])):
                return None  # so far it makes no calls
            json = None if is_true(message.get("refusal")) else state.content_json
            path: Path = ("choices", 0, "delta", "content")
            return ContentGrowth(path, chunk, data, delta["content"], message, json, self._view)
        if brought == ["tool_calls"] and len(delta["tool_calls"]) == 1:
            (call,) = delta["tool_calls"]
            function = call.get("function")
            snapshot_call = message["tool_calls"][call["index"]]
            if (
                type(function) is not dict
                or type(function.get("arguments")) is not str
                or snapshot_call.get("type") != "function"
                or is_true(call.get("custom"))
            ):
                return None
            known = state.calls.get(call["index"])
            if known is not None and known.name is None:
                return None  # it is not settled yet whether it is parsed
            path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
            json = None if known is None or known.parser is None else known.json
            container = snapshot_call["function"]
            piece = function["arguments"]
            view = self._view
            return ArgumentsGrowth(path, chunk, data, piece, container, json, view, call["index"])
        return None


def _arguments_delta(
    call: dict[str, Any], index: int, piece: Any
) -> FunctionToolCallArgumentsDeltaEvent:
    function = _object(call.get("function"), "the function of a tool call")
    event = {"name": function.get("name"), "index": index}
    event["arguments"] = _shown(function, "arguments")
    if "parsed_arguments" in function:
        event["parsed_arguments"] = function["parsed_arguments"]
    event["arguments_delta"] = piece
    return FunctionToolCallArgumentsDeltaEvent(event)


def _accumulate_audio(message: dict[str, Any], given: dict[str, Any]) -> None:
    audio: Any = message.get("audio")
    if audio is None:
        audio = message["audio"] = {}
    for name in ("id", "expires_at"):
        if given.get(name) is not None:
            audio[name] = given[name]
    for name in ("data", "transcript"):
        if given.get(name) is not None:
            _append(audio, name, given[name])


def _accumulate_function_call(message: dict[str, Any], given: dict[str, Any]) -> None:
    call: Any = message.get("function_call")
    if not is_true(call):
        message["function_call"] = plain_copy(given)
        return
    if is_true(given.get("name")):
        call["name"] = given["name"]
    if is_true(given.get("arguments")):
        _append(call, "arguments", given["arguments"])


def _append(container: dict[str, Any], name: str, piece: Any) -> None:
    """Append a piece to a text in a snapshot."""
    if type(piece) is not str:
        raise OpenAIError(f"The server sent {name} that is {_brief(piece)}.")
    if not is_true(container.get(name)):
        container[name] = GrowingText(piece)
    else:
        _growing(container, name)
        grow(container, name, piece)


def _growing(container: dict[str, Any], name: str) -> GrowingText:
    text = container[name]
    if type(text) is not GrowingText:
        if type(text) is not str:
            raise OpenAIError(f"The server sent {name} that is {_brief(text)}.")
        text = container[name] = GrowingText(text)
    return text


def _text(value: Any) -> Any:
    return value.read() if type(value) is GrowingText else value


def _shown(container: dict[str, Any], name: str) -> Any:
    """Return what stands in an event for a text, as far as it has come."""
    text = container.get(name)
    return text_so_far(text, text.read()) if type(text) is GrowingText else text


def _object(value: Any, what: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise OpenAIError(f"The server sent {_brief(value)} where {what} should be.")
    return value


def _calls_of(snapshot: dict[str, Any] | None, choice: int) -> list[Any]:
    choices = snapshot["choices"] if snapshot is not None else []
    found = choices[choice] if choice < len(choices) else None
    calls = found["message"].get("tool_calls") if found is not None else None
    return calls if type(calls) is list else []


def _ends_audio(delta: dict[str, Any]) -> bool:
    """Return whether a delta says until when the audio is kept, and nothing else."""
    audio = delta.get("audio")
    if type(audio) is not dict or audio.get("expires_at") is None:
        return False
    if any(audio.get(name) is not None for name in ("id", "data", "transcript")):
        return False
    names = ("content", "refusal", "function_call", "role", "tool_calls")
    return all(delta.get(name) is None for name in names)


def _is_made_message(data: Any) -> bool:
    if type(data) is not dict:
        return False
    named = data.get("object")
    if type(named) is str and named.startswith(MESSAGE_PREFIX):
        return True
    return data.get("type") == "message" and "message" in data


def _made_message(data: dict[str, Any]) -> Any:
    return data if "type" in data else loads(data["object"][len(MESSAGE_PREFIX) :])


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


_CHOICE_FIELDS = frozenset(("delta", "finish_reason", "index", "logprobs"))
_DELTA_FIELDS = frozenset(("audio", "content", "refusal", "function_call", "role", "tool_calls"))
_CALL_FIELDS = frozenset(("index", "id", "type", "function", "custom"))
_LOGPROBS_DELTAS: tuple[tuple[str, Any], ...] = (
    ("content", LogprobsContentDeltaEvent),
    ("refusal", LogprobsRefusalDeltaEvent),
)
