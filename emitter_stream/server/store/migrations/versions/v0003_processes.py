"""Runs belong to a process, and their events are kept; one active run a thread."""

import sqlalchemy as sa
from alembic import op

from emitter_stream.server.store.migrations.help import has_index, has_table

revision = "0003"
down_revision = "0002"

ACTIVE = sa.text("status IN ('queued', 'in_progress', 'requires_action', 'cancelling')")


def upgrade() -> None:
    if not has_table("processes"):
        op.create_table(
            "processes",
            sa.Column("id", sa.String, primary_key=True),
            sa.Column("until", sa.Double, nullable=False),
        )
    if not has_table("run_logs"):
        thread = sa.ForeignKey("threads.id", ondelete="CASCADE")
        op.create_table(
            "run_logs",
            sa.Column("run_id", sa.String, primary_key=True),
            sa.Column("thread_id", sa.String, thread, nullable=False, index=True),
            sa.Column("process", sa.String, index=True),
            sa.Column("last", sa.Integer, nullable=False),
            sa.Column("ended_at", sa.Integer, index=True),
        )
    if not has_table("run_events"):
        log = sa.ForeignKey("run_logs.run_id", ondelete="CASCADE")
        op.create_table(
            "run_events",
            sa.Column("run_id", sa.String, log, primary_key=True),
            sa.Column("first", sa.Integer, primary_key=True),
            sa.Column("frames", sa.LargeBinary, nullable=False),
        )
    if not has_index("runs", "one_active_run"):
        op.create_index(
            "one_active_run",
            "runs",
            ["thread_id"],
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        )
