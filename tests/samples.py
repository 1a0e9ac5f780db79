"""How often a test tries things at random: a few times by default, more in `tox -e exhaustive`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

EXHAUSTIVE = bool(os.environ.get("EMITTER_STREAM_EXHAUSTIVE"))


def tries(usual: T, exhaustive: T) -> T:
    """Give the number of tries, or what is tried; a test that uses it is marked `tries`, so that both run it."""
    return exhaustive if EXHAUSTIVE else usual
