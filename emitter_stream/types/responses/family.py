"""Families of objects that are told apart by their ``type``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._model import Model

if TYPE_CHECKING:
    from typing_extensions import Self

    PlainOrInstance = Any
else:
    PlainOrInstance = dict[str, Any]  # at runtime: what is plain JSON is not wrapped in views

__all__ = ["Members", "PlainOrInstance", "Tagged"]

# Not spelled out in the classes: there `type` is a field.
Members = dict[str, type[Any]]


class Tagged(Model):
    """The base of families: an object that is made as one of the family is of its member's class.

    A family is a subclass with an empty ``_members``; its members are subclasses of it with a
    ``tag``. An object of a type that no member has is one of the family itself, and its fields can
    be read all the same.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # each member says which it is
        type: str

    def __new__(cls, data: dict[str, Any] | None = None, /, *more: Any, **fields: Any) -> Self:
        made: Any = object.__new__(cls._member(fields if data is None else data))
        return made  # type: ignore[no-any-return]

    def __init_subclass__(cls, tag: str | None = None) -> None:
        super().__init_subclass__()
        if tag is not None:
            assert cls._members is not None
            cls._members[tag] = cls
            cls._members = None  # it is no family itself
