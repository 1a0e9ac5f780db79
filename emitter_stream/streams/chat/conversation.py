"""What a chat stream has come to: its messages, its completions, and the finals made of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import OpenAIError
from ...types import Model
from ...types._model import plain_copy
from ...types.chat import (
    ChatCompletionToolMessage,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedFunction,
)
from .repairs import is_true

__all__ = ["Conversation", "Emission", "request_message"]

Emission = tuple[str, tuple[Any, ...]]


class Conversation:
    """Messages and completions, in their order; finals are looked for among them as in Node.

    ``messages`` is the list that users see and may append to: dicts, this library's objects, or
    objects of the official SDK.
    """

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.completions: list[ParsedChatCompletion] = []

    def add_completion(self, data: dict[str, Any]) -> Iterator[Emission]:
        """Take a completion that is whole; yield the calls that it leads to."""
        for choice in data.get("choices") or ():
            message = choice.get("message") if type(choice) is dict else None
            if type(message) is not dict:
                raise OpenAIError("The server skipped a choice: its message never came.")
            for call in message.get("tool_calls") or ():
                if type(call) is not dict:
                    raise OpenAIError("The server skipped a tool call: nothing of it ever came.")
                if not is_true(call.get("id")):
                    call["id"] = f"call_{uuid.uuid4()}"  # its result must be told apart
        completion = ParsedChatCompletion(data)
        self.completions.append(completion)
        yield "chatCompletion", (completion,)
        choices = completion.choices
        message = choices[0].message if choices and choices[0] is not None else None
        if isinstance(message, Model):
            yield from self.add_message(message)

    def add_message(self, message: Model) -> Iterator[Emission]:
        """Take a message of the model, or a tool's result; yield the calls that it leads to."""
        data = message._data
        if "content" not in data:
            data["content"] = None
        self.messages.append(message)
        yield "message", (message,)
        role, content = data.get("role"), data.get("content")
        if role == "tool" and is_true(content):
            yield "functionToolCallResult", (content,)
        elif role == "assistant":
            for call in getattr(message, "tool_calls", None) or ():
                if isinstance(call, Model) and call._data.get("type") == "function":
                    yield "functionToolCall", (getattr(call, "function", None),)

    def tool_message(self, data: dict[str, Any]) -> Iterator[Emission]:
        """Take the result of a function."""
        return self.add_message(ChatCompletionToolMessage(data))

    # Finals

    def finals(self) -> Iterator[Emission]:
        """Yield the final calls, those that there are; ``OpenAIError`` without any answer."""
        if self.completions:
            yield "finalChatCompletion", (self.completions[-1],)
        message = self.final_message()
        yield "finalMessage", (message,)
        content = message._data.get("content")
        if is_true(content):
            yield "finalContent", (content,)
        call = self.final_function_tool_call()
        if call is not None:
            yield "finalFunctionToolCall", (call,)
        result = self.final_function_tool_call_result()
        if result is not None:
            yield "finalFunctionToolCallResult", (result,)
        if any(is_true(completion._data.get("usage")) for completion in self.completions):
            yield "totalUsage", (self.total_usage(),)

    def final_chat_completion(self) -> ParsedChatCompletion:
        """Return the last completion."""
        if not self.completions:
            raise OpenAIError("The stream ended without a completion.")
        return self.completions[-1]

    def final_message(self) -> ParsedChatCompletionMessage:
        """Return the last message of the model, with ``content`` and ``refusal`` in any case."""
        for message in reversed(self.messages):
            fields = _fields(message)
            if fields.get("role") == "assistant":
                found = {**fields, "content": fields.get("content")}
                found["refusal"] = fields.get("refusal")
                return ParsedChatCompletionMessage(found)
        raise OpenAIError("The stream ended without a message of the model.")

    def final_function_tool_call(self) -> ParsedFunction | None:
        """Return the last function call of the last message that has one."""
        for message in reversed(self.messages):
            fields = _fields(message)
            if fields.get("role") != "assistant":
                continue
            for call in reversed(_items(fields.get("tool_calls"))):
                function = _fields(_fields(call).get("function"))
                if _fields(call).get("type") == "function" and function:
                    return ParsedFunction(dict(function))
        return None

    def final_function_tool_call_result(self) -> str | None:
        """Return the last result of a function that a message of the model called."""
        for message in reversed(self.messages):
            fields = _fields(message)
            content = fields.get("content")
            if fields.get("role") != "tool" or not isinstance(content, str):
                continue
            if self._is_called(fields.get("tool_call_id")):
                return content
        return None

    def total_usage(self) -> CompletionUsage:
        """Return the sums over all completions."""
        total: dict[str, Any] = dict.fromkeys(_TOKENS, 0)
        for completion in self.completions:
            usage = completion._data.get("usage")
            if type(usage) is not dict:
                continue
            for name in _TOKENS:
                total[name] += _count(usage.get(name))
            for name in ("completion_tokens_details", "prompt_tokens_details"):
                details = usage.get(name)
                if type(details) is dict:
                    sums = total.setdefault(name, {})
                    for key, count in details.items():
                        if type(count) in (int, float):
                            sums[key] = sums.get(key, 0) + count
        return CompletionUsage(total)

    def _is_called(self, identifier: Any) -> bool:
        for message in self.messages:
            fields = _fields(message)
            if fields.get("role") == "assistant":
                for call in map(_fields, _items(fields.get("tool_calls"))):
                    if call.get("type") == "function" and call.get("id") == identifier:
                        return True
        return False


def request_message(message: Any) -> Any:
    """Return a message as a run of tools sends it: of the model's, only what a request may have."""
    fields = _fields(message)
    if fields.get("role") != "assistant":
        return message
    sent: dict[str, Any] = {"role": "assistant"}
    if (audio := fields.get("audio")) is not None:
        sent["audio"] = {"id": _fields(audio).get("id")}
    if "content" in fields:
        sent["content"] = fields["content"]
    if fields.get("function_call") is not None:
        sent["function_call"] = fields["function_call"]
    if "name" in fields:
        sent["name"] = fields["name"]
    if fields.get("refusal") is not None:
        sent["refusal"] = fields["refusal"]
    if "tool_calls" in fields:
        sent["tool_calls"] = [_request_call(_fields(call)) for call in _items(fields["tool_calls"])]
    return sent


def _request_call(call: Mapping[str, Any]) -> dict[str, Any]:
    kind = call.get("type")
    part, names = ("custom", ("input", "name")) if kind == "custom" else ("function", _CALL)
    fields = _fields(call.get(part))
    return {"id": call.get("id"), "type": kind, part: {name: fields.get(name) for name in names}}


def _fields(value: Any) -> Mapping[str, Any]:
    """Return the fields of a message in whatever shape it is: of a dict, of an SDK's object."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Model):
        found: Any = plain_copy(value)  # in which what was parsed is still an instance
    else:
        to_dict = getattr(value, "to_dict", None)
        found = to_dict() if to_dict is not None else None
    return found if isinstance(found, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _count(value: Any) -> Any:
    return value if type(value) in (int, float) else 0


_TOKENS = ("completion_tokens", "prompt_tokens", "total_tokens")
_CALL = ("arguments", "name")
