"""The events of chat streams: their names, and the classes of what they pass, once.

``listeners.py`` is made of them, for type checkers, by ``python tests/write_listeners.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ALIASES",
    "EVENTS",
    "EVERYTHING",
    "RUNNER_EVENTS",
    "RUNNER_SIGNATURES",
    "SIGNATURES",
    "TYPED_EVENTS",
]

TYPED_EVENTS: Final[dict[str, str]] = {
    "content.delta": "ContentDeltaEvent",
    "content.done": "ContentDoneEvent",
    "refusal.delta": "RefusalDeltaEvent",
    "refusal.done": "RefusalDoneEvent",
    "tool_calls.function.arguments.delta": "FunctionToolCallArgumentsDeltaEvent",
    "tool_calls.function.arguments.done": "FunctionToolCallArgumentsDoneEvent",
    "logprobs.content.delta": "LogprobsContentDeltaEvent",
    "logprobs.content.done": "LogprobsContentDoneEvent",
    "logprobs.refusal.delta": "LogprobsRefusalDeltaEvent",
    "logprobs.refusal.done": "LogprobsRefusalDoneEvent",
}
"""What iterating the Python SDK's side gives, beside chunks: each name and its class."""

_CONVERSATION: Final[dict[str, tuple[str, ...]]] = {
    "message": ("Any",),  # the model's, or the result of a tool
    "chatCompletion": ("ParsedChatCompletion",),
    "functionToolCall": ("ParsedFunction",),
    "functionToolCallResult": ("str",),
    "finalChatCompletion": ("ParsedChatCompletion",),
    "finalContent": ("str",),
    "finalMessage": ("ParsedChatCompletionMessage",),
    "finalFunctionToolCall": ("ParsedFunction",),
    "finalFunctionToolCallResult": ("str",),
    "totalUsage": ("CompletionUsage",),
}

SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "chunk": ("ChatCompletionChunk", "ParsedChatCompletionSnapshot"),
    "content": ("str", "str"),
    **{name: (kind,) for name, kind in TYPED_EVENTS.items()},
    **_CONVERSATION,
}
"""Each event of a stream of chunks and the classes of the arguments that it passes."""

RUNNER_SIGNATURES: Final[dict[str, tuple[str, ...]]] = {"content": ("str",), **_CONVERSATION}
"""Each event of a run of tools whose answers come whole."""

EVERYTHING: Final = "*"
"""The name under which each call but `content` and the finals is made once more, with its name and
its arguments: for the stream's own iterators, which want several events in their common order."""

EVENTS: Final[Mapping[str, int]] = {
    **{name: len(classes) for name, classes in SIGNATURES.items()},
    EVERYTHING: 2,
}
"""Each name that a stream of chunks emits, and how many arguments it passes."""

RUNNER_EVENTS: Final[Mapping[str, int]] = {
    name: len(classes) for name, classes in RUNNER_SIGNATURES.items()
}
"""Each name that a run of tools emits whose answers come whole."""

ALIASES: Final = frozenset(("content.delta", EVERYTHING))
"""Those of the names that only repeat what others say."""
