"""The Assistants stream: the Node SDK's ``AssistantStream``, and its finals and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine.stream import EventIterator
from ...recordings import Recording
from ...types import (
    AssistantStreamEvent,
    Message,
    Run,
    RunStep,
)
from ...types._model import shared_view
from ...types.assistants.event import EventView
from ..base import Api, ApiStream
from .codec import CODEC
from .core import AssistantCore
from .events import EACH, PIECE
from .lines import LineMaker
from .listeners import AssistantListeners

__all__ = ["API", "AssistantStream", "RunSnapshots", "made_event"]


def _core_of(recording: Recording) -> AssistantCore:
    """Return the core that takes what was recorded; that of a run with tools is not always loaded."""
    if not recording.has_rounds:
        return AssistantCore()
    from .tool_loop import ToolLoopCore

    return ToolLoopCore()


API = Api(
    CODEC, _core_of, of_events=AssistantCore, of_lines=AssistantCore, new_line_maker=LineMaker
)


class RunSnapshots:
    """What the streams of threads and of asyncio know of their run so far."""

    _core: AssistantCore

    def current_event(self) -> AssistantStreamEvent | None:
        """Return the event being delivered, or the last one. Node: ``currentEvent``."""
        return self._core.current_event

    def current_run(self) -> Run | None:
        """Return the run as the last run event had it. Node: ``currentRun``."""
        run: Run | None = self._core.current_run
        return run

    def current_message_snapshot(self) -> Message | None:
        """Return the open message, which grows, or ``None``. Node: ``currentMessageSnapshot``."""
        return self._core.current_message

    def current_run_step_snapshot(self) -> RunStep | None:
        """Return the open step, which grows, or ``None``. Node: ``currentRunStepSnapshot``."""
        return self._core.current_run_step


class AssistantStream(AssistantListeners, RunSnapshots, ApiStream):
    """A run's stream of events, with the listeners of the Node SDK's class of the same name.

    Events: ``connect event run messageCreated messageDelta messageDone runStepCreated
    runStepDelta runStepDone toolCallCreated toolCallDelta toolCallDone textCreated textDelta
    textDone imageFileDone error abort end``, and the API's own names (``thread.run.completed``),
    which pass the event's data.

    As a context manager it waits for its end. Iterating gives every event; leaving the loop early
    aborts the request.
    """

    _api = API
    _core: AssistantCore

    def __iter__(self) -> Iterator[AssistantStreamEvent]:
        """Iterate over every event; leaving early aborts the request, as in Node."""
        return self.iterate(abort_on_leave=True)

    def iterate(self, *, abort_on_leave: bool) -> EventIterator[AssistantStreamEvent]:
        """Return an iterator over every event, which aborts the request when left, or not."""
        return self._iterator(EventIterator, EACH, made_event, abort_on_leave=abort_on_leave)

    def iterate_on(self) -> EventIterator[AssistantStreamEvent]:
        """Return an iterator over every event of an inline stream, from where that is each time.

        What others have moved the stream past meanwhile, it does not give. Left, it stays.
        """
        return self._iterator(EventIterator, EACH, made_event, last_only=True)

    @property
    def text_deltas(self) -> Iterator[str]:
        """The pieces of text as they arrive, from now on. Leaving early only detaches."""
        return self._iterator(EventIterator, PIECE, None)

    # Finals

    def final_run(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run; raises what ``done`` raises. Node: ``finalRun``."""
        self.done(timeout)
        run: Run = self._core.final_run
        return run

    def final_messages(self, timeout: float | None = None) -> list[Message]:
        """Wait for the end and return the run's messages. Node: ``finalMessages``."""
        self.done(timeout)
        return list(self._core.messages.values())

    def final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Wait for the end and return the run's steps. Node: ``finalRunSteps``."""
        self.done(timeout)
        return list(self._core.run_steps.values())

    def get_final_run(self, timeout: float | None = None) -> Run:
        """Do what ``final_run`` does, by the official Python SDK's name for it."""
        return self.final_run(timeout)

    def get_final_messages(self, timeout: float | None = None) -> list[Message]:
        """Do what ``final_messages`` does, by the official Python SDK's name for it."""
        return self.final_messages(timeout)

    def get_final_run_steps(self, timeout: float | None = None) -> list[RunStep]:
        """Do what ``final_run_steps`` does, by the official Python SDK's name for it."""
        return self.final_run_steps(timeout)


def made_event(args: tuple[Any, ...]) -> AssistantStreamEvent:
    """Return the event of an emission of ``EACH``."""
    event, data = CODEC.of_emission(args)
    view: AssistantStreamEvent = shared_view(EventView, {"event": event, "data": data})
    return view
