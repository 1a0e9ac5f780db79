"""Structured output: what a model is asked to write, and the Python value that its text becomes.

Three things say both: a class (a pydantic model, a dataclass, an attrs class, a ``TypedDict``), a
JSON schema, and the parseable objects of ``emitter_stream.helpers``. pydantic is never imported
here: its models bring what is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..exceptions import OpenAIError, described
from ..tools.functions import FunctionTool, function_tool
from ..tools.schema import json_type
from ..types import Model
from .partial_json import MalformedJSON, parse_whole

__all__ = [
    "Parseable",
    "Parser",
    "Structure",
    "chat_format",
    "chat_tool",
    "class_tool",
    "format_parser",
    "is_structure",
    "parsed",
    "response_tool",
    "strict_schema",
    "text_format",
    "tool_parsers",
]

Parser = Callable[[str], Any]
"""What makes a value of a text; it may raise anything."""


class Parseable(dict[str, Any]):
    """A format or a tool as JSON, which knows how the text that the model writes for it is parsed.

    ``callback`` is the function behind a tool, for ``run_tools``.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        parser: Parser,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(document)
        self.parser = parser
        self.callback = callback


@attrs.frozen
class Structure:
    """A class as the API is shown it (``schema`` is strict), and the way from JSON text to it."""

    name: str
    schema: dict[str, Any]
    description: str | None
    parser: Parser

    @classmethod
    def of(cls, kind: Any) -> Structure:
        """Return the structure of a class; ``TypeError`` for one that has no JSON schema."""
        if not is_structure(kind):
            raise TypeError(
                "structured output takes a pydantic model, a dataclass, an attrs class, a "
                f"TypedDict or a JSON schema, not {kind!r:.200}"
            )
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", getattr(kind, "__name__", "") or "output")[:64]
        if _is_pydantic(kind):
            schema = kind.model_json_schema()
            parser: Parser = kind.model_validate_json
            description = vars(kind).get("__doc__")  # not what pydantic's own base class says
        else:
            found = json_type(kind, kind.__name__)
            if found.schema.get("type") != "object":
                raise TypeError(f"structured output is a JSON object, which {kind!r} is not")
            schema = found.schema
            description = schema.get("description")

            def convert(text: str) -> Any:
                return found.convert(parse_whole(text), "")

            parser = convert

        return cls(name, strict_schema(schema), description, parser)


def is_structure(value: Any) -> bool:
    """Return whether ``value`` is a class that can be asked for (it may still lack a schema)."""
    return (isinstance(value, type) and not issubclass(value, dict)) or _is_typed_dict(value)


def chat_format(value: Any) -> Any:
    """Return ``response_format`` as it is sent; a class becomes a ``Parseable``."""
    if not is_structure(value):
        return value
    found = Structure.of(value)
    schema = {"name": found.name, "schema": found.schema, "strict": True}
    return Parseable({"type": "json_schema", "json_schema": schema}, found.parser)


def text_format(value: Any) -> Any:
    """Return ``text_format``, or ``text={"format": ...}``, as it is sent in a Responses request."""
    if not is_structure(value):
        return value
    found = Structure.of(value)
    document = {"type": "json_schema", "name": found.name, "schema": found.schema, "strict": True}
    return Parseable(document, found.parser)


def format_parser(value: Any) -> Parser | None:
    """Return what parses the answer to a format, ``None`` where it is not to be parsed."""
    if isinstance(value, Parseable):
        return value.parser
    return parse_whole if _field(value, "type") == "json_schema" else None


def chat_tool(tool: Any) -> Any:
    """Return a tool of chat completions as it is sent; a class as ``parameters`` becomes a schema.

    So does a class in the tool's place; a function becomes what ``function_tool`` says of it.
    """
    if is_structure(tool):
        return class_tool(tool)
    if callable(tool) and not isinstance(tool, Mapping):
        return function_tool(tool)
    function = _field(tool, "function")
    model = getattr(function, "model", None)  # of the official SDK's pydantic_function_tool
    kind = _field(function, "parameters")
    if isinstance(tool, Parseable) or not (is_structure(kind) or is_structure(model)):
        return tool
    found = Structure.of(kind if is_structure(kind) else model)
    described = {**function, "parameters": found.schema, "strict": True}
    return Parseable({**tool, "function": described}, found.parser)


