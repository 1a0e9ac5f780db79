"""Many streams at once, in every combination: beside the Node SDK, AsyncOpenAI and a bare epoll loop.

    python -m benchmarks.many [--streams 1 100 500 1000 2000 5000] [--speeds paced full]
        [--listeners quick slow computing] [--schemes http https] [--clients ours node ...]
        [--count 60] [--rate 10000] [--rounds 1] [--output FILE]

Without options that is all of it, some hours; each option picks from it. For each combination all
contestants follow one another. `paced`: each stream gets a delta every tenth of a second, or more seldom
where all of them would be more than `--rate` deltas a second. `full`: all deltas of a stream come at
once. `slow` listeners wait 20 ms at each twentieth delta, `computing` ones compute a tenth of a
millisecond at each. `https` needs the program openssl, each stream two open files (`ulimit -Hn`).

CPU is the process's own, from the first delta on. "KB a stream" is what the peak of its memory is over that
with one stream, by the number of streams; the growth of the CPU is over that of 100 streams.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks import report, suite

STREAMS = [1, 100, 500, 1_000, 2_000, 5_000]
LISTENERS = ["quick", "slow", "computing"]
CLIENTS = {
    "epoll": suite.Entry("bare epoll loop", "epoll"),
    "node": suite.NODE,
    "ours": suite.Entry("ours", "ours", {"start": True}),
    "aio": suite.Entry("ours, asyncio", "aio"),
    "python": suite.Entry("AsyncOpenAI", "python_aio"),
}
SPEEDS = ["paced", "full"]
SCHEMES = ["http", "https"]
PATIENCE = 900.0  # seconds that one contestant may take


def section(
    options: argparse.Namespace, scheme: str, speed: str, listener: str, streams: int
) -> suite.Section:
    """Return one combination."""
    job = {"count": options.count, "streams": streams, "paced": True, "timed": True}
    job["listener"] = listener
    if speed == "paced":
        job["pace"] = max(100_000, 1_000_000 * streams // options.rate)
    else:
        job["burst"] = True
    # The loop calls no listener: it is what all combinations are compared with.
    entries = [CLIENTS[name] for name in options.clients]
    return suite.Section(
        f"{scheme}, {speed}, {listener}, {streams:,}", options.rounds, job, entries
    )


def certificate(folder: str) -> str:
    """Make a key and a certificate for 127.0.0.1, in one file."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    made = subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", "-", "-out", "-"],
        capture_output=True,
        check=True,
    )
    file = Path(folder, "server.pem")
    file.write_bytes(made.stdout)
    return str(file)


def table(runner: suite.Runner, sections: list[suite.Section], title: str) -> list[str]:
    """One line for each number of streams and contestant."""
    lines = ["", f"## {title}", ""]
    lines.append(
        "| streams | contestant | CPU a delta | bare epoll loop = 1 | Node SDK = 1 | 100 streams = 1 "
        "| p50 ms | p99 ms | peak MB | KB a stream |"
    )
    lines.append("| " + " | ".join(["---"] * 10) + " |")
    by_streams = {one.job["streams"]: one for one in sections}
    for streams, one in by_streams.items():
        for entry in one.entries:
            label = entry.label
            if problem := runner.problems.get((one.name, label)):
                lines.append(f"| {streams:,} | {label} | {problem} |" + " |" * 7)
                continue
            micros = runner.median(one.name, label)
            peak = runner.median(one.name, label, "peak_kb")
            if micros is None or peak is None:
                continue
            cells = [f"{streams:,}", label, f"{micros:.1f} us"]
            for base in ("bare epoll loop", "Node SDK"):
                cells.append(report.times(report.middle(runner.ratios(one.name, label, base))))
            hundred = by_streams.get(100)
            before = None if hundred is None else runner.median(hundred.name, label)
            cells.append(report.times(None if before is None else micros / before))
            for key in ("p50_ms", "p99_ms"):
                late = runner.median(one.name, label, key) if "pace" in one.job else None
                cells.append("" if late is None else f"{late:.2f}")
            alone = by_streams.get(1)
            least = None if alone is None else runner.median(alone.name, label, "peak_kb")
            cells.append(f"{peak / 1024:.0f}")
            cells.append(
                "" if least is None or streams == 1 else f"{(peak - least) / (streams - 1):.0f}"
            )
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def run(options: argparse.Namespace, scheme: str, certificate_file: str) -> list[str]:
    """Run all combinations of one scheme."""
    lines = []
    with suite.canned_server(certificate_file) as base:
        runner = suite.Runner(base, certificate_file, PATIENCE)
        for speed, listener in itertools.product(options.speeds, options.listeners):
            plan = [section(options, scheme, speed, listener, n) for n in options.streams]
            for one in plan:
                runner.run(one)
                print(one.name, flush=True)
            lines += table(runner, plan, f"{scheme}, {speed}, {listener} listeners")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.many",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--speeds", nargs="+", choices=SPEEDS, default=SPEEDS)
    parser.add_argument("--listeners", nargs="+", choices=LISTENERS, default=LISTENERS)
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=SCHEMES)
    parser.add_argument("--clients", nargs="+", choices=[*CLIENTS], default=[*CLIENTS])
    parser.add_argument("--count", type=int, default=60, help="deltas in a stream")
    parser.add_argument("--rate", type=int, default=10_000, help="deltas a second at most")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the tables here as well")
    options = parser.parse_args()
    lines = ["# Many streams", "", *report.machine()]
    if "http" in options.schemes:
        lines += run(options, "http", "")
    if "https" in options.schemes:
        if shutil.which("openssl"):
            with tempfile.TemporaryDirectory() as folder:
                lines += run(options, "https", certificate(folder))
        else:
            lines += ["", "https: there is no program openssl here"]
    text = "\n".join(lines) + "\n"
    if options.output:
        options.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
