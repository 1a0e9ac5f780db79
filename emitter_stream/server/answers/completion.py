"""The chunks of a chat completion, and the whole one: built piece by piece, without I/O."""

from __future__ import annotations

from typing import Any

from ..models.model import Call, Refusal, Text, Usage
from ..store.objects import Json, new_id
from .hearing import Answer, Piece, extra_of


class _Choice:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.calls: list[tuple[Json, list[str]]] = []
        self.finish_reason: str | None = None

    def message(self) -> Json:
        message: Json = {
            "role": "assistant",
            "content": "".join(self.text) if self.text else None,
            "refusal": "".join(self.refusal) if self.refusal else None,
            "annotations": [],
        }
        if not (self.text or self.refusal or self.calls):
            message["content"] = ""
        if self.calls:
            message["tool_calls"] = [
                {**call, "function": {**call["function"], "arguments": "".join(pieces)}}
                for call, pieces in self.calls
            ]
        return message


class CompletionWriter:
    """Writes one completion of `n` choices. `params` are the request's."""

    def __init__(self, params: Json, now: int) -> None:
        self.id = new_id("chatcmpl").replace("_", "-", 1)
        self._params = params
        self._now = now
        self._choices = [_Choice() for _ in range(params.get("n") or 1)]
        self._has_usage = bool((params.get("stream_options") or {}).get("include_usage"))
        self._usage = Usage(0, 0)

    def begin(self, index: int) -> Json:
        """Return the first chunk of a choice."""
        return self._chunk(index, {"role": "assistant", "content": "", "refusal": None})

    def take(self, index: int, piece: Piece, number: int) -> Json:
        """Take a piece of a choice, of its call `number`, and return the chunk for it."""
        choice = self._choices[index]
        if isinstance(piece, Text):
            choice.text.append(piece.piece)
            return self._chunk(index, {"content": piece.piece})
        if isinstance(piece, Refusal):
            choice.refusal.append(piece.piece)
            return self._chunk(index, {"refusal": piece.piece})
        if isinstance(piece, Call):
            call: Json = {
                **extra_of(piece),
                "id": piece.id or new_id("call"),
                "type": "function",
                "function": {"name": piece.name, "arguments": ""},
            }
            choice.calls.append((call, []))
            return self._chunk(index, {"tool_calls": [{"index": number, **call}]})
        call, arguments = choice.calls[number]
        arguments.append(piece.piece)
        delta: Json = {"index": number, "function": {"arguments": piece.piece}}
        if extra := extra_of(piece):
            choice.calls[number] = ({**extra, **call}, arguments)
            delta = {**extra, **delta}
        return self._chunk(index, {"tool_calls": [delta]})

    def finish(self, index: int, answer: Answer) -> Json:
        """Return the last chunk of a choice."""
        choice, usage = self._choices[index], answer.usage
        if answer.stop is not None:
            choice.finish_reason = answer.stop.reason
        else:
            choice.finish_reason = "tool_calls" if choice.calls else "stop"
        self._usage = Usage(
            usage.prompt,  # the question is the same for all choices
            self._usage.completion + usage.completion,
            usage.cached,
            self._usage.reasoning + usage.reasoning,
        )
        return self._chunk(index, {}, choice.finish_reason)

    def usage_chunk(self) -> Json | None:
        """Return the chunk behind the last choice, if the request asked for it."""
        if not self._has_usage:
            return None
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage_body()}

    def whole(self) -> Json:
        """Return the whole completion."""
        choices = [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self._choices)
        ]
        head = self._head("chat.completion")
        return {**head, "choices": choices, "usage": self._usage_body()}

    def stored(self) -> Json:
        """Return the completion as it is kept: with what the request gave for it."""
        kept = ("temperature", "top_p", "tools", "tool_choice", "response_format", "seed", "user")
        given = {name: self._params.get(name) for name in kept}
        return {**self.whole(), "metadata": self._params.get("metadata") or {}, **given}

    def _head(self, kind: str) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self._now,
            "model": self._params["model"],
            "service_tier": "default",
            "system_fingerprint": None,
        }

    def _chunk(self, index: int, delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk: Json = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if self._has_usage:
            chunk["usage"] = None
        return chunk

    def _usage_body(self) -> Json:
        usage = self._usage
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def stored_messages(completion_id: str, messages: list[Json]) -> list[Json]:
    """Return a request's messages as a kept completion lists them."""
    made = []
    for number, message in enumerate(messages):
        content: Any = message.get("content")
        parts = content if isinstance(content, list) else None
        if parts is not None:
            content = "\n".join(part["text"] for part in parts if part.get("type") == "text")
        one = {**message, "id": f"{completion_id}-{number}", "content": content}
        made.append({**one, "content_parts": parts})
    return made
