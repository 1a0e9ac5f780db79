"""Answers of Responses, as real servers send them."""

from __future__ import annotations

import json

import pytest
from canned import TOOLS, Answer, ask, named, question

from emitter_stream.server import Upstream

DONE = {"type": "response.completed", "response": {"status": "completed", "output": []}}


def text(piece: str, **fields: object) -> dict[str, object]:
    return {"type": "response.output_text.delta", "delta": piece, **fields}


def message(*texts: str, **fields: object) -> dict[str, object]:
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "content": content, **fields}


def call(arguments: object, name: str = "weather", **fields: object) -> dict[str, object]:
    return {"type": "function_call", "name": name, "arguments": arguments, **fields}


def added(item: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "response.output_item.added", "item": item, **fields}


def done(item: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "response.output_item.done", "item": item, **fields}


def piece(arguments: str, **fields: object) -> dict[str, object]:
    return {"type": "response.function_call_arguments.delta", "delta": arguments, **fields}


def ended(*output: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "response.completed", "response": {"output": list(output), **fields}}


TEXTS = {
    "deltas alone": ([text("a"), text("b"), DONE], "ab"),
    "the end of a part alone": ([{"type": "response.output_text.done", "text": "ab"}, DONE], "ab"),
    "the end of an item alone": ([done(message("a", "b")), DONE], "ab"),
    "the end alone": ([ended(message("ab"))], "ab"),
    "all of it": (
        [
            added(message()),
            text("a"),
            text("b"),
            {"type": "response.output_text.done", "text": "ab"},
            done(message("ab")),
            ended(message("ab")),
        ],
        "ab",
    ),
    "the rest at the end": ([text("a"), ended(message("ab"))], "ab"),
    "two parts": (
        [
            text("a"),
            {"type": "response.output_text.done", "text": "a"},
            text("b"),
            {"type": "response.output_text.done", "text": "b"},
            done(message("a", "b")),
            ended(message("a", "b")),
        ],
        "ab",
    ),
    "two items": ([text("a"), done(message("a")), text("b"), done(message("b")), DONE], "ab"),
    "another text at the end": ([text("a"), ended(message("x"))], "a"),
    "reasoning": (
        [
            {"type": "response.reasoning_text.delta", "delta": "x"},
            done({"type": "reasoning"}),
            text("a"),
            DONE,
        ],
        "a",
    ),
    "thoughts": ([text("<think>x</think>"), text(" a"), DONE], "a"),
    "a refusal": (
        [
            {"type": "response.refusal.delta", "delta": "No"},
            {"type": "response.refusal.done", "refusal": "No."},
            DONE,
        ],
        "No.",
    ),
    "a refusal at the end": (
        [ended({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})],
        "No.",
    ),
    "nothing": ([DONE], ""),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text(canned, case):
    """Text comes out once, whichever of the events that have it are there."""
    events, expected = TEXTS[case]
    canned.answers = [Answer(named(*events))]
    heard = ask(Upstream(canned.url, api="responses"))
    assert (heard.text, heard.error, heard.stop) == (expected, None, None)


OSLO, RIGA = '{"place":"Oslo"}', '{"place":"Riga"}'
ONE = [("weather", {"place": "Oslo"})]
CALLS = {
    "by turns": (
        [
            added(call("", id="f1", call_id="c1"), output_index=0),
            added(call("", id="f2", call_id="c2"), output_index=1),
            piece(OSLO[:5], item_id="f1", output_index=0),
            piece(RIGA[:5], item_id="f2", output_index=1),
            piece(OSLO[5:], item_id="f1", output_index=0),
            piece(RIGA[5:], item_id="f2", output_index=1),
            done(call(RIGA, id="f2", call_id="c2"), output_index=1),
            done(call(OSLO, id="f1", call_id="c1"), output_index=0),
            DONE,
        ],
        [*ONE, ("weather", {"place": "Riga"})],
    ),
    "by place": (
        [
            added(call("", call_id="c1"), output_index=0),
            added(call("", call_id="c2"), output_index=1),
            piece(OSLO, output_index=0),
            piece(RIGA, output_index=1),
            DONE,
        ],
        [*ONE, ("weather", {"place": "Riga"})],
    ),
    "no ids": ([added(call("")), piece(OSLO[:5]), piece(OSLO[5:]), done(call(OSLO)), DONE], ONE),
    "the end alone": ([ended(call(OSLO, call_id="c1"))], ONE),
    "an item and the end": ([done(call(OSLO, id="f1")), ended(call(OSLO, id="f1"))], ONE),
    "other ids at the end": ([done(call(OSLO, id="f1")), ended(call(OSLO, id="f9"))], ONE),
    "no ids at the end": ([done(call(OSLO, id="f1")), ended(call(OSLO))], ONE),
    "arguments at their end": (
        [
            added(call("", id="f1")),
            {"type": "response.function_call_arguments.done", "item_id": "f1", "arguments": OSLO},
            DONE,
        ],
        ONE,
    ),
    "an object": ([done(call({"place": "Oslo"}, id="f1")), DONE], ONE),
    "no arguments": ([done(call("", name="clock", id="f1")), DONE], [("clock", {})]),
    "text before": (
        [text("\n"), done(call(OSLO, id="f1")), ended(message("\n"), call(OSLO, id="f1"))],
        ONE,
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls(canned, case):
    """Calls are put together, whichever of the events that have them are there."""
    events, calls = CALLS[case]
    canned.answers = [Answer(named(*events))]
    heard = ask(Upstream(canned.url, api="responses"), question(tools=TOOLS))
    assert (sorted(heard.inputs, key=str), heard.error) == (sorted(calls, key=str), None)


def test_ids(canned):
    """What a call comes back with is the id of the call, not that of the item."""
    canned.answers = [Answer(named(done(call(OSLO, id="f1", call_id="c1")), DONE))]
    assert ask(Upstream(canned.url, api="responses")).calls[0][3] == "c1"


USED = {"usage": {"input_tokens": 5, "output_tokens": 300}}
LENGTH, FILTER = (
    {"incomplete_details": {"reason": r}} for r in ("max_output_tokens", "content_filter")
)
ENDS = {
    "length": ({"type": "response.incomplete", "response": LENGTH}, "length", None),
    "a filter": ({"type": "response.incomplete", "response": FILTER}, "content_filter", None),
    "incomplete in completed": (ended(status="incomplete", **LENGTH), "length", None),
    "the limit, and completed": (ended(**USED), "length", None),
    "failed": ({"type": "response.failed", "response": {"error": {"message": "No."}}}, None, "No."),
    "failed without a word": ({"type": "response.failed"}, None, "answered with an error"),
    "cancelled": (ended(status="cancelled"), None, "cancelled"),
    "nothing": (text("b"), None, "cut off"),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends(canned, case):
    """An answer ends well, cut off, or in an error that says what was wrong."""
    event, stop, words = ENDS[case]
    canned.answers = [Answer(named(text("a"), event))]
    heard = ask(Upstream(canned.url, api="responses"), question(limit=300))
    assert heard.stop == stop and heard.text.startswith("a")
    assert heard.error is None if words is None else words in heard.error.message


def test_usage(canned):
    """Usage is read in the words of Responses."""
    usage = {
        "input_tokens": 13,
        "output_tokens": 6,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    canned.answers = [Answer(named(text("a"), ended(usage=usage)))]
    heard = ask(Upstream(canned.url, api="responses")).usage
    assert (heard.prompt, heard.completion, heard.cached, heard.reasoning) == (13, 6, 2, 1)


def test_a_whole_answer(canned):
    """An answer that is JSON in spite of `stream` is read as one."""
    body = {"object": "response", "status": "completed", "output": [message("a"), call(OSLO)]}
    canned.answers = [Answer(json.dumps(body), kind="application/json")]
    heard = ask(Upstream(canned.url, api="responses"), question(tools=TOOLS))
    assert (heard.text, heard.inputs) == ("a", ONE)


def test_events_without_a_type(canned):
    """The name of an event counts where its data has no type."""
    stream = 'event: response.output_text.delta\ndata: {"delta":"a"}\n\nevent: response.completed\ndata: {}\n\n'
    canned.answers = [Answer(stream)]
    heard = ask(Upstream(canned.url, api="responses"))
    assert (heard.text, heard.error) == ("a", None)
