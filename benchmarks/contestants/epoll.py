"""The limit for many streams: one epoll loop that receives, and only looks for the moment in a delta."""

from __future__ import annotations

import selectors
import ssl

from benchmarks.body import DELTA_MARK
from benchmarks.contestants.measure import Meter, job

MARK = b'"value":"'


def main() -> None:
    work = job()
    meter = Meter(work)
    meter.start()
    selector = selectors.DefaultSelector()
    for _ in range(work.streams):
        connection = work.open_socket()
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, connection)
    left = work.streams
    while left:
        for key, _ in selector.select():
            connection = key.data
            try:
                data = connection.recv(65536)
                while isinstance(connection, ssl.SSLSocket) and connection.pending():
                    data += connection.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            if not data:
                selector.unregister(connection)
                connection.close()
                left -= 1
            elif DELTA_MARK in data:
                if meter.waits_for_first:
                    meter.first()
                start = data.find(MARK) + len(MARK)
                moment = data[start : data.find(b'"', start)]
                if moment.strip().isdigit():
                    meter.stamp(moment.decode())
    meter.finish(work.count * work.streams)


main()
