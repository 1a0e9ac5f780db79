"""Finding chunks by what they mean: vectors of an upstream, and how close two of them are."""

from __future__ import annotations

import functools
import importlib
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Any

from ..models.upstream import Upstream

AT_A_TIME = 64  # texts of a request
WORDS, MEANING = 0.3, 0.7  # what each counts in the score of a chunk


class UpstreamEmbeddings:
    """The embeddings that an upstream makes, by the name of their model."""

    def __init__(self, upstream: Upstream, model: str) -> None:
        self._upstream = upstream
        self._model = model

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, of length one. Raises `ModelError`."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), AT_A_TIME):
            some = list(texts[start : start + AT_A_TIME])
            vectors += await self._upstream.embed(self._model, some)
        return [_of_length_one(vector) for vector in vectors]


def _of_length_one(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(map(mul, vector, vector))) or 1.0
    return [value / length for value in vector]


def closeness(
    queries: Sequence[Sequence[float]], chunks: Iterable[tuple[int, bytes]]
) -> dict[int, float]:
    """Return how close each chunk is to the nearest of the queries: 0 to 1, the cosine if that is more.

    Vectors of another length than the queries' are another model's: they are left out. With NumPy,
    where that is installed, it takes a thirtieth of the time.
    """
    asked = [array("f", query) for query in queries]
    size = len(asked[0]) if asked else 0
    fitting = [(seq, packed) for seq, packed in chunks if len(packed) == 4 * size > 0]
    if not fitting:
        return {}
    nearest = _nearest if _numpy() is None else _nearest_by_numpy
    close = nearest(asked, [packed for _, packed in fitting])
    return {seq: min(1.0, max(0.0, best)) for (seq, _), best in zip(fitting, close, strict=True)}


def _nearest(queries: Sequence[array[float]], vectors: Sequence[bytes]) -> list[float]:
    """Return the largest product of each vector with one of the queries."""
    lists = [query.tolist() for query in queries]
    found = []
    for packed in vectors:
        vector = array("f", packed).tolist()
        found.append(max(_product(query, vector) for query in lists))
    return found


if sys.version_info >= (3, 12):
    _product = math.sumprod
else:

    def _product(one: Sequence[float], other: Sequence[float]) -> float:
        return float(sum(map(mul, one, other)))


def _nearest_by_numpy(queries: Sequence[array[float]], vectors: Sequence[bytes]) -> list[float]:
    numpy = _numpy()
    asked = numpy.array(queries, dtype="f")
    found = numpy.frombuffer(b"".join(vectors), dtype="f").reshape(len(vectors), -1)
    nearest: list[float] = (found @ asked.T).max(axis=1).tolist()
    return nearest


@functools.cache
def _numpy() -> Any:
    """Return NumPy, or None; when it is first needed, since it takes a moment."""
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def fused(words: dict[int, float], meaning: dict[int, float]) -> dict[int, float]:
    """Return the scores of both searches together."""
    return {
        seq: WORDS * words.get(seq, 0.0) + MEANING * meaning.get(seq, 0.0)
        for seq in words.keys() | meaning.keys()
    }
