"""The default of a parameter whose absence means something else than ``None``."""

from __future__ import annotations

from typing import Literal

__all__ = ["NOT_GIVEN", "NotGiven"]


class NotGiven:
    """The type of ``NOT_GIVEN``: a parameter that is left out, where ``None`` sends a null."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"  # a copy is the same object: it is told by identity


NOT_GIVEN = NotGiven()
