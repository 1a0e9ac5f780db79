"""The model's port: what a model is shown of its run, and what it can say."""

from __future__ import annotations

import json
import logging
import random

import pytest
from server_helpers import Raw

from emitter_stream.server import (
    Call,
    DoneCall,
    Image,
    Input,
    ModelError,
    Refusal,
    Round,
    Said,
    Stop,
    Text,
    Usage,
)
from emitter_stream.server.models.model import count_tokens, pieces


class Answers:
    """Gives one list of parts an answer, and keeps the turns that it was asked with."""

    def __init__(self, *answers: list[object]) -> None:
        self.answers = list(answers)
        self.turns = []
        self.closed = False

    async def respond(self, turn):
        self.turns.append(turn)
        for part in self.answers[len(self.turns) - 1]:
            if isinstance(part, Exception):
                raise part
            yield part

    async def aclose(self) -> None:
        self.closed = True


class Counting(Answers):
    """Keeps to the limit by itself."""

    keeps_limits = True


def submit(raw: Raw, run: dict, *outputs: str):
    """Submit outputs for the calls of a run, in their order; gives the events."""
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    given = [{"tool_call_id": c["id"], "output": o} for c, o in zip(calls, outputs, strict=True)]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    return raw("POST", path, {"tool_outputs": given, "stream": True}).events()


def test_the_run_so_far_in_its_order(start):
    """Text said between two rounds keeps its place, and each call has its id and extra back."""
    model = Answers(
        [Text("First."), Call("function", "f", id="a1", extra={"sig": "x"}), Input("{}")],
        [Text("Second."), Call("function", "g", id="a2"), Input('{"n":1}')],
        [Text("Done.")],
    )
    raw = Raw(start(model=model).base_url)
    first = dict(raw.run("Go").events())["thread.run.requires_action"]
    second = dict(submit(raw, first, "one"))["thread.run.requires_action"]
    assert submit(raw, second, "two")[-2][0] == "thread.run.completed"
    history = model.turns[2].history
    one, two = (
        run["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"]
        for run in (first, second)
    )
    assert history == (
        Said("user", ("Go",)),
        Said("assistant", ("First.",)),
        Round((DoneCall("function", "f", "{}", "one", one, "a1", {"sig": "x"}),)),
        Said("assistant", ("Second.",)),
        Round((DoneCall("function", "g", '{"n":1}', "two", two, "a2"),)),
    )
    assert [[c.name for c in calls] for calls in model.turns[2].rounds] == [["f"], ["g"]]


def test_calls_interleave(start):
    """Pieces of two inputs by turns go each to its call, and an extra may come late."""
    model = Answers(
        [
            Call("function", "f", key="1"),
            Call("function", "g", key="2"),
            Input('{"a":', "1"),
            Input('{"b":', "2"),
            Input("1}", "1"),
            Input("2}", "2"),
            Input("", "1", extra=["late"]),
        ],
        [],
    )
    raw = Raw(start(model=model).base_url)
    run = dict(raw.run("Go").events())["thread.run.requires_action"]
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"a": 1}, {"b": 2}]
    submit(raw, run, "x", "y")
    assert [call.extra for call in model.turns[1].rounds[0]] == [["late"], None]


def test_usage_is_summed_over_the_rounds(start):
    """What the model tells counts, its last word of each answer, and steps add up to the run."""
    model = Answers(
        [
            Usage(1, 1),
            Text("Look."),
            Call("function", "f"),
            Input("{}"),
            Usage(40, 9, cached=3, reasoning=2),
        ],
        [Text("Done."), Usage(60, 5)],
    )
    raw = Raw(start(model=model).base_url)
    run = dict(raw.run("Go").events())["thread.run.requires_action"]
    usage = submit(raw, run, "x")[-2][1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 14)
    assert usage["prompt_token_details"] == {"cached_tokens": 3}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2}
    steps = raw("GET", f"/threads/{run['thread_id']}/runs/{run['id']}/steps").body["data"]
    assert len(steps) == 3 and sum(step["usage"]["total_tokens"] for step in steps) == 114


def test_usage_of_an_answer_without_a_word(start):
    """An answer that says nothing costs its prompt all the same."""
    raw = Raw(start(model=Answers([Usage(11, 0)])).base_url)
    assert raw.run("Go").events()[-2][1]["usage"]["prompt_tokens"] == 11


@pytest.mark.parametrize(
    "reason, message, run",
    [
        ("length", "max_tokens", "max_completion_tokens"),
        ("content_filter", "content_filter", "content_filter"),
    ],
)
def test_stop(start, reason, message, run):
    """An answer that was cut off makes message and run incomplete, each with its word for it."""
    raw = Raw(start(model=Answers([Text("Some"), Stop(reason), Usage(1, 2)])).base_url)
    events = dict(raw.run("Go").events())
    assert events["thread.message.incomplete"]["incomplete_details"] == {"reason": message}
    assert events["thread.run.incomplete"]["incomplete_details"] == {"reason": run}
    assert events["thread.run.incomplete"]["usage"]["completion_tokens"] == 2


