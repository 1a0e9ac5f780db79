"""``ResponseStream``: its three styles, snapshots, finals, parsing, and ways in and out."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
import threading

import openai
import pydantic
import pytest
from openai._models import construct_type_unchecked
from openai.types.responses import ResponseCreatedEvent as OfficialCreated
from response_wire import (
    PLACE,
    answer_in,
    as_bytes,
    closing,
    delta,
    message,
    opening,
    part,
    response,
    trace_of,
)
from scripted_server import hang, sse

from emitter_stream import APIError, APIUserAbortError, OpenAIError, ResponseStream
from emitter_stream.types.responses import (
    Response,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)

HELLO = answer_in("Hel", "lo")


class City(pydantic.BaseModel):
    """A city."""

    name: str
    people: int


@dataclasses.dataclass
class Place:
    """A place."""

    name: str


def stream_of(events, connect, **params):
    """Give a stream of these events as a server sends them."""
    client = connect(sse(as_bytes(events)))
    return client.responses.stream(**{"model": "m", "input": "hi", **params})


def test_listeners_chain_and_get_the_delta_with_its_snapshot():
    """A delta's own listener gets the text so far, which its `to_dict()` has too."""
    texts = []
    stream = ResponseStream.from_events(HELLO)
    final = (
        stream.on("response.output_text.delta", lambda event: texts.append(event.snapshot))
        .on("response.output_text.delta", lambda event: texts.append(event.to_dict()["snapshot"]))
        .final_response(20)
    )
    assert texts == ["Hel", "Hel", "Hello", "Hello"]
    assert final.output_text == "Hello"


def test_an_event_as_such_reads_its_snapshot_and_does_not_show_it():
    """What goes to `event` is as it came; the Python SDK's programs read `.snapshot` of it."""
    events = []
    stream = ResponseStream.from_events(HELLO)
    stream.on("event", events.append).done(20)
    deltas = [event for event in events if isinstance(event, ResponseTextDeltaEvent)]
    assert [event.to_dict() for event in events] == HELLO
    assert [event.snapshot for event in deltas] == ["Hel", "Hello"]  # long after


def test_deltas_do_not_change_and_the_snapshot_grows():
    """A kept delta shows the text of its time; the response so far is one live object."""
    kept, snapshots = [], []
    stream = ResponseStream.from_events(answer_in(*"abcdef"))

    def hear(event):
        kept.append((event, event.snapshot))
        snapshots.append(stream.current_response_snapshot)

    stream.on("response.output_text.delta", hear).done(20)
    assert [event.snapshot for event, _ in kept] == [text for _, text in kept]
    assert [text for _, text in kept] == ["abcdef"[: n + 1] for n in range(6)]
    assert len({id(snapshot._data) for snapshot in snapshots}) == 1


