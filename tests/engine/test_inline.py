"""Inline streams: whoever waits reads, feeds the core and calls the listeners."""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from left_behind import stream_threads, wait_until
from parity.transcripts import answered, called, encode, run, started
from recorded import write
from scripted_server import PATIENCE, answer, sse

from emitter_stream import (
    APIConnectionError,
    APITimeoutError,
    APIUserAbortError,
    AssistantStream,
    NotFoundError,
    OpenAIError,
)

FIVE = answered("a", "b", "c", "d", "e")
BODY = encode(FIVE)
EVENTS = [{"event": name, "data": data} for name, data in FIVE if data != "[DONE]"]

WAITS = {
    "done": lambda stream: stream.done(),
    "until_done": lambda stream: stream.until_done(),
    "with a timeout": lambda stream: stream.done(timeout=PATIENCE),
    "final_run": lambda stream: stream.final_run(),
    "get_final_messages": lambda stream: stream.get_final_messages(),
    "final_run_steps": lambda stream: stream.final_run_steps(),
    "emitted": lambda stream: stream.emitted("end"),
    "for": lambda stream: list(stream),
    "events": lambda stream: list(stream.events("run")),
    "text_deltas": lambda stream: list(stream.text_deltas),
    "to_readable_stream": lambda stream: list(stream.to_readable_stream()),
    "with": lambda stream: stream.__enter__().__exit__(None, None, None),
}

who = contextvars.ContextVar("who", default="nobody")


def inline(client, **params) -> AssistantStream:
    """Make an inline stream of a run."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", inline=True, **params)


def gated(gate: threading.Event, until: int = len(BODY) // 2):
    """Make a script that sends half of its answer, and the rest when the gate is opened."""

    def script(exchange) -> None:
        exchange.head()
        exchange.body(BODY[:until])
        exchange.wait(gate)
        exchange.body(BODY[until:])
        exchange.finish()

    return script


def silent(exchange) -> None:
    """Answer with the head only, until the client goes."""
    exchange.head()
    exchange.wait_for_close()


def in_thread(function) -> threading.Thread:
    """Call a function on a thread of its own."""
    thread = threading.Thread(target=function, name="waiter", daemon=True)
    thread.start()
    return thread


def signalled(stream: AssistantStream, number: int) -> None:
    """Send the main thread a signal once it waits for the stream."""

    def send() -> None:
        assert wait_until(lambda: stream._waits._at_wheel is not None)
        signal.pthread_kill(threading.main_thread().ident, number)

    in_thread(send)


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


# Ends


def test_an_error_of_the_request_comes_at_the_first_wait(connect):
    """What goes wrong with sending is told to whoever waits, and to `error`."""
    errors = []
    stream = inline(connect(answer(404, {"error": {"message": "gone"}})))
    stream.on("error", errors.append)
    connect.server.wait_for_requests(1)
    assert errors == []
    with pytest.raises(NotFoundError) as caught:
        stream.done()
    assert errors == [caught.value]
    with pytest.raises(NotFoundError):
        list(stream)


def test_a_broken_connection_leaves_the_iteration(connect):
    """A body that is cut off is an error in the loop, after all that had come."""

    def script(exchange) -> None:
        exchange.head()
        exchange.body(BODY[: len(BODY) // 2])
        exchange.cut()

    got = []
    with pytest.raises(APIConnectionError):
        for event in inline(connect(script)):
            got.append(event.event)
    assert got[0] == "thread.run.created"


@pytest.mark.parametrize("headers_first", [True, False])
def test_abort_from_another_thread_wakes_the_wait(connect, headers_first):
    """The wait makes the last calls and raises, also before the headers have come."""
    client = connect(silent if headers_first else lambda exchange: exchange.wait_for_close())
    calls = []
    stream = inline(client)
    stream.on("abort", lambda error: calls.append(("abort", threading.get_ident())))
    stream.on("end", lambda: calls.append(("end", threading.get_ident())))

    def abort() -> None:
        connect.server.wait_for_requests(1)
        stream.abort()

    in_thread(abort)
    with pytest.raises(APIUserAbortError):
        stream.done()
    me = threading.get_ident()
    assert calls == [("abort", me), ("end", me)]
    assert connect.server.client_closed.wait(PATIENCE)


@pytest.mark.parametrize("wait", ["done", "for", "with"])
def test_abort_closes_at_once_and_is_delivered_by_the_next_wait(connect, wait):
    """Without a wait the server sees the end of the request, and nobody else does."""
    calls = []
    stream = inline(connect(silent)).on("abort", lambda: calls.append("abort"))
    stream.on("end", lambda: calls.append("end"))
    connect.server.wait_for_requests(1)
    stream.abort()
    assert connect.server.client_closed.wait(PATIENCE)
    assert calls == []
    if wait == "with":
        WAITS[wait](stream)
    else:
        with pytest.raises(APIUserAbortError):
            WAITS[wait](stream)
    assert calls == ["abort", "end"] and stream.aborted


def test_abort_out_of_a_signal_handler(connect):
    """A handler that aborts while its own thread waits ends that wait."""
    stream = inline(connect(silent))
    earlier = signal.signal(signal.SIGUSR1, lambda *_: stream.abort())
    try:
        signalled(stream, signal.SIGUSR1)
        with pytest.raises(APIUserAbortError):
            stream.done()
    finally:
        signal.signal(signal.SIGUSR1, earlier)


def test_abort_is_told_while_another_sits_in_an_iterable():
    """Nobody can wake somebody's iterable; who else waits is not held up by it."""
    inside, gate = threading.Event(), threading.Event()

    def events():
        yield EVENTS[0]
        inside.set()
        gate.wait(PATIENCE)
        yield EVENTS[1]

    stream = AssistantStream.from_events(events(), inline=True)

    def wait() -> None:
        with pytest.raises(APIUserAbortError):
            stream.done()

    first = in_thread(wait)
    assert inside.wait(PATIENCE)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(PATIENCE)
    assert stream.ended
    gate.set()
    first.join(PATIENCE)
    assert not first.is_alive()


