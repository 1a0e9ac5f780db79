"""Chat streams as users hold them: three styles on one object, and what goes with them."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading

import openai
import pytest
from chat_wire import ASK, DONE, SCHEMA, calling, chunk, chunks, saying, whole, whole_call
from left_behind import stream_threads
from scripted_server import answer, hang, sse

from emitter_stream import (
    AbortController,
    APIError,
    APIUserAbortError,
    ChatCompletionStream,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OpenAIError,
)
from emitter_stream.types.chat import ChatCompletionChunk, ParsedChatCompletion

PIECES = ("Hel", "lo ", "you")


def stream(connect, *scripts, **params):
    """Start a stream of these answers."""
    return connect(*scripts).chat.completions.stream(**{**ASK, **params})


def test_chained_listeners(connect):
    """Node's style: listeners in a chain, and the finals."""
    heard = []
    run = stream(connect, saying(*PIECES)).on("content", lambda delta, all: heard.append(all))
    assert run.final_content(20) == "Hello you"
    assert heard == ["Hel", "Hello ", "Hello you"]
    assert run.final_chat_completion().choices[0].finish_reason == "stop"
    assert [message.to_dict() if n else message for n, message in enumerate(run.messages)] == [
        ASK["messages"][0],
        {"role": "assistant", "content": "Hello you", "refusal": None, "parsed": None},
    ]


def test_typed_events_in_with(connect):
    """The Python SDK's style: ``with`` gives typed events, in the listeners' order, once."""
    with stream(connect, saying(*PIECES)) as events:
        kinds = [event.type for event in events]
        assert iter(events) is events
        assert list(events) == []
    assert kinds == ["chunk", *["chunk", "content.delta"] * 3, "chunk", "content.done"]
    assert events.get_final_completion().choices[0].message.content == "Hello you"


def test_typed_events_are_the_listeners_objects(connect):
    """Each event is what a listener of its name got; ``chunk`` has its chunk and the snapshot."""
    run = stream(connect, saying("a"))
    heard = []
    with run.on("content.delta", heard.append) as events:
        seen = list(events)
    assert [event for event in seen if event.type == "content.delta"] == heard
    assert isinstance(seen[0].chunk, ChatCompletionChunk)
    assert seen[0].snapshot.choices[0].message.content == "a"  # it has grown meanwhile


def test_the_side_is_the_same_stream(connect):
    """What ``with`` gives has all that the stream has, and attaching to it chains on it."""
    run = stream(connect, saying("a"))
    ended = []
    with run as side:
        assert side.on("end", lambda: ended.append(1)) is side
        assert isinstance(side, ChatCompletionStream)
        assert side.controller is run.controller
    assert ended == [1]  # not iterated: the end of the block waits


def test_leaving_typed_events_early_closes_what_is_left(connect):
    """A loop over typed events that is left closes the rest at the end of the block, no error."""
    with stream(connect, hang(chunks("a", finish=None))) as events:
        for event in events:
            if event.type == "content.delta":
                break
    assert events.aborted
    assert events.current_completion_snapshot.choices[0].message.content == "a"


def test_iterating_without_with_gives_chunks(connect):
    """Node's iteration: raw chunks, all of them."""
    got = list(stream(connect, saying(*PIECES)))
    assert [type(one) for one in got] == [ChatCompletionChunk] * 5
    assert "".join(one.choices[0].delta.content or "" for one in got) == "Hello you"


def test_leaving_the_chunks_early_aborts(connect):
    """A loop over chunks that is left ends the request."""
    run = stream(connect, hang(chunks("a", finish=None)))
    for _ in run:
        break
    with pytest.raises(APIUserAbortError):
        run.done(20)


