"""run_tools: aborts while functions run, and scripts that wait for nothing."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
import threading

import pytest
from launcher import Program
from parity.compare import PATIENCE, Recorder
from parity.transcripts import encode, run
from rounds import ANSWERED, Broken, asking, echo, outputs
from scripted_server import sse

from emitter_stream import AbortController, APIUserAbortError, OpenAIError

# --- aborts


class Stuck:
    """A function that begins, says so, and ends when the test lets it."""

    def __init__(self):
        self.begun = threading.Semaphore(0)  # released by each call
        self.gate = threading.Event()
        self.threads: list[threading.Thread] = []

    def work(self, number: int = 0) -> str:
        self.threads.append(threading.current_thread())
        self.begun.release()
        assert self.gate.wait(PATIENCE)
        return "too late"


@pytest.fixture
def stuck():
    """Give a function that hangs, and let it go at the end."""
    stuck = Stuck()
    yield stuck
    stuck.gate.set()
    for thread in stuck.threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("how", ["abort", "signal", "with"])
def test_an_abort_while_a_function_runs(loop, stuck, how, parallel):
    """The stream ends at once, while the function still runs; nothing is submitted, ever."""
    controller = AbortController()
    calls = [(f"c{number}", "work", json.dumps({"number": number})) for number in range(2)]
    stream = loop(
        [stuck.work], asking(*calls), ANSWERED, signal=controller.signal, parallel=parallel
    )
    recorder = Recorder(stream)
    running = 2 if parallel else 1
    for _ in range(running):
        assert stuck.begun.acquire(timeout=PATIENCE)
    if how == "abort":
        stream.abort()
    elif how == "signal":
        controller.abort()
    else:
        with pytest.raises(KeyError), stream:
            raise KeyError
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert recorder.names[-2:] == ["abort", "end"]
    assert all(thread.is_alive() and thread.daemon for thread in stuck.threads)
    stuck.gate.set()
    for thread in stuck.threads:
        thread.join(PATIENCE)
    assert len(loop.server.requests) == 1
    assert len(stuck.threads) == running


def test_an_abort_in_functionToolCall(loop, stuck):
    """A listener that aborts at functionToolCall keeps the function from being called."""
    stream = loop([stuck.work], asking(("a", "work", "{}"), ("b", "work", "{}")), ANSWERED)
    calls: list = []
    stream.on("functionToolCall", lambda call: (calls.append(call.id), stream.abort()))
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert calls == ["a"]
    assert stuck.threads == []


def test_an_abort_in_functionToolCallResult(loop):
    """A listener that aborts at the last functionToolCallResult keeps it from being submitted."""
    stream = loop([echo], asking(("a", "echo", "{}")), ANSWERED)
    stream.on("functionToolCallResult", lambda output: stream.abort())
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert len(loop.server.requests) == 1


def test_an_abort_by_the_function_itself(loop):
    """A function may abort its own stream."""
    holder: list = []
    ready = threading.Event()

    def stop() -> str:
        assert ready.wait(PATIENCE)
        holder[0].abort()
        return "stopped"

    holder.append(loop([stop], asking(("a", "stop", "{}")), ANSWERED))
    ready.set()
    with pytest.raises(APIUserAbortError):
        holder[0].done(timeout=PATIENCE)
    assert len(loop.server.requests) == 1


@pytest.mark.parametrize("at", ["headers", "body"])
def test_an_abort_in_a_later_round(loop, at):
    """An abort while a later round is awaited or read closes its connection."""
    arrived = threading.Event()

    def hangs(exchange):
        if at == "body":
            exchange.head()
            exchange.body(encode([run("queued")]))
        arrived.set()
        exchange.wait_for_close()

    stream = loop([echo], asking(("a", "echo", "{}")), hangs).start()
    assert arrived.wait(PATIENCE)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        stream.done(timeout=PATIENCE)
    assert loop.server.client_closed.wait(PATIENCE)


def test_a_listener_that_raises_at_a_call(loop, stuck):
    """A listener that raises at functionToolCall ends the stream; no function is called."""
    stream = loop([stuck.work], asking(("a", "work", "{}")), ANSWERED)

    def fail(call):
        raise Broken

    stream.on("functionToolCall", fail)
    with pytest.raises(OpenAIError, match="listener for 'functionToolCall'") as raised:
        stream.done(timeout=PATIENCE)
    assert isinstance(raised.value.__cause__, Broken)
    assert stuck.threads == []


# --- scripts


HEADER = textwrap.dedent("""
    import os, sys, threading
    from emitter_stream import OpenAI

    def say(words):  # in one piece: several threads say something
        os.write(1, f"{words}\\n".encode())

    def run_tools(*tools, **params):
        client = OpenAI(api_key="sk-test", base_url=sys.argv[1], max_retries=0, timeout=120)
        return client.beta.threads.runs.run_tools(
            "thread_1", assistant_id="asst_1", tools=tools, **params
        )
