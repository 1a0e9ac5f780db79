"""The kernel's share: recv on a plain socket until the end, nothing parsed."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

from benchmarks.body import DELTA_MARK
from benchmarks.contestants.measure import Meter, job


def main() -> None:
    work = job()
    meter = Meter(work)
    url = urlsplit(work.post_url)
    body = json.dumps(work.params)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    meter.start()
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall((head + body).encode())
        while data := connection.recv(65536):
            if meter.waits_for_first and DELTA_MARK in data:
                meter.first()
    meter.finish(work.count)


main()
