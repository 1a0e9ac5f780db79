"""The keyword arguments of ``client.responses``, for type checkers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .._not_given import NotGiven
from ..types import Model
from ._params import CallParams

__all__ = [
    "ResponseParams",
    "ResponseParseParams",
    "ResponseRetrieveParams",
    "ResponseStreamParams",
]

_Object = Mapping[str, Any] | Model


class ResponseParams(CallParams, total=False):
    """What ``responses.create`` sends."""

    access_programs: _Object | NotGiven
    background: bool | NotGiven | None
    background_options: _Object | NotGiven
    context_management: Iterable[_Object] | NotGiven | None
    conversation: str | _Object | NotGiven | None
    image: _Object | NotGiven
    include: Iterable[str] | NotGiven | None
    input: str | Iterable[_Object] | NotGiven
    instructions: str | NotGiven | None
    max_output_tokens: int | NotGiven | None
    max_tool_calls: int | NotGiven | None
    metadata: Mapping[str, str] | NotGiven | None
    model: str | NotGiven
    moderation: _Object | NotGiven | None
    parallel_tool_calls: bool | NotGiven | None
    previous_response_id: str | NotGiven | None
    prompt: _Object | NotGiven | None
    prompt_cache_key: str | NotGiven | None
    prompt_cache_options: _Object | NotGiven
    prompt_cache_retention: str | NotGiven | None
    reasoning: _Object | NotGiven | None
    safety_identifier: str | NotGiven | None
    service_tier: str | NotGiven | None
    store: bool | NotGiven | None
    stream_options: _Object | NotGiven | None
    temperature: float | NotGiven | None
    text: _Object | NotGiven
    tool_choice: str | _Object | NotGiven
    tools: Iterable[_Object] | NotGiven
    top_logprobs: int | NotGiven | None
    top_p: float | NotGiven | None
    truncation: Literal["auto", "disabled"] | NotGiven | None
    user: str | NotGiven


class ResponseParseParams(ResponseParams, total=False):
    """What ``responses.parse`` takes."""

    text_format: Any


class ResponseRetrieveParams(CallParams, total=False):
    """What ``responses.retrieve`` takes, but for the response and ``stream``."""

    include: Iterable[str] | NotGiven
    include_obfuscation: bool | NotGiven
    starting_after: int | NotGiven


class ResponseStreamParams(ResponseParseParams, total=False):
    """What ``responses.stream`` takes: a request, or the response that is to be heard again."""

    response_id: str | NotGiven
    starting_after: int | NotGiven
