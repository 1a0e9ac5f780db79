"""Functions as tools: the schemas they get, the arguments they are called with, their results."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import json
import pathlib
import sys
import typing
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import attrs
import pytest
from typing_extensions import Doc, NotRequired, Required

from emitter_stream import function_tool
from emitter_stream.tools.functions import Toolbox, result_text
from emitter_stream.types import Run


class Unit(enum.Enum):
    """The unit of a temperature."""

    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Place:
    """A place on earth.

    Attributes:
        lat: Degrees north.
    """

    lat: float = attrs.field(validator=attrs.validators.le(90))
    lon: Annotated[float, "Degrees east"]
    _label: str = ""
    notes: list[str] = attrs.field(factory=list, init=False)


@dataclasses.dataclass
class Trip:
    start: Place
    end: Place | None = None
    stops: list[Place] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if self.end == self.start:
            raise ValueError("a trip goes somewhere")


class Base(TypedDict):
    name: str


class Options(Base, total=False):
    size: int
    colour: Required[str]


class Flags(TypedDict):
    fast: NotRequired[bool]
    deep: Annotated[NotRequired[bool], "Go deep"]
    wide: bool


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Node:
    children: list[Node]


UserId = NewType("UserId", str)


def schema_of(hint: Any) -> dict[str, Any]:
    """Give the schema of an argument with this hint."""
    return parameters_of(takes(hint))["properties"]["value"]


def parameters_of(function) -> dict[str, Any]:
    return function_tool(function)["function"]["parameters"]


def takes(hint: Any):
    """Make a function with one argument, which it returns."""

    def echo(value):
        return value

    echo.__annotations__["value"] = hint
    return echo


def given(hint: Any, value: Any) -> Any:
    """Give what a function gets for an argument of this type that comes as this JSON."""
    tool = Toolbox.of([takes(hint)]).functions["echo"]
    args, kwargs = tool.read_arguments(json.dumps({"value": value}))
    assert kwargs == {}
    return args[0]


def refused(hint: Any, value: Any) -> list[str]:
    """Give the problems that the model is told of."""
    tool = Toolbox.of([takes(hint)])
    first, *problems, last = tool.answer("echo", json.dumps({"value": value})).split("\n")
    assert (first, last) == ("The arguments do not fit echo:", "Please try again.")
    return [problem.removeprefix("- ") for problem in problems]


PLACE = {
    "type": "object",
    "properties": {
        "lat": {"type": "number", "description": "Degrees north."},
        "lon": {"type": "number", "description": "Degrees east"},
        "label": {"type": "string"},
    },
    "required": ["lat", "lon"],
    "additionalProperties": False,
    "description": "A place on earth.",
}
UNIT = {
    "type": "string",
    "enum": ["celsius", "fahrenheit"],
    "description": "The unit of a temperature.",
}
SCHEMAS = [
    (str, {"type": "string"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (None, {"type": "null"}),
    (Any, {}),
    (object, {}),
    (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),  # noqa: UP045
    (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    (Union[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),  # noqa: UP007
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
    (Literal["a", 1], {"enum": ["a", 1]}),
    (Unit, UNIT),
    (Level, {"type": "integer", "enum": [1, 2]}),
    (Literal[Unit.CELSIUS], {"type": "string", "const": "celsius"}),
    (list, {"type": "array", "items": {}}),
    (list[int], {"type": "array", "items": {"type": "integer"}}),
    (typing.List[int], {"type": "array", "items": {"type": "integer"}}),  # noqa: UP006
    (collections.abc.Sequence[str], {"type": "array", "items": {"type": "string"}}),
    (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
    (tuple, {"type": "array", "items": {}}),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
    (
        tuple[int, str],
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
    ),
    (dict, {"type": "object", "additionalProperties": True}),
    (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
    (
        collections.abc.Mapping[Unit, int],
        {"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": UNIT},
    ),
    (datetime.datetime, {"type": "string", "format": "date-time"}),
    (datetime.date, {"type": "string", "format": "date"}),
    (datetime.time, {"type": "string", "format": "time"}),
    (uuid.UUID, {"type": "string", "format": "uuid"}),
    (decimal.Decimal, {"anyOf": [{"type": "number"}, {"type": "string"}]}),
    (pathlib.Path, {"type": "string", "format": "path"}),
    (UserId, {"type": "string"}),
    (typing.TypeVar("T", bound=int), {"type": "integer"}),
    (Annotated[int, "How many"], {"type": "integer", "description": "How many"}),
    (Annotated[int, 1, Doc("How many")], {"type": "integer", "description": "How many"}),
    (Place, PLACE),
    (
        Trip,
        {
            "type": "object",
            "properties": {
                "start": PLACE,
                "end": {"anyOf": [PLACE, {"type": "null"}]},
                "stops": {"type": "array", "items": PLACE},
            },
            "required": ["start"],
            "additionalProperties": False,
        },
    ),
    (
        Options,
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "size": {"type": "integer"},
                "colour": {"type": "string"},
            },
            "required": ["name", "colour"],
            "additionalProperties": False,
        },
    ),
    (
        Flags,
        {
            "type": "object",
            "properties": {
                "fast": {"type": "boolean"},
                "deep": {"type": "boolean", "description": "Go deep"},
                "wide": {"type": "boolean"},
            },
            "required": ["wide"],
            "additionalProperties": False,
        },
    ),
    (
        Point,
        {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
            "required": ["x"],
            "additionalProperties": False,
        },
    ),
]


@pytest.mark.parametrize(("hint", "schema"), SCHEMAS, ids=[str(hint) for hint, _ in SCHEMAS])
def test_each_type_has_its_json_schema(hint, schema):
    """An argument's hint becomes the schema of its values."""
    assert schema_of(hint) == schema


