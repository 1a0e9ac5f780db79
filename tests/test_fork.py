"""A fork: the client works in parent and child, a stream lives on in the process that made it."""

from __future__ import annotations

import json
import os
import sys
import threading

import pytest
from launcher import Program
from parity.transcripts import encode
from scripted_server import PATIENCE, ScriptedServer, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FLAGS = ("-W", "error", "-W", "ignore::DeprecationWarning")  # Python 3.12: there are threads


def piece(text: str) -> tuple[str, dict]:
    content = [{"index": 0, "type": "text", "text": {"value": text}}]
    return "thread.message.delta", {"id": "msg_1", "delta": {"content": content}}


WHOLE = [{"type": "text", "text": {"value": "the whole", "annotations": []}}]
EVENTS = [
    ("thread.run.created", {"id": "run_1", "status": "queued"}),
    ("thread.message.created", {"id": "msg_1", "content": []}),
    *(piece(f"word{number} ") for number in range(10)),
    ("thread.message.completed", {"id": "msg_1", "content": WHOLE}),
    ("thread.run.completed", {"id": "run_1", "status": "completed"}),
    ("done", "[DONE]"),
]
HALF = 6  # events that come before the fork

BEGIN = """
import gc, os, sys, threading, time
from emitter_stream import *
from emitter_stream.engine import shared
from forking import *
shared.FROM = int(os.environ.get("EMITTER_STREAM_SHARED_FROM", shared.FROM))  # it may be imported
client = OpenAI(base_url={url!r}, api_key="sk-test-12345", max_retries=0)
threads = client.beta.threads
stream_of = lambda **more: threads.runs.stream("live", assistant_id="a", **more)
"""


@pytest.fixture(params=["thread", "inline", "shared"])
def inline(request, monkeypatch) -> bool:
    """Tell whether the script's streams are inline; if not, a thread each reads, or one for all."""
    if request.param == "shared":
        monkeypatch.setenv("EMITTER_STREAM_SHARED_FROM", "0")
    return request.param == "inline"


class Live:
    """Answers requests for JSON with their own path, and one stream in two halves."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.cut = False  # whether the client went before the end

    def __call__(self, exchange) -> None:
        path = exchange.request.target.split("/")
        if "live" not in path:
            answer(200, {"id": path[-1], "object": "thread"})(exchange)
            return
        exchange.head()
        exchange.body(encode(EVENTS[:HALF]))
        if not self.go_on.wait(PATIENCE):
            return
        try:
            exchange.body(encode(EVENTS[HALF:]))
            exchange.finish()
        except OSError:
            self.cut = True


def run(script: str, alone: bool = False) -> list[str]:
    """Run a script that says "go on" when the stream may; give the other lines that it says."""
    live = Live()
    with ScriptedServer(live) as server:
        source = BEGIN.format(url=server.url) + script
        with Program(source, flags=FLAGS, alone=alone) as program:
            lines = []
            for line in program.stdout:
                if line == "go on\n":
                    live.go_on.set()
                else:
                    lines.append(line.rstrip("\n"))
            status, _, errors = program.outcome()
    assert (status, errors) == (0, "")
    assert not live.cut
    return lines


# Requests


def test_parent_and_children_have_connections_of_their_own():
    """After a fork every process gets its own answers, however the client was used before."""
    script = """
threads.retrieve("before")
def work(name):
    names = [f"{name}x{n}" for n in range(10)]
    return [threads.retrieve(name, timeout=5).id for name in names] == names
pipes = []
for child in range(3):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, repr(work(f"child{child}")).encode())
        os._exit(0)
    os.close(writer)
    pipes.append((pid, reader))
say("parent", work("parent"))
for pid, reader in pipes:
    say("child", heard(pid, reader))
