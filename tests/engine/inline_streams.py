"""Inline streams, and what it takes to wait for them."""

from __future__ import annotations

import threading

import scripted_server
from parity.transcripts import answered, encode
from scripted_server import PATIENCE

from emitter_stream import AssistantStream

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


def inline(client, **params) -> AssistantStream:
    """Make an inline stream of a run."""
    return client.beta.threads.runs.stream("thread_1", assistant_id="asst_1", inline=True, **params)


def gated(gate: threading.Event, until: int = len(BODY) // 2):
    """Make a script that sends half of its answer, and the rest when the gate is opened."""
    return scripted_server.gated(gate, BODY[:until], BODY[until:])


def silent(exchange) -> None:
    """Answer with the head only, until the client goes."""
    exchange.head()
    exchange.wait_for_close()


def in_thread(function) -> threading.Thread:
    """Call a function on a thread of its own."""
    thread = threading.Thread(target=function, name="waiter", daemon=True)
    thread.start()
    return thread
