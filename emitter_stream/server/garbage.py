"""How often Python looks for garbage in a process that only serves."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

NEW_OBJECTS = 20_000  # until they are looked at


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """Let the collector leave alone what is there by now, and look at the rest less often.

    While hundreds of runs begin hardly anything is garbage: to look at all of it again and again
    took an eighth of the time. Only for a process of one's own, since it holds for all of it.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