CONVERTED = [
    (str, "5", "5"),
    (int, 5, 5),
    (int, 5.0, 5),
    (int, "5", 5),  # as models write it at times
    (float, 5, 5.0),
    (bool, True, True),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (int | None, None, None),
    (int | float, 1.0, 1.0),
    (float | int, 1, 1),
    (Unit | str, "celsius", "celsius"),
    (Unit | int, "celsius", Unit.CELSIUS),
    (Place | list[int], [1], [1]),
    (Literal["a", 1], 1, 1),
    (Unit, "fahrenheit", Unit.FAHRENHEIT),
    (Level, 2, Level.HIGH),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (collections.abc.Iterable[Unit], ["celsius"], [Unit.CELSIUS]),
    (set[int], [1, 1, 2], {1, 2}),
    (frozenset[Unit], ["celsius"], frozenset([Unit.CELSIUS])),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, Unit], [1, "celsius"], (1, Unit.CELSIUS)),
    (dict[str, Unit], {"a": "celsius"}, {"a": Unit.CELSIUS}),
    (dict[Unit, float], {"celsius": 1}, {Unit.CELSIUS: 1.0}),
    (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
    (
        datetime.datetime,
        "2024-02-29T12:30:00Z",
        datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
    ),
    (datetime.time, "12:30", datetime.time(12, 30)),
    (
        uuid.UUID,
        "12345678-1234-5678-1234-567812345678",
        uuid.UUID(int=0x12345678123456781234567812345678),
    ),
    (decimal.Decimal, 0.1, decimal.Decimal("0.1")),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (UserId, "u1", "u1"),
    (Place, {"lat": 1, "lon": 2}, Place(1.0, 2.0)),
    (Place, {"lat": 1, "lon": 2, "label": "x"}, Place(1.0, 2.0, "x")),
    (
        Trip,
        {"start": {"lat": 1, "lon": 2}, "stops": [{"lat": 3, "lon": 4}]},
        Trip(Place(1.0, 2.0), None, [Place(3.0, 4.0)]),
    ),
    (Options, {"name": "n", "colour": "red"}, {"name": "n", "colour": "red"}),
    (Point, {"x": 1.0}, Point(1, 0)),
]


@pytest.mark.parametrize(("hint", "value", "argument"), CONVERTED)
def test_arguments_become_what_the_hint_says(hint, value, argument):
    """JSON is converted to the hinted type, inside of containers too."""
    result = given(hint, value)
    assert result == argument
    assert type(result) is type(argument)
    if isinstance(result, Place):
        assert type(result.lat) is float


