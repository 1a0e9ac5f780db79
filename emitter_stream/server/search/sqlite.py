"""The words' search of SQLite: FTS5, with the stems of English words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

_MATCHES = text(
    "SELECT rowid, -rank FROM chunk_words "
    "WHERE chunk_words MATCH :query AND rank MATCH 'bm25(0.0, 1.0)' LIMIT :most"
)


class SqliteWords:
    """Searches `chunk_words`, which triggers keep true to the chunks."""

    def matches(
        self, session: Session, store_ids: Sequence[str], term: str, most: int
    ) -> Mapping[int, float]:
        # An id is words to the index; as a phrase they are the store's and no other's.
        stores = " OR ".join(_quoted(store) for store in store_ids)
        query = f"store_id : ({stores}) AND text : {_quoted(term)}"
        # bm25 is negative for what most chunks have, and tiny in a small index: no less than a bit.
        rows = session.execute(_MATCHES, {"query": query, "most": most})
        return {seq: max(float(rank), 1e-6) for seq, rank in rows}


def _quoted(phrase: str) -> str:
    return '"' + phrase.replace('"', '""') + '"'
