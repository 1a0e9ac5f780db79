"""Seconds to places: the axis and the bins of a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

__all__ = ["Scale"]


@attrs.frozen
class Scale:
    """``width`` equal bins for the seconds from 0 to ``duration``."""

    duration: float
    width: int

    def bin(self, t: float) -> int:
        """Return the bin that ``t`` falls in."""
        if self.duration <= 0:
            return 0
        return min(max(int(t / self.duration * self.width), 0), self.width - 1)

    def counts(self, times: Iterable[float]) -> list[int]:
        """Return how many of ``times`` fall in each bin."""
        counts = [0] * self.width
        for t in times:
            counts[self.bin(t)] += 1
        return counts

    def share(self, t: float) -> float:
        """Return where ``t`` lies, from 0 to 1."""
        return min(max(t / self.duration, 0.0), 1.0) if self.duration > 0 else 0.0

    def ticks(self, most: int) -> list[float]:
        """Return round times for at most ``most`` marks, the first at 0."""
        if self.duration <= 0:
            return [0.0]
        step = 10.0 ** math.floor(math.log10(self.duration / most))
        step *= next(
            factor for factor in (1, 2, 5, 10, 20) if step * factor * most >= self.duration
        )
        return [number * step for number in range(int(self.duration / step + 1e-9) + 1)]

    def labels(self, most: int) -> list[tuple[float, str]]:
        """Return the ticks with what to write at them."""
        ticks = self.ticks(most)
        step = ticks[1] if len(ticks) > 1 else 1.0
        if step < 1:
            return (
                [(t, f"{t * 1000:g} ms" if t else "0") for t in ticks]
                if self.duration < 1
                else [(t, f"{t:g} s" if t else "0") for t in ticks]
            )
        return [(t, f"{t:g} s" if t else "0") for t in ticks]
