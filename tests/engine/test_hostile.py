"""Bytes and names that mean harm: a clear error, bounded memory, no hang."""

from __future__ import annotations

import json
import re
import threading

import pytest
from harm import BODY, ends
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import (
    DONE,
    answered,
    encode,
    function_call,
    message,
    message_delta,
    run,
    said,
    started,
    step,
    step_delta,
    text_delta,
)
from scripted_server import answer, sse

from emitter_stream import AssistantStream, OpenAIError
from emitter_stream.engine.wire import loads

pytestmark = pytest.mark.usefixtures("long_tick")


# --- names


@pytest.mark.parametrize("name", [*NAMES, "functionToolCall"])
def test_an_event_named_as_a_listener_is_called(stream_of, name):
    """The server's `event: textDelta` is an event of a name not known, and calls nobody of that name."""
    frames = [*started(), (name, {"id": "x"}), *answered("a", "b")[len(started()) :]]
    body = encode(frames).replace(b"event: error", b"event: erro")  # that one is an error
    ours = Recorder(stream_of(sse(body)))
    ours.result()
    plain = Recorder(stream_of(sse(BODY)))
    plain.result()
    events = ours.names.count("event")
    assert events == plain.names.count("event") + 1
    assert [one for one in ours.names if one != "event"] == [
        one for one in plain.names if one != "event"
    ]


# --- size


@pytest.mark.parametrize("piece", [b"x" * 5_000, b"data: y\n" * 500, b"\ndata:" * 500])
def test_an_event_without_end(stream_of, piece):
    """An event that never ends is an error at max_event_bytes, and the connection is closed."""

    def script(exchange):
        exchange.head()
        exchange.body(encode(started()) + b"event: thread.run.completed\ndata: ")
        while True:
            exchange.body(piece)

    error = ends(stream_of(script, max_event_bytes=100_000))
    assert "100" in str(error)
    assert stream_of.server.exchanges[0].client_closed.wait(PATIENCE)


def test_a_line_of_comment_without_end(stream_of):
    """A comment that never ends does not fill the memory."""

    def script(exchange):
        exchange.head()
        exchange.body(b":")
        while True:
            exchange.body(b"." * 50_000)

    assert ends(stream_of(script, max_event_bytes=100_000)) is not None
    assert stream_of.server.exchanges[0].client_closed.wait(PATIENCE)


def test_four_megabytes_in_256_byte_pieces(stream_of):
    """One event of 4 MB in 16,000 pieces is read in time linear in its size."""
    value = "y" * 4_000_000
    body = encode(answered(value))
    stream = stream_of(sse(body, 256))
    assert stream.final_messages(timeout=PATIENCE * 2)[0].content[0].text.value == value


def test_four_megabytes_of_lines_in_256_byte_pieces(stream_of):
    """One event of 200,000 data and comment lines is read in time linear in its size."""
    lines = "\n".join(["data: 1,", ": note"] * 100_000)
    event = f"event: thread.note\ndata: [\n{lines}\ndata: 1]\n\n"
    body = event.encode() + BODY
    recorder = Recorder(stream_of(sse(body, 256)))
    recorder.stream.done(timeout=PATIENCE * 2)
    assert len(recorder.of("event")[0][0]["data"]) == 100_001


def test_a_text_of_many_deltas(stream_of):
    """40,000 deltas of one text are read in time linear in their number."""
    lengths: list[int] = []
    stream = stream_of(sse(encode(answered(*["0123456789"] * 40_000))))
    stream.on("textDelta", lambda delta, snapshot: lengths.append(len(delta.value)))
    text = stream.final_messages(timeout=PATIENCE * 2)[0].content[0].text.value
    assert len(lengths) == 40_000
    assert text == "0123456789" * 40_000


# --- depth


def nested(depth: int, kind: str) -> str:
    """Make JSON that is nested that deep."""
    left, right = ("[", "]") if kind == "array" else ('{"a":', "}")
    return left * depth + "1" + right * depth


