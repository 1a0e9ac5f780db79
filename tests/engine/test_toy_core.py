"""The engine on a toy core: every way in and out works for an API that it has never heard of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading

import pytest
from scripted_server import PATIENCE, answer, hang, sse
from toy import ToyCore

from emitter_stream import APIConnectionError, APIError, APIUserAbortError, OpenAIError
from emitter_stream.engine.loop.iterator import AsyncEventIterator
from emitter_stream.engine.loop.reader import ThreadReader
from emitter_stream.engine.loop.stream import AsyncEventStream
from emitter_stream.engine.sources import EventsSource, HTTPSource, LinesSource, to_line
from emitter_stream.engine.stream import EventIterator, EventStream
from emitter_stream.http.transport import Transport
from emitter_stream.recordings import Player, Recording, ReplaySource, attach_recorder

BODY = b'data: "to"\n\n: nothing\n\nevent: x\ndata:\n\nevent: y\ndata: "be"\n\ndata: [DONE]\n\n'
CALLS = [["connect"], ["word", "to", "to"], ["word", "be", "to be"], ["line", "to be"], ["end"]]
NAMES = ("connect", "word", "line", "error", "abort", "end")


def http_source(serve, script, core):
    """Give the source of a request to a server with this script."""
    transport = Transport(base_url=serve(script).url, headers={}, timeout=PATIENCE, max_retries=0)
    return HTTPSource(transport.exchange("POST", "/toys"), core)


def toy(source_class, items) -> EventStream:
    core = ToyCore()
    return EventStream(source_class(items, core.codec), core)


@pytest.fixture
def live(serve):
    """Give a toy stream from a server."""

    def start(script=None) -> EventStream:
        core = ToyCore()
        return EventStream(http_source(serve, script or sse(BODY), core), core)

    return start


def listener(calls, name):
    """Give a listener that notes its calls, with as many arguments as the event passes."""
    return {
        "word": lambda word, line: calls.append([name, word, line]),
        "line": lambda line: calls.append([name, line]),
        "error": lambda error: calls.append([name, type(error)]),
        "abort": lambda error: calls.append([name, type(error)]),
    }.get(name, lambda: calls.append([name]))


def listen(stream) -> list[list[object]]:
    calls: list[list[object]] = []
    for name in NAMES:
        stream.on(name, listener(calls, name))
    return calls


def test_listeners(live, long_tick):
    """Frames become calls, heartbeats none, and an event's own name does not matter."""
    stream = live()
    calls = listen(stream)
    stream.done(PATIENCE)
    assert calls == CALLS


def test_late_listeners(live):
    """Who comes after the end, before anybody said go, is given all of it."""
    stream = live()
    ended = threading.Event()
    stream.on("end", ended.set)
    assert ended.wait(PATIENCE)
    calls: list[list[object]] = []
    stream.on("word", listener(calls, "word")).done(PATIENCE)
    assert calls == CALLS[1:3]


def test_iterators_and_emitted(live):
    """`events` yields tuples, `emitted` the argument, as for any API."""
    assert list(live().events("word")) == [("to", "to"), ("be", "to be")]
    assert live().emitted("line", PATIENCE) == "to be"


def test_lines_out_and_in(live):
    """What goes out as lines comes in again, cut anywhere."""
    stream = live()
    codec = ToyCore.codec

    def line(args):
        return to_line(codec.to_object(codec.of_emission(args)))

    lines = b"".join(stream._iterator(EventIterator, codec.whole, line, abort_on_leave=True))
    assert lines == b'"to"\n"be"\n'
    again = toy(LinesSource, [lines[i : i + 1] for i in range(len(lines))])
    calls = listen(again)
    again.done(PATIENCE)
    assert [call for call in calls if call[0] != "connect"] == CALLS[1:]


def test_events_that_are_there(long_tick):
    """A stream of objects is a stream like any other."""
    stream = toy(EventsSource, ["to", "be"])
    calls = listen(stream)
    stream.done(PATIENCE)
    assert calls == CALLS


