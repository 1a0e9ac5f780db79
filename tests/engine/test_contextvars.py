"""Context variables of whoever makes a stream are there in all that it calls."""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
import threading

import pytest
from parity.transcripts import DONE, answered, encode, run
from scripted_server import sse

from emitter_stream import AssistantEventHandler, AssistantStream, OpenAIError
from emitter_stream.aio import AsyncAssistantStream, AsyncOpenAI

PATIENCE = 120.0
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="lost")
EVENTS = [
    {"event": name, "data": data} for name, data in answered("a", "b", "c") if name != DONE[0]
]
NAMES = ["connect", "event", "textCreated", "textDelta", "messageDone", "run", "end"]


@pytest.fixture(autouse=True)
def _request():
    """Run a test with the variable set, as a web framework runs a request."""
    token = request_id.set("req-7")
    yield
    request_id.reset(token)


def tracing():
    """Yield the events, and note what is seen while they are made."""
    seen = set()

    def events():
        for event in EVENTS:
            seen.add(request_id.get())
            yield event

    return seen, events()


@pytest.mark.parametrize("attach", ["on", "once", "decorator"])
@pytest.mark.parametrize("name", NAMES)
def test_listeners(name, attach):
    """Every listener sees the maker's variables, however it is attached."""
    seen = set()
    stream = AssistantStream.from_events(EVENTS)

    def listener():
        seen.add(request_id.get())

    if attach == "decorator":
        stream.on(name)(listener)
    else:
        getattr(stream, attach)(name, listener)
    request_id.set("another request")  # that came after the stream was made
    stream.done(PATIENCE)
    assert seen == {"req-7"}


def test_listeners_share_one_copy():
    """What one listener sets, the next reads, also of another event; the maker's is left alone."""
    heard = []
    stream = AssistantStream.from_events(EVENTS)
    stream.on("connect", lambda: request_id.set("connected"))
    stream.on("textDelta", lambda delta: request_id.set(request_id.get() + delta.value))
    stream.on("textDelta", lambda: heard.append(request_id.get()))
    stream.on("end", lambda: heard.append(request_id.get()))
    stream.done(PATIENCE)
    assert heard == ["connecteda", "connectedab", "connectedabc", "connectedabc"]
    assert request_id.get() == "req-7"


def test_each_stream_has_a_copy_of_its_own():
    """Two streams of one request do not see what each other's listeners set."""
    heard = []
    streams = [
        AssistantStream.from_events(EVENTS)
        .once("connect", lambda number=number: request_id.set(f"stream {number}"))
        .on("end", lambda: heard.append(request_id.get()))
        for number in range(2)
    ]
    for stream in streams:
        stream.done(PATIENCE)
    assert sorted(heard) == ["stream 0", "stream 1"]


def test_late_listeners_share_it_too():
    """A listener attached after the end is given what it missed in the context of the others."""
    over, caught_up, seen = threading.Event(), threading.Event(), []
    stream = AssistantStream.from_events(EVENTS)
    stream.on("end", lambda: (request_id.set("from a listener"), over.set()))
    assert over.wait(PATIENCE)
    stream.on("textDelta", lambda: seen.append(request_id.get()))
    stream.on("end", lambda: (seen.append(request_id.get()), caught_up.set()))
    assert caught_up.wait(PATIENCE)
    assert seen == ["from a listener"] * 4


def test_an_abort_while_the_source_stands_still():
    """The thread that tells of an abort instead of the reader enters the same context."""
    reading, gate, seen = threading.Event(), threading.Event(), []

    def events():
        yield EVENTS[0]
        reading.set()
        gate.wait(PATIENCE)

    stream = AssistantStream.from_events(events())
    stream.once("event", lambda: request_id.set("from a listener"))
    stream.on("abort", lambda: seen.append(request_id.get()))
    stream.on("end", lambda: seen.append(request_id.get()))
    assert reading.wait(PATIENCE)
    stream.abort()
    with pytest.raises(OpenAIError):
        stream.done(PATIENCE)
    gate.set()
    assert seen == ["from a listener"] * 2


