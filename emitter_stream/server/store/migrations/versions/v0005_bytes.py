"""Where PostgreSQL has the bytes of files."""

import sqlalchemy as sa
from alembic import op

from emitter_stream.server.store.migrations.help import has_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    if not has_table("file_bytes"):
        op.create_table(
            "file_bytes",
            sa.Column("name", sa.String, primary_key=True),
            sa.Column("number", sa.BigInteger, nullable=False),
            sa.Column("touched_at", sa.Integer, nullable=False),
        )
