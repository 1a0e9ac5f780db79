"""Objects belong to a key."""

import sqlalchemy as sa
from alembic import op

from emitter_stream.server.store.migrations.help import has_column

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("assistants", "threads", "completions", "responses"):
        if not has_column(table, "owner"):
            op.add_column(table, sa.Column("owner", sa.String, nullable=False, server_default=""))
