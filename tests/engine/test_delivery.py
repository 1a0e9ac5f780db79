"""Section 4 of the contract: when events flow, and that none is lost."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import warnings

import pytest
from left_behind import stream_threads, wait_until
from parity.compare import NAMES, PATIENCE, Recorder
from parity.transcripts import (
    DONE,
    answered,
    encode,
    message,
    message_delta,
    run,
    said,
    started,
    step,
    text_delta,
)
from scripted_server import ServerStopped, answer, sse

from emitter_stream import (
    APIError,
    APIUserAbortError,
    AssistantStream,
    LateListenerWarning,
    OpenAIError,
)
from emitter_stream.engine.delivery import Delivery
from emitter_stream.streams.assistants.core import RAW_EVENTS

FIVE = answered("a", "b", "c", "d", "e")
NAMES_UP_TO_C = ["event"] * (len(FIVE) - 6) + ["messageDelta"] * 3


def play(frames) -> AssistantStream:
    """Make a stream of these frames, without a server."""
    events = [{"event": name, "data": data} for name, data in frames if name != "done"]
    return AssistantStream.from_events(events)


def five_names() -> list[str]:
    """Give every call that FIVE makes, in order."""
    recorder = Recorder(play(FIVE))
    recorder.stream.done(timeout=PATIENCE)
    return recorder.names


def gated(first, rest, gate):
    """Make a script that sends the first frames, waits for the gate and sends the rest."""

    def script(exchange):
        exchange.head()
        exchange.body(encode(first))
        exchange.wait(gate)
        exchange.body(encode(rest))
        exchange.finish()

    return script


class Tap:
    """A listener that keeps the deltas it was given and can be waited for."""

    def __init__(self):
        self.got: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, delta):
        with self._changed:
            self.got.append(delta.value)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until that many deltas have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, PATIENCE), self.got


@pytest.fixture
def unheard(monkeypatch) -> list:
    """Collect what reaches threading.excepthook."""
    caught: list = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_value))
    return caught


HALF = len(FIVE) - 6  # the frames up to the third delta


# --- the request


def test_the_request_is_sent_at_once(stream_of):
    """The request goes out without a listener and without waiting."""
    stream = stream_of(sse(encode(FIVE)))
    (request,) = stream_of.server.wait_for_requests(1)
    assert request.method == "POST"
    assert request.target == "/v1/threads/thread_1/runs"
    assert request.json() == {"assistant_id": "asst_1", "stream": True}
    assert request.headers["openai-beta"] == "assistants=v2"
    assert request.headers["authorization"] == "Bearer sk-test"
    stream.done(timeout=PATIENCE)


# --- rule 1: nothing before there is somebody


def test_a_chain_written_in_one_go_misses_nothing(stream_of):
    """Listeners attached in a chain to a stream of a server that answers at once hear all."""
    for _ in range(20):
        recorder = Recorder(stream_of(sse(encode(FIVE))))
        assert recorder.ended.wait(PATIENCE)
        assert sorted(recorder.names) == sorted(five_names())


def test_nothing_is_delivered_before_there_is_a_listener(stream_of):
    """However long nobody listens, the first listener hears everything from connect on."""
    sent = threading.Event()

    def script(exchange):
        sse(encode(FIVE))(exchange)
        sent.set()

    stream = stream_of(script)
    assert sent.wait(PATIENCE)
    assert not wait_until(lambda: stream.ended or stream.current_event() is not None, 0.1)
    recorder = Recorder(stream)
    assert recorder.ended.wait(PATIENCE)
    assert sorted(recorder.names) == sorted(five_names())


def test_delivery_starts_by_itself_after_the_last_on(stream_of):
    """A listener and nobody who waits: the events come all the same."""
    tap = Tap()
    stream_of(sse(encode(FIVE))).on("textDelta", tap)
    tap.wait_for(5)
    assert tap.got == [*"abcde"]


@pytest.mark.parametrize(
    "go",
    [
        lambda stream: stream.start(),
        lambda stream: stream.done(timeout=PATIENCE),
        lambda stream: stream.until_done(timeout=PATIENCE),
        lambda stream: stream.final_run(timeout=PATIENCE),
        lambda stream: stream.final_messages(timeout=PATIENCE),
        lambda stream: stream.final_run_steps(timeout=PATIENCE),
        lambda stream: stream.get_final_run(),
        lambda stream: stream.get_final_messages(),
        lambda stream: stream.get_final_run_steps(),
        lambda stream: stream.emitted("textDelta", timeout=PATIENCE),
        lambda stream: next(iter(stream.events("textDelta"))),
        lambda stream: next(stream.text_deltas),
        list,
    ],
)
def test_each_way_of_saying_go(stream_of, go):
    """start, waiting and iterating let the events flow, to the listeners as well."""
    tap = Tap()
    go(stream_of(sse(encode(FIVE))).on("textDelta", tap))
    tap.wait_for(5)
    assert tap.got == [*"abcde"]


def test_start_returns_the_stream_and_can_be_called_again(stream_of):
    """start gives the stream back; a second one changes nothing."""
    tap = Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", tap)
    assert stream.start() is stream
    assert stream.start().start() is stream
    stream.done(timeout=PATIENCE)
    stream.start()
    assert tap.got == [*"abcde"]


def test_waiting_without_a_listener(stream_of):
    """A stream without a listener can be waited for."""
    stream = stream_of(sse(encode(FIVE)))
    assert stream.final_run(timeout=PATIENCE).status == "completed"
    assert stream.final_messages()[0].content[0].text.value == "abcde"
    assert [one.id for one in stream.final_run_steps()] == ["step_1"]


def flood(sent: list[int], held_back: threading.Event, pieces: int, size: int):
    """Make a script that sends much, and says so when the client has stopped taking it."""

    def script(exchange):
        exchange.head(framing="close")
        exchange.raw(encode([*started(), message(1, "created")]))
        # The bulk is in events that nothing is accumulated from.
        frame = encode([text_delta(1, "x"), run("queued", pad="x" * size)])
        for _ in range(pieces):
            if not select.select([], [exchange.sock], [], 0.3)[1]:
                held_back.set()
            exchange.raw(frame)
            sent[0] += len(frame)
        exchange.raw(encode([message(1, "completed"), run("completed"), DONE]))
        exchange.finish()

    return script


def test_without_a_listener_the_server_is_held_back(stream_of):
    """Until somebody listens, what the server sends waits in the network, not in our memory."""
    sent, held_back = [0], threading.Event()
    stream = stream_of(flood(sent, held_back, 800, 64_000))
    assert held_back.wait(PATIENCE)
    assert sent[0] < 40_000_000
    tap = Tap()
    stream.on("textDelta", tap).done(timeout=PATIENCE * 3)
    assert len(tap.got) == 800


# --- rule 2: a late listener


def test_a_late_listener_hears_what_it_missed_before_anything_newer(stream_of):
    """Attached after delivery began, before anyone said go, it is given the past first, in order."""
    gate = threading.Event()
    stream = stream_of(gated(FIVE[:HALF], FIVE[HALF:], gate))
    early, late = Tap(), Tap()
    stream.on("textDelta", early)
    early.wait_for(3)
    seen = len(early.got)
    stream.on("textDelta", late)
    late.wait_for(seen)
    assert late.got == early.got == [*"abcde"][:seen]
    gate.set()
    early.wait_for(5)
    late.wait_for(5)
    assert late.got == early.got == [*"abcde"]


def test_a_chain_with_pauses_loses_nothing(stream_of):
    """However long the pauses between the ons of a chain are, each listener hears everything."""
    stream = stream_of(sse(encode(FIVE), 50))
    heard: dict[str, list[str]] = {}
    for name in NAMES:
        calls = heard[name] = []
        ended = threading.Event()
        stream.on(name, functools.partial(calls.append, name))
        stream.on("end", ended.set)
        assert ended.wait(PATIENCE)  # every pause is long enough for the whole stream to go by
    stream.done(timeout=PATIENCE)
    counts = {name: len(calls) for name, calls in heard.items()}
    assert counts == {name: five_names().count(name) for name in NAMES}


def test_a_listener_attached_after_the_end_hears_everything(stream_of):
    """Also when the stream has ended meanwhile, the late listener is given all, end included."""
    first = Recorder(stream_of(sse(encode(FIVE))))
    assert first.ended.wait(PATIENCE)
    second = Recorder(first.stream)
    assert second.ended.wait(PATIENCE)
    assert [name for name in NAMES if name in second.names] == [
        name for name in NAMES if name in five_names()
    ]
    # The objects are live, so that only the number of calls is still the same.
    assert {name: len(second.of(name)) for name in NAMES} == {
        name: len(first.of(name)) for name in NAMES
    }


def test_each_late_listener_is_given_its_past_in_order_of_attaching(stream_of):
    """Two late listeners each get their own past; the first one's is not given again."""
    early, second, third = Tap(), Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    stream.on("textDelta", second).on("textDelta", third)
    second.wait_for(5)
    third.wait_for(5)
    stream.done(timeout=PATIENCE)
    assert early.got == second.got == third.got == [*"abcde"]


