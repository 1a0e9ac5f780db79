"""The tables of the first version."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from emitter_stream.server.store.migrations.help import has_table

revision = "0001"
down_revision = None


def _make(name: str, *columns: sa.Column[Any], child: bool = False) -> None:
    if has_table(name):
        return
    more: list[sa.Column[Any]] = []
    if child:
        thread = sa.ForeignKey("threads.id", ondelete="CASCADE")
        more = [sa.Column("thread_id", sa.String, thread, nullable=False, index=True)]
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("body", sa.JSON, nullable=False),
        *more,
        *columns,
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    _make("assistants")
    _make("threads")
    _make("messages", sa.Column("run_id", sa.String, index=True), child=True)
    if not has_table("runs"):
        status = sa.Column("status", sa.String, nullable=False)
        _make("runs", status, sa.Column("expires_at", sa.Integer, nullable=False), child=True)
        op.create_index("runs_by_status", "runs", ["status", "expires_at"])
    run_id = ("run_id", sa.String)
    _make(
        "steps",
        sa.Column(*run_id, nullable=False, index=True),
        sa.Column("usage", sa.JSON),
        child=True,
    )
    _make("model_calls", sa.Column(*run_id, nullable=False, index=True), child=True)
    _make(
        "completions",
        sa.Column("model", sa.String, nullable=False, index=True),
        sa.Column("messages", sa.JSON, nullable=False),
    )
    _make(
        "responses",
        sa.Column("input", sa.JSON, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
    )
