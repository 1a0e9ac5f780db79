"""Typing helpers that the oldest supported Python does not have, and the listeners' signatures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["Listener0", "Listener1", "Listener2", "override"]

_A = TypeVar("_A")
_B = TypeVar("_B")
_F = TypeVar("_F", bound=Callable[..., Any])

# A listener may take fewer arguments than its event passes.
Listener0 = Callable[[], object]
Listener1 = Callable[[_A], object] | Callable[[], object]
Listener2 = Callable[[_A, _B], object] | Callable[[_A], object] | Callable[[], object]

if TYPE_CHECKING:
    from typing_extensions import override
elif sys.version_info >= (3, 12):
    from typing import override
else:

    def override(method: _F) -> _F:
        """Mark a method that overrides one of its base class (PEP 698)."""
        method.__override__ = True
        return method