def test_a_late_once_is_called_once(stream_of):
    """A late once listener gets the first event that it missed, and nothing else."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    stream.once("textDelta", late)
    late.wait_for(1)
    stream.done(timeout=PATIENCE)
    assert late.got == ["a"]


@pytest.mark.parametrize("name", ["event", "messageDelta"])
def test_a_late_listener_is_given_only_what_took_place(name):
    """When a listener has raised, nothing behind it is made up for those who come later."""
    calls = []

    def broken():
        calls.append(name)
        if len(calls) == NAMES_UP_TO_C.count(name):
            raise ValueError("broken")

    def heard(stream, late: bool):
        traces = {each: [] for each in (*NAMES, *RAW_EVENTS)}
        errors = threading.Event()
        calls.clear()

        def attach():
            for each, trace in traces.items():
                if each not in ("error", "end"):
                    stream.on(each, lambda *args, trace=trace: trace.append(args[:1]))

        with stream._delivery.still():
            stream.on(name, broken)
            if not late:
                attach()
            stream.on("error", lambda: None).on("end", errors.set)
        assert errors.wait(PATIENCE)
        if late:
            attach()
        stream.start()
        with pytest.raises(OpenAIError):
            stream.done(timeout=PATIENCE)
        # Of deltas and events; the snapshots are live, so these have grown meanwhile.
        return {
            each: [args[0] for args in trace]
            for each, trace in traces.items()
            if each == "event" or "." in each or each.endswith("Delta")
        }

    early, late = (heard(play(FIVE), late) for late in (False, True))
    # The broken one stood first: who came behind it early did not get the last call of that name.
    own = {name: early[name]}
    assert {**late, name: late[name][:-1]} == {**early, **own}


def test_a_late_error_listener_hears_the_error(stream_of, unheard):
    """An error that went by is given to the error listener that comes late."""
    ended = threading.Event()
    stream = stream_of(sse(b"event: error\ndata: {}\n\n")).on("end", ended.set)
    assert ended.wait(PATIENCE)
    heard: list = []
    late = threading.Event()
    stream.on("error", heard.append).on("error", late.set)
    assert late.wait(PATIENCE)
    assert isinstance(heard[0], APIError)
    assert len(unheard) == 1


def test_a_late_listener_that_raises_does_not_disturb_the_others(stream_of, unheard):
    """A late listener that raises is not called on; the calls of the others are whole."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", early)
    early.wait_for(5)
    calls: list = []

    def broken(delta):
        calls.append(delta.value)
        raise KeyError

    stream.on("textDelta", broken).on("textDelta", late)
    late_or_error = wait_until(lambda: late.got == [*"abcde"] or stream.errored, PATIENCE)
    assert late_or_error
    assert calls == ["a"]


