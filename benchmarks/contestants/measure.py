"""What the Python contestants share: the job, the clock, the result."""

from __future__ import annotations

import functools
import json
import resource
import socket
import ssl
import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Job:
    """One run of one contestant (the same fields for Node: see node_sdk.mjs)."""

    url: str
    count: int  # deltas in a stream
    kind: str = "text"  # or "tools", or "varied": text deltas of which no two are alike
    streams: int = 1
    listeners: int = 1
    # What the listener does besides counting: nothing, or reading delta.value, or snapshot.value;
    # or the way to listen (ways.py).
    reads: str = "nothing"
    paced: bool = False  # the clock starts at the first delta, when all streams are open
    timed: bool = False  # collect how long each delta took; it carries when it was written
    # Of many streams: "slow" waits 20 ms at each twentieth delta (on an event loop without holding it
    # up, where the SDK can; in Node it cannot), "computing" computes a tenth of a millisecond at each.
    listener: str = "quick"
    start: bool = False  # ours: say start() to each stream before waiting for the first

    @property
    def post_url(self) -> str:
        return f"{self.url}/threads/thread_1/runs"

    @property
    def params(self) -> dict[str, Any]:
        return {"assistant_id": "asst_1", "stream": True}

    def open_socket(self) -> socket.socket:
        """Connect and send the request, for a contestant that has no HTTP client."""
        url = urlsplit(self.post_url)
        body = json.dumps(self.params)
        head = (
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection = socket.create_connection((url.hostname, url.port))
        if url.scheme == "https":
            connection = tls_context().wrap_socket(connection, server_hostname=url.hostname)
        connection.sendall((head + body).encode())
        return connection


@functools.cache  # one for all, as clients have it: each takes 20 KB
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


SLOW = 0.02  # seconds that a slow listener waits


def compute() -> None:
    """Do what a listener that computes does at each delta."""
    sum(range(5_000))


def job() -> Job:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return Job(**json.loads(sys.argv[1]))


def status_kb(name: str) -> int:
    """A line of /proc/self/status: unlike getrusage's it knows nothing of the parent's memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


class Meter:
    """CPU of this process from ``start`` (of paced streams: from ``first``) to ``finish``."""

    def __init__(self, job: Job) -> None:
        self.waits_for_first = job.paced
        # Nanoseconds; append is safe from many threads at once. No list: its numbers would be a
        # part of the memory that a stream takes.
        self.late = array("q")
        self.started = 0
        self.begun = 0
        self.kb_at_last_delta = 0

    def start(self) -> None:
        self.started = self.begun = time.process_time_ns()

    def first(self) -> None:
        """The first paced delta: all streams are open, the set-up is over."""
        self.waits_for_first = False
        self.begun = time.process_time_ns()

    def is_twentieth(self) -> bool:
        """Return whether the delta that was stamped last is one at which a slow listener waits."""
        return len(self.late) % 20 == 0

    def stamp(self, value: str) -> None:
        """Take a timed delta."""
        self.late.append(time.perf_counter_ns() - int(value))

    def finish(self, count: int) -> None:
        now = time.process_time_ns()
        peak = status_kb("VmHWM")
        late = sorted(self.late)
        result: dict[str, float] = {
            "count": count,
            "us": (now - self.begun) / 1000 / max(count, 1),
            "setup_ms": (self.begun - self.started) / 1e6,
            "peak_kb": peak,
            "kb_at_last_delta": self.kb_at_last_delta,
        }
        if late:
            result["p50_ms"] = late[len(late) // 2] / 1e6
            result["p99_ms"] = late[len(late) * 99 // 100] / 1e6
        print(json.dumps(result), flush=True)
