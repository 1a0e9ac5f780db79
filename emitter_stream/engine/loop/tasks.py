"""The tasks of streams on an event loop, and steps of them that are made in another's turn.

The loop is asked for a step of a task by a future, and makes it in its next round. What has no need to
wait for that is done *in the name* of a task that sleeps: in its context, and as the loop's current task.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import types
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["begun_task", "can_act", "cancel_again", "first_step", "in_name_of"]

_T = TypeVar("_T")
_R = TypeVar("_R")


@types.coroutine
def first_step() -> Generator[None, None, None]:
    """Be where a coroutine of ``begun_task`` stands when it becomes a task: in its ``try``."""
    yield


def begun_task(
    loop: AbstractEventLoop, coroutine: Coroutine[Any, Any, None], name: str
) -> tuple[asyncio.Task[None], contextvars.Context | None]:
    """Make a task of a coroutine that awaits ``first_step()`` before all else.

    A task that is cancelled before its first step throws ``CancelledError`` at the coroutine's very
    first line, where no ``finally`` is entered yet: nobody would ever hear of its end. So the
    coroutine is led into its ``try`` before the task begins.

    Return with it its context, which ``in_name_of`` needs, or ``None`` where that is not to be had:
    with Python 3.10, and of tasks that are not asyncio's own.
    """
    coroutine.send(None)
    try:
        if sys.version_info >= (3, 12):
            task = loop.create_task(coroutine, name=name)
            return task, task.get_context() if isinstance(task, asyncio.Task) else None
        # A factory of tasks, or a loop of somebody's, may not know of contexts.
        own = type(loop).create_task is asyncio.BaseEventLoop.create_task
        if sys.version_info >= (3, 11) and own and loop.get_task_factory() is None:
            context = contextvars.copy_context()
            return loop.create_task(coroutine, name=name, context=context), context
        return loop.create_task(coroutine, name=name), None
    except BaseException:  # a task factory may do as it likes
        coroutine.close()
        raise


def can_act(loop: AbstractEventLoop) -> bool:
    """Return whether no task is at a step, so that one may be acted for."""
    return asyncio.current_task(loop) is None


def in_name_of(
    task: asyncio.Task[None],
    loop: AbstractEventLoop,
    context: contextvars.Context,
    function: Callable[[_T], _R],
    argument: _T,
) -> _R:
    """Return what ``function`` does where the task calls it, which is asleep; if ``can_act(loop)``."""
    tasks = asyncio.tasks  # looked into each time: there are packages that patch it
    try:  # around the first call as well, after which a signal's handler may raise
        tasks._enter_task(loop, task)
        return context.run(function, argument)
    finally:
        # Not in a child that was forked meanwhile: from Python 3.14 on it knows of no task there.
        if asyncio.current_task(loop) is task:
            tasks._leave_task(loop, task)


def cancel_again(task: asyncio.Task[None], error: asyncio.CancelledError) -> None:
    """Let the task, which is at its step, see at its next wait what it was woken with."""
    if sys.version_info >= (3, 11):
        task.cancel(*error.args)
        task.uncancel()  # it is one and the same request
