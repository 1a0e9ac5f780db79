"""How a program with streams ends: by Ctrl-C or an exception at once, else when they have ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from five_deltas import FIVE, HALF
from launcher import Program
from parity.transcripts import DONE, encode, run

LONG = 120  # seconds that a process may take on a machine that is busy
CALL = {"id": "call_1", "type": "function", "function": {"name": "tool", "arguments": "{}"}}
ASKS = run(
    "requires_action",
    required_action={"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}},
)

STARTS_NO_THREADS = (3, 12) <= sys.version_info < (3, 12, 3)  # once the main thread has ended

BEGIN = """
import os, socket, sys, threading, time
{before}
from emitter_stream import AssistantStream, OpenAI
from emitter_stream.engine import program_end
# A line in one piece, and not by stdout, whose lock a thread may hold just when Python ends.
say = lambda word: os.write(1, f"{{word}}\\n".encode())
def rest_of_main():  # whether the main thread sleeps, and how often it has gone to sleep
    with open(f"/proc/self/task/{{os.getpid()}}/status") as lines:
        return [line for line in lines if line.startswith(("State:\tS", "voluntary"))]
def tell_end():
    program_end.coming.wait()
    # A Ctrl-C that comes when Python is about to wait is seen when that wait is over.
    while os.path.exists("/proc/self/task"):
        rest = rest_of_main()
        time.sleep(0.02)
        if len(rest) == 2 and rest == rest_of_main():
            break
    os.write(1, b"main has ended\\n")  # Python may be closing its stdout
threading.Thread(target=tell_end, daemon=True).start()  # early 3.13 loses a Ctrl-C amid a join
runs = OpenAI(base_url={url!r}, api_key="sk-test", max_retries=0).beta.threads.runs
{place}
sys.stdin.readline()
{end}
"""

# Where the streams of these programs stand still; each says so.
PLACES = {
    "connect": """
        def look_up(*args, **more):
            say("under way")
            time.sleep(600)
        socket.getaddrinfo = look_up
        stream = runs.stream("t", assistant_id="a").on("textDelta", print)
    """,
    "headers": """
        stream = runs.stream("t", assistant_id="a").on("textDelta", print)
    """,
    "read": """
        stream = runs.stream("t", assistant_id="a")
        stream.once("textDelta", lambda: say("under way"))
        stream.on("textDelta", lambda delta: say(delta.value))
    """,
    "many": """
        from emitter_stream.engine import shared
        shared.FROM = 0  # one thread reads for all
        makes = lambda: runs.stream("t", assistant_id="a")
        others = [makes().on("textDelta", lambda delta: None) for _ in range(10)]
        stream = makes()
        stream.once("textDelta", lambda: say("under way"))
        stream.on("textDelta", lambda delta: say(delta.value))
    """,
    "opening": """
        from emitter_stream.engine import shared
        shared.FROM = 0  # few threads open all
        looking_up = []
        def look_up(*args, **more):
            looking_up.append(1)
            # All of them: a thread that is just being started may take a Ctrl-C from the main one.
            if len(looking_up) == 30:
                say("under way")
            time.sleep(600)
        socket.getaddrinfo = look_up
        makes = lambda: runs.stream("t", assistant_id="a").on("textDelta", print)
        streams = [makes() for _ in range(30)]
    """,
    "iterable": """
        def events():
            yield {"event": "thread.run.created", "data": {"id": "run_1"}}
            say("under way")
            time.sleep(600)
        stream = AssistantStream.from_events(events()).on("run", print)
    """,
    "tool": """
        def tool():
            say("under way")
            time.sleep(600)
        stream = runs.run_tools("t", assistant_id="a", tools=[tool]).on("run", print)
    """,
    "unheard": """
        stream = runs.stream("t", assistant_id="a")
        say("under way")
    """,
    "iterator": """
        taken = threading.Event()
        def events():
            for number in range(1_000):
                yield {"event": "thread.run.created", "data": {"id": "run_1"}}
                taken.wait()  # while next() waits, the reader is not held back
            say("read to its end")
            time.sleep(600)
        stream = AssistantStream.from_events(events())
        kept = iter(stream)
        next(kept)
        taken.set()
        say("under way")
    """,
}


class Standing(Program):
    """A program whose stream stands still where it says; the server goes on when told."""

    def __init__(self, serve, place, end, before="", **more):
        self.gate, arrived = threading.Event(), threading.Event()

        def script(exchange):
            arrived.set()
            if place == "headers":
                exchange.wait(self.gate)
            exchange.head()
            exchange.body(encode([*FIVE[:3], ASKS, DONE] if place == "tool" else FIVE[:HALF]))
            if place != "tool":
                exchange.wait(self.gate)
                exchange.body(encode(FIVE[HALF:]))
            exchange.finish()

        url = serve(script).url
        text = BEGIN.format(
            url=url, place=textwrap.dedent(PLACES[place]), end=textwrap.dedent(end), before=before
        )
        super().__init__(text, **more)
        if place == "headers":
            assert arrived.wait(LONG)
        else:
            self.wait_for("under way")

    def wait_for(self, *lines):
        """Read what the program says until it has said all of these, in whatever order."""
        missing = set(lines)
        for said in self.stdout:
            missing.discard(said.strip())
            if not missing:
                return
        raise AssertionError(f"it never said {missing}: {self.errors()}")

    def go(self):
        """Let the program's own code go on to its end."""
        self.say("go")

    def interrupt(self):
        """Press Ctrl-C."""
        self.send_signal(signal.SIGINT)

    def outcome(self):
        """Wait for the process; give its status, the rest of what it said, and its complaints."""
        status, out, err = super().outcome()
        return status, out.split(), err


