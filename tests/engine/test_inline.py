"""Inline streams: whoever waits reads, feeds the core and calls the listeners."""

from __future__ import annotations

import contextvars
import threading

import pytest
from inline_streams import BODY, EVENTS, FIVE, WAITS, gated, in_thread, inline, silent
from left_behind import stream_threads, wait_until
from parity.transcripts import called, encode, run, started
from recorded import write
from scripted_server import PATIENCE, sse

from emitter_stream import APITimeoutError, APIUserAbortError, AssistantStream

who = contextvars.ContextVar("who", default="nobody")


# Who delivers, and when


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_listeners_run_on_the_thread_that_waits_in_its_context(connect, wait):
    """Each wait and each iteration calls the listeners itself; what they set, the caller reads."""
    where, names = set(), []
    stream = inline(connect(sse(BODY)))

    def listen(delta) -> None:
        where.add((threading.get_ident(), who.get()))
        who.set("listener")

    stream.on("textDelta", listen).on("event", lambda event: names.append(event.event))
    who.set("caller")
    wait(stream)
    me = threading.get_ident()
    assert where == {(me, "caller"), (me, "listener")}
    assert who.get() == "listener"
    assert names == [event["event"] for event in EVENTS]
    assert wait_until(lambda: not stream_threads())


@pytest.mark.parametrize("wait", ["done", "for", "text_deltas"])
@pytest.mark.parametrize("kind", ["from_events", "from_readable_stream", "replay"])
def test_what_needs_no_server_is_inline_as_well(tmp_path, kind, wait):
    """Iterables are read, and recordings played, by whoever waits; no thread delivers."""
    threads = set()

    def read(items):
        for item in items:
            threads.add(threading.get_ident())
            yield item

    if kind == "from_events":
        stream = AssistantStream.from_events(read(EVENTS), inline=True)
    elif kind == "from_readable_stream":
        lines = list(AssistantStream.from_events(EVENTS).to_readable_stream())
        stream = AssistantStream.from_readable_stream(read(lines), inline=True)
    else:
        stream = AssistantStream.replay(write(tmp_path / "run.jsonl", FIVE), 50.0, inline=True)
    stream.on("event", lambda: threads.add(threading.get_ident()))
    WAITS[wait](stream)
    assert threads == {threading.get_ident()}
    assert stream.final_messages()[0].content[0].text.value == "abcde"


@pytest.mark.parametrize(
    "make",
    [
        lambda beta: beta.threads.runs.stream("thread_1", assistant_id="asst_1", inline=True),
        lambda beta: beta.threads.runs.create(
            "thread_1", assistant_id="asst_1", stream=True, inline=True
        ),
        lambda beta: beta.threads.create_and_run_stream(assistant_id="asst_1", inline=True),
        lambda beta: beta.threads.create_and_run(assistant_id="asst_1", stream=True, inline=True),
        lambda beta: beta.threads.runs.submit_tool_outputs_stream(
            "run_1", thread_id="thread_1", tool_outputs=[], inline=True
        ),
        lambda beta: beta.threads.runs.submit_tool_outputs(
            "run_1", thread_id="thread_1", tool_outputs=[], stream=True, inline=True
        ),
        lambda beta: beta.threads.runs.run_tools(
            "thread_1", assistant_id="asst_1", tools=[], inline=True
        ),
    ],
    ids=["stream", "create", "c_a_r_stream", "c_a_r", "submit_stream", "submit", "run_tools"],
)
def test_every_method_that_makes_a_stream(connect, make):
    """Each takes `inline=True`, and sends nothing of it."""
    threads = set()
    stream = make(connect(sse(BODY)).beta)
    stream.on("textDelta", lambda: threads.add(threading.get_ident())).done(PATIENCE)
    assert threads == {threading.get_ident()}
    assert "inline" not in connect.server.requests[0].json()