def response_tool(tool: Any) -> Any:
    """Return a tool of Responses as it is sent; a class as ``parameters`` becomes a schema.

    Functions and classes as for ``chat_tool``. What ``function_tool`` and ``pydantic_function_tool``
    made, the official SDK's too, has the shape of chat: it is sent in that of Responses.
    """
    if callable(tool) and not isinstance(tool, Mapping):
        tool = chat_tool(tool)
    function = _field(tool, "function")
    if isinstance(tool, FunctionTool):
        return {"type": "function", **tool["function"]}
    of_class = isinstance(tool, Parseable) or is_structure(getattr(function, "model", None))
    if isinstance(function, Mapping) and "name" not in tool and of_class:
        made = chat_tool(tool)
        return Parseable({"type": "function", **made["function"]}, made.parser, made.callback)
    model = getattr(tool, "model", None) if isinstance(tool, dict) else None
    kind = _field(tool, "parameters")
    if isinstance(tool, Parseable) or not (is_structure(kind) or is_structure(model)):
        return tool
    found = Structure.of(kind if is_structure(kind) else model)
    return Parseable({**tool, "parameters": found.schema, "strict": True}, found.parser)


def class_tool(kind: Any, name: str | None = None, description: str | None = None) -> Parseable:
    """Return a strict function tool whose arguments become an instance of a class."""
    found = Structure.of(kind)
    function: dict[str, Any] = {"name": name or found.name}
    function |= {"strict": True, "parameters": found.schema}
    description = found.description if description is None else description
    if description is not None:
        function["description"] = description
    return Parseable({"type": "function", "function": function}, found.parser)


def tool_parsers(tools: Iterable[Any] | None) -> dict[str, Parser | None]:
    """Return, for each function among a request's tools, what parses its arguments, or ``None``.

    Both shapes are known, that of chat completions (``{"function": {"name": ...}}``) and that of
    Responses. Of two tools with one name the first counts, as in Node.
    """
    found: dict[str, Parser | None] = {}
    for tool in tools or ():
        function = _field(tool, "function")
        name = _field(tool if function is None else function, "name")
        if not isinstance(name, str):
            continue
        parser: Parser | None = None
        if isinstance(tool, Parseable):
            parser = tool.parser
        elif _field(tool if function is None else function, "strict") is True:
            parser = parse_whole
        found.setdefault(name, parser)
    return found


def parsed(parser: Parser, text: str, what: str) -> Any:
    """Return what ``parser`` makes of a complete text; ``what`` names it in the error.

    Whatever it raises becomes the ``__cause__`` of an ``OpenAIError``.
    """
    try:
        return parser(text)
    except MalformedJSON as error:
        raise OpenAIError(f"{what} is no JSON: {error}") from (error.__cause__ or error)
    except Exception as error:  # a user's parser or validator raises what it likes
        raise OpenAIError(f"{what} could not be parsed: {described(error)}") from error


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON schema in the form that ``strict`` asks for.

    Every object is closed and requires all of its properties, a default of null is left out, and a
    reference with other keys beside it is replaced by what it points to.
    """
    made: dict[str, Any] = _Strict(schema).of(schema, ())
    return made


class _Strict:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def of(self, schema: Any, within: tuple[str, ...]) -> Any:
        """Return a subschema in strict form; ``within`` are the references it was reached by."""
        if not isinstance(schema, Mapping):
            return schema
        made = dict(schema)
        reference = made.get("$ref")
        if isinstance(reference, str) and len(made) > 1 and reference not in within:
            del made["$ref"]
            return self.of({**self._target(reference), **made}, (*within, reference))
        if made.get("default", 0) is None:
            del made["default"]
        if made.get("type") == "object":
            made.setdefault("additionalProperties", False)
        for name in ("$defs", "definitions", "properties"):
            if isinstance(made.get(name), Mapping):
                made[name] = {key: self.of(item, within) for key, item in made[name].items()}
        if isinstance(made.get("properties"), Mapping):
            made["required"] = list(made["properties"])
        if isinstance(made.get("items"), Mapping):
            made["items"] = self.of(made["items"], within)
        for name in ("anyOf", "allOf", "prefixItems"):
            if isinstance(made.get(name), list):
                made[name] = [self.of(item, within) for item in made[name]]
        if len(made.get("allOf") or ()) == 1:
            (only,) = made.pop("allOf")
            made.update(only)
        return made

    def _target(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise TypeError(f"the schema refers to {reference!r}, which is not in it")
        return found


def _is_pydantic(kind: Any) -> bool:
    return hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate_json")


def _is_typed_dict(value: Any) -> bool:
    return isinstance(value, type) and hasattr(value, "__required_keys__")


def _field(value: Any, name: str) -> Any:
    """Return a field of a dict or of one of this library's objects, ``None`` if it has none."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None) if isinstance(value, Model) else None
