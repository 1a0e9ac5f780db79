"""This library: .on("textDelta")."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.contestants.measure import SLOW, Job, Meter, compute, job, status_kb
from emitter_stream import OpenAI

Listener = Callable[[Any, Any], None]


def main_listener(work: Job, meter: Meter) -> tuple[Listener, Callable[[], int]]:
    """The listener that the job asks for, and how often it was called."""
    count = 0

    def nothing(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1

    def read_delta(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1
        len(delta.value)

    def read_snapshot(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1
        len(snapshot.value)

    def read_arguments(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1
        len(snapshot.function.arguments)

    def watch_memory(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1
        if count == work.count:
            meter.kb_at_last_delta = status_kb("VmHWM")

    def take_time(delta: Any, snapshot: Any) -> None:
        if meter.waits_for_first:
            meter.first()
        meter.stamp(delta.value)

    def paced(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1
        if meter.waits_for_first:
            meter.first()

    def slow(delta: Any, snapshot: Any) -> None:
        take_time(delta, snapshot)
        if meter.is_twentieth():
            time.sleep(SLOW)

    def computing(delta: Any, snapshot: Any) -> None:
        take_time(delta, snapshot)
        compute()

    if work.listener != "quick":
        return slow if work.listener == "slow" else computing, lambda: len(meter.late)
    if work.timed:  # from many threads at once, where `count += 1` could lose one
        return take_time, lambda: len(meter.late)
    if work.paced:
        return paced, lambda: count
    choice: dict[str, Listener] = {
        "nothing": nothing,
        "delta": read_delta,
        "snapshot": read_arguments if work.kind == "tools" else read_snapshot,
        "memory": watch_memory,
    }
    return choice[work.reads], lambda: count


def main() -> None:
    work = job()
    others = 0

    def other(*args: Any) -> None:
        nonlocal others
        others += 1

    meter = Meter(work)
    listener, calls = main_listener(work, meter)
    names = ["event", "messageDelta", "runStepDelta", "toolCallDelta"]
    client = OpenAI(api_key="sk-none", base_url=work.url)
    streams = []
    meter.start()
    for _ in range(work.streams):
        stream: Any = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        stream.on("toolCallDelta" if work.kind == "tools" else "textDelta", listener)
        for name in names[: work.listeners - 1]:
            stream.on(name, other)
        streams.append(stream.start() if work.start else stream)
    for stream in streams:
        stream.until_done()
    meter.finish(calls())


main()