def test_late_iterators_and_emitted_count_as_listeners(stream_of):
    """Iterating, events, text_deltas and emitted, begun late, are given the past too."""
    ways = [
        (lambda stream: [event.event for event in stream], [name for name, _ in FIVE[:-1]]),
        (lambda stream: list(stream.text_deltas), [*"abcde"]),
        (lambda stream: [args[0].value for args in stream.events("textDelta")], [*"abcde"]),
        (lambda stream: stream.emitted("textCreated", timeout=PATIENCE).value, "abcde"),
        (lambda stream: stream.emitted("connect", timeout=PATIENCE), None),
    ]
    for way, expected in ways:
        ended = threading.Event()
        stream = stream_of(sse(encode(FIVE))).on("end", ended.set)
        assert ended.wait(PATIENCE)
        assert way(stream) == expected


def many(count: int):
    """Make a run with that many text deltas."""
    return [*started(), *said(1, [f"{number}," for number in range(count)]), run("completed"), DONE]


def test_a_listener_too_late_for_all_is_warned(stream_of):
    """Past 1,024 deliveries the first ones are given, and a warning names the event and the rest."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(many(3_000)))).on("textDelta", early)
    early.wait_for(3_000)
    assert wait_until(lambda: not stream_threads())

    def listen():
        stream.on("textDelta", late)
        stream.done(timeout=PATIENCE)

    with pytest.warns(LateListenerWarning) as caught:
        listen()
    (warning,) = caught
    missed = 3_000 - len(late.got)
    assert 0 < len(late.got) <= 1_024
    assert late.got == early.got[: len(late.got)]
    assert "textDelta" in str(warning.message)
    assert str(missed) in str(warning.message).replace(",", "")


def test_a_late_listener_that_missed_nothing_is_not_warned(stream_of):
    """No warning for events that are all still kept, or that never came."""
    early, created = Tap(), threading.Event()
    stream = stream_of(sse(encode(many(3_000)))).on("textDelta", early)
    early.wait_for(3_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.on("textCreated", created.set).on("imageFileDone", print).on("connect", print)
        assert created.wait(PATIENCE)
        stream.done(timeout=PATIENCE)


def test_up_to_the_limit_nothing_is_lost(stream_of):
    """A stream of fewer than 1,024 deliveries is given whole to a late listener."""
    early, late = Tap(), Tap()
    stream = stream_of(sse(encode(many(200)))).on("textDelta", early)
    early.wait_for(200)
    stream.on("textDelta", late)
    late.wait_for(200)
    stream.done(timeout=PATIENCE)
    assert late.got == early.got


@pytest.mark.parametrize("go", ["done", "start", "iterate"])
def test_after_the_go_the_rule_is_nodes(stream_of, go):
    """Once somebody waited, iterated or started, a listener hears only what comes after it."""
    gate = threading.Event()
    stream = stream_of(gated(FIVE[:HALF], FIVE[HALF:], gate))
    early, late = Tap(), Tap()
    stream.on("textDelta", early)
    waiter = threading.Thread(target=stream.done)
    if go == "start":
        stream.start()
    elif go == "done":
        waiter.start()
    else:
        iterator = iter(stream.events("textDelta"))
        next(iterator)
    early.wait_for(3)
    if go == "done":
        # The waiter has told the stream once a wait of our own has come back.
        with pytest.raises(TimeoutError):
            stream.done(timeout=0.01)
    seen = len(early.got)
    stream.on("textDelta", late)
    gate.set()
    early.wait_for(5)
    stream.done(timeout=PATIENCE)
    if go == "done":
        waiter.join(PATIENCE)
    assert early.got == [*"abcde"]
    assert late.got == [*"abcde"][seen:]


def test_after_the_go_and_the_end_a_listener_hears_nothing(stream_of):
    """A listener attached after somebody waited for the end is not called, and not warned."""
    stream = stream_of(sse(encode(FIVE)))
    stream.done(timeout=PATIENCE)
    late = Recorder(stream)
    assert wait_until(lambda: not stream_threads())
    stream.done(timeout=PATIENCE)
    assert late.trace == []


# --- rule 3: a script without a wait

HEADER = textwrap.dedent("""
    import sys, threading
    from emitter_stream import OpenAI, AssistantStream
    client = OpenAI(api_key="sk-test", base_url=sys.argv[1], max_retries=0, timeout=20)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    say = lambda *words: print(*words, flush=True)
