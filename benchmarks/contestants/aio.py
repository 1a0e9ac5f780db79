"""This library on an event loop, many streams at once: .on("textDelta")."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.contestants.measure import SLOW, Job, Meter, compute, job
from emitter_stream.aio import AsyncOpenAI


async def run(work: Job) -> None:
    meter = Meter(work)

    def listener(delta: Any, snapshot: Any) -> None:
        if meter.waits_for_first:
            meter.first()
        meter.stamp(delta.value)

    async def slow(delta: Any, snapshot: Any) -> None:
        listener(delta, snapshot)
        if meter.is_twentieth():
            await asyncio.sleep(SLOW)

    def computing(delta: Any, snapshot: Any) -> None:
        listener(delta, snapshot)
        compute()

    listeners: dict[str, Any] = {"quick": listener, "slow": slow, "computing": computing}
    meter.start()
    async with AsyncOpenAI(api_key="sk-none", base_url=work.url) as client:
        streams = []
        for _ in range(work.streams):
            stream: Any = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
            streams.append(stream.on("textDelta", listeners[work.listener]))
        for stream in streams:  # as plain ones are waited for: without a task for each wait
            await stream.done()
    meter.finish(len(meter.late))


asyncio.run(run(job()))
