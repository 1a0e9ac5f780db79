"""The Assistants stream for asyncio."""

from __future__ import annotations

from ...engine.loop.iterator import AsyncEventIterator
from ...types import (
    AssistantStreamEvent,
    Message,
    Run,
    RunStep,
)
from ..aio_base import AsyncApiStream
from .aio_listeners import AsyncAssistantListeners
from .core import AssistantCore
from .events import EACH, PIECE
from .stream import API, RunSnapshots, made_event

__all__ = ["AsyncAssistantStream"]


class AsyncAssistantStream(AsyncAssistantListeners, RunSnapshots, AsyncApiStream):
    """A run's stream of events on an event loop: ``AssistantStream``, for asyncio.

    Events, arguments and their order are those of ``AssistantStream``. Listeners are plain
    functions or ``async def``; what they return is awaited if it can be. They run one at a time on
    the loop that made the stream, each finished before the next is called, so that a slow one
    holds the server back.

    The request is sent at once. Nothing is delivered before there is a listener, or somebody waits
    or iterates (``inline=True``: unless somebody waits or iterates), and not before the step of the task that attaches the first listener has yielded
    to the loop: a chain written in one go misses nothing.

    A task that is cancelled while it waits in ``done``, in a final or in an iterator aborts the
    request. ``async with`` waits for the end; left by an exception it aborts. But for ``abort``,
    ``on``, ``once``, ``off`` and ``start``, methods may only be called on the loop.
    """

    _api = API
    _core: AssistantCore

    def __aiter__(self) -> AsyncEventIterator[AssistantStreamEvent]:
        """Iterate over every event; leaving early aborts the request, as in Node."""
        return self.iterate(abort_on_leave=True)

    def iterate(self, *, abort_on_leave: bool) -> AsyncEventIterator[AssistantStreamEvent]:
        """Return an iterator over every event, which aborts the request when left, or not."""
        return AsyncEventIterator(
            self._delivery, EACH, made_event, self.abort, abort_on_leave=abort_on_leave
        )

    def iterate_on(self) -> AsyncEventIterator[AssistantStreamEvent]:
        """Return an iterator over every event of an inline stream, from where that is each time."""
        return AsyncEventIterator(self._delivery, EACH, made_event, self.abort, last_only=True)

    @property
    def text_deltas(self) -> AsyncEventIterator[str]:
        """The pieces of text as they arrive, from now on. Leaving early only detaches."""
        return AsyncEventIterator(self._delivery, PIECE, None, self.abort)

    # Finals

    async def final_run(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run; raises what ``done`` raises. Node: ``finalRun``."""
        await self.done(timeout)
        run: Run = self._core.final_run
        return run

    async def final_messages(self, timeout: float | None = None) -> list[Message]:
        """Wait for the end and return the run's messages. Node: ``finalMessages``."""
        await self.done(timeout)
        return list(self._core.messages.values())

    async def final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Wait for the end and return the run's steps. Node: ``finalRunSteps``."""
        await self.done(timeout)
        return list(self._core.run_steps.values())

    async def get_final_run(self, timeout: float | None = None) -> Run:
        """Do what ``final_run`` does, by the official Python SDK's name for it."""
        return await self.final_run(timeout)

    async def get_final_messages(self, timeout: float | None = None) -> list[Message]:
        """Do what ``final_messages`` does, by the official Python SDK's name for it."""
        return await self.final_messages(timeout)

    async def get_final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Do what ``final_run_steps`` does, by the official Python SDK's name for it."""
        return await self.final_run_steps(timeout)
