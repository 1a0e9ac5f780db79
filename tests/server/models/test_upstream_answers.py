"""Answers of Chat Completions, as real servers send them."""

from __future__ import annotations

import json

import pytest
from canned import KEY, STOP, TOOLS, Answer, ask, called, delta, piece, question, sse

from emitter_stream.server import ModelError, Upstream

TEXTS = {
    "parts": ([delta(content=[{"type": "text", "text": "a"}, {"type": "thinking"}]), STOP], "a"),
    "plain parts": ([delta(content=["a", "b"]), STOP], "ab"),
    "one part": ([delta(content={"type": "text", "text": "a"}), STOP], "a"),
    "only choice 0": (
        [{"choices": [{"index": 1, "delta": {"content": "no"}}]}, delta(content="a"), STOP],
        "a",
    ),
    "a choice without an index": ([{"choices": [{"delta": {"content": "a"}}]}, STOP], "a"),
    "a choice without a delta": (
        [delta(content="a"), {"choices": [{"finish_reason": "stop"}]}],
        "a",
    ),
    "the whole message at the end": (
        [delta(content="a"), {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}],
        "a",
    ),
    "a refusal": ([delta(refusal="I "), delta(refusal="can't."), STOP], "I can't."),
    "reasoning": ([delta(reasoning="x", reasoning_content="y"), delta(content="a"), STOP], "a"),
    "thoughts": ([delta(content="\n<think>x</th"), delta(content="ink>\n a b"), STOP], "a b"),
    "thoughts without an end": ([delta(content="<think>x"), STOP], ""),
    "no thoughts": ([delta(content="a <think>b</think>"), STOP], "a <think>b</think>"),
    "nearly thoughts": ([delta(content="<thi"), delta(content="s> a"), STOP], "<this> a"),
    "only a beginning": ([delta(content="<thi"), STOP], "<thi"),
    "halves of a character": ([delta(content="\ud83d"), delta(content="\ude00!"), STOP], "😀!"),
    "half a character": ([delta(content="a\ud83d"), STOP], "a\ufffd"),
    "nulls": (
        [None, delta(content=None, tool_calls=None, refusal=None), delta(content="a"), STOP],
        "a",
    ),
    "an error that is none": ([{**delta(content="a"), "error": None}, STOP], "a"),
    "an empty finish": ([delta("", content="a"), delta(content="b"), STOP], "ab"),
    "an unknown finish": ([delta(content="a"), delta("eos")], "a"),
    "a mark alone": ([delta(content="a"), "[DONE]"], "a"),
    "junk behind the end": ([delta(content="a"), STOP, "{"], "a"),
    "empty data": (["", delta(content="a"), " ", STOP], "a"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text(canned, case):
    """What of an answer is text comes out as text, and nothing else does."""
    events, text = TEXTS[case]
    canned.answers = [Answer(sse(*events))]
    heard = ask(Upstream(canned.url))
    assert (heard.text, heard.error, heard.stop) == (text, None, None)


OSLO, RIGA = '{"place":"Oslo"}', '{"place":"Riga"}'
WEATHER_TWICE = [("weather", {"place": "Oslo"}), ("weather", {"place": "Riga"})]
ONE = [("weather", {"place": "Oslo"})]
CALLS = {
    "index 0 for all, no ids": (
        [called(piece(OSLO, "weather", index=0)), called(piece(RIGA, "weather", index=0))],
        WEATHER_TWICE,
    ),
    "index 0 for all, the second in pieces": (
        [
            called(piece(OSLO, "weather", index=0)),
            called(piece("", "weather", index=0)),
            called(piece(RIGA[:5], index=0)),
            called(piece(RIGA[5:], index=0)),
        ],
        WEATHER_TWICE,
    ),
    "index 0 for all, another name": (
        [called(piece(OSLO, "weather", index=0)), called(piece("", "clock", index=0))],
        [*ONE, ("clock", {})],
    ),
    "the id comes late": (
        [
            called(piece("", "weather", index=0)),
            called(piece(OSLO[:5], index=0, id="a")),
            called(piece(OSLO[5:], index=0)),
        ],
        ONE,
    ),
    "the name comes late": (
        [called(piece("", id="a", index=0)), called(piece(OSLO, "weather", index=0))],
        ONE,
    ),
    "the index comes late": (
        [called(piece("", "weather", id="a")), called(piece(OSLO, index=0))],
        ONE,
    ),
    "null first": (
        [
            called({"index": 0, "id": "a", "function": {"name": "weather", "arguments": None}}),
            called(piece(OSLO, index=0)),
        ],
        ONE,
    ),
    "an empty name later": (
        [
            called(piece(OSLO[:5], "weather", index=0, id="a")),
            called(piece(OSLO[5:], "", index=0, id="")),
        ],
        ONE,
    ),
    "an identical repetition with its id": (
        [called(piece(OSLO, "weather", index=0, id="a"))] * 2,
        ONE,
    ),
    "an identical repetition with its index": ([called(piece(OSLO, "weather", index=0))] * 2, ONE),
    "an identical repetition alone": ([called(piece(OSLO, "weather"))] * 2, ONE),
    "all of it once more at the end": (
        [
            called(piece(OSLO[:5], "weather", index=0, id="a")),
            called(piece(OSLO[5:], index=0)),
            called(piece(OSLO, "weather", index=0, id="a")),
        ],
        ONE,
    ),
    "the name and id at the end": (
        [
            called(piece(OSLO, "weather", index=0, id="a")),
            called(piece("", "weather", index=0, id="a")),
        ],
        ONE,
    ),
    "the same, twice by id": (
        [called(piece(OSLO, "weather", id="a")), called(piece(OSLO, "weather", id="b"))],
        [*ONE, *ONE],
    ),
    "by turns, by id alone": (
        [
            called(piece(OSLO[:5], "weather", id="a")),
            called(piece(RIGA[:7], "weather", id="b")),
            called(piece(OSLO[5:], id="a")),
            called(piece(RIGA[7:], id="b")),
        ],
        WEATHER_TWICE,
    ),
    "names alone": (
        [called(piece(OSLO[:5], "weather"), piece(OSLO[5:]), piece("", "clock"))],
        [*ONE, ("clock", {})],
    ),
    "an object": ([called(piece({"place": "Oslo"}, "weather", index=0))], ONE),
    "an object in the old form": (
        [delta(function_call={"name": "weather", "arguments": OSLO})],
        ONE,
    ),
    "no function around it": ([called({"name": "weather", "arguments": {"place": "Oslo"}})], ONE),
    "blanks around": ([delta(content="\n"), called(piece(f" {OSLO}\n", "weather", id="a"))], ONE),
    "text behind": ([called(piece(OSLO, "weather", id="a")), delta(content="late")], ONE),
}


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length"])
@pytest.mark.parametrize("case", CALLS)
def test_calls(canned, case, finish):
    """However a server cuts and marks its calls, they are put together, whatever it ends with."""
    events, calls = CALLS[case]
    canned.answers = [Answer(sse(*events, delta(finish), "[DONE]"))]
    heard = ask(Upstream(canned.url), question(tools=TOOLS))
    if finish == "length" and calls[-1] == ("clock", {}):  # cut off before its arguments
        assert heard.stop == "length"
    else:
        assert (heard.inputs, heard.text, heard.error) == (calls, "", None)


def test_ids_and_extras(canned):
    """What stands in a call beside its function comes with it, late or not."""
    extra = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    canned.answers = [
        Answer(
            sse(
                called(piece(OSLO, "weather", id="fn-1", **extra)),
                called(piece("{}", "clock", id="fn-2")),
                called({"id": "fn-2", "provider_specific_fields": {"a": 1}}),
                STOP,
            )
        )
    ]
    heard = ask(Upstream(canned.url), question(tools=TOOLS))
    assert [call[3:] for call in heard.calls] == [
        ["fn-1", extra],
        ["fn-2", {"provider_specific_fields": {"a": 1}}],
    ]


LIMIT = {"usage": {"prompt_tokens": 5, "completion_tokens": 300}}
ENDS = {
    "length": ([delta(content="a"), delta("length")], "length", None),
    "the limit without a word of it": ([delta(content="a"), delta("stop"), LIMIT], "length", None),
    "a filter": ([delta(content="a"), delta("content_filter")], "content_filter", None),
    "half a call and length": (
        [called(piece('{"a', "f", id="a")), delta("length")],
        "length",
        None,
    ),
    "half a call at the limit": (
        [called(piece('{"a', "f", id="a")), delta("tool_calls"), LIMIT],
        "length",
        None,
    ),
    "half a call": (
        [called(piece('{"a', "f", id="a")), delta("tool_calls")],
        None,
        "called f with",
    ),
    "arguments in a list": ([called(piece("[1]", "f", id="a")), STOP], None, "called f with"),
    "a string": ([called(piece('"x"', "f", id="a")), STOP], None, "called f with"),
    "no name": ([called(piece("{}", id="a")), STOP], None, "without a name"),
    "cut off": ([delta(content="a")], None, "cut off"),
    "a whole call cut off": ([called(piece("{}", "f", id="a"))], None, "cut off"),
    "no JSON": ([delta(content="a"), "oops"], None, "not JSON"),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends(canned, case):
    """An answer ends well, cut off, or in an error that says what was wrong."""
    events, stop, words = ENDS[case]
    canned.answers = [Answer(sse(*events))]
    heard = ask(Upstream(canned.url), question(tools=TOOLS, limit=300))
    assert heard.stop == stop
    if words is None:
        assert heard.error is None
    else:
        assert isinstance(heard.error, ModelError) and heard.error.code == "server_error"
        assert words in heard.error.message
    assert heard.text == ("a" if "content" in json.dumps(events[0]) else "")


USAGES = {
    "the last one": ([{"usage": {"prompt_tokens": 1, "completion_tokens": 1}}], (1, 1, 0, 0)),
    "in a choice": (
        [{"choices": [{"usage": {"prompt_tokens": 2, "completion_tokens": 3}}]}],
        (2, 3, 0, 0),
    ),
    "of Groq": (
        [{"x_groq": {"usage": {"prompt_tokens": 2, "completion_tokens": 3}}}],
        (2, 3, 0, 0),
    ),
    "with details": (
        [
            {
                "usage": {
                    "prompt_tokens": 2,
                    "completion_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 1},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                }
            }
        ],
        (2, 3, 1, 2),
    ),
    "null behind": (
        [{"usage": {"prompt_tokens": 2, "completion_tokens": 3}}, {"usage": None}],
        (2, 3, 0, 0),
    ),
    "nonsense": ([{"usage": {"prompt_tokens": "many", "completion_tokens": -1}}], None),
}


@pytest.mark.parametrize("case", USAGES)
def test_usage(canned, case):
    """Usage counts wherever it stands, and the last one of all."""
    events, usage = USAGES[case]
    first = {**delta(content="a"), "usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    canned.answers = [Answer(sse(first, STOP, *events))]
    heard = ask(Upstream(canned.url)).usage
    assert (heard.prompt, heard.completion, heard.cached, heard.reasoning) == (
        usage or (0, 0, 0, 0)
    )


def test_a_whole_answer(canned):
    """An answer that is JSON in spite of `stream` is read as one."""
    message = {"content": None, "tool_calls": [piece(OSLO, "weather", id="a")]}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    canned.answers = [Answer(json.dumps(body), kind="application/json; charset=utf-8")]
    assert ask(Upstream(canned.url), question(tools=TOOLS)).inputs == ONE
    for body in ({}, {"choices": []}, [], "{"):
        canned.answers = [Answer(json.dumps(body), kind="application/json")]
        assert isinstance(ask(Upstream(canned.url)).error, ModelError)


CODE = ({"type": "code_interpreter"},)
CODES = {
    "in pieces": ['{"co', 'de": "pri', "nt(1)\\", "n\\u00", "e9\\ud83d", '\\ude00"}'],
    "at once": ['{"code":"print(1)\\n\\u00e9\\ud83d\\ude00"}'],
    "behind another": ['{"lang":"py","code":"print(1)\\n', '\\u00e9\\ud83d\\ude00"}'],
}


@pytest.mark.parametrize("case", CODES)
def test_code(canned, case):
    """The interpreter's input is the program, not the JSON around it, as it is being written."""
    first = called(piece("", "code_interpreter", index=0, id="c"))
    rest = [called(piece(text, index=0)) for text in CODES[case]]
    canned.answers = [Answer(sse(first, *rest, STOP))]
    (call,) = ask(Upstream(canned.url), question(tools=CODE)).calls
    assert call[:3] == ["code_interpreter", "", "print(1)\né😀"]


@pytest.mark.parametrize("arguments", ["print(1)", '{"program":"x"}', '{"code":5}', ""])
def test_code_that_is_none(canned, arguments):
    """Arguments without a program fail the run and are not run."""
    canned.answers = [Answer(sse(called(piece(arguments, "code_interpreter", id="c")), STOP))]
    heard = ask(Upstream(canned.url), question(tools=CODE))
    assert "code_interpreter" in heard.error.message


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_the_key_in_an_answer(canned, size):
    """Where an answer repeats the key there are stars, however it is cut."""
    said = f"It is {KEY}, sk-T and {KEY[:20]}"
    texts = [delta(content=said[at : at + size]) for at in range(0, len(said), size)]
    text = json.dumps({"key": KEY})
    inputs = [called(piece(text[at : at + size], index=0)) for at in range(0, len(text), size)]
    first = called(piece("", "weather", index=0, id=f"id-{KEY}", extra={KEY: [KEY]}))
    canned.answers = [Answer(sse(*texts, first, *inputs, STOP))]
    heard = ask(Upstream(canned.url, key=KEY), question(tools=TOOLS))
    assert heard.text == "It is ***, sk-T and ***"
    assert heard.calls == [
        ["function", "weather", '{"key": "***"}', "id-***", {"extra": {"***": ["***"]}}]
    ]


def test_a_short_key_is_a_word(canned):
    """What stands for no key, as local servers take it, is not hidden in answers."""
    canned.answers = [Answer(sse(delta(content="I am ollama."), STOP))]
    assert ask(Upstream(canned.url, key="ollama")).text == "I am ollama."


def test_pieces_come_as_they_are_sent(canned):
    """A piece of text is passed on as it comes, not gathered."""
    pieces = ["One", " two", " three", "."]
    canned.answers = [Answer(sse(*(delta(content=text) for text in pieces), STOP))]
    assert ask(Upstream(canned.url, key=KEY)).pieces == pieces
