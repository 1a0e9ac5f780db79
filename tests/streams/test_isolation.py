"""What listeners write to what they get: it shows there, and in nothing that comes after it."""

from __future__ import annotations

import contextlib
import functools
import json
import threading

import pytest
from deltas import MESSAGE, STEP, call_delta, frame_of, message_delta, plain, plain_call
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parity.compare import VECTORS, Recorder, difference, load_golden
from samples import tries
from scripted_server import sse

from emitter_stream import AssistantStream
from emitter_stream.engine.growth import GROWTH, GrowthMatcher
from emitter_stream.engine.wire import loads
from emitter_stream.exceptions import OpenAIError
from emitter_stream.sse import EventSource
from emitter_stream.streams.assistants.core import RAW_EVENTS, AssistantCore
from emitter_stream.streams.assistants.events import SIGNATURES
from emitter_stream.types import Model

LIVE = {"messageCreated", "runStepCreated", "textCreated", "toolCallCreated", "toolCallDone"}
# Of these the object is seen again, as a part of what another event passes.
INNER = {"textDone", "imageFileDone"}


def spoil(value: object) -> None:
    """Write to every field, list and dict of an object, at any depth."""
    if isinstance(value, Model):
        for name, inner in list(value):
            spoil(inner)
            settable = name in value._field_names or not hasattr(type(value), name)
            if settable and not isinstance(inner, Model):
                setattr(value, name, "SPOILED")
        value.spoiled = "SPOILED"
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.reverse()
        value.append("SPOILED")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value.clear()


def add_vandals(stream: AssistantStream) -> None:
    """Spoil all that is passed and does not grow."""
    for name in SIGNATURES:
        if name in ("event", "run", *RAW_EVENTS):
            stream.on(name, spoil)
        elif name.endswith("Delta") or name in ("messageDone", "runStepDone"):
            stream.on(name, lambda first: spoil(first))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Give a folder for a recording of each vector."""
    return tmp_path_factory.mktemp("recordings")


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.usefixtures("long_tick")
@pytest.mark.sample(8)
def test_what_is_written_to_events_and_deltas_shows_nowhere_else(vector_stream, recordings, name):
    """Each call is the golden file's, each relayed and recorded line clean, and so is all that comes late."""
    golden, recording = load_golden(VECTORS[name][1]), recordings / f"{name}.jsonl"
    clean = vector_stream(name)
    readable, all_events = clean.to_readable_stream(), clean.events("event")
    lines = list_of(readable)
    stream = vector_stream(name).record(recording)
    with stream._delivery.still():
        trace = Recorder(stream)
        add_vandals(stream)
        relayed, events = stream.to_readable_stream(), stream.events("event")
        deltas = stream.events("textDelta")
    assert list_of(relayed) == lines
    assert list_of(events) == list_of(all_events)
    assert "SPOILED" not in str([plain(delta) for delta, _ in list_of(deltas)])
    result = {"trace": trace.trace, "final": {}, "state": {}}
    assert difference(result, {**golden, "final": {}, "state": {}}) is None
    assert "SPOILED" not in recording.read_text(encoding="utf-8")


def list_of(iterator) -> list:
    """Give what an iterator has, up to the stream's error."""
    items = []
    with contextlib.suppress(OpenAIError):
        items.extend(iterator)
    return items


@pytest.mark.parametrize("name", ["typical_full_run", "code_interpreter", "file_search"])
def test_what_is_written_shows_to_no_late_listener(stream_of, tmp_path, name):
    """One that is attached when all is over is given everything as it came; so is a recording."""
    body = VECTORS[name][0].read_bytes()
    stream = stream_of(sse(body))
    with stream._delivery.still():
        add_vandals(stream)
    wait_for_end(stream)
    recorded = stream.record(tmp_path / "recording.jsonl")
    heard: dict[str, list] = {}
    for event in SIGNATURES:
        if event not in LIVE | INNER:
            heard[event] = []
            stream.on(event, functools.partial(keep, heard[event]))
    recorded.until_done()
    assert heard["event"] == [
        {"event": event.event, "data": json.loads(event.data)}
        for event in EventSource([body]).events()
        if event.data != "[DONE]"
    ]
    assert "SPOILED" not in str(heard)
    assert "SPOILED" not in (tmp_path / "recording.jsonl").read_text(encoding="utf-8")


def keep(heard: list, first: object) -> None:
    """Keep a copy of an event's first argument."""
    heard.append(plain(first))


def wait_for_end(stream: AssistantStream) -> None:
    """Wait for the end without saying go."""
    ended = threading.Event()
    stream.on("end", ended.set)
    assert ended.wait(120)


# Snapshots


def play(events, write, *, by_bytes=False, by_shape=False) -> list:
    """Feed a core; ``write(core, event, args)`` is done at each call. Give the calls, plain."""
    core, matcher, calls = AssistantCore(), GrowthMatcher(), []

    def take(name, data) -> None:
        for event, args in core.feed(name, data):
            calls.append((event, plain_call(event, args)))
            write(core, event, args)

    for event in events:
        frame = frame_of(event)
        piece = matcher.match(frame) if by_bytes else None
        if not by_bytes and not by_shape:
            core._growth = None
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
        if (path := core.growth()) is None:
            matcher.forget()
        else:
            matcher.learn(frame, text, data, path)
    calls.append(("kept", plain(core.current_message), plain(core.current_run_step)))
    return calls


