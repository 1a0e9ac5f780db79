"""The end of a completion: what a snapshot has come to, and what of it is parsed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ...exceptions import (
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OpenAIError,
)
from ...types._model import plain_copy
from ...types.chat import ParsedChatCompletion
from ..structured import Parser, format_parser, parsed, tool_parsers
from .repairs import is_true

__all__ = ["Parsing", "final_completion", "parse_completion", "parsed_completion"]

MOST_CHOICES = 128


@attrs.frozen
class Parsing:
    """What a request asks to be parsed: the content, and the arguments of some of its tools.

    ``unfinished_is_error`` says that an answer that was cut off is an error, as it is where
    anything is parsed and in a run of tools.
    """

    content: Parser | None = None
    tools: Mapping[str, Parser | None] = attrs.field(factory=dict)
    unfinished_is_error: bool = False
    most_choices: int = MOST_CHOICES

    @classmethod
    def of(cls, params: Mapping[str, Any], *, runs_tools: bool = False) -> Parsing:
        """Return what the parameters of a request ask for."""
        content = format_parser(params.get("response_format"))
        tools = tool_parsers(params.get("tools"))
        asked = content is not None or any(parser is not None for parser in tools.values())
        n = params.get("n")
        most = min(n, MOST_CHOICES) if type(n) is int and n > 0 else MOST_CHOICES
        return cls(content, tools, asked or runs_tools, most)

    @property
    def has_tools(self) -> bool:
        """Whether the arguments of any tool are parsed."""
        return any(parser is not None for parser in self.tools.values())


def final_completion(snapshot: dict[str, Any], audio_done: set[int]) -> dict[str, Any]:
    """Return the completion that a snapshot has come to.

    ``audio_done`` are the choices whose last delta said that their audio is whole, which ends them
    as well as a ``finish_reason``. ``OpenAIError`` for an answer that has not come to its end.
    """
    final = {k: plain_copy(v) for k, v in snapshot.items() if k not in _MOVED}
    if "id" in snapshot:
        final["id"] = snapshot["id"]
    final["choices"] = [
        None if choice is None else _final_choice(choice, audio_done)
        for choice in snapshot["choices"]
    ]
    for name in ("created", "model"):
        if name in snapshot:
            final[name] = snapshot[name]
    final["object"] = "chat.completion"
    if is_true(snapshot.get("system_fingerprint")):
        final["system_fingerprint"] = snapshot["system_fingerprint"]
    return final


def parsed_completion(completion: dict[str, Any], parsing: Parsing) -> ParsedChatCompletion:
    """Return a completion that came whole, parsed; an answer that was cut off is an error."""
    for choice in completion.get("choices") or ():
        refuse_unfinished(choice.get("finish_reason"), ParsedChatCompletion(completion))
    for message in _messages_of(completion):
        _parse_message(message, parsing)
    return ParsedChatCompletion(completion)


def refuse_unfinished(finish: Any, completion: Any) -> None:
    """Raise the error of an answer that was cut off."""
    if finish == "length":
        raise LengthFinishReasonError(completion=completion)
    if finish == "content_filter":
        raise ContentFilterFinishReasonError(completion=completion)


def parse_completion(completion: dict[str, Any], parsing: Parsing) -> None:
    """Put ``parsed`` into the messages of a completion, and ``parsed_arguments`` into its calls.

    Where nothing is to be parsed, a completion that came in pieces says nothing of arguments; one
    that came whole does (``parsed_completion``). So it is in Node.
    """
    for message in _messages_of(completion):
        if parsing.content is None and not parsing.has_tools:
            message["parsed"] = None
        else:
            _parse_message(message, parsing)


def _messages_of(completion: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for choice in completion.get("choices") or ():
        message = choice.get("message") if type(choice) is dict else None
        if type(message) is dict:
            yield message


def _parse_message(message: dict[str, Any], parsing: Parsing) -> None:
    message["parsed"] = None
    calls = message.get("tool_calls") or ()
    for call in calls:
        if type(call) is not dict or call.get("type") == "custom":
            continue
        if call.get("type") != "function":
            raise OpenAIError(
                f"A tool call of the type {call.get('type')!r} cannot be parsed, only of the types "
                f"'function' and 'custom'."
            )
        function = call["function"]
        name, value = function["name"], None
        parser = parsing.tools.get(name)
        if parser is not None:
            value = parsed(parser, function["arguments"], f"What the model wrote for {name!r}")
        function["parsed_arguments"] = value
    content = message.get("content")
    if parsing.content is None or content is None or is_true(message.get("refusal")):
        return
    if content != "" or not (calls or message.get("function_call")):
        message["parsed"] = parsed(parsing.content, content, "The answer")


def _final_choice(choice: dict[str, Any], audio_done: set[int]) -> dict[str, Any]:
    index, source = choice["index"], plain_copy(choice["message"])
    finish = choice["finish_reason"]
    if finish is None and index in audio_done and _is_complete_audio(source.get("audio")):
        finish = "stop"
    if not is_true(finish):
        raise OpenAIError(
            f"The stream stopped before choice {index} had come to its end (it has no "
            f"finish_reason)."
        )
    if not is_true(source.get("role")):
        raise OpenAIError(f"The server sent no role for choice {index}.")
    made = {k: plain_copy(v) for k, v in choice.items() if k not in _CHOICE_FIELDS}
    made |= {"message": _final_message(source, index), "finish_reason": finish, "index": index}
    made["logprobs"] = plain_copy(choice["logprobs"])
    return made


def _final_message(source: dict[str, Any], index: int) -> dict[str, Any]:
    audio: Any = source.get("audio")
    call: Any = source.get("function_call")
    calls: Any = source.get("tool_calls")
    message = {k: v for k, v in source.items() if k not in _MESSAGE_FIELDS}
    ends = {"content": source.get("content"), "role": source["role"]}
    ends["refusal"] = source.get("refusal")
    if is_true(audio):
        ends["audio"] = audio
    if is_true(call):
        for name in ("arguments", "name"):
            if call.get(name) is None or (name == "name" and not call[name]):
                raise OpenAIError(f"The server sent no function_call.{name} for choice {index}.")
        return {**ends, "function_call": {name: call[name] for name in ("arguments", "name")}}
    message.update(ends)
    if is_true(calls):
        message["tool_calls"] = [
            None if one is None else _final_call(one, f"choices[{index}].tool_calls[{place}]")
            for place, one in enumerate(calls)
        ]
    return message


def _final_call(call: dict[str, Any], place: str) -> dict[str, Any]:
    kind = call.get("type")
    if kind is None:
        raise OpenAIError(f"The server sent no {place}.type.")
    part, text = ("custom", "input") if kind == "custom" else ("function", "arguments")
    fields = call.get(part) if type(call.get(part)) is dict else {}
    assert fields is not None
    made = {k: v for k, v in fields.items() if k not in ("name", text, "parsed_arguments")}
    for name in ("name", text):
        value = fields.get(name, "" if name == "input" else None)
        if value is None:
            raise OpenAIError(f"The server sent no {place}.{part}.{name}.")
        made[name] = value
    rest = {k: v for k, v in call.items() if k not in ("id", "type", part)}
    identifier = call.get("id") if is_true(call.get("id")) else f"call_{uuid.uuid4()}"
    return {**rest, "id": identifier, "type": kind, part: made}


def _is_complete_audio(audio: Any) -> bool:
    names = ("id", "data", "transcript", "expires_at")
    return type(audio) is dict and all(audio.get(name) is not None for name in names)


_CHOICE_FIELDS = frozenset(("message", "finish_reason", "index", "logprobs"))
_MESSAGE_FIELDS = frozenset(
    ("content", "function_call", "tool_calls", "audio", "role", "refusal", "parsed")
)
_MOVED = frozenset(("id", "choices", "created", "model", "system_fingerprint", "object"))
