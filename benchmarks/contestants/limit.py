"""The limit: blank lines and orjson, and nothing of what makes a reader correct."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import requests

from benchmarks.contestants.measure import Meter, job

orjson: Any = import_module("orjson")  # no requirement of anything: it may be absent


def main() -> None:
    work = job()
    meter = Meter(work)
    count = 0
    rest = b""
    meter.start()
    response = requests.Session().post(work.post_url, json=work.params, stream=True)
    for piece in response.iter_content(chunk_size=None):
        *frames, rest = (rest + piece).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b"event: thread.message.delta\ndata: "):
                orjson.loads(frame[34:])
                count += 1
    meter.finish(count)


main()
