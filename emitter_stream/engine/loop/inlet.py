"""Where what reads for a stream on an event loop hands things over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from ..codec import WireEvent

__all__ = ["Batch", "Inlet"]

Batch = Iterable[WireEvent]


class Inlet(Protocol):
    """Who takes what is read. Both methods are called on ``loop``."""

    loop: asyncio.AbstractEventLoop

    def arrive(self, events: Batch) -> None:
        """Take what was read; the first time it is nothing, and means that the source is open."""

    def source_closed(self, error: BaseException | None) -> None:
        """Hear that the source is closed, and of the error that it ended in."""
