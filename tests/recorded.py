"""Recordings written by hand, for tests that need no server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parity.transcripts import Frame, answered, called, run, said, started

HEADER = {"format": "emitter-stream-recording", "version": 2, "created": "2026-01-31T12:00:00Z"}
NO_ERROR: dict[str, Any] = {}


def write(
    path: Path,
    frames: Iterable[Frame],
    error: dict[str, Any] | None = NO_ERROR,
    gap: float = 0.1,
) -> Path:
    """Write a recording with an event each `gap` seconds; without an end if `error` is None."""
    lines: list[dict[str, Any]] = [HEADER, {"t": gap, "connect": True}]
    for name, data in frames:
        if data != "[DONE]":
            lines.append({"t": round(gap * len(lines), 6), "event": name, "data": data})
    if error is not None:
        lines.append({"t": round(gap * len(lines), 6), "end": True, "error": error or None})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def tool_run() -> list[Frame]:
    """Make a run that calls two functions and answers."""
    frames = called(1, ['{"city":', '"Oslo"}'], ['{"zone":', '"CET"}'])
    for call, output in zip(
        frames[-1][1]["step_details"]["tool_calls"], ('{"degrees": 4}', "14:05"), strict=True
    ):
        call["function"]["output"] = output
    usage = {"completion_tokens": 9}
    return [
        *started(),
        *frames,
        *said(2, ["It is ", "4 degrees ", "in Oslo."]),
        run("completed", model="gpt-4o", usage=usage),
    ]


__all__ = ["HEADER", "answered", "tool_run", "write"]
