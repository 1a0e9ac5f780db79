"""Streams made by chance, through the OpenAI Node SDK and through this library: the same calls.

Runs where EMITTER_STREAM_NODE_MODULES names a node_modules folder with `openai` in it.
EMITTER_STREAM_FUZZ=N tries N streams, EMITTER_STREAM_FUZZ_SEED=TEXT others than the usual ones.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from parity import node_peer
from parity.compare import HERE, Recorder, difference, is_error, load_golden
from parity.mutate import Mutator, load_corpus
from samples import tries
from scripted_server import sse

pytestmark = [
    pytest.mark.tries,
    pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here"),
    pytest.mark.usefixtures("long_tick"),
]

COUNT = int(os.environ.get("EMITTER_STREAM_FUZZ") or tries(60, 400))
SEED = os.environ.get("EMITTER_STREAM_FUZZ_SEED", "2024")


def excuse(call: list[Any]) -> bool:
    """Tell whether only JavaScript could do what Node does from this raw event on.

    There an array or a string is an object with the keys "0", "1", ... and is merged as one, and
    an array's element that is no object is looked at as if it were one.
    """
    if call[0] != "event" or not isinstance(call[1], dict):
        return False
    name, data = call[1].get("event"), call[1].get("data")
    if not isinstance(name, str) or not isinstance(data, dict):
        return False
    if name.startswith("thread.run.step."):
        holder = data.get("delta", {}) if name.endswith("delta") else data
        if isinstance(holder, (str, list)):
            return True
        details = holder.get("step_details") if isinstance(holder, dict) else None
        if isinstance(details, (str, list)):
            return True
        elements = details.get("tool_calls") if isinstance(details, dict) else None
    elif name.startswith("thread.message."):
        holder = data.get("delta", {}) if name.endswith("delta") else data
        elements = holder.get("content") if isinstance(holder, dict) else None
    else:
        return False
    if isinstance(elements, (str, dict)) and (elements or name.endswith("created")):
        return True
    return isinstance(elements, list) and not all(
        isinstance(one, dict) and not isinstance(one.get("index"), (dict, list)) for one in elements
    )


def in_order(values: Any) -> Any:
    """Order a final list as JavaScript orders an object's values: number-like keys first."""
    if not isinstance(values, list):
        return values
    return sorted(values, key=lambda one: json.dumps(one, sort_keys=True))


# Node forgets to forget an empty event name in an event without data: the next event, if it has
# no name, gets the empty one. By the standard an event starts with no name.
LEFT_OVER_NAME = re.compile(rb"(?:^|[\r\n])event:? ?(?:\r\n?|\n)(?::[^\r\n]*(?:\r\n?|\n))*[\r\n]")


def has_heartbeat(body: bytes) -> bool:
    """Tell whether a frame brings no data under a name that is none of the API's: Node fails there."""
    for frame in re.split(rb"(?:\r\n?|\n){2,}", body.removeprefix(b"\xef\xbb\xbf")):
        lines = [line.partition(b":") for line in re.split(rb"\r\n?|\n", frame)]
        fields = [(name, value.strip()) for name, _, value in lines]
        if any(value for name, value in fields if name == b"data"):
            continue
        names = [value for name, value in fields if name == b"event"]
        own = names and (names[-1] in (b"error", b"done") or names[-1].startswith(b"thread."))
        if not own and any(name in (b"event", b"data") for name, _ in fields):
            return True
    return False


def compare(ours: dict[str, Any], node: dict[str, Any]) -> str | None:
    """Say where the two differ that may not, or give None."""
    at = next((at for at, call in enumerate(node["trace"]) if excuse(call)), None)
    if at is not None:
        if ours["trace"][-1][0] != "end":
            return "no end"
        short = {"final": {}, "state": {}}
        heard, theirs = ours["trace"][: at + 1], node["trace"][: at + 1]
        return difference({**short, "trace": heard}, {**short, "trace": theirs})
    if not is_error(node["final"]["run"]):
        for result in (ours, node):
            for key in ("messages", "run_steps"):
                result["final"][key] = in_order(result["final"][key])
    return difference(ours, node)


def test_node_reproduces_the_frozen_traces():
    """The script that asks Node gives the frozen golden files again."""
    scenarios = [*(HERE / "scenarios").glob("*.sse"), *(HERE / "more_scenarios").glob("*.sse")]
    results = node_peer.traces({str(path): path.read_bytes() for path in scenarios})
    for path in scenarios:
        folder = path.parent.name.replace("scenarios", "golden")
        assert results[str(path)] == load_golden(HERE / folder / f"{path.stem}.json"), path.stem


@pytest.mark.parametrize("kind", ["stream", "growing"])
def test_random_streams_give_the_calls_of_node(connect, kind):
    """For streams spoiled at random, or of many small deltas, every call and final is Node's."""
    corpus = load_corpus()
    names = [f"{SEED}-{number}" for number in range(COUNT)]
    bodies = {name: getattr(Mutator(name, corpus), kind)() for name in names}
    node = node_peer.traces(bodies)

    def script(exchange):
        sse(bodies[exchange.request.target.split("/")[3]])(exchange)

    client = connect(script)
    problems = {}
    for name, body in bodies.items():
        if LEFT_OVER_NAME.search(body) or has_heartbeat(body):
            continue
        stream = client.beta.threads.runs.stream(name, assistant_id="asst_1")
        problem = compare(Recorder(stream).result(), node[name])
        if problem is not None:
            problems[name] = problem
    shown = "\n".join(f"{name}: {problem}" for name, problem in list(problems.items())[:5])
    assert not problems, f"{len(problems)} of {COUNT} streams differ, such as\n{shown}"
