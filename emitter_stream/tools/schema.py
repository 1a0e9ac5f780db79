"""Type hints as JSON: the schema that a model is shown, and the way from its JSON to the types.

pydantic does both; it comes with the extra ``tools`` and is imported when first needed. Added here is
what it does not know: attrs classes, descriptions that are plain strings or stand in docstrings,
and that a class takes no other fields than it has.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import importlib
import inspect
import json
import math
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import attrs

from ..types._model import Model
from .docstrings import class_documentation

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["JSONType", "NoSchemas", "Unfit", "arguments_type", "json_type", "to_json"]


class NoSchemas(TypeError):
    """pydantic is not installed, and somebody asks for the schema of a type."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the JSON schema of {place} is made with pydantic, which is not installed: "
            f"pip install 'emitter-stream[tools]', or give a JSON schema (parameters=)"
        )


class Unfit(ValueError):
    """A value that is not of its type; ``problems`` says where and why, one text each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@attrs.frozen
class JSONType:
    """A type as its JSON schema, and ``convert(value, path)``, which raises ``Unfit``."""

    schema: dict[str, Any]
    convert: Callable[[Any, str], Any]


def json_type(hint: Any, place: str) -> JSONType:
    """Return a type hint's JSON type.

    Raises ``TypeError`` that names ``place`` for a type that has none, ``NoSchemas`` without pydantic.
    """
    return _typed(lambda: _adapted(hint, place, ()), place)


def arguments_type(
    signature: inspect.Signature,
    hints: Mapping[str, Any],
    descriptions: Mapping[str, str],
    name: str,
) -> JSONType:
    """Return the type of the object with a function's arguments; it becomes a dict of them.

    ``*args`` and ``**kwargs`` are left out. Raises like ``json_type``.
    """

    fields = [
        _Field(
            parameter.name,
            hints.get(parameter.name, Any),
            parameter.default is parameter.empty,
            descriptions.get(parameter.name),
            f"the argument {parameter.name!r} of {name}",
            parameter.default,
        )
        for parameter in signature.parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    try:
        found = _typed(lambda: _object(name, fields, lambda **values: values, ()), name)
    except NoSchemas:
        raise
    except TypeError:
        for field in fields:  # which of them was it?
            json_type(field.hint, field.place)
        raise
    # The API takes a schema without `required`, its strict mode does not.
    return JSONType({"required": [], **found.schema}, found.convert)


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
    if isinstance(value, Model):
        return value.to_dict(mode="json")
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


def _typed(make: Callable[[], Any], place: str) -> JSONType:
    try:
        import pydantic
    except ImportError:
        raise NoSchemas(place) from None
    try:
        adapter: TypeAdapter[Any] = pydantic.TypeAdapter(make())
        schema = adapter.json_schema()
    except (
        pydantic.errors.PydanticUserError,
        pydantic.errors.PydanticUndefinedAnnotation,
    ) as error:
        why = str(error).partition("\n")[0]
        raise TypeError(f"{place}: a type without a JSON schema: {why}") from error

    def convert(value: Any, path: str) -> Any:
        try:
            return adapter.validate_python(value)
        except pydantic.ValidationError as error:
            raise Unfit(*_problems(error, path)) from error

    return JSONType(_plain(schema, schema.pop("$defs", {}), ()), convert)


def _problems(error: ValidationError, path: str) -> list[str]:
    problems = []
    for detail in error.errors(include_url=False):
        place = path
        for step in detail["loc"]:
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
        message = detail["msg"].removeprefix("Value error, ")
        if message.startswith("Input should"):
            message = f"{message}, not {_show(detail['input'])}"
        problems.append(f"{place}: {message}" if place else message)
    return problems


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _plain(schema: Any, shared: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    """Return a schema without titles, and with what is shared in its place: models read it better.

    What contains itself stays shared.
    """
    if isinstance(schema, list):
        return [_plain(item, shared, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref", "").removeprefix("#/$defs/")
    if reference in within:
        raise TypeError(f"{reference} contains itself, which is not supported")
    if reference:
        found = {**shared[reference], **schema}
        del found["$ref"]
        return _plain(found, shared, (*within, reference))
    plain = {}
    for key, item in schema.items():
        if key == "properties":
            plain[key] = {name: _plain(one, shared, within) for name, one in item.items()}
        elif key in ("default", "enum", "const", "examples"):
            plain[key] = item
        elif key != "title" or not isinstance(item, str):
            plain[key] = _plain(item, shared, within)
    return plain


# What pydantic does not know


@attrs.frozen
class _Field:
    """A field of a class, or an argument of a function."""

    name: str
    hint: Any
    required: bool
    description: str | None
    place: str
    default: Any = inspect.Parameter.empty  # that the model is shown, if there is one


def _adapted(hint: Any, place: str, outer: tuple[Any, ...]) -> Any:
    """Return a hint that pydantic understands in place of one that it might not."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in _QUALIFIERS:
        return _adapted(args[0], place, outer)
    if origin is typing.Annotated:
        inner = _adapted(args[0], place, outer)
        return Annotated[(inner, *args[1:], *_described(_description_of(hint)))]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_adapted(arg, place, outer) for arg in args)]  # noqa: UP007
    if origin is typing.Literal:
        return hint
    if origin in _ITERABLES or hint in _ITERABLES:  # pydantic would give a generator
        item: Any = _adapted(args[0] if args else Any, place, outer)
        return list[item]
    if args and origin is not None and not isinstance(args[0], list):
        adapted = tuple(arg if arg is ... else _adapted(arg, place, outer) for arg in args)
        return hint if adapted == args else origin[adapted]
    fields = _fields_of(hint, place) if isinstance(hint, type) or _is_typed_dict(hint) else None
    if fields is None:
        return hint
    if hint in outer:
        raise TypeError(f"{place}: {hint.__name__} contains itself, which is not supported")
    return _object(
        hint.__name__, fields, hint, (*outer, hint), class_documentation(hint).description
    )


