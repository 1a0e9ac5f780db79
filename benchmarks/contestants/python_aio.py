"""The official Python SDK on an event loop, many streams at once: AsyncAssistantEventHandler."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from httpx2 import Limits
from openai import AsyncAssistantEventHandler, AsyncOpenAI, DefaultAsyncHttpxClient

from benchmarks.contestants.measure import SLOW, Job, Meter, compute, job


async def run(work: Job) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    meter = Meter(work)

    class Handler(AsyncAssistantEventHandler):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            if meter.waits_for_first:
                meter.first()
            meter.stamp(delta.value)
            if work.listener == "slow" and meter.is_twentieth():
                await asyncio.sleep(SLOW)
            elif work.listener == "computing":
                compute()

    async def one(client: AsyncOpenAI) -> None:
        async with client.beta.threads.runs.stream(
            thread_id="thread_1", assistant_id="asst_1", event_handler=Handler()
        ) as stream:
            await stream.until_done()

    meter.start()
    connections = DefaultAsyncHttpxClient(limits=Limits(max_connections=None))  # not only 1,000
    async with AsyncOpenAI(
        api_key="sk-none", base_url=work.url, http_client=connections, timeout=3_600.0
    ) as client:
        await asyncio.gather(*(one(client) for _ in range(work.streams)))
    meter.finish(len(meter.late))


asyncio.run(run(job()))