# Exceptions


class OwnError(Exception):
    """Somebody's exception."""


class Rerun(BaseException):
    """One that is not to be caught, as Streamlit's and pytest's are."""


@pytest.mark.parametrize("wait", [name for name in WAITS if name != "emitted"])
def test_an_exception_of_a_listener_leaves_the_wait_as_it_is(connect, wait):
    """It ends the stream; `error` gets the `OpenAIError` whose cause it is, before."""
    own, errors = OwnError("own"), []
    stream = inline(connect(sse(BODY)))

    def fail() -> None:
        raise own

    stream.on("textDelta", fail).on("error", errors.append).on("end", lambda: errors.append("end"))
    with pytest.raises(OwnError) as caught:
        WAITS[wait](stream)
    assert caught.value is own
    assert type(errors[0]) is OpenAIError and errors[0].__cause__ is own
    assert errors[1:] == ["end"]
    assert stream.errored and not stream.aborted
    with pytest.raises(OwnError):  # nobody takes it for a success later
        stream.final_run()


def test_an_exception_ends_the_iteration(connect):
    """The event whose calls raised does not come; the iterator is at its end."""
    stream = inline(connect(sse(BODY)))
    stream.on("textDelta", lambda: 1 / 0)
    iterator = iter(stream)
    got = []
    with pytest.raises(ZeroDivisionError):
        for event in iterator:
            got.append(event.event)
    assert got == [event["event"] for event in EVENTS][: len(got)]
    assert got[-1] != "thread.message.delta"
    assert list(iterator) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Rerun, pytest.skip.Exception])
def test_what_is_no_exception_aborts_and_passes(connect, kind):
    """It leaves the wait; the stream is aborted, with it as the reason, and its last calls made."""
    own, calls = kind("own"), []
    stream = inline(connect(sse(BODY)))

    def fail() -> None:
        raise own

    stream.on("textDelta", fail).on("abort", calls.append).on("end", lambda: calls.append("end"))
    with pytest.raises(kind) as caught:
        stream.done()
    assert caught.value is own
    assert calls[0].__cause__ is own and calls[1:] == ["end"]
    with pytest.raises(APIUserAbortError):
        stream.done()


@pytest.mark.parametrize("last", ["error", "end"])
def test_an_exception_of_the_last_calls_leaves_the_wait(connect, last):
    """What a listener of `error` or `end` raises is not lost; what was before is its context."""
    stream = inline(connect(answer(404, {"error": {"message": "gone"}})))

    def fail(*_) -> None:
        raise OwnError("last")

    stream.on(last, fail)
    with pytest.raises(OwnError) as caught:
        stream.done()
    assert isinstance(caught.value.__context__, NotFoundError)
    assert stream.ended


