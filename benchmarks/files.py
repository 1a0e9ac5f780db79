"""What 10,000 files in a store cost, and a large one: ``python -m benchmarks.files``.

The server is a process of its own, on SQLite or, with ``--db postgresql://...``, on PostgreSQL. Texts
are made of words whose frequencies fall as in a language, so that some stand in nearly every file.

    uploads     files.create of each file, by four threads
    add         file_batches.create_and_poll, 2,000 files at a time, until all have been read
    search      vector_stores.search with questions of three to eight words, one after the other
    vectors     what comparing a question with the vectors of all chunks takes, without the server
    large       the memory that an upload and a download of one file take, on both sides
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from emitter_stream import OpenAI

WORDS = [f"w{chr(97 + number % 26)}{number}" for number in range(20_000)]
FREQUENCIES = list(itertools.accumulate(1 / (number + 2) for number in range(len(WORDS))))


def text(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, cum_weights=FREQUENCIES, k=count))


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, int]]:
    """Give the address and the process id of a server."""
    command = [sys.executable, "-m", "emitter_stream.cli", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = re.fullmatch(r"OPENAI_BASE_URL=(\S+)\n", process.stdout.readline())
        assert found
        try:
            yield found[1], process.pid
        finally:
            process.terminate()


def peak(pid: int | str) -> float:
    """Give the most memory that a process has had, in MB; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def many(client: OpenAI, count: int, searches: int, words: int) -> None:
    chance = random.Random(1)
    texts = [text(chance, words) for _ in range(count)]

    def upload(number: int) -> str:
        file = (f"{number}.txt", texts[number].encode())
        return client.files.create(file=file, purpose="assistants").id

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(upload, range(count)))
    told("uploads", f"{count:,} files in {time.perf_counter() - began:.1f} s")

    store = client.vector_stores.create(name="many")
    began = time.perf_counter()
    for start in range(0, count, 2_000):
        batch = client.vector_stores.file_batches.create_and_poll(
            store.id, file_ids=ids[start : start + 2_000]
        )
        assert batch.file_counts.failed == 0
    took = time.perf_counter() - began
    told("add", f"{count:,} files in {took:.1f} s, {1000 * took / count:.2f} ms each")

    times = []
    for _ in range(searches):
        query = text(chance, chance.randint(3, 8))
        began = time.perf_counter()
        hits = client.vector_stores.search(store.id, query=query).data
        times.append(1000 * (time.perf_counter() - began))
        assert hits
    parts = statistics.quantiles(times, n=100)
    shown = f"p50 {statistics.median(times):.1f} ms, p99 {parts[98]:.1f} ms, {max(times):.1f} ms at most"
    told("search", f"{searches} questions: {shown}")


def vectors(count: int, size: int) -> None:
    from emitter_stream.server.search import embeddings

    chance = random.Random(1)
    some = array("f", (chance.gauss(0, 1) for _ in range(size + 500)))
    chunks = [(number, some[number % 500 :][:size].tobytes()) for number in range(count)]
    question = [[chance.gauss(0, 1) for _ in range(size)]]
    ways = {"by numpy" if embeddings._numpy() else "no numpy": None, "plain": lambda: None}
    for name, numpy in ways.items():
        if numpy is not None:
            embeddings._numpy = numpy  # type: ignore[assignment]
        times = []
        for _ in range(7):
            began = time.perf_counter()
            embeddings.closeness(question, chunks)
            times.append(1000 * (time.perf_counter() - began))
        told("vectors", f"{count:,} of {size}, {name}: {statistics.median(times):.1f} ms")


def large(client: OpenAI, pid: int, megabytes: int, folder: Path) -> None:
    path = folder / "large.bin"
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1024 * 1024))
    before = peak(pid), peak("self")
    began = time.perf_counter()
    made = client.files.create(file=path, purpose="user_data")
    up = time.perf_counter() - began
    began = time.perf_counter()
    client.files.content(made.id).stream_to_file(folder / "back.bin")
    down = time.perf_counter() - began
    after = peak(pid), peak("self")
    told("large", f"{megabytes} MB up in {up:.1f} s, down in {down:.1f} s")
    server, own = (now - then for now, then in zip(after, before, strict=True))
    told("large", f"memory, more than before: server {server:.0f} MB, client {own:.0f} MB")


def told(name: str, words: str) -> None:
    print(f"{name:<10}{words}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=120, help="of a file")
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--megabytes", type=int, default=500, help="of the large file")
    parser.add_argument("--db", help="postgresql://...; a file of its own if not given")
    parser.add_argument("--only", nargs="+", default=["many", "vectors", "large"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "vectors" in options.only:
            vectors(options.files, options.dimensions)
        with (
            served("--db", options.db or str(folder / "bench.db")) as (url, pid),
            OpenAI(base_url=url, api_key="any", timeout=600) as client,
        ):
            if "large" in options.only:
                large(client, pid, options.megabytes, folder)
            if "many" in options.only:
                many(client, options.files, options.searches, options.words)


if __name__ == "__main__":
    main()
