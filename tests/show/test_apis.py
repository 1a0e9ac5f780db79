"""Recordings of chat and of Responses, drawn and printed."""

from __future__ import annotations

import pytest
import recordings_of as made
from pictures import EVIL, Page, drawn, timeline_of

from emitter_stream import ChatCompletionStreamingRunner, OpenAIError
from emitter_stream.cli import main
from emitter_stream.show.html import page

THINKING = [
    made.chunk({"role": "assistant", "content": None}),
    made.chunk({"reasoning_content": "Well, "}),
    made.chunk({"reasoning_content": "yes."}),
    *made.said("Yes", "!", finish="length")[1:],
]


@pytest.fixture
def chat(tmp_path):
    """Write a chat answer that was thought about and cut short."""
    return made.write(tmp_path / "chat.jsonl", "chat", THINKING)


@pytest.fixture
def tools(tmp_path):
    """Write a run of tools."""
    return made.write(tmp_path / "run.jsonl", "chat", made.run_of_tools(), stream="run_tools")


@pytest.fixture
def whole(tmp_path):
    """Write a run of tools whose answers came whole."""
    return made.write(tmp_path / "run.jsonl", "chat", made.whole_run(), stream="run_tools")


@pytest.fixture
def response(tmp_path):
    """Write a response that thinks, calls, searches and answers."""
    return made.write(tmp_path / "r.jsonl", "responses", made.full_response("It is ", "cold."))


def lanes(timeline):
    """Give what each lane is and how it ended."""
    return [(lane.kind, lane.label, lane.status) for lane in timeline.lanes]


# What there is to be drawn


def test_chat(chat):
    """Reasoning and text have lanes of their own; the first token is the first of the text."""
    timeline = timeline_of(chat)
    assert (timeline.what, timeline.state, timeline.model) == ("chat", "length", "m")
    assert lanes(timeline) == [
        ("reasoning", "", "completed"),
        ("message", "assistant", "length"),
    ]
    assert [lane.text for lane in timeline.lanes] == ["Well, yes.", "Yes!"]
    assert timeline.first_token == pytest.approx(0.5)
    assert len(timeline.pieces) == 4
    assert timeline.error is None and timeline.ended


def test_choices(tmp_path):
    """Each of several choices has its own lane and end."""
    events = [
        made.chunk({"role": "assistant", "content": "a"}),
        made.chunk({"role": "assistant", "refusal": "no"}, index=1),
        made.chunk({}, "stop"),
        made.chunk({}, "content_filter", index=1),
    ]
    timeline = timeline_of(made.write(tmp_path / "chat.jsonl", "chat", events))
    assert lanes(timeline) == [
        ("message", "assistant", "stop"),
        ("message", "refusal, choice 2", "content_filter"),
    ]


def test_run_of_tools(tools):
    """Each request has a lane, its calls stand under it, and a call lasts until its result."""
    timeline = timeline_of(tools)
    assert lanes(timeline) == [
        ("request", "", "tool_calls"),
        ("request", "", "stop"),
        ("message", "assistant", "stop"),
    ]
    (call,) = timeline.calls
    assert (call.name, call.input, call.output) == ("get_weather", '{"city":"Oslo"}', "4 degrees")
    assert call.lane is timeline.lanes[0]
    assert call.start < timeline.lanes[0].end < call.end <= timeline.lanes[1].start
    assert timeline.first_token == pytest.approx(1.0)
    assert [status for _, status in timeline.statuses] == [
        *("in_progress", "tool_calls", "in_progress", "stop")
    ]
    assert timeline.error is None


def test_whole_run(whole):
    """A run whose answers came whole has the same lanes; its tokens are those of all requests."""
    timeline = timeline_of(whole)
    assert [kind for kind, _, _ in lanes(timeline)] == ["request", "request", "message"]
    assert [(call.name, call.output) for call in timeline.calls] == [("get_weather", "4 degrees")]
    assert timeline.lanes[2].text == "It is 4 degrees."
    assert (timeline.completion_tokens, timeline.error) == (12, None)


def test_response(response):
    """Each item of the output is a lane or a call, with what it was given."""
    timeline = timeline_of(response)
    assert (timeline.what, timeline.state, timeline.id) == ("response", "completed", "resp_1")
    assert lanes(timeline) == [
        ("reasoning", "", "completed"),
        ("message", "assistant", "completed"),
    ]
    assert [lane.text for lane in timeline.lanes] == ["Well, Oslo.", "It is cold."]
    assert [(call.name, call.input) for call in timeline.calls] == [
        ("get_weather", '{"city":"Oslo"}'),
        ("web search", '{"type": "search", "query": "Oslo"}'),
    ]
    assert [name for name, _ in timeline.rows()] == [
        *("reasoning 1", "get_weather", "web search", "message 1 assistant")
    ]
    assert timeline.first_token == timeline.lanes[1].pieces[0]
    assert (timeline.completion_tokens, timeline.error) == (9, None)


@pytest.mark.parametrize(
    ("more", "state", "error"),
    [
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "incomplete", None),
        ({"error": {"code": "server_error", "message": "broke"}}, "failed", "server_error: broke"),
    ],
)
def test_response_that_did_not_complete(tmp_path, more, state, error):
    """What cut a response short, or the error it failed with, is shown."""
    events = made.full_response("a", status=state, **more)
    timeline = timeline_of(made.write(tmp_path / "r.jsonl", "responses", events))
    assert (timeline.status, timeline.error) == (state, error)
    reason = "max_output_tokens" if error is None else "server_error: broke"
    assert reason in drawn(timeline)
    assert reason.replace("_", " ") in page(timeline) or reason in page(timeline)


