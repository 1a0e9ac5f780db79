"""The base of the API's large objects, whose ``repr`` picks what identifies them."""

from __future__ import annotations

from typing import ClassVar

from ._model import Model, _short

__all__ = ["Resource"]


class Resource(Model):
    """An object of the API with an id of its own."""

    __slots__ = ()

    _shown: ClassVar[tuple[str, ...]] = ("id",)

    def __repr__(self) -> str:
        data = self._data
        shown = [f"{name}={_short(self._stands(name))}" for name in self._shown if name in data]
        if len(data) > len(shown):
            shown.append("...")
        return f"{type(self).__name__}({', '.join(shown)})"
