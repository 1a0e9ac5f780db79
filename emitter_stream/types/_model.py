"""The base of all API objects: typed views over the JSON that was received or accumulated.

A view holds the very dict it shows, so nothing is copied, added or dropped on the way: a snapshot's
view grows with its dict, ``to_dict()`` gives back what is there, and a field that this library
does not know still reads as an attribute. It is copied where it is written to, and not before.

Longer than 500 lines: reading, writing and sharing are rules about the same two slots of a view.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ._dump import Selection, dump_instances, select, to_text
from ._growing import GrowingText, TextSoFar, text_so_far
from ._lists import ListView, LiveList

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "GrowingText",
    "ListView",
    "LiveList",
    "Model",
    "TextSoFar",
    "live_list",
    "live_view",
    "plain_copy",
    "received",
    "shared_view",
    "text_so_far",
    "untouched",
    "with_request_id",
]

_M = TypeVar("_M", bound="Model")


def plain_copy(value: Any) -> Any:
    """Return a copy of ``value`` in JSON's types, which shares no list, dict or object with it.

    Keys that are names of declared fields are strings that all copies share: those of parsed JSON are
    made anew for each event, and would be half of what a snapshot takes up, of which thousands may be
    open at once.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {
            _named(key, key): item if type(item) in _ATOMS else plain_copy(item)
            for key, item in list(value.items())
        }
    if kind is list:
        return [item if type(item) in _ATOMS else plain_copy(item) for item in value]
    if kind in _TEXTS:
        return value.read()
    # What a program may have put in.
    if isinstance(value, Model):
        return value._plain()
    if isinstance(value, dict):
        return {key: plain_copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_copy(item) for item in value]
    return value


# Only names that a class declares: a server may send any other, and as many as it likes.
_names: dict[str, str] = {}
_named = _names.get
_ATOMS = frozenset((str, int, float, bool, type(None)))
_TEXTS = frozenset((GrowingText, TextSoFar))


