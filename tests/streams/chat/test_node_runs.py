"""Runs of tools made by chance, through the OpenAI Node SDK and through this library.

Runs where EMITTER_STREAM_NODE_MODULES names a node_modules folder with `openai` in it.
EMITTER_STREAM_FUZZ=N tries N runs, EMITTER_STREAM_FUZZ_SEED=N others than the usual ones.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from parity import node_peer
from parity_chat.compare import FINALS, Run, numbered, plain, same, settled
from parity_chat.node import in_node
from parity_chat.run_chance import RunChance
from samples import tries
from scripted_server import answer, sse

from emitter_stream import AbortController, OpenAIError
from emitter_stream.streams.chat.events import EVENTS, EVERYTHING, RUNNER_EVENTS

COUNT = int(os.environ.get("EMITTER_STREAM_FUZZ") or tries(70, 200))
SEED = int(os.environ.get("EMITTER_STREAM_FUZZ_SEED", "2024"))
ENDS = ("error", "abort", "end")
STREAMED = ["connect", *(name for name in EVENTS if name != EVERYTHING), *ENDS]
WHOLE = ["connect", *RUNNER_EVENTS, *ENDS]


def here(connect, scenario: dict[str, Any]) -> dict[str, Any]:
    """Give what this library makes of a run."""
    scripts = [
        answer(200, json.loads(text)) if text.startswith("{") else sse(text.encode())
        for text in scenario["answers"]
    ]
    client = connect(*scripts, answer(500))
    # Inline: nothing is called before all listeners are there, however slow the machine is.
    params = {**scenario["params"], "inline": True}
    run = Run(client, {**scenario, "params": params}, AbortController())
    run.listen(STREAMED if scenario["params"]["stream"] else WHOLE)
    final: dict[str, Any] = {}
    for name, method in FINALS.items():
        try:
            final[name] = plain(getattr(run.stream, method)(timeout=240))
        except OpenAIError as error:
            final[name] = plain(error)
        except ValueError as error:  # inline, what after_completion raised leaves the wait as it is
            final[name] = plain(OpenAIError(str(error)))
    made = run.result(final)
    return {**made, "requests": [request.json() for request in connect.server.requests]}


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """Give where two runs differ, ``None`` if nowhere."""
    left, right = (
        numbered([settled(run["trace"]), run["final"], run["requests"]]) for run in (ours, theirs)
    )
    for number, (mine, other) in enumerate(zip(left[0], right[0], strict=False)):
        if len(mine) != len(other) or not all(
            same(a, b, mine[0]) for a, b in zip(mine, other, strict=True)
        ):
            return f"call {number}: {mine!a}, in Node {other!a}"
    if len(left[0]) != len(right[0]):
        return f"{[call[0] for call in left[0]]}, in Node {[call[0] for call in right[0]]}"
    for what, mine, other in (("finals", left[1], right[1]), ("requests", left[2], right[2])):
        if not same(mine, other):
            return f"{what}: {mine!a}, in Node {other!a}"
    return None if ours["state"] == theirs["state"] else f"{ours['state']}, {theirs['state']}"


@pytest.mark.tries
@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
def test_same_runs_as_node(connect):
    """Each run makes the same calls, asks for the same, and comes to the same finals as in Node."""
    chance = RunChance(SEED)
    runs = [chance.run() for _ in range(COUNT)]
    for number, (run, theirs) in enumerate(zip(runs, in_node(runs), strict=True)):
        found = difference(here(connect, run), theirs)
        assert found is None, f"run {number} of seed {SEED}: {run!a}\n{found}"
