"""Typing helpers that the oldest supported Python does not have, and the listeners' signatures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

__all__ = [
    "AsyncListener0",
    "AsyncListener1",
    "AsyncListener2",
    "Defaulted",
    "Listener0",
    "Listener1",
    "Listener2",
    "Result",
    "override",
]

_A = TypeVar("_A")
_B = TypeVar("_B")
_F = TypeVar("_F", bound=Callable[..., Any])


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Result = (
    Iterable[object]
    | Callable[..., object]
    | AbstractContextManager[object]
    | Future[Any]
    | BaseException
    | _Dataclass
    | complex
    | None
)
"""What a listener may return, which is dropped: anything but a coroutine, that nobody would await.

Type checkers have no "but", so these are the classes of nearly all that functions return: text and
containers are iterable, numbers are complex.
"""

# A listener may take fewer arguments than its event passes.
Listener0 = Callable[[], Result]
Listener1 = Callable[[_A], Result] | Callable[[], Result]
Listener2 = Callable[[_A, _B], Result] | Callable[[_A], Result] | Callable[[], Result]

_A_contra = TypeVar("_A_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)


class Defaulted(Protocol[_A_contra, _R_co]):
    """A listener of one argument, with a default for another: ``lambda run, i=i: ...`` in a loop."""

    def __call__(self, first: _A_contra, /, second: Any = ...) -> _R_co:
        """Hear of an event."""
        ...


# Those of asyncio return what they like; it is awaited if it can be.
AsyncListener0 = Callable[[], object]
AsyncListener1 = Callable[[_A], object] | Callable[[], object]
AsyncListener2 = Callable[[_A, _B], object] | Callable[[_A], object] | Callable[[], object]

if TYPE_CHECKING:
    from typing_extensions import override
elif sys.version_info >= (3, 12):
    from typing import override
else:

    def override(method: _F) -> _F:
        """Mark a method that overrides one of its base class (PEP 698)."""
        method.__override__ = True
        return method