@pytest.mark.parametrize("pieces", [("a\ud83d", "\ude00b"), ("\ud83d", "x", "\ude00")])
def test_a_character_cut_in_two_is_whole_in_the_text(pieces):
    """The halves join as in JavaScript; the first delta's snapshot keeps its half."""
    snapshots = []
    stream = ResponseStream.from_events([*opening(), *map(delta, pieces)])
    stream.on("response.output_text.delta", snapshots.append).done(20)
    texts, so_far = [], ""
    for piece in pieces:
        so_far += piece
        texts.append(so_far.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"))
    assert [event.snapshot for event in snapshots] == texts


def test_a_growing_answer_is_the_same_with_every_set_of_listeners():
    """Who listens changes nothing of what each gets."""
    events = [*answer_in(*("word " for _ in range(50)))]
    whole = trace_of(ResponseStream.from_events(events), "event", "response.output_text.delta")
    for names in (["event"], ["response.output_text.delta"]):
        alone = trace_of(ResponseStream.from_events(events), *names)
        assert alone == [call for call in whole if call[0] in names]


def test_late_listeners_are_given_what_they_missed():
    """Until somebody waits, a listener attached late gets all from the first event on."""
    stream = ResponseStream.from_events(HELLO)
    seen = []
    over = threading.Event()
    stream.on("end", over.set)
    assert over.wait(120)
    stream.on("response.output_text.delta", lambda event: seen.append(event.to_dict()))
    stream.done(20)
    assert [event["snapshot"] for event in seen] == ["Hel", "Hello"]


def test_a_name_beyond_the_known_can_be_listened_to():
    """Any `response.*` name may come; another that is never emitted is an error at `on`."""
    new = {"type": "response.brand_new", "x": 1}
    heard = []
    stream = ResponseStream.from_events([*HELLO, new])
    stream.on("response.brand_new", heard.append)
    with pytest.raises(ValueError, match=r"output_text\.delta"):
        stream.on("output_text.delta", print)
    stream.done(20)
    assert [event.to_dict() for event in heard] == [new]
    assert heard[0].x == 1


hold = hang(as_bytes(HELLO[:4]))


def test_iterating_gives_every_event_and_leaving_early_aborts(connect):
    """Without `with`, as in Node."""
    assert [event.to_dict() for event in ResponseStream.from_events(HELLO)] == HELLO
    stream = connect(hold).responses.stream(model="m", input="hi")
    for event in stream:
        assert event.type == "response.created"
        break
    with pytest.raises(APIUserAbortError):
        stream.done(20)


def test_in_a_with_the_stream_is_its_own_iterator():
    """As in the Python SDK: a loop goes on where another stopped, and the end closes the rest."""
    with ResponseStream.from_events(HELLO) as stream:
        first = next(stream)
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        rest = [event.type for event in stream]
        assert first.type == "response.created"
        assert rest == [event["type"] for event in HELLO[4:]]
        assert stream.get_final_response().output_text == "Hello"


def test_the_end_of_an_iterated_with_closes_what_is_left(connect):
    """No error comes of it, and the request is over."""
    stream = connect(hold).responses.stream(model="m", input="hi")
    with stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert stream.ended
    assert stream.aborted


def test_a_with_that_was_not_iterated_waits_and_raises():
    """As every stream of this library."""
    heard = []
    with ResponseStream.from_events(HELLO) as stream:
        stream.on("response.completed", heard.append)
    assert [event.type for event in heard] == ["response.completed"]
    error = {"type": "error", "code": "c", "message": "Slow down", "param": None}
    with pytest.raises(APIError, match="Slow down"), ResponseStream.from_events([error]):
        pass


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"message": "Slow down", "code": "rate", "type": "t"}},
        {"type": "error", "message": "Slow down", "code": "rate", "param": None},
        {"error": {"message": "Slow down", "code": "rate"}},
    ],
    ids=["nested", "flat", "bare"],
)
def test_an_error_event_is_an_api_error(event, connect):
    """However it comes, with its message and code, from a server and from objects."""
    body = as_bytes(HELLO[:3]) + f"data: {json.dumps(event)}\n\n".encode()
    for stream in (
        connect(sse(body)).responses.stream(model="m", input="hi"),
        ResponseStream.from_events([*HELLO[:3], event]),
    ):
        with pytest.raises(APIError, match="Slow down") as caught:
            stream.done(20)
        assert caught.value.code == "rate"


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_response_that_is_cut_short_is_no_error(status):
    """`final_response()` gives what there is; `get_final_response()` wants it complete."""
    stream = ResponseStream.from_events(answer_in("Hel", status=status))
    assert stream.final_response(20).status == status
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        stream.get_final_response()


def test_a_stream_without_a_terminal_event_gives_what_there_is():
    """The status says that it is not complete."""
    final = ResponseStream.from_events([*opening(), delta("Hel")]).final_response(20)
    assert (final.status, final.output_text) == ("in_progress", "Hel")


def test_nothing_at_all_is_an_error(connect):
    """Not even `response.created` came."""
    with pytest.raises(OpenAIError, match="before any event"):
        stream_of([], connect).done(20)


# Parsing