def test_stop_in_a_call(start):
    """Half a call is never handed to the client."""
    model = Answers([Call("function", "f"), Input('{"a'), Stop("length")])
    events = Raw(start(model=model).base_url).run("Go").events()
    assert [name for name, _ in events[-3:-1]] == [
        "thread.run.step.cancelled",
        "thread.run.incomplete",
    ]


def test_a_refusal_is_text(start):
    """What a model says when it refuses is read as its message."""
    events = Raw(start(model=Answers([Refusal("I "), Refusal("can't.")])).base_url).run("Go")
    message = dict(events.events())["thread.message.completed"]
    assert message["content"][0]["text"]["value"] == "I can't."


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded", "invalid_prompt"])
def test_model_error(start, caplog, code):
    """A model's own error is the run's, word for word, and is not in the log."""
    with caplog.at_level(logging.DEBUG):
        model = Answers([Text("I will"), ModelError(code, "Not today.")])
        events = Raw(start(model=model).base_url).run("Go").events()
    run = events[-2][1]
    assert run["status"] == "failed"
    assert run["last_error"] == {"code": code, "message": "Not today."}
    message = dict(events)["thread.message.incomplete"]
    assert message["content"][0]["text"]["value"] == "I will"
    assert code in caplog.text and "Not today" not in caplog.text


def test_limits(start):
    """A model that keeps to the limit itself is told what is left of it, and is not cut off."""
    call = [Call("function", "f"), Input("{}"), Usage(5, 56)]
    model = Counting(call, [Text("x")] * 300 + [Usage(5, 200)])
    raw = Raw(start(model=model).base_url)
    run = dict(raw.run("Go", max_completion_tokens=256).events())["thread.run.requires_action"]
    events = submit(raw, run, "x")
    assert events[-2][0] == "thread.run.completed"
    assert [turn.limit for turn in model.turns] == [256, 200]


def test_nothing_left_of_the_limit(start):
    """When the rounds have used up the limit the model is not asked again."""
    model = Counting([Call("function", "f"), Input("{}"), Usage(5, 256)])
    raw = Raw(start(model=model).base_url)
    run = dict(raw.run("Go", max_completion_tokens=256).events())["thread.run.requires_action"]
    ended = submit(raw, run, "x")[-2][1]
    assert ended["incomplete_details"] == {"reason": "max_completion_tokens"}


def test_images_and_texts_in_their_order(start):
    """A message's parts come to the model as they were sent."""
    model = Answers([Text("A cat.")])
    raw = Raw(start(model=model).base_url)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = [image, {"type": "text", "text": "What is it?"}]
    said = [{"role": "user", "content": content}]
    body = {"assistant_id": raw.assistant(), "thread": {"messages": said}, "stream": True}
    raw("POST", "/threads/runs", body)
    (message,) = model.turns[0].messages
    assert message.parts == (Image(url="https://example.com/a.png"), "What is it?")
    assert message.text == "What is it?"


def test_a_model_is_closed_with_its_server(start):
    """A model that has `aclose` is closed when the server stops."""
    model = Answers()
    start(model=model).stop()
    assert model.closed


NONSENSE = {
    "text after a call": [Call("function", "f"), Text("one")],
    "a key twice": [Call("function", "f", key="1"), Call("function", "g", key="1")],
    "an input for no call": [Call("function", "f", key="1"), Input("{}", "2")],
    "more after a stop": [Stop("length"), Text("one")],
    "a stop for nothing": [Stop("tired")],
    "a usage below nothing": [Usage(-1, 0)],
    "a usage in words": [Usage("1", 0)],
    "an extra that is no JSON": [Call("function", "f", extra={1, 2})],
    "half a character in an extra": [Call("function", "f", extra="\ud83d")],
    "an id of another type": [Call("function", "f", id=1)],
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense(start, case):
    """What the port does not allow fails the run, in words that say what it was."""
    run = Raw(start(model=Answers(NONSENSE[case])).base_url).run("Go").events()[-2][1]
    assert run["status"] == "failed"
    assert run["last_error"]["message"].startswith("The model failed: it sent ")


def test_tokens_are_pieces():
    """However they are counted, tokens are the pieces of a text."""
    texts = [
        "",
        " ",
        "'",
        "it's",
        "a  b",
        "a.b",
        " a ",
        "\x1c",
        "a\n\nb\n",
        "\x00",
        "\u2019",
        "\u00e9 x",
    ]
    dice = random.Random(1)
    alphabet = [chr(n) for n in range(128)] + list("  '_ab1.") * 10
    texts += ["".join(dice.choices(alphabet, k=dice.randrange(1, 12))) for _ in range(3000)]
    for text in texts:
        assert "".join(pieces(text)) == text
        assert count_tokens(text) == len(pieces(text)), repr(text)
