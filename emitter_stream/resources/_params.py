"""The keyword arguments that several methods share, for their overloads.

At runtime the methods spell them out; that the two agree is checked by the type checker, which
compares each overload with the implementation, and by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict

from .._not_given import NotGiven
from ..types import RunStepInclude
from ..types.params import (
    AssistantResponseFormatOptionParam,
    AssistantToolChoiceOptionParam,
    AssistantToolParam,
    MessageParam,
    Metadata,
    ReasoningEffort,
    ThreadParam,
    ToolOutput,
    ToolResourcesParam,
    TruncationStrategyParam,
)

if TYPE_CHECKING:
    from ..http.transport import Timeout

__all__ = ["RunParams", "RunToolsParams", "SubmitParams", "ThreadRunParams"]


class _ExtraParams(TypedDict, total=False):
    extra_headers: Mapping[str, str | None] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: Timeout | NotGiven


class _Required(TypedDict):
    assistant_id: str


class RunToolsParams(_Required, _ExtraParams, total=False):
    """What ``runs.run_tools`` takes of what ``runs.stream`` takes."""

    include: Iterable[RunStepInclude] | NotGiven
    additional_instructions: str | NotGiven | None
    additional_messages: Iterable[MessageParam] | NotGiven | None
    instructions: str | NotGiven | None
    max_completion_tokens: int | NotGiven | None
    max_prompt_tokens: int | NotGiven | None
    metadata: Metadata | NotGiven | None
    model: str | NotGiven | None
    parallel_tool_calls: bool | NotGiven
    reasoning_effort: ReasoningEffort | NotGiven | None
    response_format: AssistantResponseFormatOptionParam | NotGiven | None
    temperature: float | NotGiven | None
    tool_choice: AssistantToolChoiceOptionParam | NotGiven | None
    top_p: float | NotGiven | None
    truncation_strategy: TruncationStrategyParam | NotGiven | None


class RunParams(RunToolsParams, total=False):
    """What ``runs.create`` and ``runs.stream`` take."""

    tools: Iterable[AssistantToolParam] | NotGiven | None


class ThreadRunParams(_Required, _ExtraParams, total=False):
    """What ``threads.create_and_run`` and ``threads.create_and_run_stream`` take."""

    instructions: str | NotGiven | None
    max_completion_tokens: int | NotGiven | None
    max_prompt_tokens: int | NotGiven | None
    metadata: Metadata | NotGiven | None
    model: str | NotGiven | None
    parallel_tool_calls: bool | NotGiven
    response_format: AssistantResponseFormatOptionParam | NotGiven | None
    temperature: float | NotGiven | None
    thread: ThreadParam | NotGiven
    tool_choice: AssistantToolChoiceOptionParam | NotGiven | None
    tool_resources: ToolResourcesParam | NotGiven | None
    tools: Iterable[AssistantToolParam] | NotGiven | None
    top_p: float | NotGiven | None
    truncation_strategy: TruncationStrategyParam | NotGiven | None


class _SubmitRequired(TypedDict):
    thread_id: str
    tool_outputs: Iterable[ToolOutput | Mapping[str, str]]


class SubmitParams(_SubmitRequired, _ExtraParams, total=False):
    """What ``runs.submit_tool_outputs`` and ``runs.submit_tool_outputs_stream`` take."""