def _object(
    name: str,
    fields: Iterable[_Field],
    make: Callable[..., Any],
    outer: tuple[Any, ...],
    description: str = "",
) -> Any:
    """Return the type of an object with these fields and no others, which ``make`` is called with."""
    import pydantic

    declared: dict[str, Any] = {}
    names = {}
    for number, field in enumerate(fields):
        # pydantic refuses some names of fields, such as those that begin with an underscore.
        inner = f"field_{number}"
        names[inner] = field.name
        info: Any = {"alias": field.name}
        said = _description_of(field.hint) or field.description
        if said:
            info["description"] = said
        if not field.required:
            info["default_factory"] = lambda: None  # never used: what was not given is left out
            info["json_schema_extra"] = _shown(field.default)
        declared[inner] = (_adapted(field.hint, field.place, outer), pydantic.Field(**info))
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    model = pydantic.create_model(name, __config__=config, **declared)
    model.__doc__ = description or None

    def build(value: Any) -> Any:
        return make(**{names[inner]: getattr(value, inner) for inner in value.model_fields_set})

    return Annotated[model, pydantic.AfterValidator(build)]


def _shown(default: Any) -> dict[str, Any]:
    if default is inspect.Parameter.empty:
        return {}
    try:
        return {"default": to_json(default)}
    except TypeError:  # a default that the model need not see
        return {}


def _described(description: str | None) -> list[Any]:
    import pydantic

    return [] if description is None else [pydantic.Field(description=description)]


def _fields_of(kind: Any, place: str) -> list[_Field] | None:
    """Return the arguments that a class takes; ``None`` where pydantic knows better, or nobody does."""
    if hasattr(kind, "model_json_schema"):
        return None
    owner: Any = kind  # the tests below would narrow it to what they ask for
    given: dict[str, tuple[str, bool]]  # each argument's attribute, and whether it is required
    if _is_typed_dict(kind):
        keys = hints_of(kind, kind.__name__)
        given = {name: (name, _is_required(kind, name, hint)) for name, hint in keys.items()}
    elif attrs.has(kind):
        of_attrs = [field for field in attrs.fields(kind) if field.init]
        given = {f.alias or f.name: (f.name, f.default is attrs.NOTHING) for f in of_attrs}
    elif dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        given = {
            f.name: (f.name, f.default is missing and f.default_factory is missing)
            for f in dataclasses.fields(kind)
            if f.init
        }
    elif isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        defaults: Mapping[str, Any] = getattr(kind, "_field_defaults", {})
        given = {name: (name, name not in defaults) for name in owner._fields}
    else:
        return None
    hints = hints_of(owner, owner.__name__)
    documented = class_documentation(owner).arguments
    return [
        _Field(
            name,
            hints.get(attribute, Any),
            required,
            documented.get(attribute),
            f"{place}, field {name!r} of {owner.__name__}",
        )
        for name, (attribute, required) in given.items()
    ]


def _is_typed_dict(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "__required_keys__")


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # The hint first: where annotations are kept as strings, the class itself has not seen it.
    while (origin := typing.get_origin(hint)) in (*_QUALIFIERS, typing.Annotated):
        if origin in _REQUIRED:
            return True
        if origin in _NOT_REQUIRED:
            return False
        hint = typing.get_args(hint)[0]
    return name in kind.__required_keys__


def _description_of(hint: Any) -> str | None:
    """Return the description in ``Annotated[..., text]``: a string, a ``Doc``, a ``Field``."""
    while typing.get_origin(hint) in _QUALIFIERS:
        hint = typing.get_args(hint)[0]
    for metadata in getattr(hint, "__metadata__", ()):
        for name in ("documentation", "description"):
            text = metadata if isinstance(metadata, str) else getattr(metadata, name, None)
            if isinstance(text, str):
                return text
    return None


def _marks(name: str) -> tuple[Any, ...]:
    # A TypedDict may be marked with those of either module; the oldest Python has none of its own.
    return tuple(getattr(module, name) for module in _MODULES if hasattr(module, name))


_ITERABLES: tuple[Any, ...] = (collections.abc.Iterable, collections.abc.Collection)
_MODULES: list[Any] = [typing]
with contextlib.suppress(ImportError):
    _MODULES.append(importlib.import_module("typing_extensions"))
_REQUIRED, _NOT_REQUIRED = _marks("Required"), _marks("NotRequired")
_QUALIFIERS = (*_REQUIRED, *_NOT_REQUIRED, *_marks("ReadOnly"))