""")


@contextlib.contextmanager
def script(server, text: str, **options):
    """Run a script against a server, in a process of its own."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-c", f"{HEADER}{textwrap.dedent(text)}", server.url],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            **options,
        )
        killer = threading.Timer(PATIENCE * 2, process.kill)
        killer.start()
        try:
            with process.stdout:
                yield process, errors
        finally:
            killer.cancel()
            killer.join()
            process.kill()
            process.wait()


def outcome(process, errors) -> tuple[int, str, str]:
    """Wait for a script's end; give its exit code and what it still wrote."""
    out = process.stdout.read()
    code = process.wait()
    errors.seek(0)
    return code, out, errors.read()


def test_a_script_without_a_wait_runs_to_the_end_of_its_stream(serve):
    """A script that attaches listeners and ends prints everything, also what comes long after."""
    gate = threading.Event()
    text = """
        stream.on("textDelta", lambda delta: say(delta.value)).on("end", lambda: say("end"))
        say("last line")
    """
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as (process, errors):
        lines = [process.stdout.readline().strip()]
        while "last line" not in lines or len(lines) < 3:
            lines.append(process.stdout.readline().strip())
        gate.set()
        code, out, err = outcome(process, errors)
    lines += out.split()
    assert [line for line in lines if line != "last line"] == [*"abcde", "end"]
    assert (code, err) == (0, "")


def test_a_script_whose_last_line_attaches_a_listener(serve):
    """Attached on the very last line, a listener still hears everything, at any Python."""
    text = 'stream.on("textDelta", lambda d: say(d.value)).on("end", lambda: say("end"))'
    with script(serve(sse(encode(FIVE))), text) as (process, errors):
        code, out, err = outcome(process, errors)
    assert (code, out.split(), err) == (0, [*"abcde", "end"], "")


def test_a_listener_attached_while_the_script_ends(serve):
    """A listener that attaches another while the interpreter waits for the stream is served."""
    gate = threading.Event()
    text = """
        def first():
            say("first")
            stream.on("textDelta", lambda d: say(d.value))
        stream.once("textDelta", first)
    """
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as (process, errors):
        assert process.stdout.readline() == "first\n"
        gate.set()
        code, out, err = outcome(process, errors)
    assert (code, out.split(), err) == (0, [*"bcde"], "")


def test_a_script_that_ends_with_an_error_nobody_hears_reports_it(serve):
    """The error of a stream without an error listener is on stderr when the script has ended."""
    text = 'stream.on("textDelta", print)'
    with script(serve(answer(401, {"error": {"message": "who are you"}})), text) as (
        process,
        errors,
    ):
        _, out, err = outcome(process, errors)
    assert out == ""
    assert "AuthenticationError" in err
    assert "who are you" in err
    assert "sk-test" not in err


