"""Formats and tools that know how the model's text for them is parsed.

The same names, in snake_case, as in the Node SDK's ``lib/parser`` and ``helpers/zod``. A class can be
given directly as ``response_format=``, ``text_format=`` or as the ``parameters`` of a tool; these are
for a schema and a parser of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .streams.structured import Parseable, Parser, class_tool

__all__ = [
    "make_parseable_response_format",
    "make_parseable_response_tool",
    "make_parseable_text_format",
    "make_parseable_tool",
    "pydantic_function_tool",
]


def make_parseable_response_format(
    response_format: Mapping[str, Any], parser: Parser
) -> dict[str, Any]:
    """Return a ``response_format`` for chat completions whose answer is ``parser(text)``.

    ``response_format`` is ``{"type": "json_schema", "json_schema": {...}}``. What ``parser`` raises
    is the ``__cause__`` of the ``OpenAIError`` that ends the stream. Node:
    ``makeParseableResponseFormat``.
    """
    schema = dict(response_format.get("json_schema") or {})
    return Parseable({**response_format, "type": "json_schema", "json_schema": schema}, parser)


def make_parseable_text_format(text_format: Mapping[str, Any], parser: Parser) -> dict[str, Any]:
    """Return a ``text={"format": ...}`` for Responses whose answer is ``parser(text)``.

    Node: ``makeParseableTextFormat``.
    """
    return Parseable({**text_format, "type": "json_schema"}, parser)


def make_parseable_tool(
    tool: Mapping[str, Any],
    *,
    parser: Parser,
    callback: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Return a function tool for chat completions whose arguments are ``parser(text)``.

    ``callback(arguments, runner, tool_context)`` is what ``run_tools`` calls, with as many of these
    as it takes. Node: ``makeParseableTool``.
    """
    return Parseable(tool, parser, callback)


def make_parseable_response_tool(tool: Mapping[str, Any], *, parser: Parser) -> dict[str, Any]:
    """Return a function tool for Responses whose arguments are ``parser(text)``.

    Node: ``makeParseableResponseTool``.
    """
    return Parseable(tool, parser)


def pydantic_function_tool(
    model: type[Any], *, name: str | None = None, description: str | None = None
) -> dict[str, Any]:
    """Return a strict function tool whose arguments become an instance of ``model``.

    ``model`` is a pydantic model, or any class that ``response_format=`` takes. Its name and
    docstring serve where ``name`` and ``description`` are not given. The official Python SDK's
    function of the same name; Node: ``zodFunction``.
    """
    return class_tool(model, name, description)
