"""The events of a stream as the API names them."""

from __future__ import annotations

from typing import Any

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


class AssistantStreamEvent(Model):
    """One event of a stream: its name and the object it is about.

    The class of ``data`` follows from the name. The subclasses are names for ``isinstance``:
    ``isinstance(event, ThreadMessageDelta)`` says what ``event.event == "thread.message.delta"`` does.
    """

    __slots__ = ()

    event: str
    data: Any

    def _view_class(self, name: str) -> type[Model] | None:
        if name == "data":
            return event_data_class(self.event)
        return super()._view_class(name)


class ThreadCreated(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.created``."""

    __slots__ = ()

    _variant = ("event", "thread.created")

    data: Thread


class ThreadRunCreated(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.created``."""

    __slots__ = ()

    _variant = ("event", "thread.run.created")

    data: Run


class ThreadRunQueued(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.queued``."""

    __slots__ = ()

    _variant = ("event", "thread.run.queued")

    data: Run


class ThreadRunInProgress(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.in_progress``."""

    __slots__ = ()

    _variant = ("event", "thread.run.in_progress")

    data: Run


class ThreadRunRequiresAction(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.requires_action``."""

    __slots__ = ()

    _variant = ("event", "thread.run.requires_action")

    data: Run


class ThreadRunCompleted(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.completed``."""

    __slots__ = ()

    _variant = ("event", "thread.run.completed")

    data: Run


class ThreadRunIncomplete(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.incomplete``."""

    __slots__ = ()

    _variant = ("event", "thread.run.incomplete")

    data: Run


class ThreadRunFailed(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.failed``."""

    __slots__ = ()

    _variant = ("event", "thread.run.failed")

    data: Run


class ThreadRunCancelling(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.cancelling``."""

    __slots__ = ()

    _variant = ("event", "thread.run.cancelling")

    data: Run


class ThreadRunCancelled(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.cancelled``."""

    __slots__ = ()

    _variant = ("event", "thread.run.cancelled")

    data: Run


class ThreadRunExpired(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.expired``."""

    __slots__ = ()

    _variant = ("event", "thread.run.expired")

    data: Run


class ThreadRunStepCreated(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.created``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.created")

    data: RunStep


class ThreadRunStepInProgress(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.in_progress``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.in_progress")

    data: RunStep


class ThreadRunStepDelta(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.delta``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.delta")

    data: RunStepDeltaEvent


class ThreadRunStepCompleted(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.completed``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.completed")

    data: RunStep


class ThreadRunStepFailed(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.failed``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.failed")

    data: RunStep


class ThreadRunStepCancelled(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.cancelled``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.cancelled")

    data: RunStep


class ThreadRunStepExpired(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.run.step.expired``."""

    __slots__ = ()

    _variant = ("event", "thread.run.step.expired")

    data: RunStep


class ThreadMessageCreated(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.message.created``."""

    __slots__ = ()

    _variant = ("event", "thread.message.created")

    data: Message


class ThreadMessageInProgress(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.message.in_progress``."""

    __slots__ = ()

    _variant = ("event", "thread.message.in_progress")

    data: Message


class ThreadMessageDelta(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.message.delta``."""

    __slots__ = ()

    _variant = ("event", "thread.message.delta")

    data: MessageDeltaEvent


class ThreadMessageCompleted(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.message.completed``."""

    __slots__ = ()

    _variant = ("event", "thread.message.completed")

    data: Message


class ThreadMessageIncomplete(AssistantStreamEvent, metaclass=Variant):
    """The event ``thread.message.incomplete``."""

    __slots__ = ()

    _variant = ("event", "thread.message.incomplete")

    data: Message


class ErrorEvent(AssistantStreamEvent, metaclass=Variant):
    """The event ``error``."""

    __slots__ = ()

    _variant = ("event", "error")

    data: ErrorObject
