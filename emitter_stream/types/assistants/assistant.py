"""Assistants."""

from __future__ import annotations

from typing import Literal

from .._model import ListView
from .._resource import Resource
from .shared import AssistantResponseFormatOption, Tool, ToolResources

__all__ = ["Assistant", "AssistantDeleted"]


class Assistant(Resource):
    """A model with instructions and tools. ``created_at`` is in seconds since 1970."""

    __slots__ = ()

    _shown = ("id", "name", "model")

    id: str
    object: Literal["assistant"]
    created_at: int
    name: str | None
    description: str | None
    model: str
    instructions: str | None
    tools: ListView[Tool]
    tool_resources: ToolResources | None
    metadata: dict[str, str] | None
    temperature: float | None
    top_p: float | None
    response_format: AssistantResponseFormatOption | None
    reasoning_effort: str | None


class AssistantDeleted(Resource):
    """The answer to the deletion of an assistant."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["assistant.deleted"]
    deleted: bool