class Model:
    """A view of one JSON object of the API.

    Subclasses declare the API's fields as annotations. Reading one that is absent gives ``None``;
    a key that no annotation names reads as an attribute too; any other name is an
    ``AttributeError``. Reading an object or a list twice gives the same one.

    Fields can be set and deleted, lists and dicts inside be changed. That shows in this object and
    what it stands in, and nowhere else: the JSON that it was made of is shared (by the deltas of one
    text, by an event and the delta in it) and never written to. An object that ``live_view`` makes
    is another matter: its JSON is its own, grows, and is what is written to.
    """

    if not TYPE_CHECKING:  # mypy takes fields that are no slots for what cannot be set
        __slots__ = ("_data", "_views")

    # Of a live object the JSON itself. Else the JSON that is shared, or once a field was set a
    # copy of its outermost level.
    _data: dict[str, Any]
    # The objects, lists and bare dicts that were read from fields, or set: they are what counts.
    # Under None stands `_data` as it came, once a field was set.
    _views: dict[Any, Any] | None
    _field_names: ClassVar[tuple[str, ...]] = ()
    # Of a family the class of each of its members by their `type`; see `_member`.
    _members: ClassVar[dict[str, type[Any]] | None] = None

    def __init__(self, data: dict[str, Any] | None = None, /, **fields: Any) -> None:
        """Show ``data``, which is not copied, or an object with ``fields``."""
        _set_data(self, fields if data is None else data)
        _set_views(self, None)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [name for name in inspect.get_annotations(cls) if name[0] != "_"]
        for name in own:
            setattr(cls, name, property(functools.partial(_read_field, name)))
        inherited = cls._field_names
        cls._field_names = (*inherited, *(name for name in own if name not in inherited))
        _names.update(zip(cls._field_names, cls._field_names, strict=True))

    # Hidden from type checkers, so that a misspelt field is an error to them.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only names that are no declared field come here.
            if name[:2] != "__" and name not in ("_data", "_views") and name in self._data:
                return _read_field(name, self)
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}: neither the API's schema nor "
                f"the data that was received has it"
            )

        def __setattr__(self, name: str, value: Any) -> None:
            if name in self._field_names or not hasattr(type(self), name):
                _write_field(name, self, value)
            elif name[:1] == "_":
                object.__setattr__(self, name, value)
            else:
                raise AttributeError(f"{name!r} of {type(self).__name__} cannot be set")

        def __delattr__(self, name: str) -> None:
            if name not in self._data:
                raise AttributeError(f"{type(self).__name__} has no field {name!r} to delete")
            _write_field(name, self, _DELETED)

    @property
    def _request_id(self) -> str | None:
        """What the server calls the request that this object answers; of others ``None``."""
        request_id: str | None = (self._views or {}).get(_REQUEST_ID)
        return request_id

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the names and values of the fields that are there: for ``dict(object)``."""
        for name in list(self._data):
            yield name, _read_field(name, self)

    def to_dict(
        self,
        *,
        mode: str = "python",
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, Any]:
        """Return a copy of what was received, accumulated or set, as plain dicts and lists.

        The options are the official Python SDK's. ``exclude_none`` leaves out fields that are
        ``None``, and so does ``exclude_defaults``, as no field has another default. An instance that
        was parsed becomes a dict; ``mode`` ``json`` makes what stands in it JSON's own types. The
        others change nothing: names are the API's, and a field that did not come is never there.
        """
        return self._dumped(None, None, exclude_none or exclude_defaults, mode)

    def to_json(
        self,
        *,
        indent: int | None = 2,
        use_api_names: bool = True,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> str:
        """Return ``to_dict()`` as JSON text."""
        return to_text(self._dumped(None, None, exclude_none or exclude_defaults, "json"), indent)

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Selection = None,
        exclude: Selection = None,
        context: object = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        exclude_computed_fields: bool = False,
        round_trip: bool = False,
        warnings: bool | str = True,
        fallback: object = None,
        serialize_as_any: bool = False,
    ) -> dict[str, Any]:
        """Return ``to_dict()``, with pydantic's options, as the official Python SDK's objects.

        An event of chat has its ``type`` here too. ``include`` and ``exclude`` are names of fields,
        or dicts of names (of indexes in a list, or ``"__all__"``) and what is meant of what stands
        there. For the others see ``to_dict``.
        """
        return self._dumped(include, exclude, exclude_none or exclude_defaults, mode, typed=True)

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        ensure_ascii: bool = False,
        include: Selection = None,
        exclude: Selection = None,
        context: object = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        exclude_computed_fields: bool = False,
        round_trip: bool = False,
        warnings: bool | str = True,
        fallback: object = None,
        serialize_as_any: bool = False,
    ) -> str:
        """Return ``model_dump()`` as JSON text."""
        drop_none = exclude_none or exclude_defaults
        dumped = self._dumped(include, exclude, drop_none, "json", typed=True)
        return to_text(dumped, indent, ensure_ascii=ensure_ascii)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy that does not grow, with the fields in ``update`` set; it is always deep."""
        twin = copy.copy(self)
        for name, value in (update or {}).items():
            setattr(twin, name, value)
        return twin

    @classmethod
    def model_construct(cls, _fields_set: object = None, **fields: Any) -> Self:
        """Return an object with ``fields``, by pydantic's name for that."""
        return cls(fields)

    @classmethod
    def construct(cls, _fields_set: object = None, **fields: Any) -> Self:
        """Return an object with ``fields``, by the official Python SDK's name for that."""
        return cls(fields)

    @classmethod
    def model_validate(cls, value: Mapping[str, Any] | Model) -> Self:
        """Return an object of ``value``, which is copied and not looked at, by pydantic's name."""
        return cls(plain_copy(value))

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Return an object of JSON text, which is not looked at either."""
        return cls(json.loads(text))

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were received or set."""
        return set(self._data)

    @property
    def model_extra(self) -> dict[str, Any]:
        """Those fields that this library does not know."""
        return {name: value for name, value in self if name not in self._field_names}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Model):
            return self._plain() == other._plain()
        if isinstance(other, dict):
            return bool(self._plain() == plain_copy(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes, so it has no lasting hash

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_short(self._stands(name))}" for name in list(self._data))
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._plain(),))

    @classmethod
    def _member(cls, data: Any) -> type[Self]:
        """Return the class of the objects that ``data`` is one of: of a family one of its members."""
        members = cls._members
        if members is None or type(data) is not dict:
            return cls
        tag = data.get("type")
        member = members.get(tag, cls) if type(tag) is str else cls
        return typing.cast("type[Self]", member)

    def _view_class(self, name: str) -> type[Model] | None:
        """Return the class that shows a dict in field ``name``; ``None`` leaves the dict bare."""
        found = _found_view_classes.get(type(self))
        if found is None:
            found = _view_classes(type(self))
        return found.get(name, Model)

    def _again(self, data: dict[str, Any]) -> Self:
        """Return another view like this one, of ``data``."""
        again: Self = shared_view(type(self), data)
        return again

    def _stands(self, name: str) -> Any:
        """Return what stands in a field, unread, or in its place since it was read or set."""
        value, views = self._data.get(name), self._views
        return value if views is None or type(views) is _LiveViews else views.get(name, value)

    def _plain(self) -> dict[str, Any]:
        views = self._views
        if views is None or type(views) is _LiveViews:
            plain: dict[str, Any] = plain_copy(self._data)
            return plain
        return {
            name: plain_copy(views.get(name, value)) for name, value in list(self._data.items())
        }

    def _dumped(
        self,
        include: Selection,
        exclude: Selection,
        drop_none: bool,
        mode: str,
        *,
        typed: bool = False,
    ) -> dict[str, Any]:
        plain: dict[str, Any] = dump_instances(self._plain(), mode)
        name = getattr(type(self), "type", None) if typed else None
        if isinstance(name, str):  # and no field
            plain = {"type": name, **plain}
        if include is not None or exclude is not None or drop_none:
            plain = select(plain, include, exclude, drop_none=drop_none)
        return plain