@pytest.mark.parametrize("kind", ["array", "object"])
@pytest.mark.parametrize("depth", [200, 900, 1_200, 5_000, 20_000, 200_000])
@pytest.mark.parametrize(
    "place", ["unknown", "run", "message", "delta", "step", "error", "unnamed"]
)
@pytest.mark.sample(3)
def test_deeply_nested_json(stream_of, kind, depth, place):
    """Deep nesting is taken or is an OpenAIError, wherever it stands; never a RecursionError."""
    deep = nested(depth, kind)
    data = {
        "unknown": ("thread.new", deep),
        "run": ("thread.run.queued", f'{{"id":"run_1","deep":{deep}}}'),
        "message": ("thread.message.created", f'{{"id":"msg_1","content":[],"deep":{deep}}}'),
        "delta": (
            "thread.message.delta",
            f'{{"id":"msg_1","delta":{{"content":[{{"index":0,"type":"text","deep":{deep}}}]}}}}',
        ),
        "step": ("thread.run.step.created", f'{{"id":"step_1","step_details":{deep}}}'),
        "error": ("error", f'{{"message":"M","deep":{deep}}}'),
        "unnamed": (None, deep),
    }[place]
    opened = [message(1, "created")] if place == "delta" else []
    frames = [*started(), *opened, data, data, run("completed"), DONE]
    stream = stream_of(sse(encode(frames)))
    errors: list = []
    stream.on("error", errors.append).on("event", lambda event: repr(event))
    with_error = None
    try:
        stream.done(timeout=PATIENCE)
    except OpenAIError as error:
        with_error = error
    assert errors == ([with_error] if with_error else [])
    assert stream.ended
    if depth <= 200 and place != "error":
        # Created twice, or merged with itself, which arrays without an index cannot be.
        assert with_error is None or place in ("message", "step", "delta")


@pytest.mark.parametrize("status", [200, 400])
def test_deeply_nested_json_instead_of_a_stream(stream_of, status):
    """A deep JSON body of an error, or instead of a stream, is an OpenAIError as well."""
    body = nested(200_000, "object").encode()
    assert ends(stream_of(answer(status, body))) is not None


# A million of these would take hours if each were looked at once for each bracket before it.
LONG_STRINGS = {
    "escaped quotes": '\\"' * 1_000_000,
    "brackets": "[{" * 1_000_000,
    "half an escape": "\\" * 1_000_001,
    "quotes and brackets": '","[' * 1_000_000,
}


@pytest.mark.parametrize("kind", LONG_STRINGS)
@pytest.mark.parametrize("depth", [0, 301])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.sample(3)
def test_the_depth_of_long_strings_is_found_in_linear_time(kind, depth, closed):
    """JSON whose brackets are counted is an OpenAIError, or read, in the time that its size takes."""
    text = "[" * depth + '"' + LONG_STRINGS[kind] + ('"' + "]" * depth if closed else "")
    outcome: list = []

    def read():
        try:
            outcome.append(loads(text))
        except OpenAIError as error:
            outcome.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert outcome, "still at it"
    if kind == "brackets" and depth == 0 and closed:
        assert outcome == [LONG_STRINGS[kind]]
    elif depth or not closed or kind == "half an escape":
        assert isinstance(outcome[0], OpenAIError)


@pytest.mark.parametrize("kind", ["array", "object"])
def test_the_limit_of_depth(kind):
    """300 levels are read and 301 are refused, wherever brackets stand in strings before or in it."""
    strings = json.dumps(["[" * 400, '"[{' * 400, "\\[" * 400, "]" * 400])
    for before in ("1", strings):
        assert loads(f"[{before},{nested(299, kind)}]")[1]
        with pytest.raises(OpenAIError, match="deeper than 300"):
            loads(f"[{before},{nested(300, kind)}]")
    assert loads(strings) == json.loads(strings)


# --- numbers and indexes

