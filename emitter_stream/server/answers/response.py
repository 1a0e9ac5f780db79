"""The events of a response, and the response itself: built piece by piece, without I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..http.errors import ApiError
from ..models.model import Call, Input, Refusal, Text
from ..store.objects import Json, new_id
from .hearing import CALL_ITEM, Answer, Piece, extra_of

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = ("server_error", "rate_limit_exceeded", "invalid_prompt")


def new_response(params: Json, now: int) -> Json:
    """Return a response that has just been asked for. `now` is in unix seconds."""
    text = params.get("text") or {}
    form = text.get("format") or {"type": "text"}
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": now,
        "status": "queued" if params.get("background") else "in_progress",
        "background": bool(params.get("background")),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": params.get("instructions"),
        "max_output_tokens": params.get("max_output_tokens"),
        "max_tool_calls": params.get("max_tool_calls"),
        "model": params["model"],
        "output": [],
        "parallel_tool_calls": params.get("parallel_tool_calls") is not False,
        "previous_response_id": params.get("previous_response_id"),
        "prompt_cache_key": params.get("prompt_cache_key"),
        "reasoning": {"effort": (params.get("reasoning") or {}).get("effort"), "summary": None},
        "safety_identifier": params.get("safety_identifier"),
        "service_tier": "default",
        "store": params.get("store") is not False,
        "temperature": 1.0 if params.get("temperature") is None else params["temperature"],
        "text": {"format": form, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": params.get("tool_choice") or "auto",
        "tools": [_tool(tool) for tool in params.get("tools") or ()],
        "top_logprobs": params.get("top_logprobs") or 0,
        "top_p": 1.0 if params.get("top_p") is None else params["top_p"],
        "truncation": params.get("truncation") or "disabled",
        "usage": None,
        "user": params.get("user"),
        "metadata": params.get("metadata") or {},
    }


def _tool(tool: Json) -> Json:
    defaults = {"description": None, "parameters": None, "strict": True}
    return {**defaults, **tool}


class ResponseWriter:
    """Writes the events of one response; `body` is the response as far as it has come.

    Objects in an event are the writer's own: an event is to be encoded before the next one is asked
    for.
    """

    def __init__(self, body: Json) -> None:
        self.body = body
        self._number = -1
        self._open: dict[int, list[str]] = {}  # what items and parts hold, by their output index
        self._calls: list[int] = []

    def begin(self) -> Iterator[Json]:
        """Give the events before the model says anything."""
        yield self._event("response.created", response=self._whole())
        if self.body["background"]:
            yield self._event("response.queued", response=self._whole())
            self.body = {**self.body, "status": "in_progress"}
        yield self._event("response.in_progress", response=self._whole())

    def take(self, piece: Piece, number: int) -> Iterator[Json]:
        """Take a piece, of call `number`, and give the events for it."""
        if isinstance(piece, Call):
            yield from self._begin_call(piece)
        elif isinstance(piece, Input):
            index = self._calls[number]
            item = self.body["output"][index]
            item.update({n: v for n, v in extra_of(piece).items() if n not in CALL_ITEM})
            if not piece.piece:
                return
            self._open[index].append(piece.piece)
            yield self._event(
                "response.function_call_arguments.delta",
                item_id=item["id"],
                output_index=index,
                delta=piece.piece,
            )
        else:
            yield from self._say(piece)

    def finish(self, answer: Answer, now: int) -> Iterator[Json]:
        """Give the last events. `now` is in unix seconds."""
        stop, usage = answer.stop, answer.usage
        yield from self._close_all("incomplete" if stop is not None else "completed")
        self.body = {
            **self.body,
            "usage": {
                "input_tokens": usage.prompt,
                "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
                "output_tokens": usage.completion,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": usage.prompt + usage.completion,
            },
        }
        if stop is not None:
            details = {"reason": _INCOMPLETE[stop.reason]}
            self.body = {**self.body, "status": "incomplete", "incomplete_details": details}
            yield self._event("response.incomplete", response=self._whole())
        else:
            self.body = {**self.body, "status": "completed", "completed_at": now}
            yield self._event("response.completed", response=self._whole())

    def fail(self, error: ApiError) -> Iterator[Json]:
        """Give the last event of a response that cannot be made."""
        self._keep("incomplete")
        self.body = with_error(self.body, error)
        yield self._event("response.failed", response=self._whole())

    def cancel(self) -> None:
        """End the response where it is; there is no event for that."""
        self._keep("incomplete")
        self.body = {**self.body, "status": "cancelled"}

    def _say(self, piece: Text | Refusal) -> Iterator[Json]:
        kind, key = ("output_text", "text") if isinstance(piece, Text) else ("refusal", "refusal")
        index = len(self.body["output"]) - 1
        if index not in self._open:
            index += 1
            item: Json = {"id": new_id("msg"), "type": "message", "status": "in_progress"}
            yield from self._add({**item, "role": "assistant", "content": []})
        content = self.body["output"][index]["content"]
        if not content or content[-1]["type"] != kind:
            if content:
                yield from self._close_part(index)
            self._open[index] = []
            part: Json = {"type": kind, key: ""}
            if kind == "output_text":
                part = {"type": kind, "annotations": [], "logprobs": [], "text": ""}
            content.append(part)
            yield self._event("response.content_part.added", **self._place(index), part={**part})
        self._open[index].append(piece.piece)
        more: Json = {"logprobs": []} if kind == "output_text" else {}
        yield self._event(f"response.{kind}.delta", **self._place(index), delta=piece.piece, **more)

    def _begin_call(self, call: Call) -> Iterator[Json]:
        # Without a key its pieces come next to one another, so that what is open is whole.
        if not call.key or not self._calls:
            yield from self._close_all("completed")
        self._calls.append(len(self.body["output"]))
        item = {"id": new_id("fc"), "type": "function_call", "status": "in_progress"}
        item = {**{n: v for n, v in extra_of(call).items() if n not in CALL_ITEM}, **item}
        yield from self._add(
            {**item, "arguments": "", "call_id": call.id or new_id("call"), "name": call.name}
        )

    def _add(self, item: Json) -> Iterator[Json]:
        index = len(self.body["output"])
        self.body["output"].append(item)
        self._open[index] = []
        added = {**item, "content": []} if "content" in item else {**item}
        yield self._event("response.output_item.added", output_index=index, item=added)

    def _close_all(self, status: str) -> Iterator[Json]:
        for index in sorted(self._open):
            item = self.body["output"][index]
            if item["type"] == "message":
                yield from self._close_part(index)
            else:
                item["arguments"] = "".join(self._open[index])
                yield self._event(
                    "response.function_call_arguments.done",
                    item_id=item["id"],
                    output_index=index,
                    name=item["name"],
                    arguments=item["arguments"],
                )
            item["status"] = status
            yield self._event("response.output_item.done", output_index=index, item={**item})
        self._open.clear()

    def _close_part(self, index: int) -> Iterator[Json]:
        self._keep_part(index)
        part, place = {**self.body["output"][index]["content"][-1]}, self._place(index)
        if part["type"] == "refusal":
            yield self._event("response.refusal.done", **place, refusal=part["refusal"])
        else:
            text = part["text"]
            yield self._event("response.output_text.done", **place, text=text, logprobs=[])
        yield self._event("response.content_part.done", **place, part=part)

    def _keep(self, status: str) -> None:
        """Put what the open items hold into them, without a word."""
        for index in self._open:
            item = self.body["output"][index]
            item["status"] = status
            if item["type"] == "message":
                self._keep_part(index)
            else:
                item["arguments"] = "".join(self._open[index])
        self._open.clear()

    def _keep_part(self, index: int) -> None:
        content = self.body["output"][index]["content"]
        if content:
            key = "text" if content[-1]["type"] == "output_text" else "refusal"
            content[-1][key] = "".join(self._open[index])

    def _place(self, index: int) -> Json:
        item = self.body["output"][index]
        at = len(item["content"]) - 1
        return {"item_id": item["id"], "output_index": index, "content_index": at}

    def _whole(self) -> Json:
        return {**self.body, "output": list(self.body["output"])}

    def _event(self, kind: str, **fields: Any) -> Json:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **fields}


def with_error(body: Json, error: ApiError) -> Json:
    """Return a response that ended with this error."""
    code = error.code if error.code in _CODES else "server_error"
    return {**body, "status": "failed", "error": {"code": code, "message": error.message}}
