"""Rules R1 to R6: what real servers leave out of Responses events is filled in before all else."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from response_wire import (
    ITEM,
    answer_in,
    delta,
    message,
    opening,
    part,
    response,
    trace_of,
)
from scripted_server import sse

from emitter_stream import OpenAIError, ResponseStream

WHOLE = answer_in("Hel", "lo")


def without(*fields, of="", item=False):
    """Give the events of a good stream, those whose type begins so without these fields."""
    events = deepcopy(WHOLE)
    for event in events:
        if event["type"].startswith(f"response.{of}"):
            for field in fields:
                event.pop(field, None)
                if item and "item" in event:
                    event["item"].pop(field, None)
    return events


def heard(events):
    """Give what a listener of every event gets, and the counts of repairs."""
    stream = ResponseStream.from_events(events)
    calls = [event for _, event in trace_of(stream, "event")]
    return calls, stream.repairs


@pytest.mark.parametrize(
    ("events", "rule", "times"),
    [
        pytest.param(without("output_index"), "R4", 7, id="no output_index"),
        pytest.param(without("content_index"), "R5", 5, id="no content_index"),
        pytest.param(without("item_id", of="output_text"), "R6", 3, id="no item_id"),
        pytest.param(
            [{**e, "item_id": f"x{n}"} if "item_id" in e else e for n, e in enumerate(WHOLE)],
            "R6",
            5,
            id="another item_id in each event",
        ),
        pytest.param(
            [
                {**e, "content_index": n} if "delta" in e or "text" in e else e
                for n, e in enumerate(WHOLE)
            ],
            "R5",
            3,
            id="content_index counts deltas",
        ),
        pytest.param(
            [{**e, "output_index": None, "content_index": None} for e in WHOLE],
            "R4",
            7,
            id="null is missing",
        ),
    ],
)
def test_what_is_missing_is_filled_in(events, rule, times):
    """The events come out as a server would have sent them that keeps to the API."""
    calls, repairs = heard(events)
    fields = ("type", "output_index", "content_index", "item_id", "item", "delta", "text")
    for ours, good in zip(calls, WHOLE, strict=True):
        if "response" not in good:
            assert [ours.get(field) for field in fields] == [good.get(field) for field in fields]
    assert repairs[rule] == times


def test_a_good_stream_needs_no_repair():
    """Nothing is counted, and each event comes out as it came."""
    calls, repairs = heard(WHOLE)
    assert calls == WHOLE
    assert not repairs


def test_a_type_is_taken_from_the_event_line(connect):
    """R1: the name in the frame is the type of an event that has none."""
    body = "".join(
        f"event: {event.pop('type')}\ndata: {json.dumps(event)}\n\n" for event in deepcopy(WHOLE)
    )
    stream = connect(sse(body.encode())).responses.stream(model="m", input="hi")
    assert [event.type for event in stream] == [event["type"] for event in WHOLE]
    assert stream.repairs == {"R1": len(WHOLE)}
    assert stream.final_response().output_text == "Hello"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("response.new.delta", ["event", "response.new.delta"]),
        ("codex.limits", ["event"]),
        ("end", ["event"]),
        ("keepalive", ["event", "keepalive"]),
    ],
)
def test_an_unknown_event_is_passed_on_and_not_taken_in(kind, names):
    """R2: it comes as `event`, and under its own name if that can be listened to; also first."""
    new = {"type": kind, "x": 1}
    stream = ResponseStream.from_events([new, *WHOLE])
    calls = []
    for name in ("event", "response.new.delta", "keepalive"):
        stream.on(name, lambda event, name=name: calls.append((name, event.to_dict())))
    ends = []
    stream.on("end", lambda: ends.append(True)).done(20)
    assert [call for call in calls if call[1] == new] == [(name, new) for name in names]
    assert ends == [True]
    assert stream.repairs == {"R2": 1}
    assert stream.final_response().output_text == "Hello"


@pytest.mark.parametrize("status", ["queued", "in_progress", "completed", "failed", "incomplete"])
def test_another_first_event_stands_for_created(status):
    """R3: as if `response.created` had come before, of which nobody is told."""
    event = {"type": f"response.{status}", "response": response(status, [message("a")])}
    calls, repairs = heard([event])
    assert calls == [event]
    assert repairs == {"R3": 1}


def test_the_index_of_an_event_is_that_of_its_item():
    """R4: by the item's id, else that of the item added last; a new item gets the next."""
    one, two = ({**ITEM, "id": name, "content": [part()]} for name in ("a", "b"))
    events = [
        {"type": "response.created", "response": response()},
        {"type": "response.output_item.added", "item": one},
        {"type": "response.output_item.added", "item": two},
        delta("x", item_id="a", output_index=None),
        delta("y", item_id="zzz", output_index=None),
        {"type": "response.output_item.done", "item": {**one, "content": [part("x")]}},
    ]
    calls, repairs = heard(events)
    assert [event.get("output_index") for event in calls[1:]] == [0, 1, 0, 1, 0]
    assert calls[4]["item_id"] == "b"
    assert repairs == {"R4": 5, "R6": 1}


