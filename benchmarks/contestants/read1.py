"""Bare reading: response.raw.read1() until the end, nothing parsed; a thread for each stream."""

from __future__ import annotations

import threading

import requests

from benchmarks.body import DELTA_MARK
from benchmarks.contestants.measure import Job, Meter, job


def read(work: Job, meter: Meter) -> None:
    response = requests.Session().post(work.post_url, json=work.params, stream=True)
    read1 = response.raw.read1
    while data := read1():
        if meter.waits_for_first and DELTA_MARK in data:
            meter.first()


def main() -> None:
    work = job()
    meter = Meter(work)
    meter.start()
    if work.streams == 1:
        read(work, meter)
    else:
        threads = [threading.Thread(target=read, args=(work, meter)) for _ in range(work.streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    meter.finish(work.count * work.streams)


main()