# As `object.__setattr__`, but without the search for the slot: objects are made at each delta.
_set_data: Callable[[Model, Any], None] = vars(Model)["_data"].__set__
_set_views: Callable[[Model, Any], None] = vars(Model)["_views"].__set__
_new = object.__new__


_REQUEST_ID = object()  # under which a request's id stands among the views


def with_request_id(model: _M, request_id: str | None) -> _M:
    """Return an object that answers a request, which knows from now on what the server calls that."""
    if request_id is not None:
        views = model._views
        if views is None:
            views = {}
            _set_views(model, views)
        views[_REQUEST_ID] = request_id
    return model


class _LiveViews(dict[Any, Any]):
    """The views of an object whose JSON is its own: this class alone tells it from the others."""


_NONE_READ = _LiveViews()  # of all of which no object or list was read yet; never written to


def live_view(model: type[_M], data: dict[str, Any]) -> _M:
    """Return an object that shows ``data`` as it grows, and writes to it when it is written to.

    All objects inside are so too. Nobody else may show ``data`` or a part of it. Whoever appends to
    a ``GrowingText`` in it looks at whether that was taken: it is not once an object around it was
    written to, and what the text is to be appended to has to be looked for again.
    """
    view = model._member(data)(data)
    _set_views(view, _NONE_READ)
    return view


def live_list(model: type[Model], array: list[Any]) -> LiveList[Any]:
    """Return the list that shows an array of objects inside the JSON of a live one."""
    return LiveList(array, _shows(model), _held, _settle)  # type: ignore[arg-type]


@functools.cache  # one for all lists of a kind
def _shows(model: type[Model]) -> Callable[[Any], Any]:
    return functools.partial(_live_view, model)


def shared_view(model: type[Model], value: Any) -> Any:
    """Return a view of ``value``, which others may show too, or ``value`` if it is no object or array.

    For an object it is what ``model(value)`` is, in two thirds of the time.
    """
    if type(value) is dict:
        view = _new(model)
        _set_data(view, value)
        _set_views(view, None)
        return view
    if type(value) is list:
        if model._members is not None:
            return ListView([shared_view(model._member(item), item) for item in value])
        return ListView([shared_view(model, item) for item in value])
    return value


def untouched(value: Any) -> Any:
    """Return an object as it came, whatever was written to it since.

    Anything else, and an object that is live, is returned itself.
    """
    views = value._views if isinstance(value, Model) else None
    if views is None or type(views) is _LiveViews:
        return value
    return value._again(received(value))


def received(model: Model) -> dict[str, Any]:
    """Return the very JSON that an object was made of, for reading."""
    views = model._views
    data: dict[str, Any] = model._data if views is None else views.get(None, model._data)
    return data


def _read_field(name: str, model: Model) -> Any:
    value = model._data.get(name)
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is dict or kind is list:
        return _read_object(name, model, value)
    if kind in _TEXTS:
        return value.read()
    return value


