"""All orders in which the steps of several can come."""

from __future__ import annotations

from collections.abc import Iterator

READER = 0
"""The number of the one between whose steps the others come."""


def orders(*counts: int) -> Iterator[tuple[int, ...]]:
    """Yield all orders of the steps of several actors: as many of the number n as `counts[n]` says."""
    if not any(counts):
        yield ()
    for actor, count in enumerate(counts):
        if count:
            left = [others - (number == actor) for number, others in enumerate(counts)]
            yield from ((actor, *rest) for rest in orders(*left))
