"""What a delta costs through the embedded server, and when the first one comes.

usage: python -m benchmarks.served [--runs N ...] [--deltas N]

Three servers, each in a process of its own, between the same canned upstream and the same client:

- `relay`: Starlette and httpx2, which pass the upstream's bytes on as they come; the floor;
- `upstream`: the embedded server over that upstream, on a database in memory;
- `scripted`: the embedded server with a model that says the same words by itself.

Cost is the processor time of the server's process, divided by all deltas. Lateness is the time from a
request to its first delta, of all runs that were asked for at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

WORD = "word "
HEADERS = (
    "Authorization: Bearer any\r\nOpenAI-Beta: assistants=v2\r\nContent-Type: application/json\r\n"
)
KINDS = ("relay", "upstream", "scripted")


@dataclass(frozen=True)
class Served:
    """One measurement. Microseconds a delta, seconds until the first one."""

    kind: str
    runs: int
    deltas: int
    cost: float
    first_p50: float
    first_p99: float
    wall: float


def answer(deltas: int) -> bytes:
    """Return an answer of Chat Completions."""

    def event(delta: object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
        return b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode()

    body = event({"role": "assistant", "content": ""})
    body += event({"content": WORD}) * deltas
    return body + event({}, "stop") + b"data: [DONE]\n\n"


async def _serve_canned(deltas: int, ready: Connection) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    body = answer(deltas)
    parts = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next(int(x.split(b":")[1]) for x in lines if x.startswith(b"content-len"))
                await reader.readexactly(length)
                writer.write(head)
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def canned(deltas: int, ready: Connection) -> None:
    asyncio.run(_serve_canned(deltas, ready))


def relay_app(url: str) -> Starlette:
    """Return the least that passes on an answer."""
    import httpx2

    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None), timeout=60)

    async def relay(request: Request) -> StreamingResponse:
        await request.body()
        asked = client.build_request("POST", f"{url}/chat/completions", content=b"{}")
        response = await client.send(asked, stream=True)

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in response.aiter_raw():
                yield piece
            await response.aclose()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    return Starlette(routes=[Route("/{path:path}", relay, methods=["POST"])])


def serve(kind: str, url: str, deltas: int, ready: Connection) -> None:
    """Serve until told to stop; then say how much processor time it took since the last word."""
    from emitter_stream.server import LocalServer, Text, Turn, Upstream
    from emitter_stream.server.garbage import rarely_collected

    class Words:
        async def respond(self, turn: Turn) -> AsyncIterator[Text]:
            for _ in range(deltas):
                yield Text(WORD)

    if kind == "relay":
        import socket
        import threading

        import uvicorn

        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        config = uvicorn.Config(relay_app(url), log_level="error", access_log=False, http="h11")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
    else:
        model = Words() if kind == "scripted" else Upstream(url, api="chat")
        port = int(LocalServer(model=model).start().base_url.split(":")[2].split("/")[0])
    ready.send(port)
    with rarely_collected():  # as `emitter-stream serve`
        while True:
            ready.recv()
            used = resource.getrusage(resource.RUSAGE_SELF)
            ready.send(used.ru_utime + used.ru_stime)


async def _ask(port: int, path: str, body: object, *, until: bytes = b"") -> tuple[float, bytes]:
    """Ask and read all; returns when the first delta came, after so many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{HEADERS}"
    begun = time.perf_counter()
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    seen, first, kept = b"", 0.0, bytearray()
    while piece := await reader.read(65536):
        if until and not first:
            seen = seen[-64:] + piece
            if until in seen:
                first = time.perf_counter() - begun
        elif not until:
            kept += piece
    writer.close()
    return first, bytes(kept)


async def _prepare(kind: str, port: int, runs: int) -> tuple[list[str], dict[str, object], bytes]:
    """Make a thread for each run; returns where to ask for it, how, and what a delta has in it."""

    async def made(path: str, body: object) -> str:
        _, answer = await _ask(port, path, body)
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])

    if kind == "relay":
        return ["/relay"] * runs, {}, WORD.encode()
    assistant = await made("/v1/assistants", {"model": "m"})
    said = {"messages": [{"role": "user", "content": "Hi"}]}
    paths = [f"/v1/threads/{await made('/v1/threads', said)}/runs" for _ in range(runs)]
    return paths, {"assistant_id": assistant, "stream": True}, b"thread.message.delta"


async def _play(port: int, paths: list[str], body: object, mark: bytes) -> list[float]:
    found = await asyncio.gather(*(_ask(port, path, body, until=mark) for path in paths))
    assert all(first for first, _ in found)
    return sorted(first for first, _ in found)


def measure(kind: str, runs: int, deltas: int) -> Served:
    """Measure one server, after a run that warms it up."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    upstream = spawn.Process(target=canned, args=(deltas, theirs), daemon=True)
    upstream.start()
    url = f"http://127.0.0.1:{ours.recv()}/v1"
    near, far = spawn.Pipe()
    server = spawn.Process(target=serve, args=(kind, url, deltas, far), daemon=True)
    server.start()
    port = int(near.recv())

    def used() -> float:
        near.send("?")
        return float(near.recv())

    try:
        asyncio.run(_play(port, *asyncio.run(_prepare(kind, port, 1))))
        prepared = asyncio.run(_prepare(kind, port, runs))
        before, begun = used(), time.perf_counter()
        firsts = asyncio.run(_play(port, *prepared))
        wall, spent = time.perf_counter() - begun, used() - before
    finally:
        for process in (server, upstream):
            process.kill()
            process.join()
    p50, p99 = firsts[len(firsts) // 2], firsts[min(len(firsts) - 1, len(firsts) * 99 // 100)]
    return Served(kind, runs, deltas, spent / runs / deltas * 1e6, p50, p99, wall)


def table(results: list[Served]) -> str:
    """Return the results as a table in Markdown."""
    lines = [
        "| server | runs at once | deltas each | processor time a delta | first delta, median | p99 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.kind} | {one.runs} | {one.deltas:,} | {one.cost:.1f} us | {one.first_p50:.2f} s "
        f"| {one.first_p99:.2f} s |"
        for one in results
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served", description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 50, 300])
    parser.add_argument("--deltas", type=int, default=1000)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    options = parser.parse_args()
    results = [
        measure(kind, runs, options.deltas * (20 if runs == 1 else 1))
        for runs in options.runs
        for kind in options.kinds
    ]
    print(table(results))


if __name__ == "__main__":
    main()
