"""Names for the variants of a family: ``TextContentBlock`` for a ``MessageContent`` of type text.

A family is one class with the fields of all its variants, because which one an object is stands in
its data, may come late in a live snapshot and may be one that this library does not know. The
variants' names are there for ``isinstance`` and for annotations, as the official Python SDK has them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Variant"]


class Variant(type):
    """The class of variant classes: an instance is an object of the family whose tag says so.

    The tag is given where the class is made: the field that tells variants apart, and its value.
    """

    _variant: tuple[str, str]

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **tag: str
    ) -> Variant:
        for variant in tag.items():  # of somebody's subclass there is none
            namespace = {**namespace, "__slots__": (), "_variant": variant}
        return super().__new__(mcs, name, bases, namespace)

    def __instancecheck__(cls, instance: Any) -> bool:
        # type() and not __class__: a view answers only to the names of its data.
        if issubclass(type(instance), cls):
            return True
        if not issubclass(type(instance), cls.__base__ or object):
            return False
        field, value = cls._variant
        return bool(getattr(instance, field) == value)