@pytest.mark.parametrize(
    ("item_type", "kind", "text"),
    [
        ("message", "output_text", "text"),
        ("message", "refusal", "refusal"),
        ("reasoning", "reasoning_text", "text"),
        ("reasoning", "reasoning_summary_text", "text"),
    ],
)
def test_a_first_part_that_was_not_added_is_there(item_type, kind, text):
    """R5: a text or a refusal for part 0 finds an empty part, of which nobody is told."""
    summary = kind.startswith("reasoning_summary")
    item = {"id": "i", "type": item_type, "content": [], "summary": []}
    place = {"item_id": "i", "output_index": 0}
    place["summary_index" if summary else "content_index"] = 0
    first = {"type": f"response.{kind}.delta", **place, "delta": "a"}
    second = {**first, "delta": "b"}
    stream = ResponseStream.from_events(
        [
            {"type": "response.created", "response": response()},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            first,
            second,
        ]
    )
    calls = trace_of(stream, "event")
    assert [event for _, event in calls[2:]] == [first, second]
    (kept,) = stream.final_response().output[0].to_dict()["summary" if summary else "content"]
    assert kept[text] == "ab"
    assert stream.repairs == {"R5": 1}


def test_an_item_without_id_gets_one():
    """R6: `item_N` by its index, for its later events too; calls with a call_id stay without."""
    nameless = {"type": "message", "role": "assistant", "content": [part()]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    events = [
        {"type": "response.created", "response": response()},
        {"type": "response.output_item.added", "output_index": 0, "item": nameless},
        delta("a"),
        {"type": "response.output_item.done", "output_index": 0, "item": message("a")},
        {"type": "response.output_item.added", "output_index": 1, "item": call},
        {"type": "response.output_item.done", "output_index": 1, "item": {**call, "id": "fc"}},
    ]
    calls, repairs = heard(events)
    assert calls[1]["item"]["id"] == calls[2]["item_id"] == calls[3]["item"]["id"] == "item_0"
    assert "id" not in calls[4]["item"]
    assert calls[5]["item"]["id"] == "fc"
    assert repairs == {"R6": 3}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*opening(), delta("a", output_index="0")], id="a string as index"),
        pytest.param([*opening(), delta("a", output_index=1)], id="an item that was not added"),
        pytest.param([*opening(), delta("a"), delta("b", output_index=False)], id="false is not 0"),
        pytest.param([*opening(), delta("a", content_index="0")], id="a string as part"),
        pytest.param([*opening(), {"type": 5}], id="a number as type"),
        pytest.param([delta("a")], id="a delta before all"),
        pytest.param([*opening()[:1], delta("a")], id="a delta before its item"),
        pytest.param([*opening(), opening()[1]], id="an item added twice"),
        pytest.param([*opening(), opening()[2]], id="a part added twice"),
        pytest.param([*opening(), ["no object"]], id="no object"),
        pytest.param([*opening(), None], id="null"),
        pytest.param(
            [*opening(), {**delta("a"), "type": "response.refusal.delta"}],
            id="a refusal in a text",
        ),
    ],
)
def test_what_is_wrong_stays_an_error(events):
    """What is there and does not fit ends the stream, as in Node."""
    wire = [{"event": None, "data": event} for event in events]
    with pytest.raises(OpenAIError):
        ResponseStream.from_events(wire).final_response(20)


def test_a_repaired_stream_can_be_handed_on():
    """`to_readable_stream()` writes the repaired events, which need no repair any more."""
    lines = list(ResponseStream.from_events(without("output_index")).to_readable_stream())
    stream = ResponseStream.from_readable_stream(lines)
    assert stream.final_response(20).output_text == "Hello"
    assert not stream.repairs
