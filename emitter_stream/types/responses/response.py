"""A response: what was asked, what the model made of it, and what that took."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from .._model import ListView, Model
from .._resource import Resource
from .items import ResponseOutputItem

__all__ = [
    "IncompleteDetails",
    "InputTokensDetails",
    "OutputTokensDetails",
    "ParsedResponse",
    "Reasoning",
    "Response",
    "ResponseDeleted",
    "ResponseError",
    "ResponseStatus",
    "ResponseTextConfig",
    "ResponseUsage",
]

ResponseStatus = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]


class ResponseError(Model):
    """Why a response failed."""

    __slots__ = ()

    code: str
    message: str
    misalignment: Model | None
    param: str | None
    type: str | None


class IncompleteDetails(Model):
    """Why a response is not whole."""

    __slots__ = ()

    reason: Literal["max_output_tokens", "content_filter"] | None


class Reasoning(Model):
    """How much the model is to think, and whether it says what."""

    __slots__ = ()

    effort: str | None
    summary: str | None
    context: Literal["auto", "current_turn", "all_turns"] | None
    generate_summary: str | None
    mode: str | None


class InputTokensDetails(Model):
    """Which of the tokens that were sent were cheaper."""

    __slots__ = ()

    cached_tokens: int
    cache_write_tokens: int | None
    cache_write_tokens_details: Model | None


class OutputTokensDetails(Model):
    """Which of the tokens that the model made were thought."""

    __slots__ = ()

    reasoning_tokens: int


class ResponseUsage(Model):
    """How many tokens a response took."""

    __slots__ = ()

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseTextConfig(Model):
    """The form of the text that was asked for."""

    __slots__ = ()

    format: Model | None
    verbosity: Literal["low", "medium", "high"] | None


class Response(Resource):
    """A response of the model.

    ``output_text`` is the text of all its messages, joined, also where the server does not say it.
    ``output_parsed`` is the first ``parsed`` among its messages, ``None`` if none was parsed.
    """

    __slots__ = ()

    _added_by_helpers: ClassVar[frozenset[str]] = frozenset(("output_text", "output_parsed"))
    _shown: ClassVar[tuple[str, ...]] = ("id", "status", "model")

    id: str
    object: Literal["response"]
    created_at: float
    status: ResponseStatus | None
    model: str
    output: ListView[ResponseOutputItem]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | ListView[Model] | None
    metadata: dict[str, str] | None
    parallel_tool_calls: bool
    temperature: float | None
    tool_choice: str | Model
    tools: ListView[Model]
    top_p: float | None
    background: bool | None
    completed_at: float | None
    conversation: Model | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    previous_response_id: str | None
    prompt: Model | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    reasoning: Reasoning | None
    safety_identifier: str | None
    service_tier: str | None
    store: bool | None
    text: ResponseTextConfig | None
    top_logprobs: int | None
    truncation: Literal["auto", "disabled"] | None
    usage: ResponseUsage | None
    user: str | None
    access_programs: Model | None
    image: Model | None
    input_transformations: ListView[Model] | None
    moderation: Model | None
    prompt_cache_diagnostics: Model | None
    prompt_cache_options: Model | None
    tool_usage: Model | None

    @property
    def output_text(self) -> str:
        """The text of all messages, joined."""
        given = self._data.get("output_text")
        if isinstance(given, str):
            return given
        return "".join(
            part.text
            for item in self.output or ()
            if item.type == "message"
            for part in item.content or ()
            if part.type == "output_text" and isinstance(part.text, str)
        )

    @property
    def output_parsed(self) -> Any:
        """What the first message that was parsed became, ``None`` if none was."""
        for item in self.output or ():
            if item.type == "message":
                for part in item.content or ():
                    if part.type == "output_text" and part.parsed is not None:
                        return part.parsed
        return None


ParsedResponse = Response


class ResponseDeleted(Model):
    """The word that a response was deleted."""

    __slots__ = ()

    id: str
    object: str
    deleted: bool
