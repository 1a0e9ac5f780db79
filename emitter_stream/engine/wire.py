"""What stands in a server-sent event of the OpenAI API: JSON, an error, or the end.

By the Node SDK's rules: ``[DONE]`` ends the stream under whatever name it comes; an event named
``error``, or one whose object has an ``error``, is the server's error, unless its name begins with
a prefix that says its data is an ordinary object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ..exceptions import APIError, OpenAIError

__all__ = ["DONE", "api_error", "check_error", "is_heartbeat", "loads", "shown_event"]

MAX_DEPTH = 300
DONE = "[DONE]"


def loads(text: str) -> Any:
    """Return the value of JSON ``text``, exactly; ``OpenAIError`` for what is no JSON.

    Stricter than ``json.loads``: ``NaN`` and ``Infinity`` are no JSON, and neither is what nests
    deeper than any object of the API; Python's own limit is another one in each version, and at it
    the garbage collector fails as well.
    """
    # Cheapest first: a short text has too few brackets, most others have.
    if len(text) > MAX_DEPTH and text.count("[") + text.count("{") > MAX_DEPTH < _depth(text):
        raise OpenAIError(f"The server sent JSON that nests deeper than {MAX_DEPTH} levels.")
    try:
        # The scanner itself, without json.loads' two searches for white space around the value.
        value, end = _SCAN(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    except (ValueError, RecursionError) as error:
        raise _malformed(text) from error
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(text) from error


def check_error(event: str | None, data: Any, plain_prefix: str) -> None:
    """Raise ``APIError`` if an event is the server's error."""
    if event is not None and event.startswith(plain_prefix):
        return
    error = data.get("error") if type(data) is dict else None
    if event == "error":
        raise api_error(data if error is None else error)
    if error or type(error) in (dict, list):  # JavaScript's idea of truth
        raise api_error(error)


def api_error(error: Any) -> APIError:
    """Return the ``APIError`` of an error that came as an event, in whatever shape it came."""
    message = error.get("message") if type(error) is dict else error  # Ollama's are bare strings
    if not isinstance(message, str) or not message:
        message = f"The server sent an error event without a message: {error!r:.200}"
    return APIError(message, body=error)


def is_heartbeat(event: str | None, text: str, plain_prefix: str) -> bool:
    """Return whether a frame only keeps the connection open: one that brings no data.

    Not one that is named as the API's own events are, nor ``error`` or ``done``: from those data is
    missing.
    """
    if text and not text.isspace():
        return False
    return event not in ("error", "done") and not (event or "").startswith(plain_prefix)


def shown_event(event: Any, data: Any) -> str:
    """Return words for an event that was not expected, short enough for a message."""
    name = "an event without a name" if event is None else f"the event {event!r:.100}"
    text = json.dumps(data, ensure_ascii=False, default=repr)
    return f"{name} and the data {text if len(text) <= 200 else f'{text[:200]}...'}"


def _depth(text: str) -> int:
    """Return how deep the brackets of ``text`` nest, up to where it stops being JSON."""
    depth = deepest = position = 0
    while (mark := _MARKS(text, position)) is not None:
        position = mark.end()
        if mark[0] == '"':
            try:
                _, position = _SCAN_STRING(text, position, False)
            except ValueError:
                break
        elif mark[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


_MARKS = re.compile(r'["\[\]{}]').search
_SCAN_STRING: Callable[[str, int, bool], tuple[str, int]] = vars(json.decoder)["scanstring"]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]


def _malformed(text: str) -> OpenAIError:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return OpenAIError(f"The server sent an event whose data is malformed JSON: {shown!r}")