def test_a_script_whose_listener_raises_ends(serve):
    """A listener that raises is reported, and the script ends though the server goes on."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    text = 'stream.on("textDelta", lambda: 1 / 0).on("end", lambda: say("end"))'
    with script(serve(endless), text) as (process, errors):
        _, out, err = outcome(process, errors)
    assert out == "end\n"
    assert "ZeroDivisionError" in err


def test_a_stream_nobody_listened_to_does_not_hold_the_script_up(serve):
    """It is read to its end, however long it is, and the script ends."""
    sent = threading.Event()

    def long(exchange):
        exchange.head(framing="close")
        exchange.raw(encode(started()))
        for _ in range(150):
            exchange.raw(encode([("thread.run.queued", run("queued", pad="x" * 100_000)[1])]))
        exchange.raw(encode([run("completed"), DONE]))
        exchange.finish()
        sent.set()

    with script(serve(long), "say('last line')") as (process, errors):
        code, out, err = outcome(process, errors)
    assert sent.wait(PATIENCE)
    assert (code, out, err) == (0, "last line\n", "")


def test_a_stream_nobody_listened_to_still_reports_its_error(serve):
    """An error in a stream nobody listened to is reported when the script ends."""
    with script(serve(answer(401, {"error": {"message": "who are you"}})), "") as (process, errors):
        _, _, err = outcome(process, errors)
    assert "AuthenticationError" in err
    assert "sk-test" not in err


WORKER = """
    import emitter_stream.engine.program_end
    def work():
        threading.main_thread().join()
        emitter_stream.engine.program_end.coming.wait(20)
        try:
            {body}
        except BaseException as error:
            say(repr(error))
    threading.Thread(target=work).start()
"""


STARTS_NO_THREADS = (3, 12) <= sys.version_info < (3, 12, 3)  # once the main thread has ended


@pytest.mark.parametrize("at", ["the end", "the middle", "the beginning"])
def test_a_listener_that_a_worker_attaches_after_the_main_thread_has_ended(serve, at):
    """It hears everything, though the stream may have run to its end by then."""
    if STARTS_NO_THREADS:  # the main thread waits itself, and the worker sees its end too late
        pytest.skip("no thread can be started to wait for it")
    sent, gate = threading.Event(), threading.Event()

    def gated_at(exchange):
        frames = [*FIVE[:-2], *[run("in_progress")] * 300, *FIVE[-2:]]
        count = {"the end": len(frames), "the middle": HALF, "the beginning": 0}[at]
        exchange.head()
        exchange.body(encode(frames[:count]))
        sent.set()
        exchange.wait(gate)
        exchange.body(encode(frames[count:]))
        exchange.finish()

    body = """
            say("main has ended")
            ended = sys.stdin.readline() == "the end\\n"
            while ended and not stream.ended:
                threading.Event().wait(0.002)
            tell = lambda word: (sys.stdout.write(f"{word}\\n"), sys.stdout.flush())  # in one piece
            stream.on("textDelta", lambda d: tell(d.value)).on("end", lambda: tell("end"))
            tell("attached")
            stream.done(timeout=20)
    """.strip()
    with script(serve(gated_at), WORKER.format(body=body), stdin=subprocess.PIPE) as (
        process,
        errors,
    ):
        assert process.stdout.readline() == "main has ended\n"
        assert sent.wait(PATIENCE)
        if at == "the end":
            gate.set()
        with process.stdin:
            process.stdin.write(f"{at}\n")
        lines = [process.stdout.readline().strip()]
        while "attached" not in lines and lines[-1]:
            lines.append(process.stdout.readline().strip())
        gate.set()
        code, out, err = outcome(process, errors)
    lines += out.split()
    assert [line for line in lines if line != "attached"] == [*"abcde", "end"]
    assert (code, err) == (0, "")


def test_a_half_read_stream_that_a_worker_made_after_the_main_thread_has_ended(serve):
    """An iterator that is begun and kept does not keep the process, whoever made it, and when."""
    body = """
            def events():
                data = {"id": "run_1", "status": "in_progress"}
                for _ in range(1_000):
                    yield {"event": "thread.run.in_progress", "data": data}
                yield {"event": "thread.run.completed", "data": {**data, "status": "completed"}}
            global kept
            own = AssistantStream.from_events(events())
            kept = own, iter(own), own.text_deltas, own.events("run")
            say(next(kept[1]).event)
    """.strip()
    text = WORKER.format(body=body)
    with script(serve(sse(encode(FIVE))), text) as (process, errors):
        code, out, err = outcome(process, errors)
    if STARTS_NO_THREADS:
        assert "No thread can be started" in out
    else:
        assert out == "thread.run.in_progress\n"
    assert (code, err) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_ends_while_a_stream_runs_in_the_parent(serve):
    """A multiprocessing child does not wait for the parent's stream, nor for a lock that was held."""
    gate = threading.Event()
    text = """
        import multiprocessing, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        stream.on("event", lambda: None).start()
        held, free = threading.Event(), threading.Event()
        def hold():
            with stream._delivery.still():
                held.set()
                free.wait(20)
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(20)
        child = multiprocessing.get_context("fork").Process(target=say, args=["child"])
        child.start()
        child.join(20)
        say(child.exitcode)
        child.kill()
        free.set()
        holder.join()
        say("parent", stream.ended)
    """
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as (process, errors):
        lines = [process.stdout.readline() for _ in range(3)]
        gate.set()
        code, out, err = outcome(process, errors)
    assert lines == ["child\n", "0\n", "parent False\n"]
    assert (code, out, err) == (0, "", "")


