"""Streams with something else in them: heartbeats, other APIs' events, a gateway's own words."""

from __future__ import annotations

import asyncio
import json

import pytest
from parity.compare import PATIENCE
from parity.transcripts import answered, encode
from scripted_server import sse

from emitter_stream import AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream, AsyncOpenAI

EVENTS = answered("a", "b", "c")
KEY = "sk-0123456789abcdef0123456789"


def with_between(frame):
    """Give the stream with a frame before and behind each of its events."""
    return frame + b"".join(encode([event]) + frame for event in EVENTS)


HEARTBEATS = {
    "a name": b"event: ping\n\n",
    "a name and empty data": b"event: ping\ndata:\n\n",
    "a name and a space": b"event: ping\ndata: \n\n",
    "a name and empty lines": b"event: ping\ndata:\ndata:\n\n",
    "empty data": b"data:\n\n",
    "data alone": b"data\n\n",
    "white space": b"data:    \n\n",
    "an empty name": b"event:\ndata:\n\n",
    "another API's prefix": b"event: response.ping\n\n",
    "like the prefix": b"event: threads\n\n",
    "an id": b"id: 1\nevent: keepalive\n\n",
    "a retry": b"retry: 1000\n\n",
    "a comment": b": ping\n\n",
    "blank lines": b"\n\n\n",
}


@pytest.mark.parametrize("heartbeat", HEARTBEATS)
def test_a_frame_that_brings_no_data_is_a_heartbeat(stream_of, heartbeat):
    """It is passed over, wherever it comes, and nobody hears of it."""
    stream = stream_of(sse(with_between(HEARTBEATS[heartbeat])))
    heard = []
    stream.on("event", heard.append)
    text = "".join(stream.text_deltas)
    assert text == "abc"
    assert stream.final_run(PATIENCE).status == "completed"
    assert [event.event for event in heard] == [name for name, _ in EVENTS if name != "done"]


@pytest.mark.parametrize(
    "name", ["error", "done", "thread.ping", "thread.run.completed", "thread."]
)
@pytest.mark.parametrize("data", [b"", b"data:\n", b"data: \n"], ids=["none", "empty", "space"])
def test_an_event_of_the_api_without_data_is_malformed(stream_of, name, data):
    """Where data belongs, none is an error, as in Node."""
    body = b"event: " + name.encode() + b"\n" + data + b"\n"
    stream = stream_of(sse(body + encode(EVENTS)))
    with pytest.raises(OpenAIError, match="malformed JSON"):
        stream.done(PATIENCE)


CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []}
STRANGERS = {
    "chat": (b"data: " + json.dumps(CHUNK).encode() + b"\n\ndata: [DONE]\n\n", "chat.completion"),
    "responses": (
        b'event: response.created\ndata: {"type": "response.created"}\n\n',
        "'response.created'",
    ),
    "an envelope": (b'data: {"status": "queued", "payload": null}\n\n', '"status": "queued"'),
    "a string": (b'event: log\ndata: "upstream busy"\n\n', "upstream busy"),
    "an unknown event": (b'event: thread.news\ndata: {"a": 1}\n\n', "'thread.news'"),
    "NDJSON": (b'{"event": "thread.run.created"}\n{"event": "x"}\n', "thread.run.created"),
    "NDJSON with blank lines": (b'{"a": 1}\n\n{"b": 2}\n\n', '{"a": 1}'),
    "a page": (b"<html>\n<body>gateway timeout</body>\n", "gateway timeout"),
    "a heartbeat before it": (b': x\n\nevent: ping\n\ndata: {"b": 2}\n\n', '{"b": 2}'),
    "a key": (b'data: {"echo": "' + KEY.encode() + b'"}\n\n', '"echo": "[API key]'),
    "a key in a page": (b"<p>" + KEY.encode() + b"</p>\n", "<p>[API key]"),
    "a key where it is cut": (
        b'data: {"a": "' + b"x" * 180 + KEY.encode() + b'"}\n\n',
        "[API key]",
    ),
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("side", ["plain", "aio"])
def test_the_end_of_a_strange_stream_says_what_came(connect, stranger, side):
    """Where nothing was recognised, the error shows the first thing that came, shortened."""
    body, shown = STRANGERS[stranger]
    client = connect(sse(body), api_key=KEY)
    with pytest.raises(OpenAIError) as caught:
        if side == "plain":
            client.beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)
        else:

            async def read():
                async with AsyncOpenAI(KEY, base_url=connect.server.url) as other:
                    await other.beta.threads.runs.stream("t", assistant_id="a").done(PATIENCE)

            asyncio.run(read())
    message = str(caught.value)
    assert shown in message
    assert "What came instead begins with" in message
    assert len(message) < 500
    assert KEY[:10] not in message


def test_events_and_lines_of_another_api_are_named_as_well():
    """So they are for streams that come from elsewhere than a server."""
    event = {"event": "response.created", "data": {"type": "response.created"}}
    with pytest.raises(OpenAIError, match=r"'response\.created'"):
        AssistantStream.from_events([event]).done(PATIENCE)
    with pytest.raises(OpenAIError, match=r"'response\.created'"):
        AssistantStream.from_readable_stream([json.dumps(event).encode()]).done(PATIENCE)

    async def read():
        await AsyncAssistantStream.from_events([event]).done(PATIENCE)

    with pytest.raises(OpenAIError, match=r"'response\.created'"):
        asyncio.run(read())


ORDINARY = {
    "nothing": b"",
    "heartbeats": b": x\n\nevent: ping\n\ndata:\n\n",
    "a thread": encode([("thread.created", {"id": "thread_1"})]),
    "a stranger in a run": b"data: {}\n\n" + encode(EVENTS[:3]),
}


@pytest.mark.parametrize("body", ORDINARY)
def test_a_stream_that_only_stops_early_is_told_as_before(stream_of, body):
    """Where there was nothing else, or a run had begun, the end is what is wrong."""
    with pytest.raises(OpenAIError, match="stopped before the run came to an end"):
        stream_of(sse(ORDINARY[body])).done(PATIENCE)


def test_strangers_do_not_end_a_stream(stream_of):
    """Among the API's own events they come through `event`, and the run goes on."""
    stream = stream_of(sse(with_between(b'event: news\ndata: {"a": 1}\n\n')))
    heard = []
    stream.on("event", heard.append)
    assert stream.final_run(PATIENCE).status == "completed"
    assert [event.event for event in heard].count("news") == len(EVENTS)
