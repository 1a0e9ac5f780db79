"""How chunks stand on the wire: JSON without a name, in frames, in lines and as objects.

What an ``event:`` line says means nothing here, but ``error``.
"""

from __future__ import annotations

from typing import Any, Final

from ...engine.codec import WireEvent
from ...engine.sources import plain, to_line
from ...engine.wire import check_error, is_heartbeat, loads
from ...exceptions import OpenAIError
from ...types._model import plain_copy, received

__all__ = ["CODEC", "MESSAGE_PREFIX", "carrier_of"]

MESSAGE_PREFIX = "chat.completion.chunk.message:"
"""What begins the ``object`` of a chunk that carries a tool's result, in a readable stream."""

_NO_PREFIX = "\n"  # no event's name begins so: those of Assistants mean nothing here


class _ChatCodec:
    """See ``engine.codec.Codec``."""

    api = "chat"
    whole = "chunk"
    padding = "obfuscation"
    number = ""

    def from_frame(self, name: str | None, text: str) -> WireEvent | None:
        if is_heartbeat(name, text, _NO_PREFIX):
            return None
        data = loads(text)
        check_error(name, data, _NO_PREFIX)
        return None, data

    def from_object(self, value: Any) -> WireEvent:
        if not isinstance(value, dict):
            to_dict = getattr(value, "to_dict", None)
            if to_dict is None:
                raise OpenAIError(
                    f"A chunk is a dict, or a chunk object of an SDK; this is {value!r:.200}"
                )
            value = to_dict()
        data = plain(value)
        check_error(None, data, _NO_PREFIX)
        return None, data

    def of_emission(self, args: tuple[Any, ...]) -> WireEvent:
        return None, plain_copy(received(args[0]))

    def to_object(self, event: WireEvent) -> Any:
        return event[1]


CODEC: Final = _ChatCodec()


def carrier_of(last: dict[str, Any], message: dict[str, Any], call_ids: list[Any] | None) -> Any:
    """Return the chunk that carries a tool's result in a readable stream, as Node writes it.

    ``last`` is the chunk before it. ``call_ids`` are those of the message that called, with the
    first result after it.
    """
    payload: dict[str, Any] = {"type": "message", "message": message}
    if call_ids is not None:
        payload["tool_call_ids"] = call_ids
    text = to_line(payload).decode().rstrip("\n")
    made: dict[str, Any] = {"id": last.get("id"), "choices": [], "created": last.get("created")}
    made |= {"model": last.get("model"), "object": f"{MESSAGE_PREFIX}{text}"}
    return {
        name: value for name, value in made.items() if name in last or name in ("choices", "object")
    }
