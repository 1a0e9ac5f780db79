"""How a tool loop on an event loop calls functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from .functions import Call

__all__ = ["loop_caller"]


def loop_caller() -> Call:
    """Return what calls the functions of a tool loop, for the running event loop.

    A coroutine runs on that loop. A plain function runs on a thread of the tool loop, where it may
    block. Both see the context variables of the thread that calls them.
    """
    loop = asyncio.get_running_loop()

    def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = function(*args, **kwargs)
        if not inspect.isawaitable(result):
            return result
        # The task that this makes takes over the context of this thread.
        return asyncio.run_coroutine_threadsafe(_finished(result), loop).result()

    return call


async def _finished(awaitable: Any) -> Any:
    return await awaitable
