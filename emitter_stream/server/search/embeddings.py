"""Finding chunks by what they mean: vectors of an upstream, and how close two of them are."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import mul

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
    """Return how close each chunk is to the nearest of the queries: 0 to 1, the cosine if that is more."""
    found: dict[int, float] = {}
    for seq, packed in chunks:
        vector = array("f", packed)
        close = [sum(map(mul, query, vector)) for query in queries if len(query) == len(vector)]
        if close:
            found[seq] = min(1.0, max(0.0, *close))
    return found


def fused(words: dict[int, float], meaning: dict[int, float]) -> dict[int, float]:
    """Return the scores of both searches together."""
    return {
        seq: WORDS * words.get(seq, 0.0) + MEANING * meaning.get(seq, 0.0)
        for seq in words.keys() | meaning.keys()
    }