@pytest.mark.parametrize("kind", [City, Place])
def test_a_class_as_text_format(kind, connect):
    """It is sent as a strict schema; the final and `output_text.done` have instances."""
    value = {"name": "Rome", "people": 1} if kind is City else {"name": "Rome"}
    wanted = kind(**value)
    done = []
    stream = stream_of(answer_in(json.dumps(value)), connect, text_format=kind)
    stream.on("response.output_text.done", lambda event: done.append((event.parsed, event)))
    final = stream.final_response(20)
    assert final.output_parsed == wanted
    assert final.output[0].content[0].parsed == wanted
    ((parsed, event),) = done
    assert parsed == wanted
    assert "parsed" not in event.to_dict()
    sent = connect.server.requests[0].json()["text"]["format"]
    assert (sent["type"], sent["strict"]) == ("json_schema", True)
    assert "text_format" not in connect.server.requests[0].json()


def test_a_bare_schema_as_text_format(connect):
    """What comes is plain JSON."""
    schema = {"type": "object", "title": "city", "properties": {"name": {"type": "string"}}}
    stream = stream_of(answer_in('{"name": "Rome"}'), connect, text_format=schema)
    assert stream.final_response(20).output_parsed == {"name": "Rome"}
    sent = connect.server.requests[0].json()["text"]["format"]
    assert sent == {"type": "json_schema", "name": "city", "schema": schema}


def test_a_text_that_does_not_fit_is_an_error(connect):
    """Its cause is the validator's; all events came before."""
    names = []
    stream = stream_of(answer_in('{"name": "Rome"}'), connect, text_format=City)
    stream.on("event", lambda event: names.append(event.type))
    with pytest.raises(OpenAIError, match="could not be parsed") as caught:
        stream.done(20)
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)
    assert names[-1] == "response.completed"


def test_a_cut_answer_is_not_parsed(connect):
    """`parsed` is None, when it is read at once as well as in the end."""
    parsed = []
    events = answer_in('{"name": "Ro', status="incomplete")
    stream = stream_of(events, connect, text_format=City)
    stream.on("response.output_text.done", lambda event: parsed.append(event.parsed))
    final = stream.final_response(20)
    assert parsed == [None]
    assert final.output_parsed is None


def test_a_tool_with_a_class_as_parameters(connect):
    """The call's `parsed_arguments` is an instance; an unstrict tool's are not parsed."""
    call = {"type": "function_call", "id": "fc", "call_id": "c", "arguments": '{"name":"Rome"}'}
    calls = [{**call, "name": "go"}, {**call, "id": "fd", "call_id": "d", "name": "stay"}]
    tools = [
        {"type": "function", "name": "go", "parameters": Place},
        {"type": "function", "name": "stay", "parameters": {"type": "object"}},
    ]
    events = [{"type": "response.completed", "response": response("completed", calls)}]
    go, stay = stream_of(events, connect, tools=tools).final_response(20).output
    assert go.parsed_arguments == Place("Rome")
    assert stay.parsed_arguments is None
    sent = connect.server.requests[0].json()["tools"]
    assert sent[0]["strict"] is True
    assert sent[1] == tools[1]


# Ways in and out


def test_lines_and_recordings_give_the_same_stream(tmp_path, connect):
    """What is written can be read again, here and as a replay."""
    path = tmp_path / "answer.jsonl"
    stream = stream_of(HELLO, connect).record(path)
    lines = list(stream.to_readable_stream())
    assert [json.loads(line) for line in lines] == HELLO
    names = ("event", "response.output_text.delta", "response.completed")
    expected = trace_of(ResponseStream.from_events(HELLO), *names)
    assert trace_of(ResponseStream.from_readable_stream(lines), *names) == expected
    assert trace_of(ResponseStream.replay(path, None), *names) == expected


def test_the_official_sdk_s_events_can_be_brought():
    """As objects of that SDK, and as this library's own."""
    kind = openai.types.responses.ResponseStreamEvent
    official = [construct_type_unchecked(type_=kind, value=event) for event in HELLO]
    assert isinstance(official[0], OfficialCreated)
    own = list(ResponseStream.from_events(official))
    assert ResponseStream.from_events(own).final_response(20).output_text == "Hello"


