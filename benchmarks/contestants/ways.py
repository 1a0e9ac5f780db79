"""This library by the other ways to listen: iterators, newline-delimited JSON, asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from benchmarks.contestants.measure import Job, Meter, job
from emitter_stream import OpenAI
from emitter_stream.aio import AsyncOpenAI


def iterate(work: Job) -> int:
    """How many deltas an iterator of a stream gave."""
    client = OpenAI(api_key="sk-none", base_url=work.url)
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    if work.reads == "text_deltas":
        return sum(1 for _ in stream.text_deltas)
    if work.reads == "lines":
        lines: Iterable[bytes] = stream.to_readable_stream()
        return sum(line.startswith(b'{"event":"thread.message.delta"') for line in lines)
    return sum(event.event == "thread.message.delta" for event in stream)


async def listen(work: Job) -> int:
    """How many deltas a listener on an event loop was called with."""
    count = 0

    def nothing(delta: Any, snapshot: Any) -> None:
        nonlocal count
        count += 1

    async with AsyncOpenAI(api_key="sk-none", base_url=work.url) as client:
        stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
        await stream.on("textDelta", nothing).done()
    return count


def main() -> None:
    work = job()
    meter = Meter(work)
    meter.start()
    meter.finish(asyncio.run(listen(work)) if work.reads == "asyncio" else iterate(work))


main()