def test_plain_chunks(connect):
    """``create(stream=True)`` gives the chunks as they come: nothing repaired, once, no thread."""
    body = chunk({"content": "a"}) + b'data: {"choices": null}\n\n' + DONE
    plain = connect(sse(body), sse(body)).chat.completions.create(**ASK, stream=True)
    assert not stream_threads()
    assert [one.to_dict().get("choices") for one in plain] == [
        [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
        None,
    ]
    assert list(plain) == []


def test_plain_chunks_can_be_closed(connect):
    """``with`` and ``close()`` end it; an error in the stream is raised where it comes."""
    client = connect(saying("a", "b"), sse(chunk({}) + b'data: {"error": {"code": "x"}}\n\n'))
    with client.chat.completions.create(**ASK, stream=True) as plain:
        next(plain)
    assert list(plain) == []
    with pytest.raises(APIError) as caught:
        list(client.chat.completions.create(**ASK, stream=True))
    assert caught.value.code == "x"


def test_create_and_parse(connect):
    """A whole answer, and one that is parsed to an instance with its tools' arguments."""

    @dataclasses.dataclass
    class City:
        name: str

    client = connect(whole({"content": "hello"}), whole({"content": '{"name": "Rome"}'}))
    assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    parsed = client.chat.completions.parse(**ASK, response_format=City)
    assert isinstance(parsed, ParsedChatCompletion)
    assert parsed.choices[0].message.parsed == City("Rome")
    assert connect.server.requests[1].json()["response_format"]["json_schema"]["strict"] is True
    with pytest.raises(TypeError, match="parse"):
        client.chat.completions.create(**ASK, response_format=City)


@pytest.mark.parametrize(
    ("finish", "kind"),
    [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)],
)
def test_answers_that_were_cut_off(connect, finish, kind):
    """With parsing asked for they are errors with what came; without, they are not."""
    body = sse(chunk({"role": "assistant", "content": '{"a'}) + chunk({}, finish) + DONE)
    client = connect(body, body, whole({"content": "{"}, finish))
    assert client.chat.completions.stream(**ASK).final_content() == '{"a'
    with pytest.raises(kind) as caught:
        client.chat.completions.stream(**ASK, response_format=SCHEMA).done()
    assert caught.value.completion.choices[0].message.content == '{"a'
    with pytest.raises(kind) as caught:
        client.chat.completions.parse(**ASK, response_format=SCHEMA)
    assert caught.value.completion.choices[0].message.content == "{"


def test_a_stream_that_breaks_off_keeps_what_came(connect):
    """Without a ``finish_reason`` it is an error; the snapshot is still there."""
    run = stream(connect, saying("half", finish=None))
    with pytest.raises(OpenAIError, match="finish_reason"):
        run.done()
    assert run.current_chat_completion_snapshot.choices[0].message.content == "half"


def test_parsed_grows_with_the_deltas(connect):
    """Each delta tells the value so far, and the end tells an instance."""

    @dataclasses.dataclass
    class City:
        name: str
        people: int

    run = stream(connect, saying('{"name": "Ro', 'me", "people": 3', "}"), response_format=City)
    heard = []
    run.on("content.delta", lambda event: heard.append(event.parsed))
    assert run.final_message().parsed == City("Rome", 3)
    assert heard == [{"name": "Ro"}, {"name": "Rome"}, {"name": "Rome", "people": 3}]


def test_an_answer_that_does_not_fit(connect):
    """It ends the stream with the validator's exception as the cause."""
    run = stream(connect, saying("nonsense"), response_format=SCHEMA)
    with pytest.raises(OpenAIError) as caught:
        run.done()
    assert isinstance(caught.value.__cause__, ValueError)


