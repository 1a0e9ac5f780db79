"""All orders in which the steps of several can come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

READER = 0
"""The number of the one between whose steps the others come."""


def orders(*counts: int) -> Iterator[tuple[int, ...]]:
    """Yield all orders of the steps of several actors: as many of the number n as `counts[n]` says."""
    *others, last = counts
    if not others:
        yield (READER,) * last
        return
    for rest in orders(*others):
        for places in itertools.combinations(range(len(rest) + last), last):
            order = list(rest)
            for place in places:
                order.insert(place, len(others))
            yield tuple(order)