def test_ctrl_c_while_it_reads_aborts_and_passes(connect):
    """The wait ends at once, with the last calls made; the request is closed."""
    calls = []
    stream = inline(connect(silent)).on("end", lambda: calls.append("end"))
    connect.server.wait_for_requests(1)
    signalled(stream, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        stream.done()
    assert calls == ["end"] and stream.aborted
    assert connect.server.client_closed.wait(PATIENCE)


def test_an_exception_out_of_a_signal_handler_leaves_the_wait(connect):
    """A limit that a signal's handler sets by raising is not hidden in an `OpenAIError`."""
    stream = inline(connect(silent))

    def limit(*_) -> None:
        raise OwnError("too long")

    earlier = signal.signal(signal.SIGUSR1, limit)
    try:
        signalled(stream, signal.SIGUSR1)
        with pytest.raises(OwnError):
            stream.done()
    finally:
        signal.signal(signal.SIGUSR1, earlier)


@pytest.mark.parametrize("failing", [False, True])
def test_a_with_left_by_an_exception_aborts(connect, failing):
    """The last calls are made; what a listener of theirs raises does not cover the exception."""
    calls = []
    stream = inline(connect(silent))

    def end() -> None:
        calls.append("end")
        if failing:
            raise OwnError("end")

    stream.on("end", end)
    connect.server.wait_for_requests(1)
    hook, threading.excepthook = threading.excepthook, lambda args: calls.append(args.exc_type)
    try:
        with pytest.raises(Rerun), stream:
            raise Rerun
    finally:
        threading.excepthook = hook
    assert calls == ["end", OwnError][: 1 + failing]
    assert connect.server.client_closed.wait(PATIENCE)


# What nobody waits for


def test_a_stream_that_is_dropped_is_closed(connect):
    """Nobody can wait for it any more, so its connection is not kept."""
    stream = inline(connect(silent)).on("end", lambda: pytest.fail("nobody waits"))
    connect.server.wait_for_requests(1)
    del stream
    assert connect.server.client_closed.wait(PATIENCE)


def test_a_stream_lives_on_in_its_iterator(connect):
    """What an iterator still gives is not cut off when the stream object itself is dropped."""
    assert "".join(inline(connect(sse(BODY))).text_deltas) == "abcde"


def test_its_signal_does_not_keep_it_alive(connect):
    """A signal that outlives the stream does not know who moves it."""
    from emitter_stream import AbortController

    controller = AbortController()
    stream = inline(connect(silent), signal=controller.signal)
    connect.server.wait_for_requests(1)
    del stream
    assert connect.server.client_closed.wait(PATIENCE)
    assert controller.signal._callbacks == []


@pytest.mark.parametrize("ends", ["", "raise SystemExit(3)", "1 / 0"])
def test_at_the_programs_end_what_is_left_is_aborted(serve, ends):
    """A stream that nobody waits for does not hold the process up, whatever the server does."""
    server = serve(silent)
    program = textwrap.dedent(f"""
        from emitter_stream import OpenAI
        runs = OpenAI(base_url={server.url!r}, api_key="sk-test").beta.threads.runs
        stream = runs.stream("thread_1", assistant_id="asst_1", inline=True)
        stream.on("textDelta", print).on("end", lambda: print("end"))
        try:
            stream.done(timeout=0.2)
        except TimeoutError:
            print("late")
        {ends}
    """)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout == "late\n"
    assert done.returncode == {"": 0, "raise SystemExit(3)": 3, "1 / 0": 1}[ends]
    assert server.client_closed.wait(PATIENCE)


def test_a_thread_of_the_programs_own_waits_on_after_the_main_thread(serve):
    """Only what nobody waits for is aborted at the end: a worker's stream goes on."""
    gate = threading.Event()
    server = serve(gated(gate))
    program = textwrap.dedent(f"""
        import threading
        from emitter_stream import OpenAI
        runs = OpenAI(base_url={server.url!r}, api_key="sk-test").beta.threads.runs
        def work():
            stream = runs.stream("thread_1", assistant_id="asst_1", inline=True)
            for text in stream.text_deltas:
                print(text, end="")
        threading.Thread(target=work).start()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    server.wait_for_requests(1)
    gate.set()
    output, _ = process.communicate(timeout=PATIENCE)
    assert (output, process.returncode) == ("abcde", 0)