REFUSED = [
    (str, 5, ["value: Input should be a valid string, not 5"]),
    (bool, "x", ['value: Input should be a valid boolean, unable to interpret input, not "x"']),
    (None, 0, ["value: Input should be None, not 0"]),
    (Unit, "kelvin", ["value: Input should be 'celsius' or 'fahrenheit', not \"kelvin\""]),
    (
        list[int],
        [[], 1, None],
        [
            "value[0]: Input should be a valid integer, not []",
            "value[2]: Input should be a valid integer, not null",
        ],
    ),
    (list[int], "a", ['value: Input should be a valid list, not "a"']),
    (tuple[int, int], [1], ["value[1]: Field required"]),
    (dict[str, int], {"a": []}, ["value.a: Input should be a valid integer, not []"]),
    (dict[str, int], [], ["value: Input should be a valid dictionary, not []"]),
    (
        Place,
        {"lat": [], "high": 1},
        [
            "value.lat: Input should be a valid number, not []",
            "value.lon: Field required",
            "value.high: Extra inputs are not permitted",
        ],
    ),
    (
        Trip,
        {"start": {"lat": 1, "lon": 2}, "end": {"lat": 1, "lon": 2}},
        ["value: a trip goes somewhere"],
    ),
    (
        list[Trip],
        [{"start": {"lat": 1, "lon": []}}],
        ["value[0].start.lon: Input should be a valid number, not []"],
    ),
    (str, ["x" * 200], [f'value: Input should be a valid string, not ["{"x" * 75}...']),
]


@pytest.mark.parametrize(("hint", "value", "problems"), REFUSED)
def test_what_does_not_fit_is_named_with_its_path(hint, value, problems):
    """The model is told each place that does not fit, and what would."""
    assert refused(hint, value) == problems


def test_a_validator_of_a_class_has_its_say():
    """What a class's own validator raises is told to the model."""
    (problem,) = refused(Place, {"lat": 91, "lon": 0})
    assert problem.startswith("value: ")
    assert "90" in problem


def test_required_keys_of_a_typed_dict_do_not_depend_on_how_annotations_are_kept():
    """NotRequired counts in a module whose annotations are strings, as this one's are."""
    assert given(Flags, {"wide": True}) == {"wide": True}
    assert refused(Flags, {"fast": True}) == ["value.wide: Field required"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no type statement")
def test_type_aliases():
    """A `type X = ...` alias is what it stands for."""
    namespace: dict[str, Any] = {}
    exec("type Names = list[str]", namespace)  # noqa: S102 - a syntax error before 3.12
    assert schema_of(namespace["Names"]) == {"type": "array", "items": {"type": "string"}}


class Opaque:
    pass


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (Opaque, "the argument 'value' of echo: a type without a JSON schema"),
        (list[Opaque], "the argument 'value' of echo: a type without a JSON schema"),
        (type, "a type without a JSON schema"),
        (collections.abc.Callable[[], int], "a type without a JSON schema"),
        (Node, "field 'children' of Node: Node contains itself"),
        ("Nothing", "a type hint of echo names what its module does not have"),
    ],
)
def test_a_type_without_a_schema_is_an_error_that_names_it(hint, message):
    """A hint that JSON cannot follow is a TypeError with the argument's name."""
    with pytest.raises(TypeError) as raised:
        function_tool(takes(hint))
    assert message in str(raised.value)


def google(city: str, unit: Annotated[Unit, "By hint"] = Unit.CELSIUS, days: int = 3) -> str:
    """Get the weather.

    It may rain.

    Args:
        city: The city,
            such as Paris.
        unit: By docstring.
        days (int): How many.

    Returns:
        The weather.
    """
    return f"{city} {unit.name} {days}"


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


def late(a: int = 1, b: int = 2, /) -> list[int]:
    return [a, b]


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


# --- the toolbox


def test_a_tool_is_a_plain_dict_to_the_api():
    """What function_tool returns is JSON, and equal to the dict that it looks like."""
    tool = function_tool(google)
    assert json.loads(json.dumps(tool)) == tool


def test_tools_are_functions_or_named_or_made_already():
    """A list may hold functions, made tools and other tools; a dict names functions."""
    code = {"type": "code_interpreter"}
    listed = Toolbox.of([google, function_tool(late), code])
    assert list(listed.functions) == ["google", "late"]
    assert listed.params == [function_tool(google), function_tool(late), code]
    named = Toolbox.of({"weather": google, "pair": function_tool(late)})
    assert list(named.functions) == ["weather", "pair"]
    assert [tool["function"]["name"] for tool in named.params] == ["weather", "pair"]
    assert named.answer("pair", "{}") == "[1,2]"


async def coroutine(city: str) -> str:
    return city


@pytest.mark.parametrize(
    ("tools", "error", "message"),
    [
        ([google, google], ValueError, "two tools with the name 'google'"),
        ([5], TypeError, "a tool is a function or what function_tool"),
        ("google", TypeError, "a tool is a function"),
        (google, TypeError, "tools are a list of functions or a dict"),
        ({"a": "b"}, TypeError, "under the name 'a'"),
        ({"type": "code_interpreter"}, TypeError, "under the name 'type'"),
        ([dict(function_tool(google))], TypeError, "no function to call"),
        ([coroutine], TypeError, "emitter_stream.aio"),
        ([functools.partial(coroutine, "x")], TypeError, "emitter_stream.aio"),
        ([function_tool(coroutine)], TypeError, "emitter_stream.aio"),
    ],
)
def test_what_is_no_tool(tools, error, message):
    """What cannot be called, or not from here, is refused with what to do instead."""
    with pytest.raises(error, match=message):
        Toolbox.of(tools)


