"""Runs."""

from __future__ import annotations

from typing import Literal

from .._model import ListView, Model
from .._resource import Resource
from .shared import (
    AssistantResponseFormatOption,
    AssistantToolChoiceOption,
    LastError,
    Tool,
    ToolResources,
    Usage,
)

__all__ = [
    "RequiredAction",
    "RequiredActionFunctionToolCall",
    "RequiredActionSubmitToolOutputs",
    "RequiredFunction",
    "Run",
    "RunIncompleteDetails",
    "RunStatus",
    "TruncationStrategy",
]

RunStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]


class RequiredFunction(Model):
    """The function to call; ``arguments`` is JSON text, as the model wrote it."""

    __slots__ = ()

    name: str
    arguments: str


class RequiredActionFunctionToolCall(Model):
    """A function call whose output the run waits for."""

    __slots__ = ()

    id: str
    type: Literal["function"]
    function: RequiredFunction


class RequiredActionSubmitToolOutputs(Model):
    """The calls whose outputs are to be submitted."""

    __slots__ = ()

    tool_calls: ListView[RequiredActionFunctionToolCall]


class RequiredAction(Model):
    """What a run with status ``requires_action`` waits for."""

    __slots__ = ()

    type: Literal["submit_tool_outputs"]
    submit_tool_outputs: RequiredActionSubmitToolOutputs


class RunIncompleteDetails(Model):
    """Why a run ended as ``incomplete``."""

    __slots__ = ()

    reason: Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"] | None


class TruncationStrategy(Model):
    """Which part of a long thread the model is shown."""

    __slots__ = ()

    type: Literal["auto", "last_messages"]
    last_messages: int | None


class Run(Resource):
    """One execution of an assistant on a thread. Times are in seconds since 1970."""

    __slots__ = ()

    _shown = ("id", "status")

    id: str
    object: Literal["thread.run"]
    created_at: int
    thread_id: str
    assistant_id: str
    status: RunStatus
    required_action: RequiredAction | None
    last_error: LastError | None
    expires_at: int | None
    started_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    incomplete_details: RunIncompleteDetails | None
    model: str
    instructions: str
    tools: ListView[Tool]
    metadata: dict[str, str] | None
    usage: Usage | None
    temperature: float | None
    top_p: float | None
    max_prompt_tokens: int | None
    max_completion_tokens: int | None
    truncation_strategy: TruncationStrategy | None
    tool_choice: AssistantToolChoiceOption | None
    parallel_tool_calls: bool
    response_format: AssistantResponseFormatOption | None
    tool_resources: ToolResources | None
    reasoning_effort: str | None
