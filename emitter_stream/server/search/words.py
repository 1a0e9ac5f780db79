"""The port of the words' search, and what of it is the same for every database."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy.orm import Session

MOST_TERMS = 32
LOOKED_AT = 200  # texts of those that are equal

_WORD = re.compile(r"\w+")
# Words that say nothing about what a text is about; a question of these alone is searched as it is.
_COMMON_WORDS = """
    a about above after all also am an and any are as at be because been before being but by can
    could did do does doing down during each few find for from further get give had has have having
    he her here hers him his how i if in into is it its just know let long many may me might more
    most much must my no not of off on once only or other our out over own please same say says she
    should show so some such tell than that the their them then there these they this those through
    to too under until up us use very was we were what when where which while who whom why will
    with would you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())


class WordSearch(Protocol):
    """Finds chunks by their words, in one transaction.

    The index follows the rows of the chunks by itself (SQLite: triggers), so there is nothing here to
    add to it or to take from it.
    """

    def matches(self, session: Session, store_ids: Sequence[str], term: str) -> frozenset[int]:
        """Return the chunks of these stores, by their `seq`, that have a word, whatever its ending."""
        ...

    def best(
        self, session: Session, store_ids: Sequence[str], terms: Sequence[str], most: int
    ) -> Sequence[int]:
        """Return the chunks that speak most of some words, best first; none if that takes too long."""
        ...


def terms_of(query: str) -> list[str]:
    """Return the words of a query that are worth looking for, each once."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
    telling = [word for word in words if word not in _COMMON and len(word) > 1]
    return (telling or words)[:MOST_TERMS]


def find_by_words(
    search: WordSearch,
    session: Session,
    store_ids: Sequence[str],
    query: str,
    total: int,
    texts: Callable[[Sequence[int]], Mapping[int, str]],
    most: int,
    allowed: frozenset[int] | None = None,
) -> dict[int, float]:
    """Return the best chunks, `most` or some more, and their scores of 0 to 1: how much of what the
    query asks for stands in them.

    `total` is the number of chunks in the stores, `allowed` those that may be found, `texts` looks texts
    up. A word counts the more, the fewer chunks have it; of equals those are better where the words
    are more frequent.
    """
    found: dict[str, frozenset[int]] = {}
    weights: dict[str, float] = {}
    for term in terms_of(query):
        found[term] = search.matches(session, store_ids, term)
        weights[term] = math.log(1 + (total + 1) / (len(found[term]) + 0.5))
    asked = rest = sum(weights.values())
    covered: dict[int, float] = {}
    for term in sorted(weights, key=weights.__getitem__, reverse=True):
        seqs, weight = found[term] if allowed is None else found[term] & allowed, weights[term]
        # Once enough have more than all that is left to get, nobody new comes among the best.
        if len(covered) > most and rest < heapq.nlargest(most + 1, covered.values())[most]:
            seqs &= covered.keys()
        for seq in seqs:
            covered[seq] = covered.get(seq, 0.0) + weight
        rest -= weight
    if not covered:
        return {}
    best = heapq.nlargest(most + 1, covered, key=covered.__getitem__)
    if len(best) > most and covered[best.pop()] == covered[best[-1]]:
        # Among those that are equal at the end the better ones are to be found.
        last = covered[best[-1]]
        best = [seq for seq in best if covered[seq] > last]
        equals = sorted(seq for seq, got in covered.items() if got == last)
        if len(equals) > LOOKED_AT:
            better = [
                seq
                for seq in search.best(session, store_ids, list(weights), LOOKED_AT)
                if covered.get(seq) == last
            ]
            equals = list(dict.fromkeys((*better, *equals)))[:LOOKED_AT]
        best += equals
    strength = _strength(texts(best), weights)
    strongest = max(strength.values(), default=0.0) or 1.0
    return {
        seq: (covered[seq] / asked) * (0.9 + 0.1 * strength[seq] / strongest)
        for seq in best
        if seq in strength
    }


def _strength(texts: Mapping[int, str], weights: Mapping[str, float]) -> dict[int, float]:
    """Return how much each text speaks of some words, in no unit: more for a word that comes often,
    less if the text is longer than others."""
    usual = sum(map(len, texts.values())) / max(1, len(texts)) or 1.0
    stems = {_stem(term): weight for term, weight in weights.items()}
    found = {}
    for seq, text in texts.items():
        plain, slack = text.lower(), 0.3 + 0.9 * len(text) / usual
        counts = ((plain.count(stem), weight) for stem, weight in stems.items())
        found[seq] = sum(weight * count / (count + slack) for count, weight in counts)
    return found


def _stem(term: str) -> str:
    """Return how a word begins in most of its forms."""
    return term[: max(4, len(term) - 3)]
