"""What migrations ask of the database that they meet.

SQLite keeps what was done when the process is killed in the middle, so each step looks first.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import inspect


def has_table(name: str) -> bool:
    return name in inspect(op.get_bind()).get_table_names()


def has_column(table: str, name: str) -> bool:
    return any(one["name"] == name for one in inspect(op.get_bind()).get_columns(table))


def has_index(table: str, name: str) -> bool:
    return any(one["name"] == name for one in inspect(op.get_bind()).get_indexes(table))
