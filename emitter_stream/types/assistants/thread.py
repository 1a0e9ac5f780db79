"""Threads: conversations."""

from __future__ import annotations

from typing import Literal

from .._resource import Resource
from .shared import ToolResources

__all__ = ["Thread", "ThreadDeleted"]


class Thread(Resource):
    """A conversation, which messages and runs belong to. ``created_at`` is in seconds since 1970."""

    __slots__ = ()

    id: str
    object: Literal["thread"]
    created_at: int
    metadata: dict[str, str] | None
    tool_resources: ToolResources | None


class ThreadDeleted(Resource):
    """The answer to the deletion of a thread."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["thread.deleted"]
    deleted: bool
