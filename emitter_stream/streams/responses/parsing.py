"""What becomes of the texts of a response when it is complete: ``parsed`` and ``parsed_arguments``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ...exceptions import OpenAIError
from ...types._model import plain_copy
from ..partial_json import parse_whole
from ..structured import Parseable, Parser, format_parser, parsed
from .accumulator import output_text

__all__ = ["ResponseParser", "is_cut"]

_TEXT = "The text of the response"
_ARGUMENTS = "The arguments of a function call"


@attrs.frozen
class ResponseParser:
    """How the texts of a response to one request are parsed.

    ``text`` parses the messages, if they are to be parsed at all; ``tools`` are the request's, of
    which a strict function's arguments are JSON and a parseable one's are what its parser says.
    """

    text: Parser | None = None
    tools: tuple[Any, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any], text_format: Any = None) -> ResponseParser:
        """Return the parser for the answer to a request.

        ``text_format`` is the format asked for, that of the last ``configuration_update`` in the
        input (Node follows it), or that of the request's ``text``.
        """
        tools = body.get("tools")
        return cls(
            format_parser(_effective_format(body, text_format)),
            tuple(tools) if isinstance(tools, list | tuple) else (),
        )

    @property
    def parses(self) -> bool:
        """Whether anything is parsed."""
        return self.text is not None or any(map(_is_parsed, _functions_in(self.tools)))

    def parse(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of a response with what only helpers add.

        That is ``output_text``, ``output_parsed``, each message's ``parsed`` and each function
        call's ``parsed_arguments``; the latter three are ``None`` unless they were to be parsed and
        the response is complete. Raises ``OpenAIError`` for a text that does not fit.
        """
        try:
            return self._parse(response)
        except (AttributeError, KeyError, TypeError) as error:
            raise OpenAIError(
                "The server sent a response with fields that are missing or of another kind."
            ) from error

    def parse_text(self, text: Any, phase: Any) -> Any:
        """Return what a message's text becomes; ``phase`` is its message's."""
        if self.text is None or phase not in (None, "final_answer"):
            return None
        return parsed(self.text, text, _TEXT)

    def _parse(self, response: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = plain_copy(response)
        complete = made.get("status") in (None, "", "completed")
        parses = self.parses
        found = None
        for item in made["output"]:
            if item.get("type") == "function_call":
                item["parsed_arguments"] = self._arguments(item) if complete else None
            elif item.get("type") == "message":
                for place, part in enumerate(item["content"]):
                    if type(part) is not dict:  # JavaScript makes an object of anything
                        item["content"][place] = part if parses else {"parsed": None}
                    elif part.get("type") == "output_text":
                        text, phase = part.get("text"), item.get("phase")
                        value = self.parse_text(text, phase) if complete else None
                        part["parsed"] = value
                        found = value if found is None else found
                    elif not parses:
                        part["parsed"] = None
        if made.get("output_text") is None:
            made["output_text"] = output_text(made)
        made["output_parsed"] = found
        return made

    def _arguments(self, call: dict[str, Any]) -> Any:
        tool = _tool_named(self.tools, call.get("name"), call.get("namespace"))
        parser = _parser_of(tool)
        return None if parser is None else parsed(parser, call["arguments"], _ARGUMENTS)


def _effective_format(body: Mapping[str, Any], text_format: Any) -> Any:
    if text_format is not None:
        return text_format
    items = body.get("input")
    for item in reversed(items if isinstance(items, list | tuple) else ()):
        if isinstance(item, Mapping) and item.get("type") == "configuration_update":
            found = _format_in(item)
            if found is not None:
                return found
    return _format_in(body)


def _format_in(holder: Mapping[str, Any]) -> Any:
    text = holder.get("text")
    found = text.get("format") if isinstance(text, Mapping) else None
    return found if isinstance(found, Mapping) and isinstance(found.get("type"), str) else None


def _functions_in(tools: Iterable[Any]) -> Iterable[Any]:
    for tool in tools:
        if isinstance(tool, Mapping) and tool.get("type") == "namespace":
            yield from tool.get("tools") or ()
        else:
            yield tool


def _is_parsed(tool: Any) -> bool:
    return _parser_of(tool) is not None


def _parser_of(tool: Any) -> Parser | None:
    if isinstance(tool, Parseable):
        return tool.parser
    is_strict = isinstance(tool, Mapping) and tool.get("strict") is True
    return parse_whole if is_strict and tool.get("type") == "function" else None


def _tool_named(tools: Iterable[Any], name: Any, namespace: Any) -> Any:
    """Return the function that a call is for, by the rules of the Node SDK."""
    named = [tool for tool in tools if isinstance(tool, Mapping)]
    if namespace is None:
        return _function_named(named, name)
    for tool in named:
        if tool.get("type") == "namespace" and tool.get("name") == namespace:
            return _function_named(tool.get("tools") or (), name)
    # Hosted discovery shows a deferred function under its own name as the namespace.
    deferred = [tool for tool in named if tool.get("defer_loading") is True]
    return _function_named(deferred, name) if namespace == name else None


def _function_named(tools: Iterable[Any], name: Any) -> Any:
    for tool in tools:
        if tool.get("type") == "function" and tool.get("name") == name:
            return tool
    return None


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def is_cut(text: str) -> bool:
    """Return whether a JSON text stops before its outermost bracket has closed."""
    rest = _STRING.sub("", text)
    return '"' in rest or rest.count("{") + rest.count("[") > rest.count("}") + rest.count("]")
