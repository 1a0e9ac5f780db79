"""What is run: the sections, who takes part in each, and how one contestant is started."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count as counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Result = dict[str, float]
PIPED: Any = {"cwd": ROOT, "capture_output": True, "text": True}


@dataclass(frozen=True)
class Entry:
    """One contestant in one section; ``job`` overrides the section's job."""

    label: str
    script: str
    job: dict[str, Any] = field(default_factory=dict)
    rounds: int | None = None  # fewer than the section's, for the slow ones
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    name: str
    rounds: int
    job: dict[str, Any]
    entries: list[Entry]


OURS = Entry("ours", "ours")
FLOOR = Entry("floor", "floor")
LIMIT = Entry("limit (split + orjson)", "limit")
NODE = Entry("Node SDK", "node_sdk")
PYTHON = Entry("Python SDK", "python_sdk")


def sections(quick: bool) -> list[Section]:
    def scale(full: int, short: int) -> int:
        return short if quick else full

    reading = Entry("ours, reads delta.value", "ours", {"reads": "delta"})
    snapshot = Entry("ours, reads snapshot.value", "ours", {"reads": "snapshot"})
    slow = Entry("Python SDK", "python_sdk", {"count": scale(10_000, 2_000)}, scale(3, 1))
    result = []
    job: dict[str, Any]
    for size in (10_000, 40_000):
        everybody = [FLOOR, OURS, reading, snapshot, NODE, LIMIT, slow]
        job = {"count": size}
        result.append(Section(f"text {size:,}", scale(7, 2), job, everybody))
    job = {"count": scale(40_000, 10_000), "listeners": 5}
    result.append(Section("five listeners", scale(7, 3), job, [FLOOR, OURS, NODE]))
    job = {"count": 10_000, "kind": "varied"}
    result.append(Section("no two alike", scale(5, 1), job, [FLOOR, OURS, NODE]))
    ways = {
        "text_deltas": "for piece in stream.text_deltas",
        "events": "for event in stream",
        "lines": "to_readable_stream()",
        "asyncio": "aio, one listener",
    }
    others = [Entry(label, "ways", {"reads": reads}) for reads, label in ways.items()]
    job = {"count": 10_000}
    result.append(Section("other ways to listen", scale(5, 1), job, [FLOOR, OURS, *others]))
    job = {"count": 10_000, "kind": "tools"}
    tools_slow = Entry("Python SDK", "python_sdk", {"count": 2_000}, 1)
    result.append(Section("tool arguments", scale(5, 1), job, [NODE, OURS, tools_slow]))
    for size in (10_000, scale(1_000_000, 300_000)):
        growing = [
            Entry("text", "ours"),
            Entry("text, reads snapshot.value", "ours", {"reads": "snapshot"}),
            Entry("arguments", "ours", {"kind": "tools"}),
            Entry("arguments, read", "ours", {"kind": "tools", "reads": "snapshot"}),
            Entry("memory", "ours", {"reads": "memory"}, 1),
            Entry("memory, arguments", "ours", {"reads": "memory", "kind": "tools"}, 1),
        ]
        name = "growth, small" if size == 10_000 else "growth, large"
        result.append(Section(name, scale(3, 1), {"count": size}, growing))
    pace = {"count": scale(3_000, 500), "pace": 1_000, "paced": True}
    bare = [Entry("read1 loop", "read1"), Entry("bare socket", "bare_socket")]
    everybody = [FLOOR, OURS, NODE, PYTHON]
    result.append(Section("alone", scale(7, 1), pace, [*bare, *everybody]))
    result.append(Section("alone, timed", scale(5, 1), {**pace, "timed": True}, everybody))
    pace = {"count": scale(150, 20), "pace": 50_000, "paced": True, "timed": True}
    many = [NODE, OURS, Entry("ours, started", "ours", {"start": True})]
    many.append(Entry("read1 loop, a thread a stream", "read1"))
    for streams in (100, 500):
        job = {**pace, "streams": streams}
        result.append(Section(f"{streams} streams", scale(3, 1), job, many))
    pace = {"count": scale(60, 10), "pace": 100_000, "paced": True, "timed": True}
    own = {"EMITTER_STREAM_SHARED_FROM": "1000000"}
    many = [
        NODE,
        Entry("bare epoll loop", "epoll"),
        Entry("ours", "ours", {"start": True}),
        Entry("ours, a thread a stream", "ours", {"start": True}, environment=own),
        Entry("ours, slow listeners", "ours", {"start": True, "listener": "slow"}),
        Entry(
            "ours, slow listeners, a thread a stream",
            "ours",
            {"start": True, "listener": "slow"},
            environment=own,
        ),
        Entry("ours, listeners that compute", "ours", {"start": True, "listener": "computing"}),
    ]
    for streams in (1, 100, 500, 1_000, 2_000):
        job = {**pace, "streams": streams}
        result.append(Section(f"many: {streams:,} streams", scale(3, 1), job, many))
    python = Entry("Python SDK", "python_aio", rounds=1)
    on_loop = [Entry("bare epoll loop", "epoll"), Entry("ours", "aio"), python]
    for streams in (1, 100, 1_000, 2_000):
        job = {**pace, "streams": streams}
        result.append(Section(f"many, asyncio: {streams:,} streams", scale(3, 1), job, on_loop))
    return result