INDEXES = ["-1", "-0.5", "1.5", "true", "false", "null", '"0"', '"x"', "[]", "{}", "1e400", "1e19"]
INDEXES += ["1024", "65536", "4294967295", "9223372036854775807", "1" + "0" * 400, "9" * 5_000]
INDEXES += ['"' + "9" * 5_000 + '"', '"1_0"', '"٣"', '"-1"']


@pytest.mark.parametrize("index", INDEXES, ids=[index[:20] for index in INDEXES])
@pytest.mark.parametrize("place", ["content", "tool_calls", "new_tool_calls", "annotations"])
def test_indexes_that_are_none(stream_of, place, index):
    """Negative, huge, boolean, fractional or missing: an OpenAIError or Node's result, no memory."""
    empty = {"type": "tool_calls"} if place == "new_tool_calls" else None
    tools = empty or {"type": "tool_calls", "tool_calls": []}
    marked = {
        "content": text_delta(1, "x", index="@@"),
        "annotations": message_delta(
            1, {"index": 0, "type": "text", "text": {"annotations": [{"index": "@@"}]}}
        ),
    }.get(place) or step_delta(1, {**function_call(0, [])[0], "index": "@@"})
    start = [step(1, "created", tools), message(1, "created"), text_delta(1, "a", first=True)]
    frames = [*started(), *start, marked, marked, run("completed"), DONE]
    body = encode(frames).replace(b'"@@"', index.encode())
    stream = stream_of(sse(body))
    ends(stream)
    snapshot = stream.current_message_snapshot()
    assert snapshot is None or len(snapshot.content) < 2_000


def test_growing_by_the_largest_step_again_and_again(stream_of):
    """An array of blocks cannot be blown up without bound by many deltas."""
    deltas = [text_delta(1, "x", index=1_023 * number) for number in range(200)]
    frames = [*started(), message(1, "created"), *deltas, run("completed"), DONE]
    stream = stream_of(sse(encode(frames)))
    stream.on("textCreated", lambda: None)
    with pytest.raises(OpenAIError):
        stream.done(timeout=PATIENCE)
    assert len(stream.current_message_snapshot().content) <= 65_536


def test_numbers_of_any_size(stream_of):
    """Integers are exact whatever their size; what Python refuses to read is an OpenAIError."""
    big = 2**63 + 1
    final = run("completed", n=big, m=-(10**300))
    result = stream_of(sse(encode([*started(), final, DONE]))).final_run(timeout=PATIENCE)
    assert (result.n, result.m) == (big, -(10**300))
    huge = encode([*started(), final]).replace(str(big).encode(), b"9" * 10_000)
    ends(stream_of(sse(huge)))


# --- names that collide


NAMES = [
    "to_dict",
    "_data",
    "__class__",
    "__dict__",
    "__init__",
    "keys",
    "self",
    "",
    "a b",
    "class",
]


def test_fields_named_like_methods(stream_of):
    """A field may have any name: it is in to_dict, and breaks nothing."""
    extra = dict.fromkeys(NAMES, "field")
    frames = [*started(), run("completed", **extra), DONE]
    final = stream_of(sse(encode(frames))).final_run(timeout=PATIENCE)
    data = final.to_dict()
    assert {name: data[name] for name in NAMES} == extra
    assert "completed" in repr(final)


# --- what is handed to the class methods


@pytest.mark.parametrize(
    "events",
    [
        [None],
        [5],
        ["text"],
        [[]],
        [{}],
        [{"event": 5, "data": {}}],
        [{"event": "thread.run.created"}],
        [{"data": {}}],
        [{"event": "thread.run.created", "data": object()}],
        5,
        None,
    ],
    # No repr of the object: it holds an address, and workers must name their tests alike.
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", repr(value)),
)
def test_from_events_with_what_is_no_event(events):
    """Events that are none end the stream with an error of the library, or are refused at once."""
    try:
        stream = AssistantStream.from_events(events)
    except (TypeError, ValueError, OpenAIError):
        return
    assert ends(stream) is not None