WAYS = [{}, {"by_bytes": True}, {"by_shape": True}, {"by_bytes": True, "by_shape": True}]
LETTERS = [MESSAGE, *(message_delta(letter) for letter in "abcdefg")]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", ["event", "messageDelta", "textDelta"])
def test_later_deltas_append_to_a_text_that_was_set(way, name):
    """Whichever listener sets it, and however the deltas come."""
    seen = []

    def write(core, event, args):
        if event == name and len(seen) == 4:
            core.current_message.content[0].text.value = "X"
        if event == "textDelta":
            seen.append(args[1].value)

    calls = play(LETTERS, write, **way)
    after = ["Xe", "Xef", "Xefg"] if name == "event" else ["X", "Xf", "Xfg"]
    assert seen == ["a", "ab", "abc", "abcd", *after]
    assert calls[-1][1]["content"][0]["text"]["value"] == after[-1]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", ["function", "code_interpreter"])
def test_later_deltas_append_to_a_call_that_was_set(way, kind):
    """The arguments of a function and the code of an interpreter."""
    field = "arguments" if kind == "function" else "input"

    def write(core, event, args):
        if event == "toolCallDelta" and args[0].to_dict()[kind][field] == "d":
            setattr(getattr(args[1], kind), field, "X")

    calls = play([STEP, *(call_delta(letter, kind) for letter in "abcdefg")], write, **way)
    assert calls[-1][2]["step_details"]["tool_calls"][0][kind][field] == "Xefg"


def set_text(message, step):
    if message and message.content:
        message.content[0].text.value = "X"
    if step and step.step_details.tool_calls:
        step.step_details.tool_calls[-1].function.arguments = "X"


def take_out(message, step):
    if message and message.content:
        message.content.pop()
    if step and step.step_details.tool_calls:
        del step.step_details.tool_calls[0]


def move(message, step):
    if message and message.content:
        message.content.insert(0, {"type": "text", "text": {"value": "moved ", "annotations": []}})
    if step:
        step.step_details.tool_calls.reverse()


def replace(message, step):
    if message:
        message.content = []
    if step:
        step.step_details = {"type": "tool_calls", "tool_calls": []}


def annotate(message, step):
    if message and message.content:
        message.content[0].text.annotations = [{"type": "file_path"}]
        message.metadata = {"seen": "yes"}


def break_text(message, step):
    if message and message.content:
        message.content[0].text.value = 5
    if step and step.step_details.tool_calls:
        step.step_details.tool_calls[0].function = None


def break_all(message, step):
    if message:
        message.content = "nothing"
    if step:
        step.step_details = 5


def put_in_anything(message, step):
    if message:
        message.content[:] = [5, "x", None]
    if step and step.step_details.tool_calls:
        step.step_details.tool_calls[0] = "x"


def delete_all(message, step):
    for snapshot in filter(None, (message, step)):
        for name in list(snapshot.to_dict()):
            delattr(snapshot, name)


WRITERS = [
    *(set_text, take_out, move, replace, annotate),
    *(break_text, break_all, put_in_anything, delete_all),
]
DELTAS = st.sampled_from(
    [
        *(message_delta(piece) for piece in ("a", "b", "c", "")),
        *(call_delta(piece) for piece in ("a", "b", "c")),
        *(message_delta("other", 1), call_delta("other", "function", 1)),
    ]
)


@pytest.mark.tries
@settings(max_examples=tries(40, 300))
@example([message_delta("a")] * 4, {2: take_out})
@example([call_delta("a")] * 4, {1: take_out})
@given(st.lists(DELTAS, max_size=12), st.dictionaries(st.integers(0, 25), st.sampled_from(WRITERS)))
def test_a_snapshot_that_is_written_to_goes_on_by_all_ways_alike(events, writes):
    """What a listener leaves of a snapshot is merged with, or an OpenAIError says that it cannot be."""

    def played(**way):
        count = iter(range(1000))

        def write(core, event, args):
            if event.endswith("Delta") and event[0] in "mt" and event != "messageDelta":
                writer = writes.get(next(count))
                if writer is not None:
                    with contextlib.suppress(AttributeError, TypeError):  # of what others broke
                        writer(core.current_message, core.current_run_step)

        return play([MESSAGE, STEP, *events], write, **way)

    longest = played()
    for way in WAYS[1:]:
        assert played(**way) == longest, way


def test_what_is_written_at_any_call_ends_no_stream_in_a_bare_exception():
    """Each writer at each call of a stream, the snapshots' own included."""
    events = [
        *(MESSAGE, STEP, message_delta("a"), call_delta("a"), message_delta("b")),
        *(call_delta("b"), message_delta("c", 1), call_delta("c", "function", 1)),
        *(message_delta("d", 1), call_delta("d", "function", 1), message_delta("e", 0)),
        ("thread.message.completed", {"id": "msg_1", "content": [{"type": "text", "text": {}}]}),
        ("thread.run.step.completed", {"id": "step_1", "step_details": {"type": "tool_calls"}}),
    ]
    for writer in WRITERS:
        for at in range(40):
            for way in WAYS:
                count = iter(range(1000))

                def write(core, event, args, writer=writer, at=at, count=count):
                    if next(count) == at:
                        with contextlib.suppress(AttributeError, TypeError):
                            writer(core.current_message, core.current_run_step)

                play(events, write, **way)  # it lets nothing through but OpenAIError