"""
    assert run(script) == ["parent True", *["child True"] * 3]


LOCKS = """
from emitter_stream.http import sockets
stream = stream_of().on("textDelta", lambda: None)
delivery, session = stream._delivery, client._api.transport.session
threads.retrieve("before")
pool = session.get_adapter("http://").poolmanager.pools
locks = [sockets.owners, delivery.lock, delivery.emitter._registry._lock, pool.lock]
locks.append(session.cookies._cookies_lock)
held, done = threading.Event(), threading.Event()
def hold():
    for lock in locks:
        lock.acquire()
    held.set()
    done.wait()
    for lock in locks:
        lock.release()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
"""


@pytest.mark.parametrize(
    "work",
    [
        "threads.retrieve('own').id",
        "OpenAI(base_url=client.base_url, api_key='sk-other').beta.threads.retrieve('own').id",
        "stream.abort() or 'own'",
        "(stream.on('end', gc.collect), stream.off('end', gc.collect), stream.start()) and 'own'",
        "(globals().pop('stream'), gc.collect()) and 'own'",
        "client.close() or 'own'",
        "(repr(stream), stream.current_message_snapshot(), stream.ended) and 'own'",
    ],
    ids=["request", "own client", "abort", "listeners", "drop", "close", "read"],
)
@pytest.mark.sample(2)
def test_no_lock_that_another_thread_held_stops_a_child(work):
    """Whatever the library's locks another thread held at the fork, nothing waits for them."""
    script = f"""{LOCKS}
say(in_child(lambda: {work}))
done.set()
holder.join()
say("go on")
stream.done()
"""
    assert run(script) == ["'own'"]


def test_a_child_ends_as_any_process_does():
    """A child that inherits streams, locks that are held and kept connections just exits."""
    script = f"""{LOCKS}
pid = os.fork()
if pid == 0:
    sys.exit(7)
say(end_of(pid))
done.set()
holder.join()
say("go on")
stream.done()
"""
    assert run(script, alone=True) == ["7"]


def test_a_childs_own_streams_time_out_and_abort():
    """``timeout=``, ``abort()`` and a signal made before the fork work for a child's streams."""
    script = """
controller = AbortController()
kept = stream_of(signal=controller.signal)
def work():
    said = []
    stream = stream_of(timeout=(5, 0.05))
    try:
        stream.done(5)
    except APITimeoutError:
        said.append("timeout")
    for abort in (None, controller):
        stream = stream_of(signal=None if abort is None else abort.signal).start()
        stream.emitted("messageCreated", timeout=5)
        (abort or stream).abort()
        try:
            stream.done(5)
        except APIUserAbortError:
            said.append("aborted")
    return said
say(in_child(work))
say("go on")
kept.done()
"""
    assert run(script) == ["['timeout', 'aborted', 'aborted']"]


def test_multiprocessing_just_works():
    """A process pool that is forked uses the client of its parent."""
    script = """
import multiprocessing
threads.retrieve("before")
def work(name):
    return threads.retrieve(name).id
with multiprocessing.get_context("fork").Pool(3) as pool:
    say(pool.map(work, ["a", "b", "c", "d"]))
"""
    assert run(script, alone=True) == ["['a', 'b', 'c', 'd']"]


# Streams that a child inherits


def wait(method):
    return f"""
try:
    {method}
except OpenAIError:
    pass
else:
    os._exit(9)"""


CHILDREN = [
    "os._exit(0)",
    "sys.exit(0)",
    "raise SystemExit",
    "del iterator, stream; gc.collect()",
    "iterator.close()",
    "stream.abort()",
    "stream.controller.abort()",
    "stream.__exit__(None, None, None)",
    "stream.__exit__(ValueError, ValueError(), None)",
    "del client, threads, stream_of; gc.collect()",
    "client.close()",
    wait("list(iterator)"),
    wait("list(stream)"),
    wait("stream.done()"),
]


