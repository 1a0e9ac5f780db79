"""Type hints as JSON: the schema that a model is shown, and the way from its JSON to the types.

One walk over a hint gives both, so that what the schema allows is what is converted.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import importlib
import json
import math
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from ..types._model import ListView, Model
from .docstrings import class_documentation

__all__ = ["Field", "JSONType", "Unfit", "hints_of", "json_type", "object_type", "to_json"]

Convert = Callable[[Any, str], Any]


class Unfit(ValueError):
    """A value that is not of its type; ``problems`` says where and why, one text each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@attrs.frozen
class JSONType:
    """A type as its JSON schema, and ``convert(value, path)``, which raises ``Unfit``."""

    schema: dict[str, Any]
    convert: Convert

    def with_description(self, description: str | None) -> JSONType:
        """Return the type with a description in its schema, if there is one to put there."""
        if not description:
            return self
        return JSONType({**self.schema, "description": description}, self.convert)


@attrs.frozen
class Field:
    """A field of an object, or an argument of a function."""

    name: str
    type: JSONType
    required: bool


def hints_of(owner: Any, what: str) -> dict[str, Any]:
    """Return the type hints of a function or class, with ``Annotated`` and its like kept.

    Raises ``TypeError`` where a hint names what cannot be found.
    """
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"a type hint of {what} names what its module does not have: {error}"
        ) from error


