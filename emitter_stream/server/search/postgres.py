"""The words' search of PostgreSQL: its own full text search, with the stems of English words."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

# No rank: for that the words of each text would be cut out anew.
_MATCHES = text(
    "SELECT string_agg(seq::text, ',') FROM chunks "
    "WHERE store_id = ANY(:stores) AND to_tsvector('english', text) @@ "
    "phraseto_tsquery('english', :term)"
)


class PostgresWords:
    """Searches the chunks by an index of their words, which the database keeps."""

    def matches(self, session: Session, store_ids: Sequence[str], term: str) -> frozenset[int]:
        given = {"stores": list(store_ids), "term": term.replace("\0", "")}
        found = session.scalar(_MATCHES, given)
        return frozenset(json.loads(f"[{found or ''}]"))

    def best(
        self, session: Session, store_ids: Sequence[str], terms: Sequence[str], most: int
    ) -> Sequence[int]:
        return ()