def test_the_request_is_sent_at_once_and_nothing_is_delivered(connect):
    """The server has the request before anybody waits; listeners attached until then miss nothing."""
    heard = []
    stream = inline(connect(sse(BODY))).on("connect", lambda: heard.append("first"))
    connect.server.wait_for_requests(1)
    assert wait_until(lambda: not stream_threads())  # what waited for the headers has them
    stream.start()
    assert heard == [] and not stream.ended
    stream.on("connect", lambda: heard.append("second")).done()
    assert heard == ["first", "second"]


def test_after_a_wait_a_listener_hears_what_comes_after_it(connect):
    """Once somebody has waited the rule is Node's."""
    stream = inline(connect(sse(BODY)))
    stream.emitted("messageCreated")
    late = []
    stream.on("event", lambda event: late.append(event.event)).done()
    names = [event["event"] for event in EVENTS]
    assert late == names[names.index("thread.message.created") + 1 :]


@pytest.mark.parametrize("kind", ["for", "text_deltas", "events", "to_readable_stream"])
def test_iteration_never_runs_ahead(connect, kind):
    """A `next()` makes the calls of one event, whatever else has arrived."""
    heard = []
    stream = inline(connect(sse(BODY)))
    stream.on("event", lambda event: heard.append(event.event))
    iterator = {
        "for": iter,
        "text_deltas": lambda stream: stream.text_deltas,
        "events": lambda stream: stream.events("textDelta"),
        "to_readable_stream": lambda stream: stream.to_readable_stream(),
    }[kind](stream)
    next(iterator)
    before = len(heard)
    next(iterator)
    assert len(heard) == before + 1
    del iterator  # two of these abort then, two only leave
    if kind in ("for", "to_readable_stream"):
        with pytest.raises(APIUserAbortError):
            stream.done()
        assert len(heard) == before + 1
    else:
        stream.done()
        assert heard == [event["event"] for event in EVENTS]


def test_two_iterators_lose_nothing(connect):
    """Each iterator gets every event, whichever of them moves the stream on."""
    stream = inline(connect(sse(BODY)))
    events, texts = iter(stream), stream.text_deltas
    assert next(texts) == "a"
    assert [event.event for event in events] == [event["event"] for event in EVENTS]
    assert list(texts) == ["b", "c", "d", "e"]


# Several threads


def test_a_second_waiter_takes_over(connect):
    """While one waits the other does not deliver; when that leaves, it goes on."""
    gate = threading.Event()
    stream = inline(connect(gated(gate)))
    threads = []
    stream.on("textDelta", lambda: threads.append(threading.current_thread().name))
    second_ended = threading.Event()

    def wait_too() -> None:
        stream.done(PATIENCE)
        second_ended.set()

    stream.on("messageCreated", lambda: in_thread(wait_too))
    with pytest.raises(TimeoutError):
        stream.done(timeout=0.3)
    assert not stream.ended
    gate.set()
    assert second_ended.wait(PATIENCE)
    assert threads and threads[-1] == "waiter"
    assert stream.final_run().status == "completed"


def test_an_iterator_is_woken_by_who_waits(connect):
    """Events that another thread's wait brings reach an iterator that waits for them."""
    gate = threading.Event()
    stream = inline(connect(gated(gate)))
    texts = stream.text_deltas
    stream.emitted("messageCreated")
    got = []
    waiter = in_thread(lambda: stream.done(PATIENCE))
    reader = in_thread(lambda: got.extend(texts))
    gate.set()
    waiter.join(PATIENCE)
    reader.join(PATIENCE)
    assert got == ["a", "b", "c", "d", "e"]


def test_a_listener_cannot_wait_for_its_own_stream(connect):
    """That is a `RuntimeError` instead of a deadlock, and it leaves the wait."""
    stream = inline(connect(sse(BODY)))
    stream.on("textDelta", lambda: stream.done())
    with pytest.raises(RuntimeError, match="its own stream"):
        stream.done()


