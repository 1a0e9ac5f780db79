"""The short ways for deltas: they show listeners what the long way shows them, at each moment.

One recognises a delta by its bytes and does not parse it; one, for those that differ in more than
their text, by its shape once it is parsed.
"""

from __future__ import annotations

import copy
import functools
import json
import operator

import pytest
from deltas import MESSAGE, STEP, call_delta, frame_of, message_delta, plain, plain_call
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.transcripts import DONE, encode, message, run, started
from samples import tries
from scripted_server import sse

from emitter_stream import AssistantStream
from emitter_stream.engine.growth import GROWTH, GrowthMatcher
from emitter_stream.engine.wire import loads
from emitter_stream.exceptions import OpenAIError
from emitter_stream.streams.assistants.core import AssistantCore

RUN = ("thread.run.in_progress", {"id": "run_1", "status": "in_progress"})


class Core(AssistantCore):
    """A core that counts which events it took by their shape, or takes none so."""

    def __init__(self, by_shape: bool):
        super().__init__()
        self.by_shape = by_shape
        self.short = self.long = 0

    def feed(self, event: object, data: object):
        if event is not GROWTH and not self.by_shape:
            self._growth = None
        return super().feed(event, data)

    def _grow(self, growth, piece):
        self.short += 1
        return super()._grow(growth, piece)

    def _take(self, event, data):
        self.long += 1
        return super()._take(event, data)


def play(
    events: list[tuple[str, dict]],
    *,
    by_bytes: bool = False,
    by_shape: bool = False,
    wanted: set[str] | None = None,
):
    """Give every call with the state at its moment, and how many events took a short way."""
    core, matcher = Core(by_shape), GrowthMatcher()
    if wanted is not None:
        core.wanted = core.listened = wanted
    calls = []

    def take(name: object, data: object) -> None:
        for event, args in core.feed(name, data):
            if wanted is None or event in wanted:
                state = (core.current_event, core.current_message, core.current_run_step)
                calls.append((event, plain_call(event, args), [*map(plain, state)]))

    for event in events:
        frame = frame_of(event)
        piece = matcher.match(frame) if by_bytes else None
        try:
            if piece is not None:
                take(GROWTH, piece)
                continue
            text = frame.partition(b"data: ")[2].decode()
            data = loads(text)
            take(event[0], data)
        except OpenAIError as error:
            calls.append(("raised", str(error)))
            break
        path = core.growth()
        if path is None:
            matcher.forget()
        else:
            matcher.learn(frame, text, data, path)
    return calls, core.short


PIECES = st.text(max_size=5) | st.sampled_from(['"', "\\", "\n", "\ud83d", "\ude00", "é", "\u2028"])
EVENTS = st.one_of(
    st.builds(message_delta, PIECES),
    st.builds(message_delta, PIECES),
    st.builds(message_delta, PIECES, st.integers(0, 2)),
    st.builds(call_delta, PIECES),
    st.builds(call_delta, PIECES),
    st.builds(call_delta, PIECES, st.sampled_from(["function", "code_interpreter"])),
    st.builds(call_delta, PIECES, st.just("function"), st.integers(0, 1)),
    st.just(RUN),
)
NAMES = "event messageDelta textDelta toolCallDelta runStepDelta textCreated toolCallDone"
WANTED = st.none() | st.sets(st.sampled_from([*NAMES.split(), "thread.message.delta"]))


@pytest.mark.tries
@settings(max_examples=tries(50, 150))
@given(st.lists(EVENTS, max_size=25), WANTED)
def test_all_ways_give_the_same_calls_at_the_same_state(events, wanted):
    """Each call comes with the same arguments while snapshots and current_event are the same."""
    stream = [MESSAGE, STEP, *events]
    long_way = play(stream, wanted=wanted)[0]
    assert play(stream, by_bytes=True, wanted=wanted)[0] == long_way
    assert play(stream, by_shape=True, wanted=wanted)[0] == long_way
    assert play(stream, by_bytes=True, by_shape=True, wanted=wanted)[0] == long_way


