"""Long answers: what a delta costs, and what waits for its consumer, is the same at any length."""

from __future__ import annotations

import tracemalloc

import pytest

from emitter_stream import ChatCompletionStream, OpenAIError, ResponseStream
from emitter_stream.streams.responses.accumulator import Accumulator
from emitter_stream.types._model import GrowingText
from emitter_stream.types.chat import ChatCompletionTokenLogprob

PIECE = "x" * 2_000
COUNT = 400
FUNCTION = {"index": 0, "id": "call_1", "type": "function"}
TOKEN = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}


def chunk(*deltas, finish=None, **more):
    choices = [
        {"index": n, "delta": delta, "finish_reason": finish, **more}
        for n, delta in enumerate(deltas)
    ]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": choices}


def grown(piece):
    """Give the snapshot of a delta, of whatever it is."""
    return piece.arguments if hasattr(piece, "arguments") else piece.snapshot


CHAT = {
    "content": [chunk({"role": "assistant"}), *[chunk({"content": PIECE})] * COUNT],
    "refusal": [chunk({"role": "assistant"}), *[chunk({"refusal": PIECE})] * COUNT],
    "arguments": [
        chunk({"tool_calls": [{**FUNCTION, "function": {"name": "f", "arguments": ""}}]}),
        *[chunk({"tool_calls": [{"index": 0, "function": {"arguments": PIECE}}]})] * COUNT,
    ],
    "choices": [chunk({"content": ""}, {"content": ""}), *[chunk({"content": PIECE}, {})] * COUNT],
}


def kept_by(events):
    """Give the deltas of all events, and the bytes that they take while they are kept."""
    tracemalloc.start()
    try:
        kept = [event for event in events if event.type.endswith(".delta")]
        return kept, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", CHAT)
def test_typed_chat_events_that_are_kept_hold_no_copies_of_the_text(kind):
    """Each knows the text as it was, and all together take a few times what the text takes."""
    end = chunk(*[{}] * len(CHAT[kind][0]["choices"]), finish="stop")
    with ChatCompletionStream.from_events([*CHAT[kind], end]) as stream:
        kept, size = kept_by(stream)
    kept = kept[-COUNT:]
    assert size < 10 * COUNT * len(PIECE)  # copies would be a hundred times more
    for number, event in enumerate(kept, 1):
        assert len(grown(event)) == number * len(PIECE)
        assert event.to_dict() == type(event).model_validate(event.to_dict()).to_dict()
    assert len(grown(kept[0])) == len(PIECE)  # also going back