def test_from_events_whose_iterable_raises():
    """An exception of the iterable is the cause of the stream's error."""

    def events():
        yield {"event": "thread.run.created", "data": {"id": "run_1"}}
        raise KeyError("mine")

    error = ends(AssistantStream.from_events(events()))
    assert isinstance(error.__cause__, KeyError)


def test_from_events_of_a_generator_that_uses_its_dict_again():
    """What listeners were given stays as it was, though the generator writes to its dict again."""

    def events():
        event = {}
        for name, data in json.loads(json.dumps(answered("one ", "two ")[:-1])):
            event |= {"event": name, "data": data}
            yield event
            data.clear()
            if "delta" in name:
                event["data"] = None

    deltas: list = []
    seen: list = []
    stream = AssistantStream.from_events(events())
    stream.on("textDelta", deltas.append).on("event", lambda event: seen.append(event))
    assert stream.final_messages(timeout=PATIENCE)[0].content[0].text.value == "one two "
    assert [delta.value for delta in deltas] == ["one ", "two "]
    assert [(event.event, event.data.to_dict()) for event in seen] == answered("one ", "two ")[:-1]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"not json\n"],
        [b"[]\n"],
        [b"5\n"],
        [b'{"event": "thread.run.created"'],
        [b"\xff\n"],
        [b"{}\n" * 10],
        ["text\n"],
        [None],
        [nested(200_000, "array").encode() + b"\n"],
        [b""],
        [],
    ],
    ids=range(11),
)
def test_from_readable_stream_with_what_is_no_stream(chunks):
    """Bytes that are no stream of events end with an error of the library, or are refused."""
    try:
        stream = AssistantStream.from_readable_stream(chunks)
    except (TypeError, ValueError, OpenAIError):
        return
    assert ends(stream) is not None


def test_readable_stream_round_trip():
    """What to_readable_stream writes from_readable_stream reads, cut anywhere, any Unicode."""
    frames = answered("a\u2028\x85", "\ud83d", "\ude00", "é😀\n", "\ufeff")
    events = [{"event": name, "data": data} for name, data in frames if name != "done"]
    events = json.loads(json.dumps(events))  # which joins the two halves in the completed text
    first = AssistantStream.from_events(events)
    written = b"".join(first.to_readable_stream())
    assert [json.loads(line) for line in written.split(b"\n") if line] == events
    cut = [written[at : at + 3] for at in range(0, len(written), 3)]
    second = Recorder(AssistantStream.from_readable_stream(cut))
    reference = Recorder(AssistantStream.from_events(events))
    assert second.result() == reference.result()


def test_infinity_is_written_as_null():
    """1e999, which JavaScript reads as infinity, is null in the readable stream, as there."""
    data = '{"id":"run_1","status":"completed","a":1e999,"b":[-1e999,{"c":1e999,"d":1.5}]}'
    stream = AssistantStream.from_events([{"event": "thread.run.completed", "data": loads(data)}])
    lines = list(stream.to_readable_stream())
    written = json.loads(b"".join(lines), parse_constant=pytest.fail)["data"]
    assert (written["a"], written["b"]) == (None, [None, {"c": None, "d": 1.5}])
    assert AssistantStream.from_readable_stream(lines).final_run(timeout=PATIENCE).id == "run_1"


def test_a_run_of_many_events_keeps_no_history(connect):
    """Once the listeners have said go, events that went by are not kept."""
    import gc
    import weakref

    client = connect(sse(encode([*started(), *said(1, ["x"] * 3_000), run("completed"), DONE])))
    stream = client.beta.threads.runs.stream("t", assistant_id="a")
    refs: list = []
    done = threading.Event()

    def keep(event):
        try:
            refs.append(weakref.ref(event))
        except TypeError:
            done.set()

    stream.on("event", keep)
    stream.done(timeout=PATIENCE)
    gc.collect()
    if not done.is_set():
        assert sum(ref() is not None for ref in refs) < 100