@pytest.mark.parametrize("delta", [message_delta, call_delta])
@pytest.mark.parametrize("way", ["by_bytes", "by_shape"])
def test_deltas_of_one_kind_take_a_short_way(delta, way):
    """Of deltas that differ in their text alone, all but the first two or three are recognised."""
    stream = [MESSAGE, STEP, *(delta(f"{number} ") for number in range(50))]
    assert play(stream, **{way: True})[1] >= 47


def test_streams_share_no_text():
    """Each gets its own pieces and id in what it makes of them, whatever else came before it."""
    more = ({}, {"annotations": []})
    for number in range(4):
        identifier = f"msg_{number}"
        core = AssistantCore()
        core.wanted = core.listened = {"event"}
        created = {"id": identifier, "content": []}
        sent = []
        for piece in ("a", f"b{number}", "a"):
            text = {"value": piece, **copy.deepcopy(more[number % 2])}
            block = {"index": 0, "type": "text", "text": text}
            sent.append({"id": identifier, "delta": {"content": [block]}})
        heard = []
        for event, data in (
            ("thread.message.created", created),
            ("thread.message.delta", copy.deepcopy(sent[0])),
            *((GROWTH, one["delta"]["content"][0]["text"]["value"]) for one in sent[1:]),
        ):
            calls = core.feed(event, data)
            heard += [args[0].data.to_dict() for name, args in calls if name == "event"]
        assert heard == [created, *sent]
        heard[-1]["delta"]["content"][0]["text"].setdefault("annotations", []).append("mine")


def with_changes(event, *changes):
    """Give a copy of an event with values put into, or taken out of, its data."""
    name, data = event[0], copy.deepcopy(event[1])
    for path, value in changes:
        *way, last = path
        place = functools.reduce(operator.getitem, way, data)
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return name, data


DELTA = ("delta",)
CONTENT = (*DELTA, "content")
BLOCK = (*CONTENT, 0)
TEXT = (*BLOCK, "text")
ANNOTATED = with_changes(message_delta("a"), ((*TEXT, "annotations"), []))
ODD_MESSAGE_CHANGES = [
    ((*BLOCK, "index"), 1),
    ((*BLOCK, "index"), 0.0),
    ((*BLOCK, "index"), False),
    ((*BLOCK, "index"), "0"),
    ((*BLOCK, "index"), ...),
    ((*BLOCK, "type"), "refusal"),
    ((*BLOCK, "type"), ...),
    ((*BLOCK, "unknown"), 1),
    (TEXT, "text"),
    (TEXT, None),
    (TEXT, {}),
    ((*TEXT, "value"), None),
    ((*TEXT, "value"), 5),
    ((*TEXT, "unknown"), 5),
    ((*TEXT, "annotations"), []),
    ((*TEXT, "annotations"), ...),
    ((*TEXT, "annotations"), None),
    ((*TEXT, "annotations"), [{"index": 0, "type": "file_path", "text": "x"}]),
    (CONTENT, []),
    (CONTENT, None),
    (CONTENT, "x"),
    (
        CONTENT,
        [*message_delta("b")[1]["delta"]["content"], *message_delta("c", 1)[1]["delta"]["content"]],
    ),
    ((*DELTA, "role"), "assistant"),
    ((*DELTA, "role"), {"constructor": 1}),
    ((*DELTA, "constructor"), "x"),
    (DELTA, None),
    (("id",), "msg_2"),
    (("id",), ...),
    (("unknown",), 1),
    (("unknown",), {"constructor": [1]}),
]

