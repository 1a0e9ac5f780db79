"""Chat streams, and runs of tools over them, call what the Node SDK's call, argument by argument, for every frozen body."""

from __future__ import annotations

import pytest
from parity_chat.compare import FINALS, INDEX, Run, difference, load, names_of, plain, scripts

from emitter_stream import AbortController, OpenAIError
from emitter_stream.streams.chat.events import EVENTS, EVERYTHING

pytestmark = pytest.mark.usefixtures("long_tick")

LISTENED = ["connect", *(name for name in EVENTS if name != EVERYTHING), "error", "abort", "end"]
NAMES = names_of("chat/", "tools/")


def finals_of(stream) -> dict:
    """Give what each final method returns or raises."""
    final = {}
    for name, method in FINALS.items():
        try:
            final[name] = plain(getattr(stream, method)(timeout=120))
        except OpenAIError as error:
            final[name] = plain(error)
    return final


def run_and_compare(connect, name: str, piece: int | None) -> None:
    """Run a scenario against a server of its bodies and compare all of it with its golden file."""
    scenario = load("scenarios", name)
    client = connect(*scripts(scenario, piece))
    run = Run(client, scenario, AbortController())
    run.listen(LISTENED)
    result = run.result(finals_of(run.stream))
    sent = [
        (request.method, request.target, request.json() if request.body else None)
        for request in connect.server.requests
    ]
    assert difference(name, result, sent) is None


def test_vectors_are_complete():
    """All vectors of chat streams and of runs of tools are here."""
    kinds = [entry["kind"].partition("/")[0] for entry in INDEX.values()]
    assert (kinds.count("chat"), kinds.count("tools")) == (128, 39)
    assert len(NAMES) == 128 + 39


@pytest.mark.parametrize("piece", [None, 7])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sample(2)
def test_same_calls_as_node(connect, name, piece):
    """Trace, finals, state and requests are Node's, however the body is cut."""
    run_and_compare(connect, name, piece)
