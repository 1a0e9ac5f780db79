"""The port of the words' search, and what of it is the same for every database."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy.orm import Session

MOST_TERMS = 32
CANDIDATES = 200  # chunks that are looked at more closely

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

    def matches(
        self, session: Session, store_ids: Sequence[str], term: str, most: int
    ) -> Mapping[int, float]:
        """Return the chunks of these stores that have a word, whatever its ending: `seq` and how
        good, any number that is larger for better."""
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
    allowed: frozenset[int] | None = None,
) -> dict[int, float]:
    """Return chunks and their scores, of 0 to 1: how much of what the query asks for stands in them.

    `total` is the number of chunks in the stores, `allowed` those that may be found. A word counts
    the more, the fewer chunks have it; of equals those are better where the words are more frequent.
    """
    covered: dict[int, float] = {}
    strength: dict[int, float] = {}
    asked = 0.0
    for term in terms_of(query):
        found = search.matches(session, store_ids, term, max(total, 1))
        weight = math.log(1 + (total + 1) / (len(found) + 0.5))
        asked += weight
        for seq, how_good in found.items():
            if allowed is None or seq in allowed:
                covered[seq] = covered.get(seq, 0.0) + weight
                strength[seq] = strength.get(seq, 0.0) + weight * how_good
    if not covered:
        return {}
    strongest = max(strength.values()) or 1.0
    scored = {
        seq: 0.9 * (got / asked) + 0.1 * (got / asked) * (strength[seq] / strongest)
        for seq, got in covered.items()
    }
    best = sorted(scored, key=lambda seq: (-scored[seq], seq))[:CANDIDATES]
    return {seq: scored[seq] for seq in best}