DETAILS = (*DELTA, "step_details")
CALLS = (*DETAILS, "tool_calls")
CALL = (*CALLS, 0)
ODD_CALL_CHANGES = [
    ((*CALL, "index"), 1),
    ((*CALL, "index"), 0.0),
    ((*CALL, "index"), False),
    ((*CALL, "index"), "0"),
    ((*CALL, "index"), ...),
    ((*CALL, "id"), "call_1"),
    ((*CALL, "type"), "file_search"),
    ((*CALL, "type"), "code_interpreter"),
    ((*CALL, "type"), []),
    ((*CALL, "type"), ...),
    ((*CALL, "function"), None),
    ((*CALL, "function"), "x"),
    ((*CALL, "function", "arguments"), None),
    ((*CALL, "function", "arguments"), ...),
    ((*CALL, "function", "output"), None),
    ((*CALL, "function", "name"), "more"),
    ((*CALL, "code_interpreter"), {"input": "x"}),
    (CALLS, []),
    (CALLS, None),
    (CALLS, [*call_delta("b")[1]["delta"]["step_details"]["tool_calls"] * 2]),
    ((*DETAILS, "type"), "message_creation"),
    ((*DETAILS, "type"), ...),
    ((*DETAILS, "unknown"), 1),
    (DETAILS, None),
    ((*DELTA, "unknown"), 1),
    ((*DELTA, "constructor"), "x"),
    ((*DELTA, "id"), "x"),
    (DELTA, None),
    (("id",), "step_2"),
    (("id",), ...),
    (("unknown",), 1),
]


@pytest.mark.parametrize(
    ("usual", "changes"),
    [
        (message_delta("a"), ODD_MESSAGE_CHANGES),
        (ANNOTATED, ODD_MESSAGE_CHANGES),
        (call_delta("a"), ODD_CALL_CHANGES),
    ],
)
def test_a_delta_that_is_almost_like_the_one_before(usual, changes):
    """Whatever one delta among others has or lacks, all ways show the same and fail alike."""
    for first in (usual, with_changes(usual, (("unknown",), 0))):
        for change in changes:
            try:
                odd = with_changes(first, change)
            except KeyError:
                continue  # nothing there that could be taken out
            for stream in ([first, first, odd, first, odd, odd], [first, odd, odd, odd, first]):
                stream = [MESSAGE, STEP, *stream]
                long_way = play(stream)[0]
                assert play(stream, by_shape=True)[0] == long_way, change
                assert play(stream, by_bytes=True, by_shape=True)[0] == long_way, change


def numbered(events):
    """Put a number of its own into the data of each event."""
    return [(name, {**data, "number": number}) for number, (name, data) in enumerate(events)]


@pytest.mark.parametrize(
    "deltas",
    [
        [message_delta(f"{number} ") for number in range(50)],
        [call_delta(f"{number} ") for number in range(50)],
        [call_delta(f"{number} ", "code_interpreter") for number in range(50)],
        [message_delta("a", text={"value": "b", "annotations": []}) for _ in range(50)],
    ],
)
def test_deltas_that_are_numbered_take_the_way_by_shape(deltas):
    """A field of its own in each delta, of which nothing depends, keeps none from the short way."""
    stream = [MESSAGE, STEP, *numbered(deltas)]
    calls, short = play(stream, by_bytes=True, by_shape=True)
    assert short >= 47
    assert calls == play(stream)[0]


def test_event_comes_before_the_piece_is_in_the_snapshot():
    """As in Node, a listener of event sees the snapshot as it was before."""
    stream = [MESSAGE, *(message_delta(piece) for piece in "abcd")]
    calls, shorts = play(stream, by_bytes=True, wanted={"event"})
    texts = [state[1] and state[1]["content"] for _, _, state in calls]
    assert shorts >= 1
    assert [content[0]["text"]["value"] for content in texts[2:]] == ["a", "ab", "abc"]


PROBES = ["a piece", "a?", "b?", "c?", "?", "a", "b"]


def doubled(first: str, second: str, spelling: str = "val\\u0065") -> tuple[str, str, str]:
    """Make a delta whose text stands in it twice; by JSON's custom the second one counts."""
    block = '{"index":0,"type":"text","text":{"value":"%s"}}'
    parts = f'"delta":{{"content":[{block % first}]}}', f'"delta":{{"content":[{block % second}]}}'
    parts = parts[0], parts[1].replace('"value"', f'"{spelling}"')
    return "thread.message.delta", f'{{"id":"msg_1",{parts[0]},{parts[1]}}}', second