def test_errors(tmp_path):
    """What ended a stream is shown, also where the events make no sense."""
    error = {"class": "RateLimitError", "message": "slow down", "status_code": 429}
    path = made.write(tmp_path / "chat.jsonl", "chat", THINKING[:3], error)
    assert timeline_of(path).error == "RateLimitError: slow down"
    for api, event in (("chat", {"choices": 1}), ("responses", {"type": "response.completed"})):
        path = made.write(tmp_path / "odd.jsonl", api, [event])
        assert timeline_of(path).error
        assert Page(page(timeline_of(path))).problems == []


def test_unknown_api(tmp_path, capsys):
    """A recording of an API that is not known here is refused in words."""
    path = made.write(tmp_path / "x.jsonl", "realtime", [])
    for command in ("show", "replay"):
        assert main([command, str(path)]) == 1
        assert "'realtime'" in capsys.readouterr().err


# Pictures


@pytest.mark.parametrize("name", ["chat", "tools", "whole", "response"])
def test_pictures(name, request):
    """Each has a drawing of every width, and a whole page, with its lanes and texts."""
    timeline = timeline_of(request.getfixturevalue(name))
    for width in (20, 40, 80, 200):
        assert max(map(len, drawn(timeline, width).splitlines())) <= width
    text = drawn(timeline, 120)
    found = Page(page(timeline))
    assert found.problems == []
    shown = "".join(found.text)
    for row, _ in timeline.rows():
        assert row in text
    for lane in timeline.lanes:
        assert lane.text in shown
    assert f"\n{timeline.what} " in text and timeline.what in shown


def test_hostile_texts(tmp_path):
    """Whatever a recording has in it is text on the page, and moves no cursor."""
    events = [
        made.chunk({"role": "assistant", "content": EVIL, "reasoning": EVIL}, id=EVIL, model=EVIL),
        *made.called(EVIL, EVIL, identifier=EVIL),
        made.chunk({}, EVIL),
    ]
    chat = made.write(tmp_path / "chat.jsonl", "chat", events)
    call = {"id": EVIL, "type": EVIL, "name": EVIL, "arguments": EVIL}
    events = [made.response("created", id=EVIL, model=EVIL), *made.item_events(0, call)]
    response = made.write(tmp_path / "r.jsonl", "responses", events)
    for path in (chat, response):
        source = page(timeline_of(path))
        found = Page(source)
        assert found.problems == []
        assert not found.tags & {"script", "img"}
        assert "\x1b" not in drawn(timeline_of(path)) + source


# Printed as it came

SHOWN = {
    "chat": "reasoning > Well, yes.\nassistant > Yes!\nfinish > length\n",
    "tools": (
        'function > get_weather {"city":"Oslo"}\nfinish > tool_calls\noutput > 4 degrees\n'
        "assistant > It is 4 degrees.\nfinish > stop\n"
    ),
    "whole": (
        'function > get_weather {"city":"Oslo"}\nfinish > tool_calls\noutput > 4 degrees\n'
        "assistant > It is 4 degrees.\nfinish > stop\n"
    ),
    "response": (
        'reasoning > Well, Oslo.\nfunction > get_weather {"city":"Oslo"}\n'
        'web search > {"type": "search", "query": "Oslo"}\nassistant > It is cold.\n'
        "response > completed\n"
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_replay(name, request, capsys):
    """`replay` prints what was said, what tools were given and gave, and how it ended."""
    path = request.getfixturevalue(name)
    for pace in (["--fast"], ["--speed", "1000"]):
        assert main(["replay", str(path), *pace]) == 0
        assert capsys.readouterr() == (SHOWN[name], "")


def test_replay_of_choices(tmp_path, capsys):
    """Choices that came side by side are printed one after the other, also one without an end."""
    events = [
        made.chunk({"role": "assistant", "content": "a"}),
        made.chunk({"role": "assistant", "content": "x"}, index=1),
        made.chunk({"content": "b"}),
        made.chunk({"content": "y"}, index=1),
        made.chunk({}, "stop"),
    ]
    whole = made.write(tmp_path / "1.jsonl", "chat", [*events, made.chunk({}, "stop", index=1)])
    assert main(["replay", str(whole), "--fast"]) == 0
    ended = "assistant > ab\nfinish > stop\nassistant 2 > xy\n"
    assert capsys.readouterr().out == f"{ended}finish > stop\n"
    assert main(["replay", str(made.write(tmp_path / "2.jsonl", "chat", events)), "--fast"]) == 1
    assert capsys.readouterr().out == ended


def test_replay_of_an_error(tmp_path, capsys):
    """An error that ended the stream is a line on stderr and status 1."""
    error = {"class": "APIConnectionError", "message": "gone"}
    path = made.write(tmp_path / "chat.jsonl", "chat", THINKING[:3], error)
    assert main(["replay", str(path), "--fast"]) == 1
    assert capsys.readouterr() == (
        "reasoning > Well, yes.\n",
        "emitter-stream: APIConnectionError: gone\n",
    )


def test_a_run_that_came_whole_is_no_stream_of_chunks(whole):
    """The streaming runner refuses a recording whose answers came whole."""
    with pytest.raises(OpenAIError, match="came whole"):
        ChatCompletionStreamingRunner.replay(whole)
