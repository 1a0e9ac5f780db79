"""Work that a stream waits for, on threads and tasks of others: it must not wait for the stream."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

__all__ = ["working_for", "works_for"]

_owners: ContextVar[tuple[object, ...]] = ContextVar("emitter_stream_works_for", default=())


def working_for(owner: object, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` as one that works for ``owner``; so does a coroutine that it returns."""

    @functools.wraps(function)
    def work(*args: Any, **kwargs: Any) -> Any:
        token = _owners.set((*_owners.get(), owner))
        try:
            result = function(*args, **kwargs)
            return _marked(result, owner) if hasattr(result, "__await__") else result
        finally:
            _owners.reset(token)

    return work


def works_for(owner: object) -> bool:
    """Return whether who asks is at work for ``owner``."""
    return any(one is owner for one in _owners.get())


async def _marked(awaitable: Any, owner: object) -> Any:
    _owners.set((*_owners.get(), owner))  # in the context of the task that runs this
    return await awaitable