def test_no_function_tool_of_what_is_no_function():
    """function_tool takes something to call."""
    with pytest.raises(TypeError, match="takes a function"):
        function_tool("google")  # type: ignore[arg-type]


def test_coroutines_by_way_of_a_caller():
    """Whoever can run coroutines lets them in and says how a function is called."""

    def call(function, args, kwargs):
        coroutine = function(*args, **kwargs)
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        return stop.value.value

    toolbox = Toolbox.of([coroutine], coroutines=True)
    assert toolbox.answer("coroutine", '{"city": "Oslo"}', call) == "Oslo"


@pytest.mark.parametrize("text", ["{", "nothing", '{"city": NaN}', "{} {}", "[" * 100_000])
def test_arguments_that_are_no_json_are_answered(text):
    """The model is told that its arguments are no JSON."""
    answer = Toolbox.of([google]).answer("google", text)
    assert answer.startswith("The arguments for google are no valid JSON (")
    assert answer.endswith("Please try again.")
    assert len(answer) < 500


@pytest.mark.parametrize("text", ["[]", '"x"', "5", "null"])
def test_arguments_that_are_no_object_are_answered(text):
    """The model is told that arguments are an object."""
    answer = Toolbox.of([google]).answer("google", text)
    assert answer.startswith("The arguments do not fit google:\n- Input should be a valid dict")
    assert answer.endswith(f", not {text}\nPlease try again.")


def test_an_unknown_function_is_answered_with_the_known_ones():
    """The model is told which functions there are."""
    answer = Toolbox.of([google, late]).answer("gogle", "{}")
    assert answer == "There is no function 'gogle'; there are: 'google', 'late'. Please try again."
    assert "there are: none" in Toolbox.of([]).answer("x", "{}")


# --- results


RESULTS = [
    ("as it is", "as it is"),
    ("", ""),
    (None, "null"),
    (True, "true"),
    (5, "5"),
    (1.5, "1.5"),
    (float("nan"), "null"),
    (Unit.CELSIUS, "celsius"),
    (Level.HIGH, "2"),
    ([1, "é", None], '[1,"é",null]'),
    ((1, 2), "[1,2]"),
    ({1}, "[1]"),
    ((number for number in (1, 2)), "[1,2]"),
    ({"a": Unit.CELSIUS, 1: Level.LOW, Unit.CELSIUS: 0}, '{"a":"celsius","1":1,"celsius":0}'),
    (Place(1.0, 2.0), '{"lat":1.0,"lon":2.0,"_label":"","notes":[]}'),
    (
        Trip(Place(1.0, 2.0)),
        '{"start":{"lat":1.0,"lon":2.0,"_label":"","notes":[]},"end":null,"stops":[]}',
    ),
    (Point(1, 2), '{"x":1,"y":2}'),
    (datetime.date(2024, 2, 29), '"2024-02-29"'),
    (
        datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.timezone.utc),
        '"2024-02-29T01:00:00+00:00"',
    ),
    (decimal.Decimal("0.10"), '"0.10"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (pathlib.PurePosixPath("a/b"), '"a/b"'),
    (Run({"id": "run_1", "status": "queued"}), '{"id":"run_1","status":"queued"}'),
]


@pytest.mark.parametrize(("result", "text"), RESULTS)
def test_results_are_sent_as_text_or_json(result, text):
    """A string goes back as it is, everything else as JSON."""
    assert result_text(result) == text


@pytest.mark.parametrize("result", [Opaque(), b"bytes", {(1, 2): 3}, [object()]])
def test_results_that_json_cannot_say(result):
    """What JSON cannot say is a TypeError, which is the function's fault."""
    with pytest.raises(TypeError):
        result_text(result)


def test_a_coroutine_as_a_result():
    """A coroutine that a plain function returns is closed and refused."""
    with pytest.raises(TypeError, match=r"emitter_stream\.aio"):
        result_text(coroutine("x"))


def test_pydantic_models_as_results():
    """A Pydantic model goes back as its JSON."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Weather", day=(datetime.date, ...))
    assert result_text([model(day="2024-02-29")]) == '[{"day":"2024-02-29"}]'