def test_an_iterator_that_is_collected_while_a_listener_is_taken_away(serve):
    """Its detaching, under the registry's lock, does not lock up with another thread's `on`."""
    text = """
        import gc, pyee
        gc.disable()
        registry = pyee.EventEmitter.remove_listener
        attach = stream._emitter.attach
        removing, attaching, wanted = threading.Event(), threading.Event(), threading.Event()
        def remove_listener(self, *args):
            registry(self, *args)
            if wanted.is_set() and not removing.is_set():  # of the second `once`
                removing.set()
                attaching.wait(0.5)  # it can come only if the other thread needs another lock
                gc.collect()
        def attach_other(registration):
            attaching.set()
            attach(registration)
        def other():
            wanted.wait(20)
            removing.wait(20)
            stream._emitter.attach = attach_other
            stream.on("messageDone", lambda: say("messageDone"))
        def first():
            cycle = [stream.events("run")]
            cycle.append(cycle)
            wanted.set()
        pyee.EventEmitter.remove_listener = remove_listener
        thread = threading.Thread(target=other)
        thread.start()
        stream.once("event", first).once("event", lambda: None)
        stream.start()
        thread.join()
        say("attached")
        stream.done(timeout=20)
        say("done")
    """
    gate = threading.Event()
    with script(serve(gated(FIVE[:2], FIVE[2:], gate)), text) as (process, errors):
        first = process.stdout.readline()
        gate.set()
        code, out, err = outcome(process, errors)
    assert (code, first, out.split(), err) == (0, "attached\n", ["messageDone", "done"], "")


def test_the_streams_thread_is_no_daemon(stream_of):
    """The thread holds the process up because it is no daemon."""
    gate = threading.Event()
    tap = Tap()
    stream = stream_of(gated(FIVE[:HALF], FIVE[HALF:], gate)).on("textDelta", tap)
    tap.wait_for(1)
    assert [thread.daemon for thread in stream_threads()] == [False]
    gate.set()
    stream.done(timeout=PATIENCE)


# --- rule 4: with


def test_with_waits_for_the_end(stream_of):
    """A normal exit of with waits until the stream has ended."""
    tap = Tap()
    with stream_of(sse(encode(FIVE), 10)) as stream:
        assert stream.on("textDelta", tap) is stream
    assert stream.ended
    assert tap.got == [*"abcde"]


def test_with_raises_the_streams_error(stream_of):
    """A normal exit of with raises the error of the stream."""
    stream = stream_of(sse(b'event: error\ndata: {"message":"no luck"}\n\n'))
    with pytest.raises(APIError, match="no luck"), stream as entered:
        assert entered is stream
    assert stream.errored


def test_with_does_not_raise_an_abort_that_happened_inside(stream_of):
    """An abort inside of with is the user's own doing, and not raised at its end."""
    with stream_of(gated(FIVE[:HALF], [], threading.Event())) as stream:
        stream.abort()
    assert (stream.ended, stream.aborted) == (True, True)
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)


def test_with_left_by_an_exception_aborts(stream_of):
    """Left by an exception, with aborts the request and lets the exception through."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    recorder = None
    with pytest.raises(KeyError, match="mine"), stream_of(endless) as stream:
        recorder = Recorder(stream)
        stream_of.server.wait_for_requests(1)
        raise KeyError("mine")
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert recorder.ended.wait(PATIENCE)
    assert (stream.ended, stream.aborted) == (True, True)
    assert recorder.names[-2:] == ["abort", "end"]


def test_with_left_by_an_exception_after_the_end(stream_of):
    """Left by an exception after the stream's end, with changes nothing about the stream."""
    with pytest.raises(KeyError), stream_of(sse(encode(FIVE))) as stream:
        stream.done(timeout=PATIENCE)
        raise KeyError
    assert not stream.aborted


# --- rule 5: iterators


def test_leaving_a_for_over_the_stream_aborts(stream_of):
    """break in `for event in stream` aborts the request."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    stream = stream_of(endless)
    recorder = Recorder(stream, ("error", "abort", "end"))
    for event in stream:
        assert event.event == "thread.run.created"
        break
    assert stream_of.server.client_closed.wait(PATIENCE)
    assert recorder.ended.wait(PATIENCE)
    assert recorder.names == ["abort", "end"]
    assert stream.aborted


def test_leaving_a_for_by_an_exception_aborts(stream_of):
    """An exception in the body of `for event in stream` aborts the request too."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    def loop(stream):
        for _ in stream:
            raise KeyError

    stream = stream_of(endless)
    try:
        loop(stream)
    except KeyError as error:
        error.__traceback__ = None
    gc.collect()
    assert stream_of.server.client_closed.wait(PATIENCE)
    with pytest.raises(APIUserAbortError):
        stream.done()
    assert stream.aborted