def test_objects_can_be_sent_again(connect):
    """What this library returned goes back without what only helpers add; so do the SDK's."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}
    client = connect(whole_call("f", "{}"), saying("a"), saying("b"))
    first = client.chat.completions.parse(**ASK, tools=[tool])
    message = first.choices[0].message
    assert message.tool_calls[0].function.parsed_arguments == {}
    other = openai.types.chat.ChatCompletionMessage(role="assistant", content="x")
    run = client.chat.completions.stream(
        model="m", messages=[*ASK["messages"], message, other, {"role": "user", "content": "?"}]
    )
    run.done()
    sent = connect.server.requests[1].json()["messages"]
    assert sent[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    assert sent[2]["content"] == "x"
    client.chat.completions.stream(model="m", messages=list(run.messages)).done()
    assert "parsed" not in json.dumps(connect.server.requests[2].json())


def test_repairs_are_counted_and_serialized(connect):
    """A chunk that was repaired is shown repaired, in the lines too."""
    body = b'data: {"id": "c", "choices": [{"delta": {"content": "a"}}]}\n\n'
    run = stream(connect, sse(body + chunk({}, "stop") + DONE))
    lines = [json.loads(line) for line in run.to_readable_stream()]
    delta = lines[0]["choices"][0]["delta"]
    assert delta == {"content": "a", "role": "assistant"}
    assert dict(run.repairs) == {"C2": 1, "C3": 1}
    again = ChatCompletionStream.from_readable_stream(json.dumps(x).encode() + b"\n" for x in lines)
    assert again.final_content() == "a"
    assert dict(again.repairs) == {}


def test_chunks_that_are_there_as_objects():
    """Dicts, this library's chunks and the official SDK's make a stream."""
    raw = [
        json.loads(line[6:])
        for line in chunks("a", "b").split(b"\n\n")
        if line.startswith(b"data: {")
    ]
    for kind in (dict, ChatCompletionChunk, openai.types.chat.ChatCompletionChunk.model_validate):
        run = ChatCompletionStream.from_events(map(kind, raw))
        assert run.final_content() == "ab"


def test_what_a_late_listener_missed(connect):
    """A listener that comes late, before anybody said go, is given all it missed, padded or not."""

    def keep(heard, name, *args):
        heard.append((name, args))

    for more in ({}, {"obfuscation": "x"}):
        run = stream(connect, sse(chunks("a", "b", "c", **more)))
        first = threading.Event()
        run.on("end", first.set)
        assert first.wait(120)
        heard = []
        for name in ("content.delta", "content", "chunk"):
            run.on(name, functools.partial(keep, heard, name))
        assert run.final_content() == "abc"
        contents = [args for name, args in heard if name == "content"]
        assert contents == [("a", "a"), ("b", "ab"), ("c", "abc")]
        events = [args[0].to_dict() for name, args in heard if name == "content.delta"]
        assert events[1] == {"delta": "b", "snapshot": "ab"}
        assert [args[0].choices[0].delta.content for name, args in heard if name == "chunk"] == [
            *("", "a", "b", "c", None)
        ]


def test_a_signal_ends_the_stream(connect):
    """``signal=`` aborts it, with its reason as the cause."""
    controller = AbortController()
    run = stream(connect, saying("a"), signal=controller.signal)
    controller.abort(ValueError("enough"))
    with pytest.raises(APIUserAbortError) as caught:
        run.done(20)
    assert isinstance(caught.value.__cause__, ValueError)


def test_inline_listeners_run_where_one_waits(connect):
    """``inline=True`` delivers on the thread that waits."""
    threads = []
    run = stream(connect, saying("a"), inline=True)
    run.on("content", lambda delta: threads.append(threading.get_ident()))
    assert run.final_content(20) == "a"
    assert threads == [threading.get_ident()]


def test_kept_completions(connect):
    """The methods for completions that the server has kept ask for what Node's ask for."""
    page = {"object": "list", "data": [{"id": "c1"}], "has_more": False}
    client = connect(
        *(answer(200, {"id": "c", "deleted": True}) for _ in range(3)), answer(200, page)
    )
    completions = client.chat.completions
    completions.retrieve("c", extra_headers={"X-A": "b"})
    completions.update("c", metadata={"a": "b"})
    assert completions.delete("c").deleted is True
    assert [one.id for one in completions.list(limit=2)] == ["c1"]
    completions.messages.list("c", order="asc")
    got = [(request.method, request.target) for request in connect.server.requests]
    assert got == [
        ("GET", "/v1/chat/completions/c"),
        ("POST", "/v1/chat/completions/c"),
        ("DELETE", "/v1/chat/completions/c"),
        ("GET", "/v1/chat/completions?limit=2"),
        ("GET", "/v1/chat/completions/c/messages?order=asc"),
    ]
    assert connect.server.requests[0].headers["x-a"] == "b"


def test_models(connect):
    """Models can be listed and looked up; the list comes whole."""
    models = {"object": "list", "data": [{"id": "a", "owned_by": "me"}, {"id": "b"}]}
    client = connect(answer(200, models), answer(200, {"id": "a"}))
    assert [model.id for model in client.models.list()] == ["a", "b"]
    assert client.models.retrieve("a").id == "a"
    assert [r.target for r in connect.server.requests] == ["/v1/models", "/v1/models/a"]