def test_a_listener_may_wait_for_another_stream(connect):
    """A listener makes a second stream, whose listeners run on the same thread, and waits."""
    client = connect(sse(BODY))
    texts = []

    def answer_it() -> None:
        inner = inline(client).on("textDelta", lambda delta: texts.append(delta.value))
        assert inner.final_run().status == "completed"
        texts.append("|")

    stream = inline(client).once("messageCreated", answer_it)
    stream.on("textDelta", lambda delta: texts.append(delta.value)).done()
    assert "".join(texts) == "abcde|abcde"


# Timeouts


@pytest.mark.parametrize("framing", ["chunked", "close", "gzip", "gzip-close"])
def test_a_timeout_leaves_the_stream_running(connect, framing):
    """`timeout=` limits the wait for a silent server, however the body is framed; nothing is lost."""
    gates = [threading.Event() for _ in range(len(BODY) // 150)]

    def script(exchange) -> None:
        exchange.head(framing=framing)
        for number, gate in enumerate(gates):
            exchange.body(BODY[number * 150 : number * 150 + 150])
            exchange.wait(gate)
        exchange.body(BODY[len(gates) * 150 :])
        exchange.finish()

    stream = inline(connect(script))
    for gate in gates:
        with pytest.raises(TimeoutError):
            stream.done(timeout=0.02)
        gate.set()
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert stream.final_messages()[0].content[0].text.value == "abcde"


def test_a_timeout_before_the_headers(connect):
    """A wait leaves in time also while the server has not answered at all."""
    gate = threading.Event()

    def script(exchange) -> None:
        exchange.wait(gate)
        sse(BODY)(exchange)

    stream = inline(connect(script))
    with pytest.raises(TimeoutError):
        stream.done(timeout=0.05)
    gate.set()
    stream.done(PATIENCE)


def test_polling_gets_on(connect):
    """A timeout of nothing still makes the calls of an event that is there."""
    stream = inline(connect(sse(BODY)))
    connect.server.wait_for_requests(1)

    def is_done() -> bool:
        try:
            stream.done(timeout=0)
        except TimeoutError:
            return False
        return True

    assert wait_until(is_done)


def test_the_read_timeout_counts_over_several_waits(connect):
    """Many short waits for a server that stands still end as one long one does."""
    stream = inline(connect(silent, timeout=(PATIENCE, 0.2)))

    def is_over() -> bool:
        try:
            stream.done(timeout=0.02)
        except TimeoutError:
            return False
        except APITimeoutError:
            return True
        return True

    assert wait_until(is_over)
    assert stream.errored and not stream.aborted


def test_a_timeout_while_a_recording_pauses(tmp_path):
    """A replay's pauses are waited for no longer than that."""
    path = write(tmp_path / "run.jsonl", FIVE, gap=0.05)
    stream = AssistantStream.replay(path, 0.1, inline=True)
    with pytest.raises(TimeoutError):
        stream.done(timeout=0.05)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(PATIENCE)


def test_a_timeout_while_a_function_runs(connect):
    """In the tool loop the functions run on threads; a wait for them can be left and resumed."""
    gate, threads, order = threading.Event(), [], []
    need = [*started(), *called(1, ["{}"], completed=False)]
    call = {"id": "call_0", "type": "function", "function": {"name": "tool", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    need.append(run("requires_action", required_action=action))

    def tool() -> str:
        threads.append(threading.get_ident())
        gate.wait(PATIENCE)
        return "done"

    client = connect(sse(encode(need)), sse(BODY))
    stream = client.beta.threads.runs.run_tools(
        "thread_1", assistant_id="asst_1", tools=[tool], inline=True
    )
    for name in ("functionToolCall", "functionToolCallResult", "textDelta"):
        stream.on(name, lambda *_, name=name: order.append((name, threading.get_ident())))
    with pytest.raises(TimeoutError):
        stream.done(timeout=0.3)
    gate.set()
    assert stream.final_run(PATIENCE).status == "completed"
    me = threading.get_ident()
    names = ["functionToolCall", "functionToolCallResult", *["textDelta"] * 5]
    assert order == [(name, me) for name in names]
    assert threads and me not in threads