@pytest.mark.parametrize("kind", ["events", "text_deltas"])
def test_leaving_events_or_text_deltas_only_detaches(stream_of, kind):
    """break in a loop over events or text_deltas leaves the stream running."""
    tap = Tap()
    stream = stream_of(sse(encode(FIVE))).on("textDelta", tap)
    iterator = stream.events("textDelta") if kind == "events" else stream.text_deltas
    for _ in iterator:
        break
    del iterator
    stream.done(timeout=PATIENCE)
    assert tap.got == [*"abcde"]
    assert not stream.aborted


@pytest.mark.parametrize("kind", ["for", "events"])
def test_a_slow_consumer_holds_the_server_back_and_loses_nothing(stream_of, kind):
    """A consumer that does not take what comes holds the server back; then it gets everything."""
    sent, held_back = [0], threading.Event()
    stream = stream_of(flood(sent, held_back, 1_000, 64_000))
    iterator = {
        "for": lambda: (e.data.delta for e in stream if e.event == "thread.message.delta"),
        "events": lambda: (args[0] for args in stream.events("textDelta")),
    }[kind]()
    next(iterator)
    assert held_back.wait(PATIENCE)
    assert sum(1 for _ in iterator) == 999
    stream.done(timeout=PATIENCE)


LONG = many(20_000)
LONG_BODY = encode(LONG)


def test_a_consumer_that_waits_itself_does_not_deadlock(stream_of):
    """done in the middle of an iteration lifts the bound; the iterator still gives everything."""
    stream = stream_of(sse(LONG_BODY))
    iterator = stream.text_deltas
    first = next(iterator)
    stream.done(timeout=PATIENCE)
    assert [first, *iterator] == [f"{number}," for number in range(20_000)]


