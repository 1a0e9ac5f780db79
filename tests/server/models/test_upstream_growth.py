"""Chunks that are recognised by their letters come to the same as chunks that are parsed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from canned import Answer, Canned, ask, called, delta, piece, sse

from emitter_stream.server import Upstream
from emitter_stream.server.models.upstream_chat import Reader

TEXTS = [
    "a",
    "b",
    "word ",
    '"',
    "\\",
    "\u00e9",
    "\U0001f600",
    "\n",
    "",
    " ",
    "content",
    "{}",
    "}]}",
]


def shaped(number: random.Random) -> Any:
    """Make a chunk like those of real servers, mostly of one shape."""
    content: Any = number.choice(TEXTS)
    event: dict[str, Any] = {"id": "x", "object": "chunk", "choices": [], "usage": None}
    choice: dict[str, Any] = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    for chance, change in enumerate(
        (
            lambda: choice["delta"].update(role="assistant"),
            lambda: choice["delta"].update(reasoning_content="content"),
            lambda: choice["delta"].update(refusal="No."),
            lambda: choice["delta"].update(content=None),
            lambda: choice["delta"].update(content=[{"type": "text", "text": content}]),
            lambda: event.update(usage={"prompt_tokens": 1, "completion_tokens": 2}),
            lambda: event.update(content=content),
            lambda: choice.update(index=1),
            lambda: choice.update(finish_reason="length"),
        )
    ):
        if number.random() < 0.02 * (chance % 3 + 1):
            change()
    event["choices"] = [choice] if number.random() < 0.97 else []
    return event


def written(number: random.Random, event: Any) -> str:
    ascii_only, spaces = number.random() < 0.5, number.random() < 0.1
    separators = (", ", ": ") if spaces else (",", ":")
    return json.dumps(event, ensure_ascii=ascii_only, separators=separators)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.sample(4)
def test_the_same_comes_of_it(canned: Canned, seed: int, monkeypatch: pytest.MonkeyPatch):
    """Random answers say the same, piece by piece, whether or not chunks are recognised."""
    number = random.Random(seed)
    chunks = [written(number, shaped(number)) for _ in range(300)]
    chunks.append(json.dumps(delta("stop")))
    heard = []
    for credit in (4, 0):
        monkeypatch.setattr(Reader, "_credit", credit)
        canned.answers = [Answer(sse(*chunks, "[DONE]"))]
        heard.append(ask(Upstream(canned.url)))
    quick, slow = heard
    assert quick.pieces == slow.pieces and quick.pieces
    assert (quick.usage, quick.stop, str(quick.error)) == (slow.usage, slow.stop, str(slow.error))


def test_chunks_are_recognised(canned: Canned, monkeypatch: pytest.MonkeyPatch):
    """Of many chunks of one shape only a few are parsed, of others all."""
    parsed = 0
    take = Reader._take

    def counted(self: Reader, *args: Any) -> Any:
        nonlocal parsed
        parsed += 1
        return take(self, *args)

    monkeypatch.setattr(Reader, "_take", counted)
    words = [delta(content=f"{n} \u00e9\n") for n in range(200)]
    canned.answers = [Answer(sse(*words, delta("stop"), "[DONE]"))]
    assert ask(Upstream(canned.url)).text == "".join(f"{n} \u00e9\n" for n in range(200))
    assert parsed < 10
    parsed = 0
    numbered = [{**delta(content="a"), "created": n} for n in range(200)]
    canned.answers = [Answer(sse(*numbered, delta("stop"), "[DONE]"))]
    assert ask(Upstream(canned.url)).text == "a" * 200
    assert parsed == 201


@pytest.mark.parametrize(
    "odd",
    [
        '{"choices":[{"index":0,"delta":{"content":"a","content":"b"}}]}',
        '{"content":"a","choices":[{"index":0,"delta":{"content":"a"}}]}',
        '{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"x"}}]}',
        '{"choices":[{"index":0,"delta":{"tool_calls":[],"content":"a"}}]}',
        '{"choices":[{"index":0,"delta":{"content" : "a"}}]}',
        '{"choices":[{"delta":{"content":"a"},"message":{"content":"a"}}]}',
    ],
)
def test_shapes_that_mislead(canned: Canned, odd: str, monkeypatch: pytest.MonkeyPatch):
    """A text that stands at two places, or counts for nothing, misleads nobody."""
    chunks = [odd, odd.replace('"a"', '"\\u00e9"'), odd.replace('"a"', '""'), odd]
    texts = []
    for credit in (4, 0):
        monkeypatch.setattr(Reader, "_credit", credit)
        canned.answers = [Answer(sse(*chunks, delta("stop"), "[DONE]"))]
        texts.append(ask(Upstream(canned.url)).pieces)
    assert texts[0] == texts[1] != []


def test_text_and_then_calls(canned: Canned):
    """What is recognised ends where calls begin: text behind them is left out as ever."""
    words = [delta(content="a")] * 6
    call = called(piece("{}", "clock", index=0, id="x"))
    canned.answers = [Answer(sse(*words, call, *words, delta("tool_calls"), "[DONE]"))]
    heard = ask(Upstream(canned.url))
    assert heard.text == "a" * 6 and [c[1] for c in heard.calls] == ["clock"]
