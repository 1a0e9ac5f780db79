"""A script for the official Node SDK, which prints what it found as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from parity import node_peer
from server_helpers import PATIENCE


def run_node_script(script: Path, *arguments: str, seconds: float = 3 * PATIENCE) -> Any:
    """Run a script with arguments; give what it printed. Skip where Node or its SDK is missing."""
    found = node_peer.find()
    if found is None:
        pytest.skip("no openai package for Node here")
    folder, node = found
    done = subprocess.run(
        [node, script, *arguments],
        env={**os.environ, "NODE_PATH": str(folder.resolve()), "NODE_NO_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
