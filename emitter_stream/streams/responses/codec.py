"""How Responses events stand on the wire: as JSON whose ``type`` is also the frame's name.

A wire event's name is what stands in the frame's ``event:`` line, ``None`` where there is no frame.
"""

from __future__ import annotations

from typing import Any, Final

from ...engine.codec import WireEvent
from ...engine.sources import plain
from ...engine.wire import check_error, is_heartbeat, loads
from ...exceptions import OpenAIError
from ...types._model import received

__all__ = ["CODEC", "NUMBER", "PADDING"]

PADDING: Final = "obfuscation"
NUMBER: Final = "sequence_number"

_NONE = "\n"  # that no name begins with: an `error` in the data is an error under whatever name

# What helpers add to events, here and in the official Python SDK.
_ADDED: Final = {
    "response.output_text.delta": "snapshot",
    "response.function_call_arguments.delta": "snapshot",
    "response.output_text.done": "parsed",
}


class _ResponseCodec:
    """See ``engine.codec.Codec``."""

    api = "responses"
    whole = "event"
    padding = PADDING
    number = NUMBER

    def from_frame(self, name: str | None, text: str) -> WireEvent | None:
        if is_heartbeat(name, text, "response."):
            return None
        data = loads(text)
        if type(data) is not dict or "error" in data or name == "error":
            check_error(name, data, _NONE)
        return name, data

    def from_object(self, value: Any) -> WireEvent:
        if isinstance(value, dict):
            if value.keys() == {"event", "data"}:  # as it is recorded
                return value["event"], plain(value["data"])
            document = plain(value)
        else:
            to_dict = getattr(value, "to_dict", None)
            document = plain(to_dict()) if to_dict is not None else value
            if not isinstance(document, dict):
                raise OpenAIError(
                    f"An event is a dict with a `type`, or an event object of an SDK; this is "
                    f"{value!r:.200}"
                )
            document.pop(_ADDED.get(str(document.get("type")), ""), None)
        check_error(None, document, _NONE)
        return None, document

    def of_emission(self, args: tuple[Any, ...]) -> WireEvent:
        return None, received(args[0])  # whatever a listener wrote to the event

    def to_object(self, event: WireEvent) -> Any:
        return event[1]


CODEC: Final = _ResponseCodec()
