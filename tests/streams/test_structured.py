"""Classes and schemas as response formats and tools, and what becomes of the model's text."""

from __future__ import annotations

import dataclasses
import enum
import json
import subprocess
import sys
from typing import Literal

import attrs
import openai
import pydantic
import pytest
from openai.lib._parsing._completions import type_to_response_format_param
from typing_extensions import NotRequired, TypedDict

from emitter_stream import OpenAIError, helpers
from emitter_stream.streams.structured import (
    Structure,
    chat_format,
    chat_tool,
    format_parser,
    parsed,
    response_tool,
    text_format,
    tool_parsers,
)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Author(pydantic.BaseModel):
    """Who wrote it."""

    name: str
    born: int | None = None


class Book(pydantic.BaseModel):
    """A book."""

    title: str
    author: Author = pydantic.Field(description="the first one")
    others: list[Author] = []
    colour: Colour
    kind: Literal["novel", "essay"] = "novel"
    sequel: Book | None = None


@dataclasses.dataclass
class Point:
    """A point."""

    x: int
    y: float = 0.0
    colour: Colour = Colour.RED


@attrs.define
class Segment:
    """Two points."""

    start: Point
    label: str | None = None


class City(TypedDict):
    """A city."""

    name: str
    people: NotRequired[int]


def test_a_pydantic_model_is_sent_as_the_official_sdk_sends_it():
    """The response format of a model is the official SDK's, key for key."""
    assert chat_format(Book) == type_to_response_format_param(Book)
    assert chat_format(Author) == type_to_response_format_param(Author)


def test_a_pydantic_tool_is_sent_as_the_official_sdk_sends_it():
    """``pydantic_function_tool`` makes the official function's tool, key for key."""
    ours = helpers.pydantic_function_tool(Book, name="add_book")
    assert ours == openai.pydantic_function_tool(Book, name="add_book")
    assert helpers.pydantic_function_tool(Author) == openai.pydantic_function_tool(Author)


def closed_objects(schema) -> int:
    """Count the objects of a schema, each of which must be closed and require everything."""
    if isinstance(schema, list):
        return sum(map(closed_objects, schema))
    if not isinstance(schema, dict):
        return 0
    found = sum(map(closed_objects, schema.values()))
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
        found += 1
    return found


@pytest.mark.parametrize(("kind", "objects"), [(Point, 1), (Segment, 2), (City, 1)])
def test_other_classes_are_strict_too(kind, objects):
    """A dataclass, an attrs class and a TypedDict become schemas that ``strict`` takes."""
    sent = chat_format(kind)
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["name"] == kind.__name__
    assert closed_objects(sent["json_schema"]["schema"]) == objects
    flat = text_format(kind)
    assert flat == {"type": "json_schema", **sent["json_schema"]}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Author, '{"name": "A", "born": null}', Author(name="A")),
        (Point, '{"x": 1, "y": 2, "colour": "blue"}', Point(1, 2.0, Colour.BLUE)),
        (Segment, '{"start": {"x": 1, "y": 0}, "label": null}', Segment(Point(1, 0.0))),
        (City, '{"name": "Rome"}', {"name": "Rome"}),
    ],
)
def test_text_becomes_an_instance(kind, text, value):
    """What the model writes becomes an instance of the class that was asked for."""
    got = parsed(format_parser(chat_format(kind)), text, "the answer")
    assert got == value
    assert isinstance(got, dict if kind is City else kind)


@pytest.mark.parametrize(
    ("kind", "text", "cause"),
    [
        (Author, '{"born": 1}', pydantic.ValidationError),
        (Point, '{"x": "one"}', ValueError),
        (Point, '{"x": 1', json.JSONDecodeError),
        ({"type": "json_schema"}, "[1,", json.JSONDecodeError),
        ({"type": "json_schema"}, "NaN", ValueError),
    ],
)
def test_a_failure_has_its_cause(kind, text, cause):
    """Text that does not fit is an ``OpenAIError`` with the parser's own exception behind it."""
    parser = format_parser(chat_format(kind))
    with pytest.raises(OpenAIError) as caught:
        parsed(parser, text, "the answer")
    assert isinstance(caught.value.__cause__, cause)


def test_what_is_not_parsed():
    """Formats other than a JSON schema, and tools that are not strict, have no parser."""
    assert format_parser(None) is None
    assert format_parser({"type": "json_object"}) is None
    tools = [
        {"type": "function", "function": {"name": "loose", "strict": False}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "function", "name": "flat", "strict": True},
        {"type": "function", "function": {"name": "loose", "strict": True}},
    ]
    found = tool_parsers(tools)
    assert found.keys() == {"loose", "flat"}
    assert found["loose"] is None
    assert found["flat"]('{"a": 1}') == {"a": 1}


def test_a_class_as_the_parameters_of_a_tool():
    """Parameters may be a class: sent as a strict schema, parsed to an instance."""
    chat = chat_tool({"type": "function", "function": {"name": "f", "parameters": Point}})
    flat = response_tool({"type": "function", "name": "f", "parameters": Point})
    assert chat["function"]["strict"] is flat["strict"] is True
    assert chat["function"]["parameters"] == flat["parameters"] == Structure.of(Point).schema
    for tool in (chat, flat):
        assert tool_parsers([tool])["f"]('{"x": 1, "y": 2}') == Point(1, 2.0)


def test_the_official_sdks_tool_is_understood():
    """A tool of the official SDK's ``pydantic_function_tool`` gives instances here as well."""
    tool = chat_tool(openai.pydantic_function_tool(Author))
    assert tool_parsers([tool])["Author"]('{"name": "A"}') == Author(name="A")


def test_parseable_objects_are_copies():
    """The helpers leave what they are given alone, and call the parser that they are given."""
    given = {"json_schema": {"name": "n"}}
    made = helpers.make_parseable_response_format(given, str.upper)
    made["json_schema"]["name"] = "m"
    assert given == {"json_schema": {"name": "n"}}
    assert made["type"] == "json_schema"
    assert format_parser(made)("a") == "A"
    assert format_parser(helpers.make_parseable_text_format({"name": "n"}, str.upper))("a") == "A"
    tool = helpers.make_parseable_tool({"function": {"name": "f"}}, parser=str.upper, callback=len)
    assert tool_parsers([tool])["f"]("a") == "A"
    assert tool.callback is len
    flat = helpers.make_parseable_response_tool({"name": "f"}, parser=str.upper)
    assert tool_parsers([flat])["f"]("a") == "A"


@pytest.mark.parametrize("kind", [int, list, Colour, "text", Literal["a"]])
def test_what_cannot_be_asked_for(kind):
    """A type that is no JSON object is refused before anything is sent."""
    with pytest.raises(TypeError):
        Structure.of(kind)


def test_without_pydantic():
    """Without the extra a schema is all that can be asked for; a class is an error that names it."""
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "import dataclasses\n"
        "from emitter_stream.streams.structured import chat_format, format_parser\n"
        "schema = {'type': 'json_schema', 'json_schema': {'name': 'k', 'schema': {}}}\n"
        "assert format_parser(chat_format(schema))('{\"a\": 1}') == {'a': 1}\n"
        "kind = dataclasses.make_dataclass('Kind', [('a', int)])\n"
        "try: chat_format(kind)\n"
        "except TypeError as error: assert 'emitter-stream[tools]' in str(error)\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)
