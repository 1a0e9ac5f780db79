"""The events of a stream as the API names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .._model import Model
from .._variant import Variant
from .message import Message
from .message_delta import MessageDeltaEvent
from .run import Run
from .run_step import RunStep
from .run_step_delta import RunStepDeltaEvent
from .shared import ErrorObject
from .thread import Thread

__all__ = [
    "EVENT_DATA",
    "AssistantStreamEvent",
    "ErrorEvent",
    "EventView",
    "ThreadCreated",
    "ThreadMessageCompleted",
    "ThreadMessageCreated",
    "ThreadMessageDelta",
    "ThreadMessageInProgress",
    "ThreadMessageIncomplete",
    "ThreadRunCancelled",
    "ThreadRunCancelling",
    "ThreadRunCompleted",
    "ThreadRunCreated",
    "ThreadRunExpired",
    "ThreadRunFailed",
    "ThreadRunInProgress",
    "ThreadRunIncomplete",
    "ThreadRunQueued",
    "ThreadRunRequiresAction",
    "ThreadRunStepCancelled",
    "ThreadRunStepCompleted",
    "ThreadRunStepCreated",
    "ThreadRunStepDelta",
    "ThreadRunStepExpired",
    "ThreadRunStepFailed",
    "ThreadRunStepInProgress",
    "event_data_class",
]

EVENT_DATA: dict[str, type[Model]] = {
    "thread.created": Thread,
    "thread.run.created": Run,
    "thread.run.queued": Run,
    "thread.run.in_progress": Run,
    "thread.run.requires_action": Run,
    "thread.run.completed": Run,
    "thread.run.incomplete": Run,
    "thread.run.failed": Run,
    "thread.run.cancelling": Run,
    "thread.run.cancelled": Run,
    "thread.run.expired": Run,
    "thread.run.step.created": RunStep,
    "thread.run.step.in_progress": RunStep,
    "thread.run.step.delta": RunStepDeltaEvent,
    "thread.run.step.completed": RunStep,
    "thread.run.step.failed": RunStep,
    "thread.run.step.cancelled": RunStep,
    "thread.run.step.expired": RunStep,
    "thread.message.created": Message,
    "thread.message.in_progress": Message,
    "thread.message.delta": MessageDeltaEvent,
    "thread.message.completed": Message,
    "thread.message.incomplete": Message,
    "error": ErrorObject,
}
"""The class of each event's ``data``."""


def event_data_class(event: str | None) -> type[Model]:
    """Return the class of an event's ``data``; plain ``Model`` for events not known here."""
    return EVENT_DATA.get(event, Model) if event is not None else Model


class EventView(Model):
    """One event of a stream: its name and the object it is about.

    The class of ``data`` follows from the name. The subclasses are names for ``isinstance``:
    ``isinstance(event, ThreadMessageDelta)`` says what ``event.event == "thread.message.delta"`` does.
    Its name is ``AssistantStreamEvent``; to type checkers that is the union of the subclasses, so
    that either test tells them the class of ``data``.
    """

    __slots__ = ()

    event: Any
    data: Any

    def _view_class(self, name: str) -> type[Model] | None:
        if name == "data":
            return event_data_class(self.event)
        return super()._view_class(name)


class ThreadCreated(EventView, metaclass=Variant, event="thread.created"):
    """The event ``thread.created``."""

    event: Literal["thread.created"]
    data: Thread


class ThreadRunCreated(EventView, metaclass=Variant, event="thread.run.created"):
    """The event ``thread.run.created``."""

    event: Literal["thread.run.created"]
    data: Run


class ThreadRunQueued(EventView, metaclass=Variant, event="thread.run.queued"):
    """The event ``thread.run.queued``."""

    event: Literal["thread.run.queued"]
    data: Run


class ThreadRunInProgress(EventView, metaclass=Variant, event="thread.run.in_progress"):
    """The event ``thread.run.in_progress``."""

    event: Literal["thread.run.in_progress"]
    data: Run


class ThreadRunRequiresAction(EventView, metaclass=Variant, event="thread.run.requires_action"):
    """The event ``thread.run.requires_action``."""

    event: Literal["thread.run.requires_action"]
    data: Run


class ThreadRunCompleted(EventView, metaclass=Variant, event="thread.run.completed"):
    """The event ``thread.run.completed``."""

    event: Literal["thread.run.completed"]
    data: Run


class ThreadRunIncomplete(EventView, metaclass=Variant, event="thread.run.incomplete"):
    """The event ``thread.run.incomplete``."""

    event: Literal["thread.run.incomplete"]
    data: Run


