"""What streams may leave behind for a moment, and how to wait until it is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scripted_server import PATIENCE


def stream_threads() -> list[threading.Thread]:
    """Give the library's own threads that are still running."""
    return [t for t in threading.enumerate() if t.name.startswith("emitter-stream")]


def wait_until(condition: Callable[[], bool], timeout: float = PATIENCE) -> bool:
    """Wait for something that nobody announces; tell whether it came."""
    limit = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.002)
    return True