@pytest.mark.parametrize("second", PROBES)
@pytest.mark.parametrize("spelling", ["value", "val\\u0075e"])
def test_a_key_that_stands_twice_does_not_fool_the_matcher(second, spelling):
    """A string that does not count is not taken for the piece, whatever the one that counts is."""
    core, matcher = AssistantCore(), GrowthMatcher()
    list(core.feed(*MESSAGE))
    for first in ("a", "b", "c", "a", "b"):
        name, text, piece = doubled(first, second, spelling)
        frame = f"event: {name}\ndata: {text}".encode()
        assert matcher.match(frame) in (None, piece)
        data = loads(text)
        list(core.feed(name, data))
        path = core.growth()
        if path is not None:
            matcher.learn(frame, text, data, path)


@pytest.mark.parametrize("second", PROBES)
@pytest.mark.parametrize("spelling", ["value", "val\\u0075e"])
def test_a_key_that_stands_twice_over_http(stream_of, second, spelling):
    """Listeners and snapshot get the string that counts, event by event."""
    firsts = ["a", "b", "c", "a", "b"]
    deltas = [doubled(first, second, spelling)[:2] for first in firsts]
    frames = [*started(), message(1, "created"), *deltas, run("completed"), DONE]
    pieces: list[str] = []
    stream = stream_of(sse(encode(frames))).on(
        "textDelta", lambda delta: pieces.append(delta.value)
    )
    stream.done(timeout=120)
    assert pieces == [second] * len(firsts)
    assert stream.current_message_snapshot().content[0].text.value == second * len(firsts)


def test_frames_that_never_come_again_are_not_learned_each_time():
    """A server that numbers its events costs no second parsing of each."""
    learned = []

    class Counting(GrowthMatcher):
        def match(self, frame: bytes) -> str | None:
            learned.append(self._head)
            return super().match(frame)

    core, matcher = AssistantCore(), Counting()
    list(core.feed(*MESSAGE))
    for number in range(1_000):
        event, data = message_delta("a")
        data["number"] = number
        frame = frame_of((event, data))
        assert matcher.match(frame) is None
        list(core.feed(event, data))
        path = core.growth()
        if path is not None:
            matcher.learn(frame, json.dumps(data), data, path)
    assert sum(head is not None for head in learned) < 20


@pytest.mark.parametrize("kind", ["function", "code_interpreter"])
def test_a_listener_for_what_comes_behind_hears_it_at_once(kind):
    """Attached by a toolCallDelta listener, one for runStepDelta hears that event's as in Node."""
    for by_shape in (False, True):
        core, wanted = Core(by_shape), {"toolCallDelta"}
        core.wanted = core.listened = wanted
        calls = []
        for event in [STEP, *numbered([call_delta(piece, kind) for piece in "abcd"])]:
            for name, args in core.feed(*event):
                if name in wanted:
                    calls.append((name, plain(args[0])))
                if len(calls) == 2:
                    wanted.add("runStepDelta")
        assert [name for name, _ in calls] == [
            "toolCallDelta",
            *["toolCallDelta", "runStepDelta"] * 2,
        ], by_shape
        assert calls[2][1] == call_delta("c", kind)[1]["delta"]
        assert core.short == (3 if by_shape else 0)


class Odd(dict):
    """A dict of another class, as an SDK may have."""


def odd(value):
    """Put other classes in the place of dicts and lists."""
    if isinstance(value, dict):
        return Odd({key: odd(item) for key, item in value.items()})
    return tuple(map(odd, value)) if isinstance(value, list) else value


def test_events_of_other_classes_are_events_like_others():
    """What from_events is given in dicts of another class, or tuples, counts wherever it stands."""
    deltas = [message_delta(piece) for piece in "abc"]
    frames = [RUN, MESSAGE, *deltas, ("thread.run.completed", {"id": "run_1"})]
    events = [{"event": name, "data": odd(data)} for name, data in frames]
    stream = AssistantStream.from_events(events)
    heard = []
    stream.on("textDelta", lambda delta: heard.append(delta.to_dict())).done(timeout=120)
    assert heard == [{"value": piece} for piece in "abc"]
    assert stream.current_message_snapshot().to_dict()["content"][0]["text"]["value"] == "abc"
