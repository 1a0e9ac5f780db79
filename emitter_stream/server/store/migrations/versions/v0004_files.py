"""Files, uploads, vector stores, and the chunks in them."""

import sqlalchemy as sa
from alembic import op

from emitter_stream.server.store.migrations.help import has_table

revision = "0004"
down_revision = "0003"

WORDS = (
    (
        "CREATE VIRTUAL TABLE IF NOT EXISTS chunk_words USING fts5(store_id, text, content='chunks', "
        "content_rowid='seq', tokenize='porter unicode61 remove_diacritics 2')"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS chunk_words_in AFTER INSERT ON chunks BEGIN "
        "INSERT INTO chunk_words(rowid, store_id, text) VALUES (new.seq, new.store_id, new.text); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS chunk_words_out AFTER DELETE ON chunks BEGIN "
        "INSERT INTO chunk_words(chunk_words, rowid, store_id, text) "
        "VALUES ('delete', old.seq, old.store_id, old.text); END"
    ),
)


def _own() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("body", sa.JSON, nullable=False),
    ]


def _of(column: str, target: str, *, index: bool = True) -> sa.schema.SchemaItem:
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(column, sa.String, key, nullable=False, index=index)


def _owner() -> sa.schema.SchemaItem:
    return sa.Column("owner", sa.String, nullable=False, server_default="")


def _make(name: str, *items: sa.schema.SchemaItem) -> None:
    if not has_table(name):
        op.create_table(name, *items, sqlite_autoincrement=True)


def upgrade() -> None:
    _make(
        "files",
        *_own(),
        _owner(),
        sa.Column("purpose", sa.String, nullable=False, index=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Integer, index=True),
    )
    _make(
        "uploads",
        *_own(),
        _owner(),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("expires_at", sa.Integer, nullable=False, index=True),
    )
    _make(
        "upload_parts",
        *_own(),
        _of("upload_id", "uploads.id"),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    _make(
        "vector_stores",
        *_own(),
        _owner(),
        sa.Column("expires_at", sa.Integer, index=True),
        sa.Column("last_active_at", sa.Integer, nullable=False),
    )
    _make(
        "vector_store_batches",
        *_own(),
        _of("store_id", "vector_stores.id"),
        sa.Column("cancelled", sa.Boolean, nullable=False),
    )
    if not has_table("vector_store_files"):
        _make(
            "vector_store_files",
            *_own(),
            _of("store_id", "vector_stores.id", index=False),
            _of("file_id", "files.id"),
            sa.Column("batch_id", sa.String, index=True),
            sa.Column("status", sa.String, nullable=False, index=True),
            sa.Column("claimed_until", sa.Integer, nullable=False),
            sa.Column("usage_bytes", sa.BigInteger, nullable=False),
        )
        op.create_index("store_files_by_status", "vector_store_files", ["store_id", "status"])
    is_new = not has_table("chunks")
    _make(
        "chunks",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("store_id", sa.String, nullable=False, index=True),
        sa.Column(
            "store_file",
            sa.Integer,
            sa.ForeignKey("vector_store_files.seq", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("vector", sa.LargeBinary),
    )
    if op.get_bind().dialect.name == "sqlite":
        for statement in WORDS:
            op.execute(sa.text(statement))
    elif is_new:
        op.execute("CREATE INDEX chunk_words ON chunks USING gin (to_tsvector('english', text))")
