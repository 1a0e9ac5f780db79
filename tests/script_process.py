"""A script in a process of its own, which is killed when it does not end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading

from parity.compare import PATIENCE


@contextlib.contextmanager
def started(text: str, url: str, *flags: str, **options):
    """Start a script against a server; give the process and the file of its errors."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", *flags, "-c", text, url],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            **options,
        )
        killer = threading.Timer(PATIENCE * 2, process.kill)
        killer.start()
        try:
            with process.stdout:
                yield process, errors
        finally:
            killer.cancel()
            killer.join()
            process.kill()
            process.wait()


def outcome(process, errors) -> tuple[int, str, str]:
    """Wait for a script's end; give its exit code and what it still wrote."""
    out = process.stdout.read()
    code = process.wait()
    errors.seek(0)
    return code, out, errors.read()
