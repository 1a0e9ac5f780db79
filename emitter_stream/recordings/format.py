"""Recordings: what a stream received, with its times, in a file; and streams that come out of one.

A recording is a text file in UTF-8, one JSON object a line (``\\n``), each written at once, so that
a process that is killed leaves all that it has heard so far. ``t`` is in seconds since the
stream was made, which is when its request was sent, and never falls.

    {"format": "emitter-stream-recording", "version": 2, "created": "2026-01-31T12:00:00Z",
     "api": "assistants", "stream": "run"}
    {"t": 0.2, "connect": true}
    {"t": 0.31, "event": "thread.run.created", "data": {"id": "run_1", ...}}
    {"t": 2.95, "end": true, "error": null}

- The first line says what the file is. ``version`` grows when a reader of the older one would go
  wrong; keys, and lines of other kinds, that a reader does not know are to be skipped. ``api`` is
  whose events they are; version 1 knew ``assistants`` alone and did not say so. ``stream`` is
  ``run``, or ``run_tools`` for a stream through several rounds of function calls.
- ``connect``: the answer began. A request that failed has no such line.
- ``event``: one event as it came: its name, ``null`` if it had none, and its decoded data. JSON's
  numbers have no infinity, so a number too large for a float stands as ``1e999``.
  ``"made": true`` is with those that ``run_tools`` made itself. Of Assistants: ``functionToolCall``,
  ``functionToolCallResult``, and ``nextRound`` before each further answer of the server. Of chat:
  ``roundEnd``, ``functionToolCallResult`` (a message), ``afterCompletion``, ``connected`` when each
  further answer began, and ``answer`` for one that came as a whole completion.
- ``end``: nothing follows. ``error`` is ``null`` or what ended the stream:
  ``{"class": "RateLimitError", "message": ..., "body": ..., "status_code": 429,
  "request_id": ...}``, the last three only where the error has them. ``code``, ``param`` and
  ``type`` stand in the ``body``. Neither headers nor addresses are kept.
- Without that line the recording was broken off: it plays as a connection that closed there. If
  the last line is torn, a ``RecordingWarning`` says so, and the lines before it play.

The API key is in no recording: where the server repeats it, ``[API key]`` stands in its place.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from .. import exceptions
from ..engine.wire import loads
from ..exceptions import (
    APIError,
    HTTPResponse,
    OpenAIError,
    RecordingWarning,
    message_of,
    shown,
)

__all__ = ["FORMAT", "VERSION", "Entry", "FilePath", "Recording", "dumps", "facts_of", "is_header"]

FORMAT: Final = "emitter-stream-recording"
VERSION: Final = 2

FilePath = str | os.PathLike[str]


@attrs.frozen
class Entry:
    """One line of a recording.

    ``kind`` is ``connect``, ``event`` or ``end``; ``t`` is in seconds. ``name`` and ``data`` are
    an event's, ``failure`` is the end's. ``made`` tells that the event is not the server's.
    """

    t: float
    kind: str
    name: Any = None
    data: Any = None
    failure: Mapping[str, Any] | None = None
    made: bool = False

    @property
    def error(self) -> OpenAIError | None:
        """The error that ended the stream, made anew at each reading; ``None`` if none did."""
        return None if self.failure is None else _error_from_dict(self.failure)


@attrs.frozen
class Recording:
    """A recording that was read from its file.

    ``header`` is its first line; ``torn`` tells whether the last line breaks off in its middle.
    """

    path: str
    header: dict[str, Any]
    torn: bool
    _lines: list[bytes] = attrs.field(repr=False)

    @property
    def api(self) -> str:
        """Whose events they are: ``assistants``, or another API's name."""
        return str(self.header.get("api", "assistants"))

    @property
    def has_rounds(self) -> bool:
        """Whether it is of a stream through several rounds of function calls."""
        return self.header.get("stream") == "run_tools"

    @property
    def comes_whole(self) -> bool:
        """Whether each answer of the server came as one object, and not as events."""
        for line in self._lines:
            document = _object_or_none(line)
            if document is not None and "event" in document:
                return document.get("made") is True and document["event"] == "answer"
        return False

    def rounds(self) -> list[list[Entry]]:
        """Return the server's answers one by one, without what ``run_tools`` made itself."""
        rounds: list[list[Entry]] = [[]]
        begun = 0.0
        for entry in self.entries():
            if entry.made and entry.name in ("nextRound", "connected"):
                rounds.append([])
                begun = entry.t
            elif not entry.made or entry.name == "answer":
                rounds[-1].append(attrs.evolve(entry, t=entry.t - begun))
        return rounds

    @classmethod
    def load(cls, path: FilePath, *, stacklevel: int = 2) -> Recording:
        """Read a file; warns with ``RecordingWarning`` if its last line is torn.

        Raises ``OSError``, and ``OpenAIError`` for a file that is no recording or a newer one.
        """
        name = os.fspath(path)
        lines = Path(path).read_bytes().split(b"\n")
        while lines and not lines[-1].strip():
            lines.pop()
        header = _object_or_none(lines[0]) if lines else None
        if header is None or not is_header(lines[0]):
            raise OpenAIError(
                f"{name!r} is no recording: its first line does not say "
                f'{{"format": "{FORMAT}", ...}}'
            )
        version = header.get("version")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise OpenAIError(f"The recording {name!r} has no valid version: {version!r:.40}")
        if version > VERSION:
            raise OpenAIError(
                f"The recording {name!r} has version {version!r:.40}; this emitter_stream reads "
                f"up to {VERSION}. A newer emitter_stream can play it."
            )
        torn = _object_or_none(lines[-1]) is None
        if torn:
            lines.pop()
            warnings.warn(
                f"the last line of the recording {name!r} (line {len(lines) + 1}) is torn; what "
                f"stands before it plays",
                RecordingWarning,
                stacklevel=stacklevel,
            )
        return cls(name, header, torn, lines[1:])

    def entries(self) -> Iterator[Entry]:
        """Yield each line up to the end; raises ``OpenAIError`` for one that is damaged."""
        latest = 0.0
        for number, line in enumerate(self._lines, 2):
            if not line.strip():
                continue
            document = _object_or_none(line)
            if document is None:
                raise OpenAIError(f"Line {number} of the recording {self.path!r} is damaged.")
            kind = next((kind for kind in ("connect", "event", "end") if kind in document), None)
            if kind is None:  # something that a later version of the library writes as well
                continue
            t = document.get("t")
            if isinstance(t, bool) or not isinstance(t, int | float) or not 0 <= t < 1e300:
                raise OpenAIError(
                    f"Line {number} of the recording {self.path!r} has no valid time: {t!r:.40}"
                )
            latest = max(latest, float(t))
            error = document.get("error") if kind == "end" else None
            yield Entry(
                latest,
                kind,
                document.get("event"),
                document.get("data"),
                error if isinstance(error, dict) else None,
                kind == "event" and document.get("made") is True,
            )
            if kind == "end":
                return


