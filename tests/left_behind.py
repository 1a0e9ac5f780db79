"""What streams may leave behind for a moment, and how to wait until it is gone."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable

from scripted_server import PATIENCE

_looked_through = 0  # modules, by then


def collect_garbage() -> None:
    """Collect what nobody holds: a forgotten socket says so now, in the test that forgot it.

    Modules that were imported meanwhile live as long as the process; later looks, of which there
    are hundreds, are spared them. What else is alive by then is, too, so that is not done each time.
    """
    global _looked_through
    gc.collect()
    if len(sys.modules) > _looked_through:
        _looked_through = len(sys.modules)
        gc.freeze()


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
