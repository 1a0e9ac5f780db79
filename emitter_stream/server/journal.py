"""What the server writes about its work: no key, nothing that was said or asked.

A run that ends is one line of the logger `emitter_stream.server.runs`, at INFO.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

RUNS = logging.getLogger("emitter_stream.server.runs")


def note_end(object_id: str, status: str, usage: Any, seconds: float) -> None:
    """Note that a run, a chat completion or a response is over.

    `usage` is in the words of any of the three APIs, or None where nothing was used.
    """
    if not RUNS.isEnabledFor(logging.INFO):
        return
    used = usage or {}
    prompt = used.get("prompt_tokens", used.get("input_tokens", 0))
    completion = used.get("completion_tokens", used.get("output_tokens", 0))
    RUNS.info(
        "%s %s: %d + %d tokens, %.1f s", object_id, status, prompt, completion, max(0.0, seconds)
    )


def where(exc: BaseException) -> str:
    """Describe an exception by its types and the places in the code, oldest cause first.

    Not by its message: a model's may quote what it was asked.
    """
    chain: list[BaseException] = [exc]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        if before in chain:
            break
        chain.append(before)
    return "\n".join(
        "".join(traceback.format_tb(one.__traceback__)) + type(one).__name__
        for one in reversed(chain)
    )
