"""The words' search of SQLite: FTS5, with the stems of English words."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

# All rows as one text: ten times faster here than row by row.
_MATCHES = text("SELECT group_concat(rowid) FROM chunk_words WHERE chunk_words MATCH :query")
_BEST = text(
    "SELECT rowid FROM chunk_words WHERE chunk_words MATCH :query "
    "AND rank MATCH 'bm25(0.0, 1.0)' ORDER BY rank LIMIT :most"
)


class SqliteWords:
    """Searches `chunk_words`, which triggers keep true to the chunks."""

    def matches(self, session: Session, store_ids: Sequence[str], term: str) -> frozenset[int]:
        found = session.scalar(_MATCHES, {"query": _query(store_ids, [term])})
        return frozenset(json.loads(f"[{found or ''}]"))

    def best(
        self, session: Session, store_ids: Sequence[str], terms: Sequence[str], most: int
    ) -> Sequence[int]:
        given = {"query": _query(store_ids, terms), "most": most}
        return list(session.scalars(_BEST, given))


def _query(store_ids: Sequence[str], terms: Sequence[str]) -> str:
    # An id is words to the index, of which the last is the store's and no other's: what is before it,
    # all chunks have, so that looking for it as well takes twice the time.
    stores = " OR ".join(_quoted(store.rpartition("_")[2]) for store in store_ids)
    return f"store_id : ({stores}) AND text : ({' OR '.join(map(_quoted, terms))})"


def _quoted(phrase: str) -> str:
    return '"' + phrase.replace('"', '""') + '"'