class ThreadRunFailed(EventView, metaclass=Variant, event="thread.run.failed"):
    """The event ``thread.run.failed``."""

    event: Literal["thread.run.failed"]
    data: Run


class ThreadRunCancelling(EventView, metaclass=Variant, event="thread.run.cancelling"):
    """The event ``thread.run.cancelling``."""

    event: Literal["thread.run.cancelling"]
    data: Run


class ThreadRunCancelled(EventView, metaclass=Variant, event="thread.run.cancelled"):
    """The event ``thread.run.cancelled``."""

    event: Literal["thread.run.cancelled"]
    data: Run


class ThreadRunExpired(EventView, metaclass=Variant, event="thread.run.expired"):
    """The event ``thread.run.expired``."""

    event: Literal["thread.run.expired"]
    data: Run


class ThreadRunStepCreated(EventView, metaclass=Variant, event="thread.run.step.created"):
    """The event ``thread.run.step.created``."""

    event: Literal["thread.run.step.created"]
    data: RunStep


class ThreadRunStepInProgress(EventView, metaclass=Variant, event="thread.run.step.in_progress"):
    """The event ``thread.run.step.in_progress``."""

    event: Literal["thread.run.step.in_progress"]
    data: RunStep


class ThreadRunStepDelta(EventView, metaclass=Variant, event="thread.run.step.delta"):
    """The event ``thread.run.step.delta``."""

    event: Literal["thread.run.step.delta"]
    data: RunStepDeltaEvent


class ThreadRunStepCompleted(EventView, metaclass=Variant, event="thread.run.step.completed"):
    """The event ``thread.run.step.completed``."""

    event: Literal["thread.run.step.completed"]
    data: RunStep


class ThreadRunStepFailed(EventView, metaclass=Variant, event="thread.run.step.failed"):
    """The event ``thread.run.step.failed``."""

    event: Literal["thread.run.step.failed"]
    data: RunStep


class ThreadRunStepCancelled(EventView, metaclass=Variant, event="thread.run.step.cancelled"):
    """The event ``thread.run.step.cancelled``."""

    event: Literal["thread.run.step.cancelled"]
    data: RunStep


class ThreadRunStepExpired(EventView, metaclass=Variant, event="thread.run.step.expired"):
    """The event ``thread.run.step.expired``."""

    event: Literal["thread.run.step.expired"]
    data: RunStep


class ThreadMessageCreated(EventView, metaclass=Variant, event="thread.message.created"):
    """The event ``thread.message.created``."""

    event: Literal["thread.message.created"]
    data: Message


class ThreadMessageInProgress(EventView, metaclass=Variant, event="thread.message.in_progress"):
    """The event ``thread.message.in_progress``."""

    event: Literal["thread.message.in_progress"]
    data: Message


class ThreadMessageDelta(EventView, metaclass=Variant, event="thread.message.delta"):
    """The event ``thread.message.delta``."""

    event: Literal["thread.message.delta"]
    data: MessageDeltaEvent


class ThreadMessageCompleted(EventView, metaclass=Variant, event="thread.message.completed"):
    """The event ``thread.message.completed``."""

    event: Literal["thread.message.completed"]
    data: Message


class ThreadMessageIncomplete(EventView, metaclass=Variant, event="thread.message.incomplete"):
    """The event ``thread.message.incomplete``."""

    event: Literal["thread.message.incomplete"]
    data: Message


class ErrorEvent(EventView, metaclass=Variant, event="error"):
    """The event ``error``."""

    event: Literal["error"]
    data: ErrorObject


if TYPE_CHECKING:
    AssistantStreamEvent = (
        ThreadCreated
        | ThreadRunCreated
        | ThreadRunQueued
        | ThreadRunInProgress
        | ThreadRunRequiresAction
        | ThreadRunCompleted
        | ThreadRunIncomplete
        | ThreadRunFailed
        | ThreadRunCancelling
        | ThreadRunCancelled
        | ThreadRunExpired
        | ThreadRunStepCreated
        | ThreadRunStepInProgress
        | ThreadRunStepDelta
        | ThreadRunStepCompleted
        | ThreadRunStepFailed
        | ThreadRunStepCancelled
        | ThreadRunStepExpired
        | ThreadMessageCreated
        | ThreadMessageInProgress
        | ThreadMessageDelta
        | ThreadMessageCompleted
        | ThreadMessageIncomplete
        | ErrorEvent
    )
else:
    EventView.__name__ = EventView.__qualname__ = "AssistantStreamEvent"
    AssistantStreamEvent = EventView
