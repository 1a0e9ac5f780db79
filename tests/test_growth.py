"""The short way for deltas: it shows listeners what the long way shows them, at each moment."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.transcripts import DONE, encode, message, run, started
from scripted_server import sse

from emitter_stream.core.assistant import AssistantCore
from emitter_stream.growth import GROWTH, GrowthMatcher
from emitter_stream.types._model import ListView, Model
from emitter_stream.wire import loads


def message_delta(piece: str, index: int = 0, **more: object) -> tuple[str, dict]:
    block = {"index": index, "type": "text", "text": {"value": piece}, **more}
    return "thread.message.delta", {"id": "msg_1", "delta": {"content": [block]}}


def call_delta(piece: str, kind: str = "function", index: int = 0) -> tuple[str, dict]:
    field = "arguments" if kind == "function" else "input"
    call = {"index": index, "type": kind, kind: {field: piece}}
    details = {"type": "tool_calls", "tool_calls": [call]}
    return "thread.run.step.delta", {"id": "step_1", "delta": {"step_details": details}}


MESSAGE = ("thread.message.created", {"id": "msg_1", "content": []})
STEP = (
    "thread.run.step.created",
    {"id": "step_1", "step_details": {"type": "tool_calls", "tool_calls": []}},
)
RUN = ("thread.run.in_progress", {"id": "run_1", "status": "in_progress"})


def frame_of(event: tuple[str, dict]) -> bytes:
    return f"event: {event[0]}\ndata: {json.dumps(event[1])}".encode()


def plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Model | ListView) else value


def play(events: list[tuple[str, dict]], *, short: bool, wanted: set[str] | None = None):
    """Give every call with the state at its moment, and how many events took the short way."""
    core, matcher = AssistantCore(), GrowthMatcher()
    if wanted is not None:
        core.wanted = core.listened = wanted
    calls, shorts = [], 0

    def take(name: object, data: object) -> None:
        for event, args in core.feed(name, data):
            if wanted is None or event in wanted:
                state = (core.current_event, core.current_message, core.current_run_step)
                calls.append((event, [*map(plain, args)], [*map(plain, state)]))

    for event in events:
        frame = frame_of(event)
        piece = matcher.match(frame) if short else None
        if piece is not None:
            shorts += 1
            take(GROWTH, piece)
            continue
        text = frame.partition(b"data: ")[2].decode()
        data = loads(text)
        take(event[0], data)
        path = core.growth()
        if path is None:
            matcher.forget()
        else:
            matcher.learn(frame, text, data, path)
    return calls, shorts


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


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=25), WANTED)
def test_both_ways_give_the_same_calls_at_the_same_state(events, wanted):
    """Each call comes with the same arguments while snapshots and current_event are the same."""
    stream = [MESSAGE, STEP, *events]
    assert play(stream, short=True, wanted=wanted)[0] == play(stream, short=False, wanted=wanted)[0]


@pytest.mark.parametrize("delta", [message_delta, call_delta])
def test_deltas_of_one_kind_take_the_short_way(delta):
    """Of deltas that differ in their text alone, all but the first two or three are recognised."""
    stream = [MESSAGE, STEP, *(delta(f"{number} ") for number in range(50))]
    assert play(stream, short=True)[1] >= 47


def test_event_comes_before_the_piece_is_in_the_snapshot():
    """As in Node, a listener of event sees the snapshot as it was before."""
    stream = [MESSAGE, *(message_delta(piece) for piece in "abcd")]
    calls, shorts = play(stream, short=True, wanted={"event"})
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
    stream.done(timeout=20)
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