def test_only_assistants_calls_say_so(connect):
    """``OpenAI-Beta`` goes with Assistants calls, and ``beta.chat`` is ``chat``."""
    client = connect(saying("a"), answer(200, {"id": "asst_1"}), saying("b"))
    client.chat.completions.stream(**ASK).done()
    client.beta.assistants.retrieve("asst_1")
    assert client.beta.chat.completions.stream(**ASK).final_content() == "b"
    sent = [request.headers.get("openai-beta") for request in connect.server.requests]
    assert sent == [None, "assistants=v2", None]


def test_unknown_parameters_are_sent(connect):
    """Parameters that this library does not know go into the body, ``stream=True`` is ignored."""
    run = stream(connect, saying("a"), min_p=0.1, stream=True, extra_body={"more": [1]})
    run.done()
    sent = connect.server.requests[0].json()
    assert sent == {**ASK, "min_p": 0.1, "more": [1], "stream": True}


def test_tool_arguments_grow(connect):
    """Pieces of a strict tool's arguments come with their value so far."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
    body = chunk({"role": "assistant", "tool_calls": [call]})
    for piece in ('{"a', '": [1,', " 2]}"):
        body += chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    run = stream(connect, sse(body + chunk({}, "tool_calls") + DONE), tools=[tool])
    heard = []
    run.on("tool_calls.function.arguments.delta", heard.append)
    assert run.final_function_tool_call().parsed_arguments == {"a": [1, 2]}
    assert [event.parsed_arguments for event in heard] == [None, {}, {"a": [1]}, {"a": [1, 2]}]
    assert [event.arguments_delta for event in heard] == ["", '{"a', '": [1,', " 2]}"]


def test_arguments_so_far_are_those_of_their_time(connect):
    """Whatever a piece is, and whoever listens or writes meanwhile, an event keeps its text."""
    pieces = ["ab", "c", "", "\ud83d", "", "\ude00", "d", "😀é", "ef", "", "g", "h", "i"]
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
    body = chunk({"role": "assistant", "tool_calls": [call]})
    for piece in pieces:
        body += chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    run = stream(connect, sse(body + chunk({}, "tool_calls") + DONE))
    heard = []

    def listen(event):
        heard.append(event)
        if event.arguments_delta == "c":
            run.on("chunk", nothing)
        elif event.arguments_delta == "d":
            run.off("chunk", nothing)
        elif event.arguments_delta == "g":
            run.current_chat_completion_snapshot.choices[0].message.tool_calls[
                0
            ].function.arguments = "other"

    def nothing(chunk, snapshot):
        pass

    run.on("tool_calls.function.arguments.delta", listen)
    assert run.final_function_tool_call().arguments == "otherhi"
    so_far = ["", "ab", "abc", "abc", "abc\ud83d", "abc\ud83d", "abc😀", "abc😀d", "abc😀d😀é"]
    so_far += ["abc😀d😀éef", "abc😀d😀éef", "abc😀d😀éefg", "otherh", "otherhi"]
    assert [event.arguments for event in heard] == so_far
    assert [event.arguments_delta for event in heard] == ["", *pieces]


def test_calls_without_tools(connect):
    """Calls come also where the request has no tools, and are not parsed."""
    run = stream(connect, calling(("f", "{}")))
    assert run.final_function_tool_call().to_dict() == {"name": "f", "arguments": "{}"}


def test_what_was_skipped_is_an_error(connect):
    """A choice, or a call, whose number was left out ends the stream in an error, as in Node."""
    call = {"index": 1, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
    body = chunk({"role": "assistant", "tool_calls": [call]}) + chunk({}, "tool_calls") + DONE
    with pytest.raises(OpenAIError, match="tool call"):
        stream(connect, sse(body)).done()
    body = chunks("a").replace(b'"index": 0', b'"index": 1')
    with pytest.raises(OpenAIError, match="choice"):
        stream(connect, sse(body), n=2).done()


def test_a_script_that_only_listens(connect):
    """Without anybody who waits, all is kept for late listeners and delivered all the same."""
    run = stream(connect, saying('{"a": "b', "c", 'd"}'), response_format=SCHEMA)
    heard, ended = [], threading.Event()
    run.on("content.delta", lambda event: heard.append(event.parsed)).on("end", ended.set)
    assert ended.wait(120)
    assert heard == [{"a": "b"}, {"a": "bc"}, {"a": "bcd"}]
    late = []
    run.on("content.delta", lambda event: late.append(event.parsed)).done()
    assert late == heard
