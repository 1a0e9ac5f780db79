"""The kernel's share: recv on a plain socket until the end, nothing parsed."""

from __future__ import annotations

from benchmarks.body import DELTA_MARK
from benchmarks.contestants.measure import Meter, job


def main() -> None:
    work = job()
    meter = Meter(work)
    meter.start()
    with work.open_socket() as connection:
        while data := connection.recv(65536):
            if meter.waits_for_first and DELTA_MARK in data:
                meter.first()
    meter.finish(work.count)


main()