def node_modules() -> Path | None:
    """The folder that has the Node SDK, where there is one."""
    folder = os.environ.get("EMITTER_STREAM_NODE_MODULES")
    if folder and (Path(folder) / "openai" / "package.json").is_file() and node(Path(folder)):
        return Path(folder).resolve()
    return None


def node(modules: Path) -> str | None:
    """The Node to use: the folder's own, or else the system's."""
    own = modules / ".bin" / "node"
    return str(own) if own.is_file() else shutil.which("node")


def absent(script: str) -> str | None:
    """Why a contestant cannot take part."""
    if script == "node_sdk" and not node_modules():
        return "not present (EMITTER_STREAM_NODE_MODULES)"
    needs = {"python_sdk": "openai", "python_aio": "openai", "limit": "orjson"}.get(script)
    if needs and not importlib.util.find_spec(needs):
        return f"not present ({needs})"
    return None


def start_command(script: str) -> list[str]:
    if script == "node_sdk":
        modules = node_modules()
        assert modules
        path = ROOT / "benchmarks" / "contestants" / "node_sdk.mjs"
        return [str(node(modules)), str(path), str(modules)]
    return [sys.executable, "-m", f"benchmarks.contestants.{script}"]


@contextmanager
def canned_server(certificate: str = "") -> Iterator[str]:
    """The URL of the server, which speaks TLS where it is given a key and a certificate."""
    command = [sys.executable, "-m", "benchmarks.server", *filter(None, [certificate])]
    scheme = "https" if certificate else "http"
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Runner:
    """Runs sections against one server and keeps every round's results by section and label."""

    def __init__(self, base: str, certificate: str = "", patience: float = 180) -> None:
        self.base = base
        self.patience = patience  # seconds that a contestant may take
        self.environment: dict[str, str] = {}
        if certificate:  # what the contestants are to trust
            names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
            self.environment = dict.fromkeys(names, certificate)
        self.numbers = counter()
        self.results: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
        self.problems: dict[tuple[str, str], str] = {}

    def run(self, section: Section) -> None:
        """All rounds of a section; within a round the contestants follow one another.

        What disturbs the machine for a while so disturbs all of them, and each round gives a ratio
        of its own. The order turns with the round: nobody is always the one after the slowest.
        """
        for turn in range(section.rounds):
            shift = turn % len(section.entries)
            for entry in section.entries[shift:] + section.entries[:shift]:
                if turn < (entry.rounds or section.rounds):
                    self.run_entry(section, entry, turn)

    def run_entry(self, section: Section, entry: Entry, turn: int) -> None:
        key = (section.name, entry.label)
        if key in self.problems:
            return
        if why := absent(entry.script):
            self.problems[key] = why
            return
        work = {"kind": "text", **section.job, **entry.job}
        pace = work.pop("pace", None)
        streams = work.get("streams", 1)
        if work.pop("burst", False):
            path = f"burst/{work['count']}/{streams}/{next(self.numbers)}"
        elif pace:
            path = f"paced/{work['count']}/{pace}/{streams}/{next(self.numbers)}"
        else:
            path = f"{work['kind']}/{work['count']}"
        command = start_command(entry.script)
        argument = json.dumps({**work, "url": f"{self.base}/{path}"})
        try:
            environment = {**os.environ, **self.environment, **entry.environment}
            done = subprocess.run(
                [*command, argument], timeout=self.patience, check=False, env=environment, **PIPED
            )
            result: Result = json.loads(done.stdout or "{}")
        except (subprocess.TimeoutExpired, ValueError) as error:
            self.problems[key] = f"failed: {type(error).__name__}"
            return
        if done.returncode or not result:
            lines = done.stderr.strip().splitlines() or ["no output"]
            # Of the message only what cannot hold a path of this machine.
            self.problems[key] = "failed: " + lines[-1].partition("(")[0].strip()
        elif result["count"] != work["count"] * streams:
            self.problems[key] = f"failed: {result['count']} of {work['count'] * streams} deltas"
        else:
            if pace:
                own = self.environment.get("SSL_CERT_FILE")
                tls = ssl.create_default_context(cafile=own) if own else None
                stats = f"{self.base}/stats"
                with urllib.request.urlopen(stats, timeout=10, context=tls) as answer:
                    result |= {f"server_{k}": v for k, v in json.load(answer).items()}
            result["round"] = turn
            self.results[section.name][entry.label].append(result)

    def median(self, section: str, label: str, key: str = "us") -> float | None:
        values = [result[key] for result in self.results[section][label] if key in result]
        return statistics.median(values) if values else None

    def ratios(
        self, section: str, label: str, base: str, base_section: str | None = None, key: str = "us"
    ) -> list[float]:
        """One ratio for each round in which both took part."""
        others = {r["round"]: r for r in self.results[base_section or section][base]}
        mine = self.results[section][label]
        return [r[key] / others[r["round"]][key] for r in mine if r["round"] in others]


