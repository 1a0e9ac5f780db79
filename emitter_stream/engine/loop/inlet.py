"""Where what reads for a stream on an event loop hands things over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import attrs

from ..codec import WireEvent

__all__ = ["Batch", "Inlet"]

Batch = Iterable[WireEvent]


@attrs.frozen
class Inlet:
    """Where a reader hands things over; both functions are called on ``loop``."""

    loop: asyncio.AbstractEventLoop
    arrive: Callable[[Batch], object]
    """Takes what was read; the first time it is nothing, and means that the source is open."""
    close: Callable[[BaseException | None], object]
    """Takes the end, with the source closed, or the error that is it."""
