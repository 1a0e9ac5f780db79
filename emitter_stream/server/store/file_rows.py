"""The tables of files, uploads, vector stores and the chunks in them.

The bytes of files are not in here: see `..files.folder` and `..files.large`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import DDL, BigInteger, ForeignKey, Index, LargeBinary, event
from sqlalchemy.orm import Mapped, mapped_column

from .store import Base, Owned, Row


class FileRow(Owned):
    __tablename__ = "files"

    purpose: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(index=True)


class BytesRow(Base):
    """Where PostgreSQL has the bytes of a file or a part: `number` is a large object's.

    `touched_at` is when something was last written, in unix seconds.
    """

    __tablename__ = "file_bytes"

    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[int]


class UploadRow(Owned):
    __tablename__ = "uploads"

    status: Mapped[str]
    expires_at: Mapped[int] = mapped_column(index=True)


class UploadPartRow(Row):
    __tablename__ = "upload_parts"

    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class StoreRow(Owned):
    """A vector store; what its body says of its files is put there when it is read."""

    __tablename__ = "vector_stores"

    expires_at: Mapped[int | None] = mapped_column(index=True)
    last_active_at: Mapped[int]


class BatchRow(Row):
    __tablename__ = "vector_store_batches"

    store_id: Mapped[str] = mapped_column(
        ForeignKey("vector_stores.id", ondelete="CASCADE"), index=True
    )
    cancelled: Mapped[bool] = mapped_column(default=False)


class StoreFileRow(Row):
    """A file in a store: `id` is both ids, the body's is the file's.

    A process that reads it has it `claimed_until` a time, in unix seconds.
    """

    __tablename__ = "vector_store_files"
    __table_args__ = (
        Index("store_files_by_status", "store_id", "status"),
        {"sqlite_autoincrement": True},
    )

    store_id: Mapped[str] = mapped_column(ForeignKey("vector_stores.id", ondelete="CASCADE"))
    file_id: Mapped[str] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), index=True)
    batch_id: Mapped[str | None] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(index=True)
    claimed_until: Mapped[int] = mapped_column(default=0)
    usage_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class ChunkRow(Base):
    """A piece of a file in a store, as it is found. `vector` is of float32, if there are embeddings."""

    __tablename__ = "chunks"
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    store_id: Mapped[str] = mapped_column(index=True)
    store_file: Mapped[int] = mapped_column(
        ForeignKey("vector_store_files.seq", ondelete="CASCADE"), index=True
    )
    number: Mapped[int]
    text: Mapped[str]
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)


# SQLite's index of the chunks' words. It has no texts of its own, and the triggers keep it true to
# the chunks whatever takes them away, a cascade included. Other databases have their own ways: see
# `..search`.
_INDEX = (
    "fts5(store_id, text, content='chunks', content_rowid='seq', "
    "tokenize='porter unicode61 remove_diacritics 2')"
)
_GONE = "INSERT INTO chunk_words(chunk_words, rowid, store_id, text) VALUES ('delete', {})"
_OLD = _GONE.format("old.seq, old.store_id, old.text")
_NEW = "INSERT INTO chunk_words(rowid, store_id, text) VALUES (new.seq, new.store_id, new.text)"
WORDS = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS chunk_words USING {_INDEX}",
    f"CREATE TRIGGER IF NOT EXISTS chunk_words_in AFTER INSERT ON chunks BEGIN {_NEW}; END",
    f"CREATE TRIGGER IF NOT EXISTS chunk_words_out AFTER DELETE ON chunks BEGIN {_OLD}; END",
)
POSTGRES_WORDS = "CREATE INDEX chunk_words ON chunks USING gin (to_tsvector('english', text))"
_untyped: Any = DDL
event.listen(
    ChunkRow.__table__, "after_create", _untyped(POSTGRES_WORDS).execute_if(dialect="postgresql")
)
for _statement in WORDS:
    event.listen(
        ChunkRow.__table__, "after_create", _untyped(_statement).execute_if(dialect="sqlite")
    )
