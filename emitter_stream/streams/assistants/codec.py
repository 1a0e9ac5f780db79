"""How Assistants events stand on the wire: a name beside the data, in frames and in lines."""

from __future__ import annotations

from typing import Any, Final

from ...engine.codec import WireEvent
from ...engine.sources import plain
from ...engine.wire import check_error, is_heartbeat, loads
from ...exceptions import OpenAIError, shown
from .events import EACH
from .growth import TextGrowth, ToolCallGrowth

__all__ = ["CODEC"]

_PREFIX = "thread."  # of the API's own events, whose data may have an `error` that is none


class _AssistantCodec:
    """See ``engine.codec.Codec``."""

    api = "assistants"
    whole = EACH
    padding = ""
    number = ""

    def from_frame(self, name: str | None, text: str) -> WireEvent | None:
        if is_heartbeat(name, text, _PREFIX):
            return None
        data = loads(text)
        check_error(name, data, _PREFIX)
        return name, data

    def from_object(self, value: Any) -> WireEvent:
        if not isinstance(value, dict):
            to_dict = getattr(value, "to_dict", None)
            if to_dict is None:
                raise OpenAIError(
                    f"An event is a dict with `event` and `data`, or an event object of an SDK; "
                    f"this is {shown(value, 200)}"
                )
            value = to_dict()
        if not isinstance(value, dict) or "event" not in value:
            raise OpenAIError(
                f"An event has the keys `event` and `data`; this is {shown(value, 200)}"
            )
        return value["event"], plain(value.get("data"))

    def of_emission(self, args: tuple[Any, ...]) -> WireEvent:
        event, data = args
        if isinstance(
            event, (TextGrowth, ToolCallGrowth)
        ):  # as a tuple: it is asked for each delta
            return event.event, event.data(data)
        return args

    def to_object(self, event: WireEvent) -> Any:
        return {"event": event[0], "data": event[1]}


CODEC: Final = _AssistantCodec()
