"""The floor: requests + sseclient-py + json, no objects and no listeners."""

from __future__ import annotations

import json

import requests
import sseclient

from benchmarks.contestants.measure import Meter, job


def main() -> None:
    work = job()
    meter = Meter(work)
    count = 0
    meter.start()
    response = requests.Session().post(work.post_url, json=work.params, stream=True)
    for event in sseclient.SSEClient(response.iter_content(chunk_size=None)).events():
        if event.event == "thread.message.delta":
            data = json.loads(event.data)
            count += 1
            if meter.waits_for_first:
                meter.first()
            if work.timed:
                meter.stamp(data["delta"]["content"][0]["text"]["value"])
    meter.finish(count)


main()