def test_response_events_that_are_kept_hold_no_copies_of_the_text():
    """The same of Responses."""
    part = {"type": "output_text", "text": "", "annotations": []}
    item = {"id": "m", "type": "message", "role": "assistant", "content": [part]}
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0}
    events = [
        {"type": "response.created", "response": {"id": "r", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *[{**delta, "content_index": 0, "delta": PIECE} for _ in range(COUNT)],
    ]
    with ResponseStream.from_events(events) as stream:
        kept, size = kept_by(stream)
    assert size < 10 * COUNT * len(PIECE)
    assert [len(event.snapshot) for event in kept] == [
        number * len(PIECE) for number in range(1, COUNT + 1)
    ]


def test_a_shell_command_is_one_text_that_grows():
    """Each delta of it is appended to the one before's; the snapshot shows it as it is."""
    action = {"commands": ["ls", ""]}
    item = {"id": "s", "type": "shell_call", "call_id": "c", "action": action}
    delta = {"type": "response.shell_call_command.delta", "output_index": 0, "command_index": 1}
    events = [
        {"type": "response.created", "response": {"id": "r", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *[{**delta, "delta": piece} for piece in "abc"],
        {**delta, "type": "response.shell_call_command.done", "command": "abcd"},
    ]
    seen, texts = [], set()
    stream = ResponseStream.from_events(events)

    def look(event):
        commands = stream.current_response_snapshot.output[0].action.commands
        seen.append((commands, list(commands)))
        texts.add(id(commands._data[1]))

    stream.on("response.shell_call_command.delta", look).done()
    assert [now for _, now in seen] == [["ls", text] for text in ("a", "ab", "abc")]
    assert [kept for kept, _ in seen] == [now for _, now in seen]  # what was read stays as it was
    assert len(texts) == 1
    assert stream.final_response().output[0].action.commands == ["ls", "abcd"]


def test_half_a_character_stays_one_in_the_event_that_it_came_with():
    """What the next delta makes of it shows from there on."""
    pieces = ("a", "\ud83d", "\ude00", "b")
    body = [chunk({"role": "assistant"}), *(chunk({"content": piece}) for piece in pieces)]
    with ChatCompletionStream.from_events([*body, chunk({}, finish="stop")]) as stream:
        kept = [event.snapshot for event in list(stream) if event.type == "content.delta"]
    assert kept == ["a", "a\ud83d", "a\U0001f600", "a\U0001f600b"]


def test_who_is_behind_gets_what_was_there_and_no_copy_of_all():
    """What was given last is gone on from, and let go of when the reader has caught up."""
    text = GrowingText("")
    for _ in range(300):
        text.append("piece ")
    whole = text.read()
    for length in (6, 12, 600, 606):
        given = text.read_to(length)
        assert given == whole[:length]
        assert text._prefix is given
    assert text.read_to(12) == whole[:12]  # back
    assert text.read_to(18) == whole[:18]
    text.append("end")
    assert text.read_to(len(whole) + 3) == whole + "end"
    assert text._prefix == ""


@pytest.mark.parametrize("name", ["content", "refusal"])
def test_log_probabilities_make_one_view_a_token(monkeypatch, name):
    """However many tokens there are already; the list in each event is that of all so far."""
    made = 0

    def init(self, data, _init=ChatCompletionTokenLogprob.__init__):
        nonlocal made
        made += 1
        _init(self, data)

    monkeypatch.setattr(ChatCompletionTokenLogprob, "__init__", init)
    token = chunk({"content": "a"}, logprobs={name: [TOKEN]})
    body = [chunk({"role": "assistant"}), *[token] * 300, chunk({}, finish="stop")]
    lengths = []
    stream = ChatCompletionStream.from_events(body, inline=True)
    stream.on(f"logprobs.{name}.delta", lambda event: lengths.append(len(event.snapshot)))
    stream.until_done()
    assert lengths == list(range(1, 301))
    assert made <= 2 * 300


def test_an_event_of_an_item_looks_at_no_other_item(monkeypatch):
    """An item's event costs the same with a hundred items before it as with none."""
    asked = 0

    def item(self, index, _item=Accumulator.item):
        nonlocal asked
        asked += 1
        return _item(self, index)

    monkeypatch.setattr(Accumulator, "item", item)
    events = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    for number in range(200):
        call = {"id": f"w{number}", "type": "web_search_call"}
        place = {"output_index": number}
        events += [
            {"type": "response.output_item.added", **place, "item": call},
            *[{"type": "response.web_search_call.searching", **place, "item_id": call["id"]}] * 3,
            {"type": "response.output_item.done", **place, "item": call},
        ]
    ResponseStream.from_events(events, inline=True).until_done()
    assert asked < 200 * 5 * 4


@pytest.mark.parametrize("tokens", [0, "", False], ids=repr)
def test_log_probabilities_that_are_no_list_end_the_stream_with_an_error(tokens):
    """What is no list is shown as it came; tokens that go with it are the server's error."""
    body = [chunk({"content": "a"}, logprobs={"content": tokens})]
    stream = ChatCompletionStream.from_events([*body, chunk({}, finish="stop")], inline=True)
    heard = []
    stream.on("logprobs.content.delta", lambda event: heard.append(event.snapshot)).until_done()
    assert heard == [tokens]
    body.append(chunk({"content": "b"}, logprobs={"content": [TOKEN]}))
    stream = ChatCompletionStream.from_events(body, inline=True)
    with pytest.raises(OpenAIError, match="no list of tokens"):
        stream.until_done()