@pytest.fixture
def program(serve):
    """Start a program, and leave none running."""
    with contextlib.ExitStack() as stack:

        def start(*args, **more):
            made = stack.enter_context(Standing(serve, *args, **more))
            stack.callback(made.gate.set)
            return made

        yield start


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.sample(2)
def test_an_exception_ends_it(program, place):
    """Wherever its stream stands still: the traceback, status 1, and no more."""
    child = program(place, "raise ValueError('bug')", alone=place == "read")
    child.go()
    status, _, err = child.outcome()
    assert (status, err.splitlines()[-1]) == (1, "ValueError: bug"), err


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.sample(2, 1)
def test_ctrl_c_in_its_own_code_ends_it(program, place):
    """Wherever its stream stands still, by the signal itself: 130 to a shell."""
    # Asleep by the second: a Ctrl-C in the moment before one sleep is heard after that one.
    asleep = "say('asleep')\nwhile True: time.sleep(1)"
    child = program(place, asleep, alone=place == "headers")
    child.go()
    child.wait_for("asleep")
    child.interrupt()
    status, _, err = child.outcome()
    assert (status, err.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")


@pytest.mark.parametrize(
    ("place", "end"), [*((place, "") for place in PLACES), ("read", "sys.exit(0)")]
)
@pytest.mark.sample(2)
def test_ctrl_c_while_python_waits_at_the_end(program, place, end):
    """When only the stream is left, Ctrl-C ends that, without a complaint."""
    child = program(place, end, alone=place == "read")
    child.go()
    # What an iterator holds is taken by nobody any more: its stream runs to the end.
    child.wait_for("main has ended", *["read to its end"] * (place == "iterator"))
    child.interrupt()
    status, _, err = child.outcome()
    assert (status, err) == (-signal.SIGINT, "")


HOOK = "sys.excepthook = lambda *error: print('hooked', error[0].__name__, file=sys.stderr)"
ENDS = {
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "no Exception": "class Stop(BaseException): pass\nraise Stop",
    "GeneratorExit": "raise GeneratorExit",
    "unprintable": """
        class Shy(Exception):
            def __str__(self): raise ValueError
        raise Shy
    """,
    "in a with": "with open(__import__('os').devnull):\n    raise ValueError",
    "in a finally": "try:\n    raise ValueError\nfinally:\n    say('cleaned up')",
    "in a function": "def fail(): 1 / 0\nfail()",
    "of a text that does not compile": "exec('1 +')",
    "an import": "import no_such_module",
    "asyncio": "import asyncio\nasync def main(): raise ValueError\nasyncio.run(main())",
    "a hook": f"{HOOK}\nraise ValueError",
    "a hook that exits": "sys.excepthook = lambda *error: sys.exit(1)\nraise ValueError",
    "a hook that raises": "sys.excepthook = lambda *error: 1 / 0\nraise ValueError",
}
if sys.version_info >= (3, 11):
    ENDS["a group"] = "raise ExceptionGroup('two', [ValueError(), OSError()])"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.sample(2)
def test_exceptions_of_all_kinds(program, end):
    """Each exception that nobody caught is the end, whatever reports it."""
    child = program("read", ENDS[end], alone=end == "in a function")
    child.go()
    status, said, err = child.outcome()
    assert status == (-signal.SIGINT if end == "KeyboardInterrupt" else 1), err
    assert "e" not in said


def test_a_hook_that_was_there_before(program):
    """A hook that the program set before the import is left alone, and no obstacle."""
    child = program("read", "raise ValueError", before=HOOK, alone=True)
    child.go()
    assert child.outcome()[::2] == (1, "hooked ValueError\n")


def test_a_running_listener_is_waited_for(program):
    """It returns, then `abort` and `end` are told, and then the process ends."""
    child = program(
        "read",
        """
        inside = threading.Event()
        def slow():
            inside.set()
            sys.stdin.readline()
            say("returned")
        other = AssistantStream.from_events([{"event": "thread.run.created", "data": {}}] * 2)
        other.on("event", slow)
        other.on("abort", lambda: say("abort")).on("end", lambda: say("end"))
        inside.wait()
        raise ValueError("bug")
        """,
    )
    child.go()
    child.wait_for("main has ended")
    child.go()
    status, said, _ = child.outcome()
    assert (status, said) == (1, ["returned", "abort", "end"])


def test_a_second_ctrl_c_does_not_wait_for_a_listener(program):
    """Whoever presses it again means it."""
    child = program(
        "read",
        """
        inside = threading.Event()
        def stuck():
            inside.set()
            time.sleep(600)
        other = AssistantStream.from_events([{"event": "thread.run.created", "data": {}}])
        other.on("event", stuck)
        # Not by stdout, whose lock a thread may hold when Python ends under it.
        stream.on("abort", lambda: os.write(1, b"first\\n"))
        inside.wait()
        """,
    )
    child.go()
    child.wait_for("main has ended")
    child.interrupt()
    child.wait_for("first")
    child.interrupt()
    assert child.outcome()[::2] == (-signal.SIGINT, "")


# --- what is no such end

WAITS = {
    "sys.exit": ("sys.exit(3)", 3),
    "SystemExit": ("raise SystemExit('so long')", 1),
    "a class of its own": ("class Over(SystemExit): pass\nraise Over(4)", 4),
    "its end": ("", 0),
    "a thread's exception": (
        "other = threading.Thread(target=lambda: 1 / 0); other.start(); other.join()",
        0,
    ),
    "an exception that a prompt reported": (
        "import code\ncode.InteractiveConsole().push('1 / 0')",
        0,
    ),
    "one that was caught and kept": (
        """
        try:
            1 / 0
        except Exception:
            sys.last_type, sys.last_value, sys.last_traceback = sys.exc_info()
        """,
        0,
    ),
    "one that a hook was told of": (
        """
        try:
            1 / 0
        except Exception:
            sys.excepthook(*sys.exc_info())
        """,
        0,
    ),
}


@pytest.mark.parametrize("end", WAITS)
@pytest.mark.sample(2)
def test_other_ends_wait_for_the_stream(program, end):
    """The stream runs to its end, as Python waits for any thread; the status is Python's own."""
    code, expected = WAITS[end]
    child = program("read", code, alone=end == "sys.exit")
    child.go()
    child.wait_for("main has ended")
    child.gate.set()
    status, said, _ = child.outcome()
    assert (status, said[-1]) == (expected, "e")


def test_streams_that_one_thread_reads_are_waited_for(program):
    """They run to their ends as those do that have threads of their own."""
    child = program("many", "")
    child.go()
    child.wait_for("main has ended")
    child.gate.set()
    status, said, err = child.outcome()
    assert (status, said[-1], err) == (0, "e", "")


def test_streams_that_wait_to_be_opened_are_waited_for(program):
    """They are asked for after the main thread has ended, and run to their ends."""
    child = program(
        "unheard",
        """
        from emitter_stream.engine import shared
        shared.FROM = 0
        real = socket.getaddrinfo
        def look_up(*args, **more):
            program_end.coming.wait()
            return real(*args, **more)
        socket.getaddrinfo = look_up
        for _ in range(30):
            runs.stream("t", assistant_id="a").on("end", lambda: say("over"))
        """,
    )
    child.go()
    child.wait_for("main has ended")
    child.gate.set()
    status, said, err = child.outcome()
    assert (status, said, err) == (0, ["over"] * 30, "")


def test_a_prompt_after_an_exception(program, tmp_path, serve):
    """With `-i` an error is reported and a prompt comes: leaving that waits for the stream."""
    gate, sent = threading.Event(), threading.Event()

    def script(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        sent.set()
        exchange.wait(gate)
        exchange.body(encode(FIVE[HALF:]))
        exchange.finish()

    path = tmp_path / "program.py"
    path.write_text(
        BEGIN.format(
            url=serve(script).url,
            place=textwrap.dedent(PLACES["read"]),
            end="raise ValueError('bug')",
            before="",
        )
    )
    process = subprocess.Popen(
        [sys.executable, "-i", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.stdin.write("go\n")
        process.stdin.close()
        assert any(line == "main has ended\n" for line in process.stdout)
        gate.set()
        rest = process.stdout.read()
        assert (process.wait(LONG), rest.split()[-1]) == (0, "e")
        assert "ValueError: bug" in process.stderr.read()
    finally:
        gate.set()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_run_as_a_module(program, tmp_path, serve):
    """With `-m` an exception is the end as well."""

    def script(exchange):
        exchange.head()
        exchange.body(encode(FIVE[:HALF]))
        exchange.wait(threading.Event())

    (tmp_path / "some_program.py").write_text(
        BEGIN.format(
            url=serve(script).url,
            place=textwrap.dedent(PLACES["read"]),
            end="raise ValueError('bug')",
            before=f"sys.path[:0] = {sys.path!r}",
        )
    )
    done = subprocess.run(  # its status is what we ask for
        [sys.executable, "-m", "some_program"],
        input="go\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=LONG,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ValueError: bug")


# --- threads


@pytest.mark.skipif(STARTS_NO_THREADS, reason="no thread starts then any more")
def test_what_a_listener_starts_is_waited_for(program):
    """A thread that a listener starts is no daemon, though the stream's is one in secret."""
    child = program(
        "read",
        """
        def work():
            program_end.coming.wait()
            sys.stdin.readline()
            say("worked")
        other = AssistantStream.from_events([{"event": "thread.run.created", "data": {}}] * 2)
        other.once("event", lambda: threading.Thread(target=work).start())
        """,
    )
    child.go()
    child.wait_for("main has ended")
    child.gate.set()
    child.go()
    status, said, _ = child.outcome()
    assert (status, max(said)) == (0, "worked")


@pytest.mark.skipif(STARTS_NO_THREADS, reason="no thread starts then any more")
def test_a_stream_that_a_thread_makes_after_the_end(program):
    """A stream that another thread makes when the main thread has ended is waited for, too."""
    child = program(
        "read",
        """
        def later():
            program_end.coming.wait()
            stream.done()
            while not program_end._waited:
                time.sleep(0.001)
            made = AssistantStream.from_events([{"event": "thread.run.created", "data": {}}] * 2)
            made.on("end", lambda: say("late end"))
        threading.Thread(target=later).start()
        """,
    )
    child.go()
    child.wait_for("main has ended")
    child.gate.set()
    status, said, _ = child.outcome()
    assert (status, said[-2:]) == (0, ["late", "end"])


@pytest.mark.skipif(STARTS_NO_THREADS, reason="no thread starts then any more")
def test_who_waits_for_the_main_thread_sees_its_end(program):
    """The wait for streams does not keep back the thread that would end them then."""
    child = program(
        "read",
        """
        def clean_up():
            threading.main_thread().join()
            stream.abort()
        threading.Thread(target=clean_up).start()
        stream.on("abort", lambda: say("abort"))
        """,
    )
    child.go()
    status, said, err = child.outcome()
    assert (status, "abort" in said, err) == (0, True, "")


def test_an_executors_thread_may_wait_for_a_stream(program):
    """Ended by an exception, a program does not wait for an executor that waits for its stream."""
    child = program(
        "iterable",
        """
        from concurrent.futures import ThreadPoolExecutor
        ThreadPoolExecutor().submit(stream.done)
        raise ValueError("bug")
        """,
    )
    child.go()
    assert child.outcome()[0] == 1
