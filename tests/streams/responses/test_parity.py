"""Responses streams against the Node SDK's traces (``parity_chat``): calls, arguments, finals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parity.compare import plain, same
from scripted_server import Exchange, answer

from emitter_stream import AbortController, OpenAIError, helpers
from emitter_stream.streams.responses.events import EVENTS

VECTORS = Path(__file__).parents[2] / "parity_chat"
INDEX = json.loads((VECTORS / "INDEX.json").read_text(encoding="utf-8"))
NAMES = sorted(name for name, entry in INDEX.items() if entry["kind"].startswith("responses"))
HEARD = {"connect", *EVENTS, "response.something_new.delta"}
PARSERS = {
    "json": json.loads,
    "wrap": lambda text: {"wrapped": json.loads(text)},
    "throw": lambda text: int("no number"),
}


def load(folder, name):
    """Read a vector's file."""
    return json.loads((VECTORS / folder / f"{name}.json").read_text(encoding="utf-8"))


def arguments(scenario):
    """Give the keywords of the call, with the parseable objects that the scenario asks for."""
    params = scenario.get("params", {"model": "gpt-4o", "input": "hi"})
    form = (params.get("text") or {}).get("format") or {}
    if "$auto" in form:
        parser = PARSERS[form.pop("$auto")]
        params["text"]["format"] = helpers.make_parseable_text_format(form, parser)
    for at, tool in enumerate(params.get("tools") or ()):
        if "$auto" in tool:
            parser = PARSERS[tool.pop("$auto")]
            params["tools"][at] = helpers.make_parseable_response_tool(tool, parser=parser)
    return params


def script(scenario, piece):
    """Answer with the scenario's body, in pieces of so many bytes."""
    (spec,) = scenario["bodies"]
    body = (VECTORS / "scenarios" / spec["file"]).read_bytes()
    if spec.get("status", 200) != 200:
        return answer(spec["status"], body)

    def run(exchange: Exchange) -> None:
        exchange.head()
        exchange.body(body, piece)
        if spec.get("body_error"):
            exchange.cut()
        exchange.finish()

    return run


def is_node(ours, theirs):
    """Tell whether a value is Node's; what we leave out or say is null may be undefined there."""
    if isinstance(theirs, dict) and theirs.keys() != {"error", "message"}:
        return isinstance(ours, dict) and all(
            is_node(ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys()
        )
    if isinstance(theirs, list):
        return (
            isinstance(ours, list) and len(ours) == len(theirs) and all(map(is_node, ours, theirs))
        )
    return same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece", [None, 7])
@pytest.mark.sample(2)
def test_calls_finals_and_requests_are_node_s(name, piece, connect):
    """Every listener gets Node's calls in Node's order, the final is Node's, the request too."""
    scenario, golden = load("scenarios", name), load("golden", name)
    options = scenario.get("options") or {}
    controller = AbortController()
    if options.get("signal") == "aborted":
        controller.abort()
    client = connect(script(scenario, piece))
    stream = client.responses.stream(**arguments(scenario), signal=controller.signal)
    trace = []

    def hear(name):
        def listener(*args):
            trace.append([name, *map(plain, args)])
            if options.get("abort", {}).get("event") == name:
                stream.abort()

        stream.on(name, listener)

    ends = ["error", "abort", "end"]  # in this order also where all listeners come late
    with stream._delivery.still():  # all as one, on the busiest machine
        for heard in [*sorted((HEARD | {call[0] for call in golden["trace"]}) - {*ends}), *ends]:
            hear(heard)
    try:
        final = plain(stream.final_response(20))
    except OpenAIError as error:
        final = plain(error)
    assert [call[0] for call in trace] == [call[0] for call in golden["trace"]]
    for ours, theirs in zip(trace, golden["trace"], strict=True):
        assert is_node(ours, plain(theirs)), f"{ours}\n{theirs}"
    assert is_node(final, plain(golden["final"]["finalResponse"]))
    state = {"ended": stream.ended, "errored": stream.errored, "aborted": stream.aborted}
    assert state == golden["state"]
    if options.get("signal") != "aborted":
        (request,) = connect.server.requests
        assert [request.method, request.target] == golden["request_meta"][0]
        (sent,) = golden["requests"]
        assert (request.json() if request.body else None) == sent