@pytest.mark.parametrize("make", ["iter(stream)", "stream.text_deltas", "stream.events('event')"])
@pytest.mark.sample(3)
def test_nothing_that_a_child_does_reaches_the_parents_stream(inline, make):
    """The parent's stream goes on to its end, whatever its children do with their copies."""
    script = f"""
stream = stream_of(inline={inline})
iterator = {make}
first = next(iterator)
for child in {CHILDREN!r}:
    pid = os.fork()
    if pid == 0:
        exec(child)
        sys.exit(0)
    status = end_of(pid)
    if status != 0:
        say(child, status)
say("go on")
rest = list(iterator)
say(stream.final_run().status, stream.final_messages()[0].content[0].text.value, len(rest) > 4)
"""
    assert run(script) == ["completed the whole True"]


WAITS = [
    "done()",
    "until_done(timeout=5)",
    "final_run()",
    "final_messages()",
    "final_run_steps()",
    "emitted('textDelta')",
    "events('textDelta').__next__()",
    "__iter__().__next__()",
    "text_deltas.__next__()",
    "to_readable_stream().__next__()",
    "record('recording.jsonl')",
]


def test_waiting_for_the_parents_stream_says_that_it_is_the_parents(inline):
    """Every waiting method raises an ``OpenAIError`` in a child, and what had come still reads."""
    script = f"""
stream = stream_of(inline={inline})
stream.emitted("textDelta")
snapshot = stream.current_message_snapshot()
def work():
    said = []
    for wait in {WAITS!r}:
        try:
            eval("stream." + wait)
        except OpenAIError as error:
            said.append("process" in str(error))
    return said, snapshot.content[0].text.value[:6], stream.ended, os.path.exists("recording.jsonl")
say(in_child(work))
say("go on")
stream.done()
"""
    assert run(script) == [repr(([True] * len(WAITS), "word0 ", False, False))]


def test_what_had_ended_reads_in_a_child(inline):
    """The finals and the state of a stream that ended before the fork are there in a child."""
    script = f"""
say("go on")
stream = stream_of(inline={inline})
iterator = stream.text_deltas
stream.done()
def work():
    stream.done()
    return (stream.final_run().status, stream.final_messages()[0].content[0].text.value,
            stream.ended, stream.errored, "".join(iterator))
say(in_child(work))
"""
    text = "".join(f"word{n} " for n in range(10))
    assert run(script) == [repr(("completed", "the whole", True, False, text))]


def test_an_iterator_gives_a_child_what_it_had_and_then_an_error(inline):
    """What an iterator holds at the fork can be read in a child; then it says whose it is."""
    script = f"""
stream = stream_of(inline={inline})
iterator = stream.text_deltas
stream.emitted("messageCreated")
while not {inline} and len(iterator._buffer.items) < {HALF - 2}:  # a thread reads on by itself
    time.sleep(0.002)
held = len(iterator._buffer.items)
def work():
    got = []
    try:
        for piece in iterator:
            got.append(piece)
    except OpenAIError as error:
        return len(got) == held, type(error).__mro__[1].__name__
say(in_child(work))
say("go on")
stream.done()
"""
    assert run(script) == ["(True, 'OpenAIError')"]


def forking(end, at):
    """Give two listeners, the first of which forks at a call; its child does ``end`` then."""
    return f"""
parent = os.getpid()
said_by, pids = [], []
def fork(delta):
    said_by.append("first")
    if len(said_by) == {at}:
        pid = os.fork()
        if pid:
            pids.append(pid)
            return
        os.write(writer, threads.retrieve("child").id.encode())
        {end}
def second(delta):
    if os.getpid() != parent:
        os.write(writer, b" called")
reader, writer = os.pipe()
"""


CALLS_AND_END = """
status = end_of(pids[0])
os.close(writer)
say(len(said_by), os.read(reader, 100).decode(), status)
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("return", "0"), ("os._exit(5)", "5"), ("sys.exit(3)", None)],
    ids=["returns", "ends", "exits"],
)
@pytest.mark.sample(3)
def test_a_fork_in_a_listener(end, status, inline):
    """In a child that a listener forked no listener is called any more; the client works there."""
    script = f"""
{forking(end, at=2)}
stream = stream_of(inline={inline}).on("textDelta", fork).on("textDelta", second)
stream.on("end", lambda: second(None))
try:
    stream.emitted("messageCreated")
    say("go on")
    stream.done()
