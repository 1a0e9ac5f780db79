"""Functions as tools: each type's schema, and the arguments that fit it."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import json
import pathlib
import sys
import typing
import uuid
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import pytest
from hints import Level, Opaque, Place, Point, Trip, Unit, parameters_of, takes
from typing_extensions import Doc, NotRequired, Required

from emitter_stream import function_tool
from emitter_stream.tools.functions import Toolbox


class Base(TypedDict):
    name: str


class Options(Base, total=False):
    size: int
    colour: Required[str]


class Flags(TypedDict):
    fast: NotRequired[bool]
    deep: Annotated[NotRequired[bool], "Go deep"]
    wide: bool


@dataclasses.dataclass
class Node:
    children: list[Node]


UserId = NewType("UserId", str)


def schema_of(hint: Any) -> dict[str, Any]:
    """Give the schema of an argument with this hint."""
    return parameters_of(takes(hint))["properties"]["value"]


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