""")


def run_script(server, text: str, *, meanwhile=None) -> tuple[int, str, str]:
    """Run a script against a server in a process of its own; give exit code, output and errors."""
    whole = HEADER + textwrap.dedent(text)
    with Program(whole, server.url, flags=("-X", "dev", "-W", "error")) as process:
        if meanwhile is not None:
            meanwhile(process)
        return process.outcome()


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3), reason="no thread starts once the main one has ended"
)
def test_a_script_that_ends_without_waiting_does_its_tool_rounds(serve):
    """Functions of several rounds run, and their stream ends, after a script's last line."""
    gate = threading.Event()

    def later(exchange):
        exchange.wait(gate)
        sse(asking(("a", "work", '{"x": 1}'), ("b", "work", '{"x": 2}')))(exchange)

    server = serve(later, sse(asking(("c", "work", '{"x": 3}'))), sse(ANSWERED))
    text = """
        def work(x: int) -> int:
            return x * x

        def tell():
            threading.main_thread().join()
            say("main thread ended")

        threading.Thread(target=tell).start()
        run_tools(work).on("functionToolCallResult", say).on("end", lambda: say("end"))
    """

    def open_gate(process):
        assert process.stdout.readline() == "main thread ended\n"
        gate.set()

    assert run_script(server, text, meanwhile=open_gate) == (0, "1\n4\n9\nend\n", "")
    assert [outputs(request) for request in server.requests[1:]] == [["1", "4"], ["9"]]


def test_where_no_thread_starts_functions_run_on_the_streams_own(loop, monkeypatch):
    """Where the interpreter starts no more threads, the stream's own thread calls the functions."""
    threads: list[str] = []
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "emitter-stream-tool":
            raise RuntimeError("can't start new thread")
        start(thread)

    def work(x: int) -> int:
        threads.append(threading.current_thread().name)
        return x

    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls = [(f"c{number}", "work", json.dumps({"x": number})) for number in range(3)]
    loop([work], asking(*calls), ANSWERED).done(timeout=PATIENCE)
    assert outputs(loop.server.requests[1]) == ["0", "1", "2"]
    assert len(set(threads)) == 1
    assert "tool" not in threads[0]


def test_a_function_that_goes_on_after_an_abort_does_not_keep_the_process(serve):
    """A script whose function hangs ends as soon as it has aborted."""
    server = serve(sse(asking(("a", "hang", "{}"))))
    text = """
        begun = threading.Event()

        def hang():
            begun.set()
            threading.Event().wait()

        stream = run_tools(hang).on("abort", lambda error: say("abort")).on("end", lambda: say("end"))
        begun.wait()
        stream.abort()
    """
    code, out, errors = run_script(server, text)
    assert (code, sorted(out.split("\n")), errors) == (0, ["", "abort", "end"], "")
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no signals of this kind")
def test_ctrl_c_while_a_function_runs(serve):
    """Ctrl-C in a wait ends it at once, aborts the stream and leaves the function behind."""
    server = serve(sse(asking(("a", "hang", "{}"))))
    text = """
        def hang():
            say("hanging")
            threading.Event().wait()

        stream = run_tools(hang).on("abort", lambda error: say("abort")).on("end", lambda: say("end"))
        try:
            stream.done()
        except KeyboardInterrupt:
            say("interrupted")
    """

    def interrupt(process):
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)

    code, out, errors = run_script(server, text, meanwhile=interrupt)
    assert (code, sorted(out.split()), errors) == (0, ["abort", "end", "interrupted"], "")
    assert len(server.requests) == 1
