"""What is missing of a response whose stream broke off, wherever that was, made of the response."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from response_wire import PLACE, answer_in, delta, message, opening, response

from emitter_stream import OpenAIError
from emitter_stream.streams.responses.core import ResponseCore
from emitter_stream.streams.responses.missing import missing_events

SCENARIOS = Path(__file__).parents[2] / "parity_chat" / "scenarios"
# Of each kind of item one whose server says the same of it in its events and in the end.
NAMES = [
    *("real_responses_plain", "real_responses_length", "real_responses_tools_required"),
    *("resp_code_interpreter", "resp_custom_call", "resp_function_call"),
    *("resp_image_generation", "resp_logprobs"),
    *("resp_reasoning_text", "resp_text", "resp_two_messages", "resp_web_search"),
]
# What only says how far the server is, and nothing of what is in the answer.
PROGRESS = (".in_progress", ".searching", ".interpreting", ".generating", ".partial_image")
INDEXES = ("output_index", "content_index", "summary_index", "command_index", "annotation_index")
REASONING = {"id": "rs_1", "type": "reasoning", "summary": []}


def events_of(name: str) -> list[dict[str, Any]]:
    """Read the events of a recorded answer."""
    scenario = json.loads((SCENARIOS / f"{name}.json").read_text(encoding="utf-8"))
    body = (SCENARIOS / scenario["bodies"][0]["file"]).read_text(encoding="utf-8")
    lines = [line[6:] for line in body.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def feed(core: ResponseCore, events: Any) -> list[dict[str, Any]]:
    """Feed events; give what is heard of them."""
    return [
        args[0].to_dict()
        for name, event in events
        for called, args in core.feed(name, copy.deepcopy(event))
        if called == "event"
    ]


def wire(events: list[dict[str, Any]]) -> list[tuple[None, dict[str, Any]]]:
    return [(None, event) for event in events]


def told(events: list[dict[str, Any]]) -> tuple[dict[Any, list[Any]], Counter[Any]]:
    """Give the texts that deltas brought, by their places, and how often each other event came."""
    texts: dict[Any, list[Any]] = {}
    others: Counter[Any] = Counter()
    for event in events:
        place = (event["type"], *(event.get(name) for name in INDEXES))
        if event["type"].endswith(".delta"):
            pieces = event["delta"] if isinstance(event["delta"], dict) else {"": event["delta"]}
            for field, piece in pieces.items():
                texts[(*place, field)] = texts.get((*place, field), "") + piece
        elif not event["type"].endswith(PROGRESS):
            others[place] += 1
    return {place: text for place, text in texts.items() if text}, others


@pytest.mark.parametrize("name", NAMES)
def test_wherever_it_breaks_off(name):
    """Each text comes whole, each event of an item once, and the response is the one it became."""
    events = events_of(name)
    whole = ResponseCore()
    heard = feed(whole, wire(events))
    whole.finish()
    assert heard[-1]["type"].startswith(("response.completed", "response.incomplete"))
    step = max(1, len(events) // 12)
    for count in (*range(1, len(events), step), *range(max(1, len(events) - 6), len(events))):
        core = ResponseCore()
        got = feed(core, wire(events[:count]))
        got += feed(core, missing_events(core, heard[-1]["response"], None))
        core.finish()
        assert told(got) == told(heard), count
        assert core.final == whole.final


def test_numbers_go_on():
    """Where the events were numbered, those that are made are numbered on."""
    events = [{**event, "sequence_number": n} for n, event in enumerate(answer_in("a", "b"))]
    core = ResponseCore()
    got = feed(core, wire(events[:4]))
    got += feed(core, missing_events(core, events[-1]["response"], 3))
    assert [event["sequence_number"] for event in got] == list(range(len(events)))


def test_annotations():
    """Annotations that did not come are added, each once, before the text ends."""
    marks = [{"type": "url_citation", "url": f"https://example.org/{n}"} for n in range(3)]
    whole = message("Hello")
    whole["content"][0]["annotations"] = marks
    name = "response.output_text.annotation.added"
    first = {"type": name, **PLACE, "annotation_index": 0, "annotation": marks[0]}
    core = ResponseCore()
    feed(core, wire([*opening(), delta("Hello"), first]))
    got = feed(core, missing_events(core, response("completed", [whole]), None))
    core.finish()
    added = [(e["annotation_index"], e["annotation"]) for e in got if e["type"] == name]
    assert added == [(1, marks[1]), (2, marks[2])]
    assert [mark.to_dict() for mark in core.final.output[0].content[0].annotations] == marks


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_a_response_that_was_cut_off(status):
    """What was said of it comes; its parts have no end, and the last event says how it ended."""
    begun = {**message("Hello"), "status": "in_progress"}
    core = ResponseCore()
    feed(core, wire([*opening(), delta("He")]))
    got = feed(core, missing_events(core, response(status, [begun]), None))
    core.finish()
    last = "response.failed" if status == "failed" else "response.incomplete"
    assert [event["type"] for event in got] == ["response.output_text.delta", last]
    assert got[0]["delta"] == "llo"
    assert core.final.status == status and core.final.output_text == "Hello"


def test_ids_that_change():
    """An item that has another id when it is asked for is the same one, under the id it had."""
    again = response("completed", [{**message("Hello"), "id": "msg_other"}])
    core = ResponseCore()
    got = feed(core, wire([*opening(), delta("He")]))
    got += feed(core, missing_events(core, again, None))
    core.finish()
    assert told(got)[0] == {("response.output_text.delta", 0, 0, None, None, None, ""): "Hello"}
    assert [item.id for item in core.final.output] == ["msg_1"]


def test_an_item_that_is_left_out():
    """An item that the response is without when it is asked for ends as it is."""
    begun = [
        {"type": "response.created", "response": response()},
        {"type": "response.output_item.added", "output_index": 0, "item": REASONING},
    ]
    core = ResponseCore()
    feed(core, wire(begun))
    got = feed(core, missing_events(core, response("completed", [message("Hello")]), None))
    core.finish()
    ended = [e["item"]["id"] for e in got if e["type"] == "response.output_item.done"]
    assert sorted(ended) == ["msg_1", "rs_1"]
    assert core.final.output_text == "Hello"


def test_a_text_that_became_another():
    """Where a text is not what it began as, the event that ends it has it."""
    core = ResponseCore()
    feed(core, wire([*opening(), delta("Ha")]))
    got = feed(core, missing_events(core, response("completed", [message("Hello")]), None))
    core.finish()
    assert got[0] == {"type": "response.output_text.done", **PLACE, "text": "Hello", "logprobs": []}
    assert core.final.output_text == "Hello"


def test_a_response_without_output():
    """A server that says no more than the status is taken at its word; what came stays."""
    whole = response("completed")
    del whole["output"]
    core = ResponseCore()
    feed(core, wire([*opening(), delta("Hello")]))
    feed(core, missing_events(core, whole, None))
    core.finish()
    assert core.final.output_text == "Hello" and core.final.status == "completed"


@pytest.mark.parametrize("output", [5, [5], [{"type": "message", "content": [5], "id": "msg_1"}]])
def test_nonsense(output):
    """A response of another kind is an error of the library's."""
    core = ResponseCore()
    feed(core, wire([*opening(), delta("He")]))
    with pytest.raises(OpenAIError, match="of another kind"):
        feed(core, missing_events(core, {**response("completed"), "output": output}, None))