IMPORT = """
import sys, time
t = time.perf_counter(); c = time.process_time()
import {name}
print((time.perf_counter() - t) * 1e3, (time.process_time() - c) * 1e3)
print(*sorted(sys.modules))
"""
# What a user who only imports the library must not pay for.
UNWANTED = (
    *("emitter_stream.server", "emitter_stream.cli", "emitter_stream.show"),
    *("emitter_stream.testing", "emitter_stream.pytest_plugin", "tests", "benchmarks"),
    *("starlette", "uvicorn", "sqlalchemy", "rich", "pytest", "unittest"),
)


def imports(rounds: int) -> dict[str, Any]:
    """Milliseconds that ``import emitter_stream`` takes over ``import requests``."""
    wall: dict[str, list[float]] = {"requests": [], "emitter_stream": []}
    cpu: dict[str, list[float]] = {"requests": [], "emitter_stream": []}
    modules: set[str] = set()
    for _ in range(rounds):
        for name in ("requests", "emitter_stream"):
            code = IMPORT.format(name=name)
            done = subprocess.run([sys.executable, "-c", code], check=True, **PIPED)
            times, names = done.stdout.splitlines()
            wall[name].append(float(times.split()[0]))
            cpu[name].append(float(times.split()[1]))
            modules = set(names.split())  # the last is emitter_stream's
    unwanted = [m for m in modules if m in UNWANTED or m.startswith("emitter_stream.server.")]
    # The least, since what disturbs an import can only make it longer.
    return {
        "wall": min(wall["emitter_stream"]) - min(wall["requests"]),
        "cpu": min(cpu["emitter_stream"]) - min(cpu["requests"]),
        "requests": min(wall["requests"]),
        "unwanted": sorted(unwanted),
    }
