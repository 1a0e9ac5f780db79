"""What holds for every stream, valid or broken, however it is made: random transcripts."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parity.compare import NAMES, PATIENCE, Recorder, plain
from parity.mutate import Mutator, load_corpus
from parity.transcripts import encode, message, message_delta, run, said, started, step, step_delta
from samples import tries
from scripted_server import sse

from emitter_stream import AssistantStream, OpenAIError

pytestmark = [pytest.mark.tries, pytest.mark.usefixtures("long_tick")]

ENDS = ["completed", "failed", "cancelled", "expired", "incomplete", "requires_action"]
CORPUS = load_corpus()
quick = settings(
    max_examples=tries(40, 120),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Any text that JSON can carry, halves of surrogate pairs included.
TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)


def utf16(text: str) -> str:
    """Join halves of surrogate pairs as JavaScript does."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def cut(text: str, places: list[int]) -> list[str]:
    """Cut a text between any two of its UTF-16 units, as a JavaScript server does."""
    units = text.encode("utf-16-le", "surrogatepass")
    edges = [0, *sorted({2 * (place % (len(units) // 2 + 1)) for place in places}), len(units)]
    pairs = itertools.pairwise(edges)
    return [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairs]


@st.composite
def blocks(draw) -> tuple[list[dict], list[dict]]:
    """Make the deltas of one message, and its completed content."""
    deltas, content = [], []
    for index in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            text = utf16(draw(TEXT))
            for piece in cut(text, draw(st.lists(st.integers(0, 20), max_size=5))):
                deltas.append({"index": index, "type": "text", "text": {"value": piece}})
            content.append({"type": "text", "text": {"value": text}})
        else:
            image = {"type": "image_file", "image_file": {"file_id": f"file_{index}"}}
            deltas.append({"index": index, **image})
            content.append(image)
    return deltas, content


@st.composite
def calls(draw, number: int) -> tuple[list[dict], list[dict]]:
    """Make the tool call deltas of a step, and its completed calls."""
    deltas, whole = [], []
    for index in range(draw(st.integers(0, 3))):
        text = utf16(draw(TEXT))
        start = {"index": index, "id": f"call_{number}_{index}", "type": "function"}
        deltas.append({**start, "function": {"name": "f", "arguments": "", "output": None}})
        for piece in cut(text, draw(st.lists(st.integers(0, 20), max_size=4))):
            deltas.append({"index": index, "type": "function", "function": {"arguments": piece}})
        function = {"name": "f", "arguments": text, "output": None}
        whole.append({"id": f"call_{number}_{index}", "type": "function", "function": function})
    return deltas, whole


@st.composite
def transcripts(draw) -> list:
    """Make a whole, valid run of messages and tool steps."""
    frames = [*started()]
    for number in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            deltas, content = draw(blocks())
            frames += [step(number, "created"), message(number, "created")]
            while deltas:
                size = draw(st.integers(1, 3))
                taken: list[dict] = []  # a delta with one block twice is another matter
                while (
                    deltas
                    and len(taken) < size
                    and deltas[0]["index"] not in [one["index"] for one in taken]
                ):
                    taken.append(deltas.pop(0))
                frames.append(message_delta(number, *taken))
            frames += [message(number, "completed", content), step(number, "completed")]
        else:
            deltas, whole = draw(calls(number))
            empty = {"type": "tool_calls", "tool_calls": []}
            frames.append(step(number, "created", empty))
            frames += [step_delta(number, delta) for delta in deltas]
            details = {"type": "tool_calls", "tool_calls": whole}
            frames.append(step(number, "completed", details))
    return [*frames, run(draw(st.sampled_from(ENDS)))]


def invariants(recorder: Recorder) -> None:
    """Check what holds for every stream, whatever it was sent."""
    names = recorder.names
    stream = recorder.stream
    assert names[-1] == "end"
    assert names.count("end") == 1
    assert names.count("connect") <= 1
    assert "connect" not in names[1:]
    assert names.count("run") + names.count("error") + names.count("abort") == 1
    assert names[-2] in ("run", "error", "abort")
    assert stream.ended
    assert stream.errored == (names[-2] != "run")
    for created, done in (
        ("messageCreated", "messageDone"),
        ("runStepCreated", "runStepDone"),
        ("toolCallCreated", "toolCallDone"),
        # Not textDone: it comes each time that deltas go on in another block, as in Node.
    ):
        balance = 0
        for name in names:
            balance += (name == created) - (name == done)
            assert balance >= 0 or created == "runStepCreated" or names[-2] == "error", done


def collect(stream) -> Recorder:
    """Let a stream run, and give what its listeners heard."""
    recorder = Recorder(stream)
    try:
        stream.done(timeout=PATIENCE)
    except OpenAIError:
        assert stream.errored
    return recorder


def events(frames) -> list[dict[str, Any]]:
    """Give frames as events for from_events."""
    return [{"event": name, "data": data} for name, data in frames]


@quick
@given(transcripts())
def test_a_valid_run(frames):
    """Deltas joined are the snapshot, and are the completed text; each Created has its Done."""
    recorder = collect(AssistantStream.from_events(events(frames)))
    invariants(recorder)
    assert recorder.names[-2] == "run"
    for created, done in (("messageCreated", "messageDone"), ("runStepCreated", "runStepDone")):
        assert [a[0]["id"] for a in recorder.of(created)] == [a[0]["id"] for a in recorder.of(done)]
    calls_made = [call["id"] for (call,) in recorder.of("toolCallCreated")]
    assert [call["id"] for (call,) in recorder.of("toolCallDone")] == calls_made
    joined: dict[tuple[str, str], str] = {}
    for delta, snapshot in recorder.of("messageDelta"):
        for block in delta["content"]:
            if block["type"] == "text":
                key = (snapshot["id"], block["index"]["__number__"])
                joined[key] = utf16(joined.get(key, "") + block["text"]["value"])
        for (owner, index), text in joined.items():
            if owner == snapshot["id"]:
                assert snapshot["content"][int(index)]["text"]["value"] == text
    completed = {
        (one["id"], str(index)): block["text"]["value"]
        for (one,) in recorder.of("messageDone")
        for index, block in enumerate(one["content"])
        if block["type"] == "text"
    }
    assert joined == completed
    arguments: dict[str, str] = {}
    for delta, snapshot in recorder.of("toolCallDelta"):
        piece = delta["function"]["arguments"]
        arguments[snapshot["id"]] = utf16(arguments.get(snapshot["id"], "") + piece)
        assert snapshot["function"]["arguments"] == arguments[snapshot["id"]]
    assert len(recorder.of("textDone")) == len(recorder.of("textCreated"))


@quick
@given(transcripts(), st.integers(1, 500), st.sampled_from(["\n", "\r", "\r\n"]))
def test_a_valid_run_over_a_socket(serve_once, frames, piece, end):
    """A run is the same over a socket, in any pieces and with any line ends."""
    whole = collect(AssistantStream.from_events(events(frames))).result()
    assert collect(serve_once(encode(frames, end), piece)).result() == whole


@pytest.fixture(scope="module")
def serve_once():
    """Give streams of bodies from one server."""
    from scripted_server import ScriptedServer

    from emitter_stream import OpenAI

    current: list = []
    with ScriptedServer(lambda exchange: current[0](exchange)) as server:
        client = OpenAI(api_key="sk-test", base_url=server.url, max_retries=0)

        def start(body: bytes, piece: int | None):
            current[:] = [sse(body, piece)]
            return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")

        yield start


@quick
@given(transcripts(), st.data())
def test_a_run_with_frames_lost_doubled_or_moved(frames, data):
    """Whatever happens to the order of the events, the stream ends once, well or with one error."""
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frames) - 1))
        what = data.draw(st.sampled_from(["drop", "double", "move"]))
        frame = frames[at]
        if what != "double":
            del frames[at]
        if what != "drop":
            frames.insert(data.draw(st.integers(0, len(frames))), frame)
        if not frames:
            break
    invariants(collect(AssistantStream.from_events(events(frames))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["index", "type", "text", "value", "id", "content", "delta", "step_details"]
            )
            | TEXT,
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
EVENT_NAMES = st.sampled_from(
    [
        *(f"thread.run.{x}" for x in ["created", "in_progress", *ENDS]),
        *(
            f"thread.run.step.{x}"
            for x in ("created", "in_progress", "delta", "completed", "failed")
        ),
        *(f"thread.message.{x}" for x in ("created", "in_progress", "delta", "completed")),
        *("thread.message.incomplete", "thread.created", "thread.new", "error", "done", ""),
    ]
)


@settings(quick, max_examples=tries(80, 300))
@given(st.lists(st.tuples(EVENT_NAMES, JSON), max_size=6))
def test_any_json_under_any_name(frames):
    """Any JSON under any event name: the stream ends once, with the library's own error at most."""
    for before, after in (
        ([], []),
        ([*started(), message(1, "created")], []),
        (said(1, "a")[:5], [run("completed")]),
    ):
        recorder = collect(AssistantStream.from_events(events([*before, *frames, *after])))
        assert recorder.names[-1] == "end"
        assert recorder.names.count("end") == 1
        assert recorder.names[-2] in ("run", "error")


@settings(quick, max_examples=tries(80, 300))
@given(st.integers(0, 2**32))
def test_spoiled_streams(serve_once, seed):
    """Frozen streams, spoiled: one end, one error at most, and the same in pieces as whole."""
    body = Mutator(seed, CORPUS).stream()
    whole = collect(serve_once(body, None))
    names = whole.names
    assert names[-1] == "end"
    assert names.count("end") == 1
    assert names[0] == "connect"
    assert names[-2] in ("run", "error")
    cut_up = collect(serve_once(body, random.Random(seed).randint(1, 60)))
    assert cut_up.trace == whole.trace


@quick
@given(JSON)
def test_to_dict_gives_back_what_came(data):
    """Whatever an event's data is, it comes back from to_dict unchanged, and repr works."""
    frame = {"event": "thread.new", "data": data}
    seen: list = []
    stream = AssistantStream.from_events([frame, *events([run("completed")])])
    stream.once("event", lambda event: seen.append((event.to_dict(), repr(event), plain(event))))
    stream.done(timeout=PATIENCE)
    assert seen[0][0] == frame
    assert plain(frame) == seen[0][2]


@quick
@given(st.lists(st.sampled_from(NAMES[:-3]), min_size=1, max_size=8), st.integers(0, 40))
def test_no_call_after_end(names, stop):
    """However listeners come and go, and whenever it is aborted, nothing is called after end."""
    frames = [*started(), *said(1, "abc"), run("completed")]
    stream = AssistantStream.from_events(events(frames))
    heard: list[str] = []

    def listen(name: str):
        def listener() -> None:
            heard.append(name)
            if len(heard) == stop:
                stream.abort()
            if len(heard) % 3 == 0:
                stream.off(name, listener)

        return listener

    for name in names:
        stream.on(name, listen(name))
    stream.on("end", listen("end"))
    try:
        stream.done(timeout=PATIENCE)
    except OpenAIError:
        assert stream.aborted
    assert heard[-1] == "end"
    assert heard.count("end") == 1
