"""The official Python SDK: AssistantEventHandler.on_text_delta."""

from __future__ import annotations

import warnings
from typing import Any

from openai import AssistantEventHandler, OpenAI

from benchmarks.contestants.measure import Meter, job


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    work = job()
    meter = Meter(work)
    count = 0

    class Handler(AssistantEventHandler):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            nonlocal count
            count += 1
            if meter.waits_for_first:
                meter.first()
            if work.timed:
                meter.stamp(delta.value)
            elif work.reads == "delta":
                len(delta.value)
            elif work.reads == "snapshot":
                len(snapshot.value)

        def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
            nonlocal count
            count += 1

    client = OpenAI(api_key="sk-none", base_url=work.url)
    meter.start()
    with client.beta.threads.runs.stream(
        thread_id="thread_1", assistant_id="asst_1", event_handler=Handler()
    ) as stream:
        stream.until_done()
    meter.finish(count)


main()