def test_events_pickle():
    """A delta's snapshot goes with it."""
    events = list(ResponseStream.from_events(HELLO))
    copies = pickle.loads(pickle.dumps(events))
    assert copies == events
    assert copies[4].snapshot == "Hello"


def test_objects_are_of_the_class_of_their_type():
    """Items, parts and events, also where the type is unknown."""
    final = Response(response("completed", [message("a"), {"type": "new", "id": "n", "x": 1}]))
    first, second = final.output
    assert isinstance(first, ResponseOutputMessage)
    assert isinstance(first.content[0], ResponseOutputText)
    assert (second.type, second.x) == ("new", 1)
    assert final.output_text == "a"
    assert final.to_dict() == response(
        "completed", [message("a"), {"type": "new", "id": "n", "x": 1}]
    )


def test_starting_after_hears_later_events_only(connect):
    """The earlier ones are taken in, so that the snapshot is whole."""
    events = [{**event, "sequence_number": n} for n, event in enumerate(HELLO)]
    client = connect(sse(as_bytes(events)))
    stream = client.responses.stream(response_id="resp_1", starting_after=3)
    heard = trace_of(stream, "event", "response.output_text.delta")
    assert [event["sequence_number"] for name, event in heard if name == "event"] == [
        4,
        5,
        6,
        7,
        8,
    ][: len(HELLO) - 4]
    assert heard[1][1]["snapshot"] == "Hello"
    assert connect.server.requests[0].target.endswith("/responses/resp_1?stream=true")


def test_two_parts_of_one_message_and_their_order():
    """Deltas of different places do not mix, whichever was last."""
    second = {**PLACE, "content_index": 1}
    events = [
        *opening(),
        {"type": "response.content_part.added", **second, "part": part()},
        delta("a"),
        delta("x", content_index=1),
        delta("b"),
        delta("y", content_index=1),
        *closing("")[:0],
    ]
    stream = ResponseStream.from_events(events)
    calls = trace_of(stream, "response.output_text.delta")
    assert [event["snapshot"] for _, event in calls] == ["a", "x", "ab", "xy"]
    assert stream.final_response().output_text == "abxy"


def test_pydantic_is_not_needed():
    """A stream with a schema runs where pydantic cannot be imported."""
    program = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from emitter_stream import ResponseStream\n"
        "print(ResponseStream.from_events([{'type': 'response.created', 'response': "
        "{'id': 'r', 'output': []}}]).final_response(20).id)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )
    assert (run.stdout, run.stderr) == ("r\n", "")


# --- slips


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("response.output_text.dleta", "response.output_text.delta"),
        ("response.output_text_delta", "response.output_text.delta"),
        ("response.outputText.delta", "response.output_text.delta"),
        ("response.complete", "response.completed"),
    ],
)
def test_a_slip_in_a_name_is_a_warning(name, meant):
    """A `response.*` name that is one slip away from a known one is a warning at the user's line."""
    stream = ResponseStream.from_events(HELLO)
    with pytest.warns(UserWarning, match=f"did you mean '{meant}'") as caught:
        stream.on(name, lambda event: None)
    with pytest.warns(UserWarning, match="did you mean"):
        ResponseStream.from_events(HELLO).on(name)(print)
    assert [one.filename for one in caught] == [__file__]
    stream.done()


def test_new_names_are_no_slips():
    """A name that is new to this library is listened to without a word, warnings being errors."""
    stream = ResponseStream.from_events(HELLO)
    for name in ("response.new_thing.delta", "response.image_generation_call.generated"):
        stream.on(name, print)
    stream.done()


def test_lines_that_were_read_whole():
    """A body that is one `bytes` object is read as one that comes in pieces."""
    body = b"".join(ResponseStream.from_events(HELLO).to_readable_stream())
    assert ResponseStream.from_readable_stream(body).final_response().output_text == "Hello"
