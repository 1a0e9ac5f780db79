"""The canned server: one process, one thread, one client program at a time.

The scenario is the first part of the path, so that any SDK reaches it through its base URL:

``/text/N``          a prepared run of N text deltas, in chunks of 16 KB
``/varied/N``        the same, each delta with an unknown field of its own
``/tools/N``         a prepared run of N function-argument deltas, in chunks of 16 KB
``/paced/N/us/S/ID`` waits for S streams with this ID, then sends each a delta every ``us``
                     microseconds, N times, the streams evenly staggered. Each delta is a write of
                     its own, and its text is the moment it was written (CLOCK_MONOTONIC, in
                     nanoseconds, which the contestants can read as well).
``/burst/N/S/ID``    the same S streams, each of which gets all of its deltas at once
``/stats``           how late the server itself was in the last paced run

With a file that has a key and a certificate as its argument it speaks TLS.

Blocking calls do: the prepared bodies go to one client, and what a paced run leaves unread fits into
the socket buffers.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import ssl
import sys
import time
from functools import lru_cache

from benchmarks import body

CHUNK = 16 * 1024
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
BEFORE, AFTER = body.text_delta("@").split(b"@")
TAIL = body.text_tail("")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=4)
def prepared(kind: str, count: int) -> list[bytes]:
    """The body, cut into ready chunks."""
    whole = {"text": body.text, "varied": body.varied, "tools": body.tools}[kind](count)
    return [chunk(whole[at : at + CHUNK]) for at in range(0, len(whole), CHUNK)]


def read_request(client: socket.socket) -> str:
    """The path of the request; its body is read and thrown away."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (piece := client.recv(65536))
        if not piece:
            raise ConnectionError("no request")
    head, _, rest = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(rest) < length:
        rest += (piece := client.recv(65536))
        if not piece:
            raise ConnectionError("no body")
    return head.split(b" ")[1].decode()


def play(clients: list[socket.socket], count: int, interval: int) -> dict[str, float]:
    """Send every client its deltas, each at its moment; say how late the server was."""
    late: list[int] = []
    gap = interval / len(clients)
    start = time.perf_counter_ns() + 50_000_000
    cpu = time.process_time_ns()
    for turn in range(count):
        for place, client in enumerate(clients):
            due = start + turn * interval + int(place * gap)
            while (now := time.perf_counter_ns()) < due:
                time.sleep((due - now) / 1e9)
            with contextlib.suppress(OSError):
                client.sendall(chunk(b"%b %d%b" % (BEFORE, time.perf_counter_ns(), AFTER)))
            late.append(now - due)
    wall = time.perf_counter_ns() - start
    cpu = time.process_time_ns() - cpu
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(chunk(TAIL) + LAST_CHUNK)
        client.close()
    late.sort()
    return {"late_p99_ms": late[len(late) * 99 // 100] / 1e6, "busy": cpu / wall}


def burst(clients: list[socket.socket], count: int) -> dict[str, float]:
    """Send every client all of its deltas, one client after the other."""
    for client in clients:
        delta = chunk(b"%b %d%b" % (BEFORE, time.perf_counter_ns(), AFTER))
        with contextlib.suppress(OSError):
            client.sendall(delta * count + chunk(TAIL) + LAST_CHUNK)
        client.close()
    return {}


class Server:
    def __init__(self, certificate: str | None = None) -> None:
        self.tls: ssl.SSLContext | None = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.waiting: list[socket.socket] = []
        self.waiting_for = ""
        self.stats: dict[str, float] = {}

    def answer(self, client: socket.socket) -> None:
        path = read_request(client)
        kind, *rest = path.strip("/").split("/")
        if kind == "stats":
            data = json.dumps(self.stats).encode()
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data))
            client.close()
        elif kind == "paced":
            self.gather(client, path, *(int(part) for part in rest[:3]))
        elif kind == "burst":
            self.gather(client, path, int(rest[0]), 0, int(rest[1]))
        else:
            chunks = prepared(kind, int(rest[0]))
            client.sendall(HEAD)
            for piece in chunks:
                client.sendall(piece)
            client.sendall(LAST_CHUNK)
            client.close()

    def gather(
        self, client: socket.socket, path: str, count: int, microseconds: int, streams: int
    ) -> None:
        """Keep the stream until its last companion is there, then play to all of them."""
        if path != self.waiting_for:  # a program that died has left its streams behind
            for old in self.waiting:
                old.close()
            self.waiting, self.waiting_for = [], path
        client.sendall(HEAD + chunk(body.text_head()))
        self.waiting.append(client)
        if len(self.waiting) == streams:
            clients, self.waiting, self.waiting_for = self.waiting, [], ""
            if microseconds:
                self.stats = play(clients, count, microseconds * 1000)
            else:
                self.stats = burst(clients, count)

    def serve(self) -> None:
        parent = os.getppid()
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(1)
        while os.getppid() == parent:  # not longer than the program that started it
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.settimeout(60)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self.tls is not None:
                    client = self.tls.wrap_socket(client, server_side=True)
                self.answer(client)
            except OSError:
                client.close()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Server(*sys.argv[1:]).serve()
