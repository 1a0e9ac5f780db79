"""How inline streams end: errors, aborts, exceptions of listeners, nobody who waits."""

from __future__ import annotations

import contextlib
import signal
import textwrap
import threading

import pytest
from inline_streams import BODY, EVENTS, WAITS, gated, in_thread, inline, silent
from launcher import Program
from left_behind import wait_until
from scripted_server import PATIENCE, answer, cut_off, sse
from sent_signals import sender

from emitter_stream import (
    APIConnectionError,
    APIUserAbortError,
    AssistantStream,
    NotFoundError,
    OpenAIError,
)


def signalled(stream: AssistantStream, number: int) -> None:
    """Send the main thread a signal once it waits for the stream."""
    send = sender(number)

    def send_in_time() -> None:
        assert wait_until(lambda: stream._waits._at_wheel is not None)
        send()

    in_thread(send_in_time)


@contextlib.contextmanager
def raising(kind):
    """Let the handler of SIGUSR1 raise."""

    def limit(*_) -> None:
        raise kind("too long")

    earlier = signal.signal(signal.SIGUSR1, limit)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, earlier)


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
    got = []
    with pytest.raises(APIConnectionError):
        for event in inline(connect(cut_off(BODY[: len(BODY) // 2]))):
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
    with raising(OwnError):
        signalled(stream, signal.SIGUSR1)
        with pytest.raises(OwnError):
            stream.done()


@pytest.mark.parametrize("kind", [OwnError, KeyboardInterrupt])
def test_an_exception_out_of_a_handler_while_it_closes_leaves_the_wait(kind):
    """What a signal's handler raises while the source is closed is as little hidden."""

    class Closing:
        """An iterable that gets a signal while it is closed."""

        def __init__(self) -> None:
            self.events = iter(EVENTS)

        def __iter__(self) -> Closing:
            return self

        def __next__(self) -> dict:
            return next(self.events)

        def close(self) -> None:
            signal.raise_signal(signal.SIGUSR1)

    calls = []
    stream = AssistantStream.from_events(Closing(), inline=True)
    stream.on("error", calls.append).on("abort", calls.append).on(
        "end", lambda: calls.append("end")
    )

    with raising(kind), pytest.raises(kind, match="too long"):
        stream.done()
    assert len(calls) == 2 and isinstance(calls[0], OpenAIError) and calls[1] == "end"


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
    with Program(program, alone=not ends) as process:
        status, said, _ = process.outcome()
    assert said == "late\n"
    assert status == {"": 0, "raise SystemExit(3)": 3, "1 / 0": 1}[ends]
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
    with Program(program) as process:
        server.wait_for_requests(1)
        gate.set()
        status, output, _ = process.outcome()
    assert (output, status) == ("abcde", 0)