def test_record_and_replay(live, tmp_path, long_tick):
    """A recording says whose it is, and plays as what was recorded."""
    stream, path = live(), tmp_path / "toy.jsonl"
    attach_recorder(path, stream._delivery, stream._source.redact, stream._core)
    stream.done(PATIENCE)
    recording = Recording.load(path)
    assert recording.api == "toy"
    core = ToyCore()
    replay = EventStream(ReplaySource(Player(recording.entries(), None), core.made), core)
    calls = listen(replay)
    replay.done(PATIENCE)
    assert calls == CALLS


def test_recording_from_what_was_kept(live, tmp_path):
    """A recording that begins after the end is made of what is kept for late listeners."""
    stream, path = live(), tmp_path / "toy.jsonl"
    ended = threading.Event()
    stream.on("end", ended.set)
    assert ended.wait(PATIENCE)
    attach_recorder(path, stream._delivery, stream._source.redact, stream._core)
    stream.done(PATIENCE)
    words = [entry.data for entry in Recording.load(path).entries() if entry.kind == "event"]
    assert words == ["to", "be"]


def test_abort(live):
    """An abort wakes the read and ends the stream."""
    stream = live(hang(b'data: "to"\n\n'))
    calls = listen(stream)
    stream.on("word", lambda: stream.abort())
    with pytest.raises(APIUserAbortError):
        stream.done(PATIENCE)
    assert calls[-2:] == [["abort", APIUserAbortError], ["end"]]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (sse(b'data: {"error": {"message": "no"}}\n\n'), APIError),
        (sse(b"data: 1\n\n"), OpenAIError),
        (sse(b"data: {\n\n"), OpenAIError),
        (sse(b""), OpenAIError),
        (answer(500, json.dumps({"error": {"message": "no"}})), APIError),
        (lambda exchange: exchange.reset(), APIConnectionError),
    ],
    ids=["error-event", "no-word", "no-json", "nothing", "status", "reset"],
)
def test_errors(live, script, kind):
    """Whatever ends a stream early is its error: heard by listeners, raised by who waits."""
    stream = live(script)
    calls = listen(stream)
    with pytest.raises(kind):
        stream.done(PATIENCE)
    assert [call[0] for call in calls][-2:] == ["error", "end"]


def test_asyncio(serve):
    """The same on an event loop: listeners, iterators, `emitted`, an abort."""

    def stream(script) -> AsyncEventStream:
        core = ToyCore()
        return AsyncEventStream(ThreadReader(http_source(serve, script, core)), core)

    async def main() -> None:
        first = stream(sse(BODY))
        calls = listen(first)
        await first.done(PATIENCE)
        assert calls == CALLS
        second = stream(sse(BODY))
        words = AsyncEventIterator(second._delivery, "word", lambda args: args[0], second.abort)
        assert [word async for word in words] == ["to", "be"]
        assert await stream(sse(BODY)).emitted("line", PATIENCE) == "to be"
        third = stream(lambda exchange: exchange.wait_for_close())
        third.start().abort()
        with contextlib.suppress(APIUserAbortError):
            await third.done(PATIENCE)
        assert third.aborted

    asyncio.run(main())


def test_names_that_a_core_leaves_open_can_be_listened_to():
    """What begins with its prefix may come; what does not, and is not known, never does."""
    words = [*"ab", "toy.new", "c"]
    stream = EventStream(EventsSource(words, ToyCore.codec), ToyCore())
    heard, late = [], []
    stream.on("toy.new", heard.append)
    for wrong in ("toy.", "tomato"):
        with pytest.raises(ValueError, match="never emits"):
            stream.on(wrong, heard.append)
    over = threading.Event()
    stream.on("end", over.set)
    assert over.wait(PATIENCE)
    stream.on("toy.new", late.append).done(PATIENCE)
    assert heard == late == ["a b toy.new"]