def _object_or_none(line: bytes) -> dict[str, Any] | None:
    try:
        value = loads(line.decode())
    except (UnicodeDecodeError, OpenAIError):
        return None
    return value if isinstance(value, dict) else None


def dumps(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return ``value`` as JSON from which ``wire.loads`` gives the same value.

    ``ascii_only`` escapes the rest. Raises ``TypeError`` and ``ValueError`` for what JSON cannot
    say.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    if "Infinity" in text or "NaN" in text:
        text = _CONSTANT.sub(_number, text)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character: only an escape can carry it
        return dumps(value, ascii_only=True)


_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


def _number(match: re.Match[str]) -> str:
    found = match[0]
    if found == "NaN":
        raise ValueError("NaN is no JSON")
    return found if found[0] == '"' else found.replace("Infinity", "1e999")


def is_header(line: bytes) -> bool:
    header = _object_or_none(line)
    return header is not None and header.get("format") == FORMAT


def facts_of(error: OpenAIError) -> dict[str, Any]:
    known = next(kind for kind in type(error).__mro__ if kind.__name__ in _ERRORS)
    facts: dict[str, Any] = {"class": known.__name__, "message": message_of(error)}
    if isinstance(error, APIError):
        try:
            dumps(error.body)
            facts["body"] = error.body
        except (TypeError, ValueError, RecursionError):
            facts["body"] = shown(error.body)
        for name in ("status_code", "request_id"):
            if getattr(error, name) is not None:
                facts[name] = getattr(error, name)
    return facts


_ERRORS: dict[str, type[OpenAIError]] = {
    name: kind
    for name, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, OpenAIError)
}


def _error_from_dict(facts: Mapping[str, Any]) -> OpenAIError:
    kind = _ERRORS.get(str(facts.get("class")), OpenAIError)
    message = str(facts.get("message"))
    if not issubclass(kind, APIError):
        return kind(message)
    status, request_id = facts.get("status_code"), facts.get("request_id")
    response = HTTPResponse(status, "", {}, "") if isinstance(status, int) else None
    return kind(
        message,
        body=facts.get("body"),
        response=response,
        request_id=None if request_id is None else str(request_id),
    )