@pytest.mark.parametrize("kind", ["for", "events"])
def test_threads_that_share_an_iterator(kind, monkeypatch):
    """Each event goes to exactly one of them, and the end comes to all."""
    wait_until = Delivery.wait_until

    def wait_and_let_others_run(*args):
        seen = wait_until(*args)
        threading.Event().wait(0.0005)  # between being woken and taking, where others may take
        return seen

    monkeypatch.setattr(Delivery, "wait_until", wait_and_let_others_run)
    pieces = [f"{number} " for number in range(300)]
    taken = threading.Semaphore(0)

    def events():
        for name, data in answered(*pieces)[:-1]:
            yield {"event": name, "data": data}
            if "delta" in name:  # the next comes when somebody has this one, and all wait again
                assert taken.acquire(timeout=PATIENCE)

    stream = AssistantStream.from_events(events())
    iterator = iter(stream) if kind == "for" else stream.events("messageDelta")
    got: list = []
    ended: list = []

    def consume():
        for item in iterator:
            if kind == "events":
                got.append(item[0].content[0].text.value)
            elif item.event == "thread.message.delta":
                got.append(item.data.delta.content[0].text.value)
            else:
                continue
            taken.release()
        ended.append(True)

    threads = [threading.Thread(target=consume, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert got == pieces
    assert ended == [True] * 4
    stream.done(timeout=PATIENCE)


def test_another_thread_that_waits_lifts_the_bound(stream_of):
    """final_run in another thread comes back though the consumer takes nothing meanwhile."""
    stream = stream_of(sse(LONG_BODY))
    iterator = stream.text_deltas
    first = next(iterator)
    runs: list = []
    waiter = threading.Thread(target=lambda: runs.append(stream.final_run(timeout=PATIENCE)))
    waiter.start()
    waiter.join(PATIENCE)
    assert [one.status for one in runs] == ["completed"]
    assert [first, *iterator] == [f"{number}," for number in range(20_000)]


def test_two_iterators_one_after_the_other_do_not_deadlock(stream_of):
    """One iterator can be read to its end while another one of the same stream lies still."""
    stream = stream_of(sse(LONG_BODY))
    one, two = stream.text_deltas, stream.events("messageDelta")
    next(one)
    next(two)
    assert sum(1 for _ in two) == 19_999
    assert sum(1 for _ in one) == 19_999
    stream.done(timeout=PATIENCE)


def test_emitted_in_the_middle_of_an_iteration_does_not_deadlock(stream_of):
    """emitted of something far ahead lifts the bound too."""
    stream = stream_of(sse(LONG_BODY))
    count = 0
    for _ in stream.text_deltas:
        count += 1
        if count == 3:
            assert stream.emitted("run", timeout=PATIENCE).status == "completed"
    assert count == 20_000


def test_with_in_the_middle_of_an_iteration_does_not_deadlock(stream_of):
    """The end of with waits, so it lifts the bound as well."""
    with stream_of(sse(LONG_BODY)) as stream:
        iterator = stream.text_deltas
        next(iterator)
    assert sum(1 for _ in iterator) == 19_999


def test_an_iterator_attaches_when_it_is_made(stream_of):
    """An iterator made before, and read after the end, gives everything."""
    stream = stream_of(sse(encode(FIVE)))
    whole, deltas, events = iter(stream), stream.text_deltas, stream.events("textDone")
    stream.done(timeout=PATIENCE)
    assert len(list(whole)) == len(FIVE) - 1
    assert list(deltas) == [*"abcde"]
    assert len(list(events)) == 1


def test_an_iterator_that_is_dropped_unread_does_not_hold_the_stream_up(stream_of):
    """events made and thrown away, never read, leave the stream free to run."""
    stream = stream_of(sse(LONG_BODY))
    ended = threading.Event()
    stream.on("end", ended.set)
    for _ in range(3):
        stream.events("textDelta")
        stream.text_deltas  # noqa: B018
    gc.collect()
    assert ended.wait(PATIENCE)


# --- rule 6: Ctrl-C

INTERRUPT = """
    import os, signal, time
    from emitter_stream import APIUserAbortError

    def interrupt():  # as soon as the main thread sits in a wait of the library
        main = threading.main_thread().ident
        while True:
            frame, files = sys._current_frames()[main], []
            while frame:
                files.append(frame.f_code.co_filename)
                frame = frame.f_back
            if files[0].endswith("_bell.py"):  # where threads wait
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        {wait}
    except KeyboardInterrupt:
        say("interrupted")
    try:
        stream.done(timeout=10)
    except APIUserAbortError:
        say("aborted", stream.aborted)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    "wait",
    [
        "stream.done()",
        "stream.done(timeout=100)",
        "stream.final_run()",
        'stream.emitted("run")',
        "list(stream)",
        "list(stream.text_deltas)",
        "with stream: pass",
    ],
)
def test_ctrl_c_in_a_waiting_method(serve, wait):
    """Ctrl-C stops a wait at once with KeyboardInterrupt and aborts the stream."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    server = serve(endless)
    with script(server, INTERRUPT.format(wait=wait)) as (process, errors):
        code, out, err = outcome(process, errors)
    assert (code, out, err) == (0, "interrupted\naborted True\n", "")
    assert server.client_closed.wait(PATIENCE)


def test_ctrl_c_that_nobody_catches_ends_the_process(serve):
    """An uncaught Ctrl-C ends the process, though the server would go on for ever."""

    def endless(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait_for_close()

    server = serve(endless)
    with script(server, 'stream.on("connect", lambda: say("up")).done()') as (process, errors):
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGINT)
        code, _, err = outcome(process, errors)
    assert code != 0
    assert "KeyboardInterrupt" in err
    assert server.client_closed.wait(PATIENCE)


# --- under load


@pytest.mark.parametrize("waiting", [True, False])
def test_300_streams_started_in_a_loop_lose_no_call(connect, waiting):
    """300 streams at once, six listeners each, from a server that answers at once: no call lost."""
    client = connect(sse(encode(FIVE)))
    names = ("connect", "event", "textCreated", "textDelta", "textDone", "end")
    expected = {name: five_names().count(name) for name in names}
    recorders = []
    for _ in range(300):
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        recorders.append(Recorder(stream, names))
    for recorder in recorders:
        if waiting:
            recorder.stream.done(timeout=PATIENCE * 3)
        assert recorder.ended.wait(PATIENCE * 3)
    for recorder in recorders:
        assert {name: recorder.names.count(name) for name in names} == expected
        assert recorder.names[0] == "connect"
        assert recorder.names[-1] == "end"


def test_listeners_attached_from_many_threads_lose_no_call(stream_of):
    """Eight threads attach listeners while the events flow; each hears every event, in order."""
    stream = stream_of(sse(encode(many(300)), 200))
    taps = [Tap() for _ in range(40)]

    def attach(mine):
        for tap in mine:
            stream.on("textDelta", tap)

    threads = [threading.Thread(target=attach, args=(taps[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for tap in taps:
        tap.wait_for(300)
    stream.done(timeout=PATIENCE)
    assert all(tap.got == [f"{number}," for number in range(300)] for tap in taps)


def test_two_messages_image_and_text_in_order(stream_of):
    """Events of several messages come in the order in which Node gives them."""
    image = {"type": "image_file", "image_file": {"file_id": "file_1"}}
    frames = [
        *(*started(), step(1, "created"), message(1, "created")),
        message_delta(1, {"index": 0, **image}),
        text_delta(1, "hi", index=1, first=True),
        message(1, "completed", [image, {"type": "text", "text": {"value": "hi"}}]),
        *(step(1, "completed"), run("completed"), DONE),
    ]
    recorder = Recorder(stream_of(sse(encode(frames))), tuple(n for n in NAMES if n != "event"))
    recorder.stream.done(timeout=PATIENCE)
    assert recorder.names == [
        *("connect", "runStepCreated", "messageCreated", "messageDelta", "textCreated"),
        *("messageDelta", "textDelta", "imageFileDone", "textDone", "messageDone"),
        *("runStepDone", "run", "end"),
    ]


def test_an_error_of_a_script_is_no_error_of_the_stream(stream_of):
    """A server that stops in the middle is an error of the stream, whoever listens."""

    def stops(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        raise ServerStopped

    with pytest.raises(OpenAIError):
        stream_of(stops).done(timeout=PATIENCE)
