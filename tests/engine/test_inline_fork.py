"""Inline streams and `os.fork`: a stream lives on in the process that made it, and only there."""

from __future__ import annotations

import os
import textwrap
import threading

import pytest
from launcher import Program
from parity.transcripts import answered, encode
from scripted_server import gated

BODY = encode(answered("a", "b", "c"))
CUT = BODY.index(b"event: thread.message.delta")

PROGRAM = """
import os, sys
from emitter_stream import OpenAI, OpenAIError
runs = OpenAI(base_url={url!r}, api_key="sk-test", max_retries=0).beta.threads.runs
stream = runs.stream("thread_1", assistant_id="asst_1", inline=True)

def child():
    stream.on("textDelta", lambda: print("heard in the child", flush=True))
    {child}

def forked():
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)

{fork}
print("forked", flush=True)
print("".join(block.text.value for block in stream.final_messages()[0].content))
"""

WAITING = """
    for wait in (stream.done, lambda: list(stream.text_deltas), lambda: next(iter(stream))):
        try:
            wait()
        except OpenAIError as error:
            assert "process" in str(error)
        else:
            os._exit(6)
    os._exit(0)
"""

CHILDREN = {
    "exits": "sys.exit(0)",
    "waits": WAITING.strip(),
    "aborts": "stream.abort(); os._exit(0)",
    "leaves its with": "stream.__enter__().__exit__(None, None, None); os._exit(0)",
    "drops it": "globals().pop('stream'); import gc; gc.collect(); os._exit(0)",
}
FORKS = {
    "before a wait": "forked()",
    "between two": 'stream.emitted("messageCreated"); forked()',
    "in a listener": 'stream.once("messageCreated", forked).emitted("messageCreated")',
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
@pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN)
@pytest.mark.sample(3)
def test_a_child_leaves_the_stream_alone(serve, child, fork):
    """Whatever a child does with its copy, its parent's wait goes on to the end."""
    gate = threading.Event()

    server = serve(gated(gate, BODY[:CUT], BODY[CUT:]))
    program = PROGRAM.format(url=server.url, child=textwrap.dedent(child), fork=fork)
    with Program(program, flags=("-W", "ignore::DeprecationWarning")) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        gate.set()
        _, output, errors = process.outcome()
    assert [*lines, output, errors] == ["0\n", "forked\n", "abc\n", ""]
