"""The keyword arguments of ``client.chat``: each parameter is named here, and only here.

Type checkers and editors know them. The server may know more: whatever is given is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from .._not_given import NotGiven
from ..types import Model
from ..types.params import Metadata, ReasoningEffort
from ._params import CallParams

if TYPE_CHECKING:
    from ..streams.chat.runner import OnToolError

__all__ = [
    "ChatCreateBodyParams",
    "ChatCreateParams",
    "ChatListParams",
    "ChatMessageListParams",
    "ChatParams",
    "ChatRunBodyParams",
    "ChatRunParams",
    "ChatStreamParams",
]

_Object = Mapping[str, Any] | Model


class _AnyChatParams(CallParams, total=False):
    audio: _Object | NotGiven | None
    frequency_penalty: float | NotGiven | None
    function_call: str | _Object | NotGiven
    functions: Iterable[_Object] | NotGiven
    logit_bias: Mapping[str, int] | NotGiven | None
    logprobs: bool | NotGiven | None
    max_completion_tokens: int | NotGiven | None
    max_tokens: int | NotGiven | None
    metadata: Metadata | NotGiven | None
    modalities: Iterable[Literal["text", "audio"]] | NotGiven | None
    moderation: _Object | NotGiven | None
    n: int | NotGiven | None
    parallel_tool_calls: bool | NotGiven
    prediction: _Object | NotGiven | None
    presence_penalty: float | NotGiven | None
    prompt_cache_key: str | NotGiven | None
    prompt_cache_options: _Object | NotGiven
    prompt_cache_retention: Literal["in_memory", "24h"] | NotGiven | None
    reasoning_effort: ReasoningEffort | NotGiven | None
    safety_identifier: str | NotGiven | None
    seed: int | NotGiven | None
    service_tier: str | NotGiven | None
    stop: str | Sequence[str] | NotGiven | None
    store: bool | NotGiven | None
    stream_options: _Object | NotGiven | None
    temperature: float | NotGiven | None
    tool_choice: str | _Object | NotGiven
    top_logprobs: int | NotGiven | None
    top_p: float | NotGiven | None
    user: str | NotGiven
    verbosity: Literal["low", "medium", "high"] | NotGiven | None
    web_search_options: _Object | NotGiven


class _ConversationRequired(TypedDict):
    messages: Iterable[Any]
    model: str


class ChatCreateBodyParams(_AnyChatParams, total=False):
    """What ``chat.completions.create`` sends, but for ``messages``, ``model`` and ``stream``."""

    response_format: _Object | NotGiven
    tools: Iterable[Any] | NotGiven


class ChatCreateParams(_ConversationRequired, ChatCreateBodyParams, total=False):
    """What ``chat.completions.create`` takes, but for ``stream``."""


class ChatParams(_AnyChatParams, total=False):
    """What ``chat.completions.parse`` takes: ``response_format`` may be a class."""

    response_format: Any
    tools: Iterable[Any] | NotGiven


class ChatStreamParams(ChatParams, total=False):
    """What ``chat.completions.stream`` takes; Node's programs say ``stream: true`` there too."""

    stream: bool | NotGiven | None


class ChatRunBodyParams(_AnyChatParams, total=False):
    """What a run of tools sends with each of its requests, but for messages and tools."""

    response_format: Any


class ChatRunParams(_ConversationRequired, ChatRunBodyParams, total=False):
    """What ``chat.completions.run_tools`` takes, but for ``stream``."""

    tools: Any
    max_chat_completions: int
    after_completion: Callable[..., object] | None
    tool_context: Any
    on_tool_error: OnToolError
    inline: bool


class ChatMessageListParams(CallParams, total=False):
    """What ``chat.completions.messages.list`` takes."""

    after: str | NotGiven
    limit: int | NotGiven
    order: Literal["asc", "desc"] | NotGiven


class ChatListParams(ChatMessageListParams, total=False):
    """What ``chat.completions.list`` takes."""

    metadata: Metadata | NotGiven | None
    model: str | NotGiven