@pytest.mark.parametrize("how", ["unheard", "of an end listener", "late"])
def test_reports(how, monkeypatch):
    """What goes to threading.excepthook is reported in that context as well."""
    seen, reported = [], threading.Event()

    def hook(args):
        seen.append(request_id.get())
        reported.set()

    monkeypatch.setattr(threading, "excepthook", hook)

    def fail():
        raise ValueError("bug")

    if how == "unheard":
        AssistantStream.from_events(iter([{"event": "error", "data": {}}])).start()
    else:
        over = threading.Event()
        stream = AssistantStream.from_events(EVENTS).on("end", over.set)
        if how == "late":
            assert over.wait(PATIENCE)
        stream.on("end", fail)
    assert reported.wait(PATIENCE)
    assert seen == ["req-7"]


def test_an_iterable_has_a_copy_of_its_own():
    """A generator sees the maker's variables; what it sets stays with it, to its `finally`."""
    seen = []

    def events():
        try:
            for number, event in enumerate(EVENTS):
                seen.append(request_id.get())
                request_id.set(f"item {number}")
                yield event
        finally:
            seen.append(request_id.get())

    stream = AssistantStream.from_events(events()).on("event", lambda: seen.append("event"))
    heard = set()
    stream.on("event", lambda: heard.add(request_id.get()))
    stream.done(PATIENCE)
    ours = [one for one in seen if one != "event"]
    assert ours == ["req-7", *(f"item {number}" for number in range(len(EVENTS)))]
    assert heard == {"req-7"}


def test_an_iterable_of_bytes():
    """So do the lines that a stream is read back from."""
    seen = []

    def lines():
        for event in EVENTS:
            seen.append(request_id.get())
            yield json.dumps(event).encode() + b"\n"

    AssistantStream.from_readable_stream(lines()).done(PATIENCE)
    assert set(seen) == {"req-7"}


def test_a_stream_made_in_a_listener():
    """It takes over the listeners' context as it then is, and so on down."""
    seen, inner_over = [], threading.Event()

    def begin():
        request_id.set("inner")
        inner = AssistantStream.from_events(EVENTS)
        inner.on("end", lambda: (seen.append(request_id.get()), inner_over.set()))

    AssistantStream.from_events(EVENTS).on("end", begin).done(PATIENCE)
    assert inner_over.wait(PATIENCE)
    assert seen == ["inner"]


def test_many_late_listeners_while_it_runs():
    """No delivery comes upon a context that another thread is in."""
    seen, gate = [], threading.Event()

    def events():
        for name, data in answered(*"abc" * 50)[:-1]:
            if name == "thread.run.completed":
                gate.wait(PATIENCE)
            yield {"event": name, "data": data}

    stream = AssistantStream.from_events(events())
    for _ in range(60):
        stream.on("textDelta", lambda: seen.append(request_id.get()))
        threading.Event().wait(0.001)
    gate.set()
    stream.done(PATIENCE)
    assert len(seen) == 60 * 150 and set(seen) == {"req-7"}


def test_a_listener_may_use_contexts_itself():
    """It can copy the context it is in, run something in the copy, and enter a fresh one."""
    seen = []

    def listen():
        seen.append(contextvars.copy_context().run(request_id.get))
        seen.append(contextvars.Context().run(request_id.get))

    AssistantStream.from_events(EVENTS).on("run", listen).done(PATIENCE)
    assert seen == ["req-7", "lost"]


def test_inline_it_is_the_callers_own_context():
    """What an inline stream's listener sets is set for who waits."""
    seen = set()
    stream = AssistantStream.from_events(EVENTS, inline=True)
    stream.on("textDelta", lambda: seen.add(request_id.get()))
    stream.on("end", lambda: request_id.set("from a listener"))
    stream.done(PATIENCE)
    assert seen == {"req-7"}
    assert request_id.get() == "from a listener"
    request_id.set("req-7")