def json_type(
    hint: Any, place: str, outer: tuple[Any, ...] = (), *, documented: str | None = None
) -> JSONType:
    """Return a type hint's JSON type; ``TypeError`` that names ``place`` where it has none.

    Its description is the hint's, else what is ``documented`` of the place, else its class's.
    ``outer`` are the classes that it stands in.
    """
    description = None
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            texts = filter(None, map(_description_in, hint.__metadata__))
            description = description or next(texts, None)
            hint = hint.__origin__
        elif origin in _QUALIFIERS:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = ...`, from Python 3.12 on
            hint = hint.__value__
        elif isinstance(hint, typing.TypeVar):
            hint = hint.__bound__ or Any
        else:
            break
    return _bare_type(hint, place, outer).with_description(description or documented)


def object_type(fields: Sequence[Field], make: Callable[[dict[str, Any]], Any]) -> JSONType:
    """Return the type of an object with these fields and no others; ``make`` builds it of them."""
    names = [field.name for field in fields]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: field.type.schema for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }

    def convert(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise _expected("an object", value, path)
        at = f"{path}." if path else ""
        values = {}
        problems: list[str] = []
        for field in fields:
            if field.name in value:
                try:
                    values[field.name] = field.type.convert(value[field.name], at + field.name)
                except Unfit as unfit:
                    problems.extend(unfit.problems)
            elif field.required:
                problems.append(f"{at}{field.name}: missing")
        known = ", ".join(names) or "none"
        unknown = [name for name in value if name not in names]
        problems += [f"{at}{name}: unknown; there are: {known}" for name in unknown]
        if problems:
            raise Unfit(*problems)
        return _made(lambda _: make(values), value, path)

    return JSONType(schema, convert)


def to_json(value: Any) -> Any:
    """Return what a function returned as JSON's own types.

    Objects of attrs, dataclasses, named tuples and Pydantic become objects, enum members their
    values, times ISO 8601 texts, numbers that JSON has not ``null`` (as in JavaScript). Raises
    ``TypeError`` for anything else that JSON cannot say.
    """
    if isinstance(value, enum.Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Model | ListView):
        return value.to_dict()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID | pathlib.PurePath):
        return str(value)
    kind = type(value)
    if attrs.has(kind):
        return {field.name: to_json(getattr(value, field.name)) for field in attrs.fields(kind)}
    if dataclasses.is_dataclass(kind):
        fields = dataclasses.fields(kind)
        return {field.name: to_json(getattr(value, field.name)) for field in fields}
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return {name: to_json(item) for name, item in zip(kind._fields, value, strict=True)}
    if isinstance(value, Mapping):
        return {to_json(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return [to_json(item) for item in value]
    raise TypeError(f"{kind.__name__} is nothing that JSON can say")


# The kinds of types


def _bare_type(hint: Any, place: str, outer: tuple[Any, ...]) -> JSONType:
    if hint in (Any, object):
        return JSONType({}, lambda value, path: value)
    simple = _SIMPLE.get(hint) if isinstance(hint, type) or hint is None else None
    if simple is not None:
        return simple
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is typing.Literal:
        return _choice([to_json(choice) for choice in args], args)
    if origin in (typing.Union, types.UnionType):
        return _union(args, place, outer)
    if origin is tuple and args and args[-1] is not ...:
        return _fixed_tuple(args, place, outer)
    if origin in _ARRAYS:
        return _array(_ARRAYS[origin], args[0] if args else Any, place, outer)
    if origin in _MAPPINGS:
        key_hint, value_hint = args or (str, Any)
        return _mapping(key_hint, value_hint, place, outer)
    if isinstance(hint, type):
        if issubclass(hint, enum.Enum):
            return _enum(hint)
        if hint in outer:
            raise TypeError(f"{place}: {hint.__name__} contains itself, which is not supported")
        found = _class(hint, place, (*outer, hint))
        if found is not None:
            return found
    raise TypeError(f"{place}: {_name(hint)} is a type without a JSON schema")


def _integer(value: Any, path: str) -> int:
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise _expected("an integer", value, path)


def _number(value: Any, path: str) -> float:
    if type(value) in (int, float):
        number: float = _made(float, value, path)
        return number
    raise _expected("a number", value, path)


def _decimal(value: Any, path: str) -> decimal.Decimal:
    if type(value) in (int, float):
        return decimal.Decimal(repr(value))
    raise _expected("a number", value, path)


def _exactly(kind: type, what: str) -> Convert:
    def convert(value: Any, path: str) -> Any:
        if type(value) is kind:
            return value
        raise _expected(what, value, path)

    return convert


def _text(read: Callable[[str], Any], what: str, form: str | None = None) -> JSONType:
    """Return the type of what JSON has no type for: a string that ``read`` understands."""

    def convert(value: Any, path: str) -> Any:
        if type(value) is str:
            try:
                return read(value)
            except ValueError:
                pass
        raise _expected(what, value, path)

    return JSONType({"type": "string", **({"format": form} if form else {})}, convert)


def _datetime(text: str) -> datetime.datetime:
    # Python 3.10 does not know the Z.
    return datetime.datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in "zZ" else text)


def _choice(values: Sequence[Any], members: Sequence[Any]) -> JSONType:
    """Return the type of one of several ``members``, which JSON knows as ``values``."""
    choices = list(zip(values, members, strict=True))
    kinds = {type(value) for value in values}
    schema: dict[str, Any] = {"enum": list(values)}
    if len(kinds) == 1:
        schema = {**_SIMPLE[kinds.pop()].schema, **schema}

    def convert(value: Any, path: str) -> Any:
        for choice, member in choices:
            if type(choice) is type(value) and choice == value:
                return member
        raise _expected(f"one of {', '.join(map(_show, values))}", value, path)

    return JSONType(schema, convert)


def _enum(kind: type[enum.Enum]) -> JSONType:
    members = list(kind)
    by_value = all(type(member.value) in (str, int, float, bool) for member in members)
    keys = [member.value if by_value else member.name for member in members]
    return _choice(keys, members)


def _union(args: Sequence[Any], place: str, outer: tuple[Any, ...]) -> JSONType:
    options = [json_type(arg, place, outer) for arg in args]
    plain = {type(None) if arg is None else arg for arg in args if isinstance(arg, type)}
    plain &= {type(None), bool, int, float, str}

    def convert(value: Any, path: str) -> Any:
        if type(value) in plain:  # 1.0 stays a float in `int | float`
            return value
        problems = []
        for arg, option in zip(args, options, strict=True):
            try:
                return option.convert(value, path)
            except Unfit as unfit:
                if arg not in (None, type(None)):
                    problems.append(unfit)
        if len(problems) == 1:
            raise problems[0]
        raise Unfit(" or ".join(str(problem) for problem in problems))

    return JSONType({"anyOf": [option.schema for option in options]}, convert)


def _array(make: Callable[[Any], Any], arg: Any, place: str, outer: tuple[Any, ...]) -> JSONType:
    item = json_type(arg, place, outer)
    schema: dict[str, Any] = {"type": "array", "items": item.schema}
    if make in (set, frozenset):
        schema["uniqueItems"] = True

    def convert(value: Any, path: str) -> Any:
        return _made(make, _items(value, path, [item] * _length(value)), path)

    return JSONType(schema, convert)


def _fixed_tuple(args: Sequence[Any], place: str, outer: tuple[Any, ...]) -> JSONType:
    items = [json_type(arg, place, outer) for arg in args]
    count = len(items)

    def convert(value: Any, path: str) -> tuple[Any, ...]:
        if type(value) is list and len(value) != count:
            raise Unfit(f"{path}: expected an array of {count} items, not of {len(value)}")
        return tuple(_items(value, path, items))

    schemas = [item.schema for item in items]
    bounds = {"minItems": count, "maxItems": count}
    return JSONType({"type": "array", "prefixItems": schemas, **bounds}, convert)


def _length(value: Any) -> int:
    return len(value) if type(value) is list else 0


def _items(value: Any, path: str, items: Sequence[JSONType]) -> list[Any]:
    if type(value) is not list:
        raise _expected("an array", value, path)
    converted = []
    problems: list[str] = []
    for index, (item, one) in enumerate(zip(items, value, strict=True)):
        try:
            converted.append(item.convert(one, f"{path}[{index}]"))
        except Unfit as unfit:
            problems.extend(unfit.problems)
    if problems:
        raise Unfit(*problems)
    return converted


def _mapping(key_hint: Any, value_hint: Any, place: str, outer: tuple[Any, ...]) -> JSONType:
    key = json_type(key_hint, place, outer)
    item = json_type(value_hint, place, outer)
    if key.schema.get("type", "string") != "string":
        raise TypeError(f"{place}: keys of JSON objects are strings, not {_name(key_hint)}")

    def convert(value: Any, path: str) -> dict[Any, Any]:
        if type(value) is not dict:
            raise _expected("an object", value, path)
        converted = {}
        problems: list[str] = []
        for name, one in value.items():
            at = f"{path}.{name}" if path else name
            try:
                converted[key.convert(name, at)] = item.convert(one, at)
            except Unfit as unfit:
                problems.extend(unfit.problems)
        if problems:
            raise Unfit(*problems)
        return converted

    return JSONType({"type": "object", "additionalProperties": item.schema}, convert)


def _class(kind: type[Any], place: str, outer: tuple[Any, ...]) -> JSONType | None:
    """Return the type of a class with typed fields, ``None`` if it is none."""
    fields_of = _fields_of(kind)
    if fields_of is None:
        return None
    hints = hints_of(kind, kind.__name__)
    documented = class_documentation(kind)
    fields = []
    for name, (attribute, required) in fields_of.items():
        text = documented.arguments.get(attribute)
        at = f"{place}, field {name!r} of {kind.__name__}"
        found = json_type(hints.get(attribute, Any), at, outer, documented=text)
        fields.append(Field(name, found, required))
    # A TypedDict is called like the others, and gives a plain dict.
    found = object_type(fields, lambda values: kind(**values))
    return found.with_description(documented.description)


def _fields_of(kind: Any) -> dict[str, tuple[str, bool]] | None:
    """Return the arguments that a class takes: for each its attribute and whether it is required."""
    if any(module.is_typeddict(kind) for module in _MODULES):
        hints = hints_of(kind, kind.__name__)
        return {name: (name, _is_required(kind, name, hint)) for name, hint in hints.items()}
    if attrs.has(kind):
        given = [field for field in attrs.fields(kind) if field.init]
        return {f.alias or f.name: (f.name, f.default is attrs.NOTHING) for f in given}
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        return {
            f.name: (f.name, f.default is missing and f.default_factory is missing)
            for f in dataclasses.fields(kind)
            if f.init
        }
    defaults = getattr(kind, "_field_defaults", None)  # of a named tuple
    if defaults is None or not issubclass(kind, tuple):
        return None
    return {name: (name, name not in defaults) for name in getattr(kind, "_fields", ())}


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # The hint first: where annotations are kept as strings, the class itself has not seen it.
    while (origin := typing.get_origin(hint)) in (*_QUALIFIERS, typing.Annotated):
        if origin in _REQUIRED:
            return True
        if origin in _NOT_REQUIRED:
            return False
        hint = typing.get_args(hint)[0]
    return name in kind.__required_keys__


# Helpers


def _made(make: Callable[[Any], Any], value: Any, path: str) -> Any:
    """Call a constructor; what it raises (a validator's opinion, mostly) is told to the model."""
    try:
        return make(value)
    except Exception as error:  # classes may raise what they like
        where = f"{path}: " if path else ""
        raise Unfit(f"{where}{error or type(error).__name__}") from error


def _expected(what: str, value: Any, path: str) -> Unfit:
    where = f"{path}: " if path else ""
    return Unfit(f"{where}expected {what}, not {_show(value)}")


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def _description_in(metadata: Any) -> str | None:
    """Return the description in ``Annotated[..., metadata]``: a string, a ``Doc``, a ``Field``."""
    if isinstance(metadata, str):
        return metadata
    for name in ("documentation", "description"):
        text = getattr(metadata, name, None)
        if isinstance(text, str):
            return text
    return None


def _marks(name: str) -> tuple[Any, ...]:
    # A TypedDict may be marked with those of either module; the oldest Python has none of its own.
    return tuple(getattr(module, name) for module in _MODULES if hasattr(module, name))


_MODULES: list[Any] = [typing]
with contextlib.suppress(ImportError):
    _MODULES.append(importlib.import_module("typing_extensions"))
_REQUIRED, _NOT_REQUIRED = _marks("Required"), _marks("NotRequired")
_QUALIFIERS = (*_REQUIRED, *_NOT_REQUIRED, *_marks("ReadOnly"))

_NULL = JSONType({"type": "null"}, _exactly(type(None), "null"))

_SIMPLE: dict[Any, JSONType] = {
    None: _NULL,
    type(None): _NULL,
    bool: JSONType({"type": "boolean"}, _exactly(bool, "true or false")),
    int: JSONType({"type": "integer"}, _integer),
    float: JSONType({"type": "number"}, _number),
    str: JSONType({"type": "string"}, _exactly(str, "a string")),
    decimal.Decimal: JSONType({"type": "number"}, _decimal),
    datetime.datetime: _text(_datetime, "a date and time in ISO 8601", "date-time"),
    datetime.date: _text(datetime.date.fromisoformat, "a date as YYYY-MM-DD", "date"),
    datetime.time: _text(datetime.time.fromisoformat, "a time of day in ISO 8601", "time"),
    uuid.UUID: _text(uuid.UUID, "a UUID", "uuid"),
    pathlib.Path: _text(pathlib.Path, "a path"),
}

_ARRAYS: dict[Any, Callable[[Any], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    **dict.fromkeys(
        (
            collections.abc.Sequence,
            collections.abc.MutableSequence,
            collections.abc.Collection,
            collections.abc.Iterable,
        ),
        list,
    ),
}

_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