except OpenAIError as error:
    assert os.getpid() != parent, error
    os._exit(0)
{CALLS_AND_END}"""
    (line,) = run(script)
    calls, heard, ended = line.split()
    assert (calls, heard) == ("10", "child")
    assert ended == (status if status else ended) != "hung"


@pytest.mark.parametrize("end", ["return", "os._exit(0)"])
def test_a_fork_where_many_are_opened(end, monkeypatch):
    """The child of a listener of ``connect`` opens none of its parent's streams; the client works there."""
    monkeypatch.setenv("EMITTER_STREAM_SHARED_FROM", "0")
    script = f"""
{forking(end, at=1)}
from emitter_stream.engine import opening
opening.MORE = 1  # so that the others wait
first = stream_of().on("connect", lambda: fork(None))
others = [stream_of().on("connect", lambda: second(None)) for _ in range(20)]
first.emitted("messageCreated")
say("go on")
for stream in [first, *others]:
    stream.done()
{CALLS_AND_END}"""
    (line,) = run(script)
    assert line.split() == ["1", "child", "0"]


@pytest.mark.parametrize(
    ("end", "status"),
    [("return", "0"), ("os._exit(5)", "5"), ("sys.exit(3)", "3"), ("raise KeyError('it')", "0")],
    ids=["returns", "ends", "exits", "raises"],
)
def test_a_fork_in_a_listener_on_a_loop(end, status):
    """There too: what the listener raises in a child is the child's, and leaves its loop."""
    if sys.version_info >= (3, 14) and end != "os._exit(5)":
        pytest.skip("asyncio makes no step of a task in a child that was forked within one")
    script = f"""
import asyncio
from emitter_stream.aio import AsyncOpenAI
{forking(end, at=5)}
async def main():
    client = AsyncOpenAI(base_url=client_url, api_key="sk-test-12345", max_retries=0)
    stream = client.beta.threads.runs.stream("live", assistant_id="a")
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    stream.on("textDelta", fork).on("textDelta", second).on("end", lambda: second(None))
    await stream.emitted("messageCreated")
    await asyncio.sleep(0)  # the loop waits for the rest
    say("go on")
    try:
        await stream.done()
    except OpenAIError as error:
        assert os.getpid() != parent, error
        os._exit(0)
client_url = str(client.base_url)
asyncio.run(main())
{CALLS_AND_END}"""
    (line,) = run(script)
    assert line.split() == ["10", "child", status]


def test_a_recording_is_the_parents(tmp_path):
    """A child that a listener forked, or that exits, writes nothing into the recording."""
    path = tmp_path / "recording.jsonl"
    script = f"""
def fork(delta):
    global pid
    stream.off("textDelta", fork)
    pid = os.fork()
stream = stream_of().record({str(path)!r}).on("textDelta", fork)
say("go on")
try:
    stream.done()
except OpenAIError:
    sys.exit(0)
if pid == 0:
    os._exit(0)
end_of(pid)
"""
    assert run(script) == []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("event") for line in lines if "event" in line] == [
        name for name, _ in EVENTS[:-1]
    ]
    assert lines[-1]["end"] is True


def test_a_function_of_the_tool_loop_may_fork():
    """In a child that a function forked, the round's other functions are not called."""
    script = """
from emitter_stream.tools import crew as crews
crews.MOST_THREADS = 1
parent = os.getpid()
reader, writer = os.pipe()
pids = []
def forks():
    pid = os.fork()
    if pid:
        pids.append(pid)
    return "forked"
def other():
    os.write(writer, b"p" if os.getpid() == parent else b"c")
    return "other"
crew = crews.Crew([forks, other])
crew.start()
say([crew.outcome(0), crew.outcome(1)], end_of(pids[0]))
os.close(writer)
say(os.read(reader, 10).decode())
"""
    assert run(script) == ["['forked', 'other'] 0", "p"]
