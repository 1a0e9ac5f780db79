"""The request bodies of Chat Completions and Responses, as far as this server looks at them.

Unlike those of Assistants, they may have fields that are not here: the two APIs grow month by month,
and what asks for nothing that shows in an answer (`user`, `seed`, `service_tier`) is no reason to
refuse a program.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from .bodies import (
    BY_KIND,
    Body,
    Effort,
    FunctionName,
    JsonSchemaFormat,
    Metadata,
    Model,
    PlainFormat,
    SomeText,
    _tag,
)


class Open(Body):
    """An object with these fields, and others, which are not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True)


class ChatMessage(Open):
    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: Any = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class StreamOptions(Open):
    include_usage: bool | None = None


ChatFormat = Annotated[
    Annotated[PlainFormat, _tag("text")]
    | Annotated[PlainFormat, _tag("json_object")]
    | Annotated[JsonSchemaFormat, _tag("json_schema")],
    BY_KIND,
]


class _Asked(Open):
    model: Model
    metadata: Metadata | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    stream: bool | None = None


class ChatCompletion(_Asked):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048)]
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    response_format: ChatFormat | None = None
    reasoning_effort: Effort | None = None
    stream_options: StreamOptions | None = None


class ChatUpdate(Open):
    metadata: Metadata | None


class TextFormat(Open):
    type: Literal["text", "json_object"]


class SchemaFormat(Open):
    type: Literal["json_schema"]
    name: FunctionName
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class TextOptions(Open):
    format: (
        Annotated[
            Annotated[TextFormat, _tag("text")]
            | Annotated[TextFormat, _tag("json_object")]
            | Annotated[SchemaFormat, _tag("json_schema")],
            BY_KIND,
        ]
        | None
    ) = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Open):
    effort: Effort | None = None


class Response(_Asked):
    input: (
        Annotated[
            Annotated[SomeText, _tag("a string")]
            | Annotated[list[dict[str, Any]], _tag("an array")],
            BY_KIND,
        ]
        | None
    ) = None
    instructions: str | None = None
    previous_response_id: str | None = None
    background: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    # Not here, and so refused when they are given: they say where the question is.
    conversation: None = None
    prompt: None = None
