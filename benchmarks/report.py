"""RESULTS.md: the targets with what was reached, then every section's table."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import body
from benchmarks.suite import Runner, Section, node, node_modules

PACKAGES = ("requests", "urllib3", "sseclient-py", "pyee", "attrs", "orjson", "openai")
INTRODUCTION = """\
Made by the command below. All contestants read the same canned server in one run, each as its own
process, in interleaved rounds. CPU is the process's own (user and system): from before the request to
the end of the stream, in the paced sections from the first delta on. A ratio is the median over the
rounds of the ratios within one round. `ours` counts its calls and reads nothing, as the floor does,
unless the line says more. Of many streams the user waits for one after another; `started` means that
each was told to `start()` before, so that nothing is kept for late listeners."""


def cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> list[str]:
    """The kind of machine and the versions, and nothing that tells which machine it was."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    lines = [
        f"- {cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        f"- Python {platform.python_version()}: {', '.join(versions)}",
    ]
    modules = node_modules()
    if modules:
        command = [str(node(modules)), "--version"]
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        package = json.loads((modules / "openai" / "package.json").read_text())
        lines.append(f"- Node {version.strip().lstrip('v')}: openai {package['version']}")
    else:
        lines.append("- no Node SDK here (EMITTER_STREAM_NODE_MODULES is not set)")
    return lines


def middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def times(value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    return f"{value:.3g} x" if value < 10 else f"{value:.0f} x"


def targets(runner: Runner, imported: dict[str, Any] | None) -> list[str]:
    """One line a figure of the targets."""
    lines = ["| figure | target | reached | met |", "| --- | --- | --- | --- |"]

    def add(
        figure: str, target: str, value: float | None, met: Callable[[float], bool], text: str = ""
    ) -> None:
        if value is not None:
            verdict = "yes" if met(value) else "**no**"
            lines.append(f"| {figure} | {target} | {text or times(value)} | {verdict} |")

    def ratio(section: str, label: str, base: str, **more: Any) -> float | None:
        return middle(runner.ratios(section, label, base, **more))

    for size in ("10,000", "40,000"):
        section = f"text {size}"
        for label in ("ours", "ours, reads delta.value", "ours, reads snapshot.value"):
            what = label.replace("ours", f"one listener, {size} deltas")
            # The stricter of the two bounds, that for the help of orjson, which is not needed.
            target = "at most 1.0 x the floor, with orjson 0.8 x"
            add(what, target, ratio(section, label, "floor"), lambda v: v < 0.8)
    value = ratio("five listeners", "ours", "floor")
    add("five listeners", "at most 1.3 x the floor", value, lambda v: v <= 1.3)
    ways = {
        "for piece in stream.text_deltas": 0.5,
        "for event in stream": 0.8,
        "to_readable_stream()": 1.0,
        "aio, one listener": 0.5,
    }
    for label, most in ways.items():
        value = ratio("other ways to listen", label, "floor")
        add(label, f"at most {most} x the floor", value, lambda v, most=most: v <= most)  # type: ignore[misc]
    for section in ("text 10,000", "text 40,000", "tool arguments"):
        for peer, least in (("Node SDK", 4), ("Python SDK", 25)):
            value = ratio(section, peer, "ours")
            target = f"at least {least} x faster"
            add(f"{section}: {peer}", target, value, lambda v, least=least: v >= least)  # type: ignore[misc]
    for label in ("text", "text, reads snapshot.value", "arguments", "arguments, read"):
        value = ratio("growth, large", label, label, base_section="growth, small")
        add(f"growth: {label}", "within 1.3 x of 10,000 deltas", value, lambda v: v <= 1.3)
    for label in ("memory", "memory, arguments"):
        value = kept(runner, label)
        text = f"{value:.1f} bytes a delta besides the text" if value is not None else ""
        # An object would be 28 bytes or more; what is left over is the constant and its chance.
        add(label, "nothing a delta", value, lambda v: v < 4, text)
    what = "a delta that arrives alone"
    value = ratio("alone", "ours", "read1 loop")
    add(f"{what}, CPU", "at most 1.5 x a read1 loop", value, lambda v: v <= 1.5)
    for key, bound in (("p50_ms", 0.2), ("p99_ms", 1.0)):
        value = runner.median("alone, timed", "ours", key)
        text = f"{value:.3f} ms" if value is not None else ""
        figure = f"{what}, socket to callback, {key[:3]}"
        add(figure, f"under {bound} ms", value, lambda v, b=bound: v < b, text)  # type: ignore[misc]
    for streams in (100, 500):
        section = f"{streams} streams"
        for label in ("ours", "ours, started"):
            what = label.replace("ours", section)
            for key, name in (("us", "CPU a delta"), ("p99_ms", "lateness, p99")):
                value = ratio(section, label, "Node SDK", key=key)
                add(f"{what}, {name}", "at most 1.0 x the Node SDK", value, lambda v: v <= 1.0)
            value = runner.median(section, label, "peak_kb")
            text = f"{value / 1024:.0f} MB" if value is not None else ""
            add(f"{what}, memory", "under 200 MB", value, lambda v: v < 200 * 1024, text)
    if imported:
        text = f"{imported['wall']:.0f} ms ({imported['cpu']:.0f} ms of CPU)"
        target = "under 150 ms more than requests"
        add("import emitter_stream", target, imported["wall"], lambda v: v < 150, text)
        names = imported["unwanted"]
        text = ", ".join(names) or "none"
        target = "none"
        add("server, CLI or test code imported", target, len(names), lambda v: v == 0, text)
    return lines


def kept(runner: Runner, label: str) -> float | None:
    """Bytes a delta that are in memory at the last delta and are not the text."""
    small, large = runner.results["growth, small"][label], runner.results["growth, large"][label]
    if not small or not large:
        return None
    deltas = large[0]["count"] - small[0]["count"]
    text = len(body.words(int(deltas)))
    grown = (large[0]["kb_at_last_delta"] - small[0]["kb_at_last_delta"]) * 1024
    return (grown - text) / deltas


def section_table(runner: Runner, section: Section, base: str) -> list[str]:
    timed = bool(section.job.get("timed"))
    head = ["contestant", f"CPU a delta, {base} = 1", "least to most", "peak MB"]
    if timed:
        head += ["p50 ms", "p99 ms"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for entry in section.entries:
        if problem := runner.problems.get((section.name, entry.label)):
            lines.append("| " + " | ".join([entry.label, problem, *[""] * (len(head) - 2)]) + " |")
            continue
        ratios = runner.ratios(section.name, entry.label, base)
        spread = f"{min(ratios):.2f} – {max(ratios):.2f}" if ratios else ""  # noqa: RUF001
        peak = runner.median(section.name, entry.label, "peak_kb") or 0
        cells = [entry.label, times(middle(ratios)), spread, f"{peak / 1024:.0f}"]
        if timed:
            for key in ("p50_ms", "p99_ms"):
                value = runner.median(section.name, entry.label, key)
                cells.append(f"{value:.3f}" if value is not None else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def growth_table(runner: Runner, small: Section, large: Section) -> list[str]:
    counts = f"{large.job['count']:,} deltas, {small.job['count']:,} = 1"
    lines = [f"| ours | CPU a delta at {counts} | least to most |", "| --- | --- | --- |"]
    for entry in large.entries:
        problem = runner.problems.get((large.name, entry.label))
        ratios = runner.ratios(large.name, entry.label, entry.label, small.name)
        spread = f"{min(ratios):.2f} – {max(ratios):.2f}" if ratios else ""  # noqa: RUF001
        lines.append(f"| {entry.label} | {problem or times(middle(ratios))} | {spread} |")
    return lines


def describe(runner: Runner, section: Section) -> str:
    job = section.job
    streams = job.get("streams", 1)
    words = [f"{streams:,} streams, " if streams > 1 else "", f"{job['count']:,} deltas"]
    if pace := job.get("pace"):
        words.append(" each" if streams > 1 else "")
        words.append(f", one every {pace // 1000} ms, each a write of its own")
    if job.get("kind") == "varied":
        words.append(", each with an unknown field of its own, so that none equals the one before")
    words.append(f"; {section.rounds} rounds.")
    return "".join(words)


def render(
    runner: Runner, plan: list[Section], imported: dict[str, Any] | None, command: str
) -> str:
    by_name = {section.name: section for section in plan}
    out = ["# What a delta costs", ""]
    out += [INTRODUCTION, "", f"- `tox -e bench`, that is `{command}`", *machine()]
    floor = runner.median("text 40,000", "floor")
    if floor:
        out.append(f"- for orientation: the floor took {floor:.1f} us a delta")
    out += ["", "## Targets", "", *targets(runner, imported)]
    bases = {"alone": "read1 loop", "alone, timed": "floor", "tool arguments": "Node SDK"}
    for section in plan:
        if section.name == "growth, small":
            continue
        title = section.name.removesuffix(", large").capitalize()
        out += ["", f"## {title}", ""]
        if section.name == "growth, large":
            out += growth_table(runner, by_name["growth, small"], section)
            continue
        base = bases.get(section.name, "Node SDK" if "streams" in section.job else "floor")
        if section.name.startswith("many, asyncio"):
            base = "bare epoll loop"
        if base == "Node SDK" and not runner.results[section.name][base]:
            base = section.entries[-1].label
        out += [describe(runner, section), "", *section_table(runner, section, base)]
        late = [
            result["server_late_p99_ms"]
            for results in runner.results[section.name].values()
            for result in results
            if "server_late_p99_ms" in result
        ]
        if late:
            busy = max(
                result["server_busy"]
                for results in runner.results[section.name].values()
                for result in results
            )
            lag = statistics.median(late)
            out += [
                "",
                f"The server itself: at most {busy:.0%} of a core, writes late by {lag:.2f} ms (p99).",
            ]
    return "\n".join(out) + "\n"
