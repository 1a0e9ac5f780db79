"""Types that functions take."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated, Any, NamedTuple

import attrs

from emitter_stream import function_tool


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


class Point(NamedTuple):
    x: int
    y: int = 0


def parameters_of(function) -> dict[str, Any]:
    return function_tool(function)["function"]["parameters"]


def takes(hint: Any):
    """Make a function with one argument, which it returns."""

    def echo(value):
        return value

    echo.__annotations__["value"] = hint
    return echo


class Opaque:
    pass


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


def late(a: int = 1, b: int = 2, /) -> list[int]:
    return [a, b]
