"""The events of chat streams: their names, and how many arguments each passes."""

from __future__ import annotations

__all__ = ["ALIASES", "EVENTS", "EVERYTHING", "RUNNER_EVENTS", "TYPED_EVENTS"]

TYPED_EVENTS: tuple[str, ...] = (
    "chunk",
    "content.delta",
    "content.done",
    "refusal.delta",
    "refusal.done",
    "tool_calls.function.arguments.delta",
    "tool_calls.function.arguments.done",
    "logprobs.content.delta",
    "logprobs.content.done",
    "logprobs.refusal.delta",
    "logprobs.refusal.done",
)
"""What iterating the Python SDK's side gives."""

RUNNER_EVENTS: dict[str, int] = {
    "*": 2,
    "message": 1,
    "chatCompletion": 1,
    "functionToolCall": 1,
    "functionToolCallResult": 1,
    "finalChatCompletion": 1,
    "finalContent": 1,
    "finalMessage": 1,
    "finalFunctionToolCall": 1,
    "finalFunctionToolCallResult": 1,
    "totalUsage": 1,
}
"""What every run of tools emits, also without deltas."""

EVENTS: dict[str, int] = {
    **dict.fromkeys(TYPED_EVENTS, 1),
    "chunk": 2,
    "content": 2,
    **RUNNER_EVENTS,
}
"""What a stream of chunks emits."""

EVERYTHING = "*"
"""The name under which each call but the finals is made once more, with its name and its arguments:
for the stream's own iterators, which want several events in their common order."""

ALIASES = frozenset(("content.delta", EVERYTHING))  # they repeat others
