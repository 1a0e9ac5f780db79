"""Functions as tools: what their docstrings, names and parameters make of them."""

from __future__ import annotations

import functools
import inspect
import sys

import pytest
from hints import Place, Point, Unit, google, late, parameters_of, takes

from emitter_stream import function_tool
from emitter_stream.tools.functions import Toolbox


def numpy_style(city: str):
    """Get the weather.

    Parameters
    ----------
    city : str
        The city.
    """


def sphinx(city: str):
    """Get the weather.

    :param city: The city.
    """


def test_docstrings_give_descriptions():
    """Text before the sections describes the function, the sections its arguments; hints win."""
    assert function_tool(google) == {
        "type": "function",
        "function": {
            "name": "google",
            "description": "Get the weather.\n\nIt may rain.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city, such as Paris."},
                    "unit": {
                        "type": "string",
                        "enum": ["celsius", "fahrenheit"],
                        "description": "By hint",
                        "default": "celsius",
                    },
                    "days": {"type": "integer", "description": "How many.", "default": 3},
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize("function", [google, numpy_style, sphinx])
def test_docstring_styles(function):
    """Docstrings are read in the style of Google, NumPy and Sphinx."""
    pytest.importorskip("docstring_parser")
    tool = function_tool(function)["function"]
    assert tool["description"].startswith("Get the weather.")
    assert tool["parameters"]["properties"]["city"]["description"].startswith("The city")


def test_without_docstring_parser_the_first_paragraph_is_left(monkeypatch):
    """Without the extra, the summary describes the function and hints describe arguments."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    tool = function_tool(google)["function"]
    assert tool["description"] == "Get the weather."
    assert "description" not in tool["parameters"]["properties"]["city"]
    assert tool["parameters"]["properties"]["unit"]["description"] == "By hint"


def test_without_pydantic_a_schema_must_be_given(monkeypatch):
    """Without the extra, hints are an error that names it; a given schema will do, unchecked."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeError, match=r"pip install 'emitter-stream\[tools\]'"):
        function_tool(google)
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    box = Toolbox.of([function_tool(takes(str), parameters=parameters)])
    assert box.functions["echo"]["function"]["parameters"] == parameters
    assert box.answer("echo", '{"value": 5}') == "5"
    assert "missing a required argument: 'value'" in box.answer("echo", "{}")
    assert "an object with the arguments is needed" in box.answer("echo", "[]")
    assert function_tool(lambda: "pong", name="ping")["function"]["parameters"]["properties"] == {}


def test_a_docstring_with_a_broken_section_is_no_error():
    """A docstring with a broken section still gives its summary."""

    def odd(a: int):
        """Do it.

        :param
        """

    assert function_tool(odd)["function"]["description"].startswith("Do it.")


def test_no_docstring_and_no_arguments():
    """A bare function has a name and an empty object as its arguments."""

    def ping():
        pass

    assert function_tool(ping)["function"] == {
        "name": "ping",
        "parameters": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        },
    }


def test_names_and_schemas_of_ones_own():
    """name, description and parameters replace what the function says; the hints still convert."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = function_tool(google, name="w", description="d", parameters=parameters)
    assert tool["function"] == {"name": "w", "description": "d", "parameters": parameters}
    answer = Toolbox.of([tool]).answer("w", '{"city": "Oslo", "unit": "fahrenheit"}')
    assert answer == "Oslo FAHRENHEIT 3"


@pytest.mark.parametrize("name", ["<lambda>", "", "a b", "x" * 65, "naïve"])
def test_names_that_the_api_does_not_take(name):
    """A name that the API would refuse is a ValueError that says how to give another."""
    with pytest.raises(ValueError, match="function_tool\\(function, name="):
        function_tool(google, name=name)
    with pytest.raises(ValueError, match="lambda"):
        function_tool(lambda: None)


class Counter:
    """Count."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, by: int = 1) -> int:
        """Add to the count."""
        self.count += by
        return self.count

    def __call__(self, by: int) -> int:
        """Call it."""
        return self.add(by)


def wrapper(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def mixed(a: int, /, b: int, *rest: int, c: int, d: int = 4, **more: int) -> list[int]:
    return [a, b, c, d, *rest]


@pytest.mark.parametrize(
    ("function", "name", "arguments", "result"),
    [
        (Counter().add, "add", '{"by": 3}', "3"),
        (Counter().add, "add", "{}", "1"),
        (Counter().add, "add", "", "1"),
        (Counter(), "Counter", '{"by": 2}', "2"),
        (
            functools.partial(google, unit=Unit.FAHRENHEIT),
            "google",
            '{"city": "x"}',
            "x FAHRENHEIT 3",
        ),
        (wrapper(google), "google", '{"city": "x"}', "x CELSIUS 3"),
        (mixed, "mixed", '{"c": 3, "b": 2, "a": 1}', "[1,2,3,4]"),
        (late, "late", '{"b": 5}', "[1,5]"),
        (Point, "Point", '{"x": 1}', '{"x":1,"y":0}'),
        (Place, "Place", '{"lat": 1, "lon": 2}', '{"lat":1.0,"lon":2.0,"_label":"","notes":[]}'),
    ],
)
def test_anything_callable_is_a_tool(function, name, arguments, result):
    """Methods, objects, partials, wrapped functions and classes are called as they want to be."""
    assert Toolbox.of([function]).answer(name, arguments) == result


def test_star_arguments_are_not_shown():
    """*args and **kwargs are no arguments that the model could give."""
    parameters = parameters_of(mixed)
    assert list(parameters["properties"]) == ["a", "b", "c", "d"]
    assert parameters["required"] == ["a", "b", "c"]


def test_a_default_that_json_cannot_say_is_left_out():
    """A sentinel as a default leaves the argument optional, without a default in the schema."""

    def fetch(value: int = inspect.Parameter.empty.__class__):  # type: ignore[assignment]
        pass

    parameters = parameters_of(fetch)
    assert parameters["properties"] == {"value": {"type": "integer"}}
    assert parameters["required"] == []