# --- from a server


def test_handlers_and_what_the_request_calls(connect, monkeypatch):
    """A handler's methods see them, and what hooks into the request, a tracer say, does as well."""
    seen = {}
    look_up = socket.getaddrinfo

    def traced(*args, **kwargs):
        seen["hook"] = request_id.get()
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", traced)
    client = connect(sse(encode(answered("a"))))

    class Handler(AssistantEventHandler):
        """Notes what it sees."""

        def on_text_delta(self, delta, snapshot):
            seen["method"] = request_id.get()

        def on_end(self):
            seen["end"] = request_id.get()

    with client.beta.threads.runs.stream(
        thread_id="t", assistant_id="a", event_handler=Handler()
    ) as handler:
        handler.until_done()
    assert seen == {"hook": "req-7", "method": "req-7", "end": "req-7"}


CALLS = [
    {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}
    for number, name in enumerate(["outer", "outer", "counted"])
]
ASKS = [
    run("queued"),
    run(
        "requires_action",
        required_action={
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": CALLS},
        },
    ),
    DONE,
]


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("inline", [False, True])
def test_tool_calls(connect, parallel, inline):
    """Each call of a function has a copy of its own, and streams that it makes inherit that."""
    seen = []
    client = connect(sse(encode(ASKS)), sse(encode(answered("a"))))

    def outer():
        seen.append(request_id.get())
        request_id.set("tool")
        inner = AssistantStream.from_events(EVENTS)
        inner.on("textDone", lambda: seen.append(request_id.get())).done(PATIENCE)

    def counted():
        seen.append(request_id.get())

    stream = client.beta.threads.runs.run_tools(
        "t", assistant_id="a", tools=[outer, counted], parallel=parallel, inline=inline
    )
    stream.on("run", lambda: request_id.set("listener"))
    stream.done(PATIENCE)
    assert sorted(seen) == ["req-7", "req-7", "req-7", "tool", "tool"]


# --- on an event loop


def test_listeners_on_a_loop_share_one_copy():
    """Plain ones and coroutines, in the context in which the stream was made."""

    async def main():
        heard = []
        stream = AsyncAssistantStream.from_events(EVENTS)
        request_id.set("another request")

        async def deepen(delta):
            request_id.set(request_id.get() + delta.value)
            await asyncio.sleep(0)

        stream.on("textDelta", deepen).on("textDelta", lambda: heard.append(request_id.get()))
        stream.on("end", lambda: heard.append(request_id.get()))
        await stream.done()
        assert heard == ["req-7a", "req-7ab", "req-7abc", "req-7abc"]

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
def test_iterables_on_a_loop(kind):
    """A plain iterable is read on a thread, another on the loop: each in a copy of its own."""

    async def main():
        seen, plain = tracing()

        async def asynchronous():
            for event in EVENTS:
                seen.add(request_id.get())
                yield event

        items = plain if kind == "plain" else asynchronous()
        stream = AsyncAssistantStream.from_events(items)
        stream.on("connect", lambda: request_id.set("listener"))
        await stream.done()
        assert seen == {"req-7"}

    asyncio.run(main())


def test_tool_calls_on_a_loop(serve):
    """Plain functions and coroutines alike have a copy each."""
    seen = []
    server = serve(sse(encode(ASKS)), sse(encode(answered("a"))))

    async def outer():
        seen.append(request_id.get())
        request_id.set("tool")
        await asyncio.sleep(0)
        seen.append(request_id.get())

    def counted():
        seen.append(request_id.get())

    async def main():
        async with AsyncOpenAI(base_url=server.url, api_key="sk-test") as client:
            stream = client.beta.threads.runs.run_tools(
                "t", assistant_id="a", tools=[outer, counted]
            )
            stream.on("functionToolCall", lambda: request_id.set("listener"))
            await stream.done()

    asyncio.run(main())
    assert sorted(seen) == ["req-7", "req-7", "req-7", "tool", "tool"]
