"""The words' search of PostgreSQL: its own full text search, with the stems of English words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

_MATCHES = text(
    "SELECT seq, ts_rank_cd(to_tsvector('english', text), wanted) "
    "FROM chunks, phraseto_tsquery('english', :term) AS wanted "
    "WHERE store_id = ANY(:stores) AND to_tsvector('english', text) @@ wanted LIMIT :most"
)


class PostgresWords:
    """Searches the chunks by an index of their words, which the database keeps."""

    def matches(
        self, session: Session, store_ids: Sequence[str], term: str, most: int
    ) -> Mapping[int, float]:
        given = {"stores": list(store_ids), "term": term.replace("\0", ""), "most": most}
        return {seq: float(rank) for seq, rank in session.execute(_MATCHES, given)}
