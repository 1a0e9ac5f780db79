"""Run the benchmarks and write RESULTS.md: ``python -m benchmarks [--quick] [--only NAME ...]``."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import report, suite


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, and rough")
    parser.add_argument(
        "--only", nargs="+", default=[], help="sections that begin with one of these"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each section")
    parser.add_argument("--output", type=Path, default=suite.ROOT / "benchmarks" / "RESULTS.md")
    parser.add_argument("--raw", type=Path, help="write every single result here, as JSON")
    options = parser.parse_args()

    def chosen(name: str) -> bool:
        return not options.only or name.startswith(tuple(options.only))

    plan = [section for section in suite.sections(options.quick) if chosen(section.name)]
    if options.rounds:
        plan = [replace(section, rounds=options.rounds) for section in plan]
    with suite.canned_server() as base:
        runner = suite.Runner(base)
        for section in plan:
            began = time.monotonic()
            runner.run(section)
            print(f"{section.name}: {time.monotonic() - began:.0f} s", flush=True)
    imported = suite.imports(3 if options.quick else 11) if chosen("import") else None
    command = "python -m benchmarks" + (" --quick" if options.quick else "")
    text = report.render(runner, plan, imported, command)
    options.output.write_text(text)
    if options.raw:
        options.raw.write_text(json.dumps(runner.results, indent=1))
    print(text)


main()