def _read_object(name: str, model: Model, value: Any) -> Any:
    views = model._views
    if views is None:
        views = {}
        _set_views(model, views)
    view = views.get(name)
    if type(views) is not _LiveViews:
        if view is not None:
            return view
        view_class = model._view_class(name)
        if type(value) is dict and view_class is not None:
            if view_class._members is not None:
                view_class = view_class._member(value)
            view = _new(view_class)
            _set_data(view, value)
            _set_views(view, None)
        else:
            view = plain_copy(value) if view_class is None else shared_view(view_class, value)
        # Of two threads that read it first, one makes the view for both.
        return views.setdefault(name, view)
    if view is None or view._data is not value:
        view_class = model._view_class(name)
        if view_class is None:
            # The program may write to it. Text in it that grows is shown to nobody.
            return plain_copy(value) if _has_growing_text(value) else value
        if views is _NONE_READ:
            views = _LiveViews()
            _set_views(model, views)
        view = views[name] = _live_view(view_class, value)
    elif type(view) is LiveList:
        view.follow()
    return view


def _live_view(model: type[Model], value: Any) -> Any:
    if type(value) is dict:
        return live_view(model, value)
    if type(value) is list:
        return live_list(model, value)
    return value.read() if type(value) is GrowingText else value


def _write_field(name: str, model: Model, value: Any) -> None:
    """Set a field; ``_DELETED`` takes it away."""
    views = model._views
    if type(views) is _LiveViews:
        _settle(model._data)
        if value is _DELETED:
            del model._data[name]
        else:
            model._data[name] = plain_copy(value)
        return
    if views is None:
        views = {}
        _set_views(model, views)
    if None not in views:
        views[None] = model._data
        _set_data(model, model._data.copy())
    if type(value) is dict or type(value) is list:
        views[name] = value
        model._data[name] = value
        return
    if value is _DELETED:
        del model._data[name]
    else:
        model._data[name] = value
    views.pop(name, None)


_DELETED = object()


def _held(item: Any) -> Any:
    """Return what stands in a live array for an item of its list."""
    views = item._views if isinstance(item, Model) else None
    if type(views) is _LiveViews or type(item) is LiveList:
        return item._data
    return plain_copy(item)


def _settle(value: Any) -> None:
    """Let no text in a live object grow where it stands: the program moves things about."""
    items: Any = value.items() if type(value) is dict else enumerate(value)
    for key, item in list(items):
        if type(item) is GrowingText:
            value[key] = item.close()
        elif type(item) is dict or type(item) is list:
            _settle(item)


def _has_growing_text(value: Any) -> bool:
    if type(value) is dict or type(value) is list:
        return any(map(_has_growing_text, value.values() if type(value) is dict else value))
    return type(value) is GrowingText


def _view_classes(cls: type[Model]) -> dict[str, type[Model] | None]:
    """Return, for each field that can hold objects, the class of their views.

    Read from the annotations when first needed: at class creation the names in them may not exist.
    """
    found: dict[str, type[Model] | None] = {}
    for name, hint in typing.get_type_hints(cls).items():
        view_class = _class_in(hint)
        if view_class is not Model:
            found[name] = view_class
    _found_view_classes[cls] = found  # only when it is whole: other threads read it
    return found


_found_view_classes: dict[type[Model], dict[str, type[Model] | None]] = {}


def _class_in(hint: Any) -> type[Model] | None:
    """Return the ``Model`` subclass in a type hint, ``None`` for a dict left bare, else ``Model``."""
    if typing.get_origin(hint) is None and isinstance(hint, type):
        if issubclass(hint, Model):
            return hint
        return None if hint is dict else Model
    if typing.get_origin(hint) is dict:
        return None
    for argument in typing.get_args(hint):
        view_class = _class_in(argument)
        if view_class is not Model:
            return view_class
    return Model


def _short(value: Any) -> str:
    """Return ``repr(value)``, cut where it gets long."""
    if type(value) in _TEXTS:
        value = value.read()
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:57]!r}..."
    if isinstance(value, Model):
        value = value._data
    if isinstance(value, dict):
        return "{...}" if value else "{}"
    if isinstance(value, list):
        return f"[... {len(value)}]" if value else "[]"
    return repr(value)
