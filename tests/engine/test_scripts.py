"""Scripts that wait for nothing run to the end of their streams; Ctrl-C ends them at once."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading

import pytest
from five_deltas import FIVE, HALF, Tap, gated
from launcher import Program
from left_behind import stream_threads
from parity.compare import PATIENCE
from parity.transcripts import DONE, encode, run, started
from scripted_server import answer, hang, sse

# --- rule 3: a script without a wait

HEADER = textwrap.dedent("""
    import sys, threading
    from emitter_stream import OpenAI, AssistantStream
    client = OpenAI(api_key="sk-test", base_url=sys.argv[1], max_retries=0, timeout=120)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    say = lambda *words: print(*words, flush=True)
""")


def script(server, text: str, **options) -> Program:
    """Run a script against a server, in a process of its own."""
    source = HEADER + textwrap.dedent(text)
    return Program(source, server.url, flags=("-X", "dev"), **options)


def test_a_script_without_a_wait_runs_to_the_end_of_its_stream(serve):
    """A script that attaches listeners and ends prints everything, also what comes long after."""
    gate = threading.Event()
    text = """
        stream.on("textDelta", lambda delta: say(delta.value)).on("end", lambda: say("end"))
        say("last line")
    """
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as process:
        lines = [process.stdout.readline().strip()]
        while "last line" not in lines or len(lines) < 3:
            lines.append(process.stdout.readline().strip())
        gate.set()
        code, out, err = process.outcome()
    lines += out.split()
    assert [line for line in lines if line != "last line"] == [*"abcde", "end"]
    assert (code, err) == (0, "")


def test_a_script_whose_last_line_attaches_a_listener(serve):
    """Attached on the very last line, a listener still hears everything, at any Python."""
    text = 'stream.on("textDelta", lambda d: say(d.value)).on("end", lambda: say("end"))'
    with script(serve(sse(encode(FIVE))), text, alone=True) as process:
        code, out, err = process.outcome()
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
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as process:
        assert process.stdout.readline() == "first\n"
        gate.set()
        code, out, err = process.outcome()
    assert (code, out.split(), err) == (0, [*"bcde"], "")


def test_a_script_that_ends_with_an_error_nobody_hears_reports_it(serve):
    """The error of a stream without an error listener is on stderr when the script has ended."""
    text = 'stream.on("textDelta", print)'
    with script(serve(answer(401, {"error": {"message": "who are you"}})), text) as process:
        _, out, err = process.outcome()
    assert out == ""
    assert "AuthenticationError" in err
    assert "who are you" in err
    assert "sk-test" not in err


def test_a_script_whose_listener_raises_ends(serve):
    """A listener that raises is reported, and the script ends though the server goes on."""
    text = 'stream.on("textDelta", lambda: 1 / 0).on("end", lambda: say("end"))'
    with script(serve(hang(encode(FIVE[:HALF]))), text) as process:
        _, out, err = process.outcome()
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

    with script(serve(long), "say('last line')") as process:
        code, out, err = process.outcome()
    assert sent.wait(PATIENCE)
    assert (code, out, err) == (0, "last line\n", "")


def test_a_stream_nobody_listened_to_still_reports_its_error(serve):
    """An error in a stream nobody listened to is reported when the script ends."""
    with script(serve(answer(401, {"error": {"message": "who are you"}})), "") as process:
        _, _, err = process.outcome()
    assert "AuthenticationError" in err
    assert "sk-test" not in err


WORKER = """
    import emitter_stream.engine.program_end
    def work():
        threading.main_thread().join()
        emitter_stream.engine.program_end.coming.wait(120)
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
            stream.done(timeout=120)
    """.strip()
    with script(serve(gated_at), WORKER.format(body=body)) as process:
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
        code, out, err = process.outcome()
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
    with script(serve(sse(encode(FIVE))), text) as process:
        code, out, err = process.outcome()
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
                free.wait(120)
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(120)
        child = multiprocessing.get_context("fork").Process(target=say, args=["child"])
        child.start()
        child.join(120)
        say(child.exitcode)
        child.kill()
        free.set()
        holder.join()
        say("parent", stream.ended)
    """
    with script(serve(gated(FIVE[:HALF], FIVE[HALF:], gate)), text) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        gate.set()
        code, out, err = process.outcome()
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
            wanted.wait(120)
            removing.wait(120)
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
        stream.done(timeout=120)
        say("done")
    """
    gate = threading.Event()
    with script(serve(gated(FIVE[:2], FIVE[2:], gate)), text) as process:
        first = process.stdout.readline()
        gate.set()
        code, out, err = process.outcome()
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


# --- rule 6: Ctrl-C

INTERRUPT = """
    import signal, time
    from emitter_stream import APIUserAbortError
    from sent_signals import sender

    def interrupt():  # once it is answered, as soon as the main thread sits in a wait of the library
        connected.wait()
        main = threading.main_thread().ident
        while True:
            frame, files = sys._current_frames()[main], []
            while frame:
                files.append(frame.f_code.co_filename)
                frame = frame.f_back
            if files[0].endswith("_bell.py"):  # where threads wait
                send()
                return
            time.sleep(0.01)

    connected = threading.Event()
    send = sender(signal.SIGINT)
    stream.on("connect", connected.set)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        {wait}
    except KeyboardInterrupt:
        say("interrupted")
    try:
        stream.done(timeout=120)
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
@pytest.mark.sample(2)
def test_ctrl_c_in_a_waiting_method(serve, wait):
    """Ctrl-C stops a wait at once with KeyboardInterrupt and aborts the stream."""
    server = serve(hang(encode(FIVE[:HALF])))
    with script(server, INTERRUPT.format(wait=wait)) as process:
        code, out, err = process.outcome()
    assert (code, out, err) == (0, "interrupted\naborted True\n", "")
    assert server.client_closed.wait(PATIENCE)


def test_ctrl_c_that_nobody_catches_ends_the_process(serve):
    """An uncaught Ctrl-C ends the process, though the server would go on for ever."""
    server = serve(hang(encode(FIVE[:HALF])))
    with script(server, 'stream.on("connect", lambda: say("up")).done()', alone=True) as process:
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGINT)
        code, _, err = process.outcome()
    assert code != 0
    assert "KeyboardInterrupt" in err
    assert server.client_closed.wait(PATIENCE)
