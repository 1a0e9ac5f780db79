"""Run commands side by side: ``python tests/side_by_side.py "one && its next" "another"``.

Each checker of types keeps one core busy for half a minute. What one writes is shown when it ends.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def run(line: str) -> int:
    """Run commands one after the other up to one that fails; give its status, else 0."""
    for command in line.split("&&"):
        words = shlex.split(command)
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        print(f"$ {command.strip()}\n{done.stdout.decode(errors='replace')}", flush=True)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    lines = sys.argv[1:]
    with ThreadPoolExecutor(len(lines)) as crew:
        sys.exit(any(list(crew.map(run, lines))))
