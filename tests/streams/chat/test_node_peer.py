"""Chat streams made by chance, through the OpenAI Node SDK and through this library.

Runs where EMITTER_STREAM_NODE_MODULES names a node_modules folder with `openai` in it.
EMITTER_STREAM_FUZZ=N tries N streams, EMITTER_STREAM_FUZZ_SEED=N others than the usual ones.
"""

from __future__ import annotations

import os

import pytest
from parity import node_peer
from parity_chat.chance import Chance
from parity_chat.compare import FINALS, numbered, plain, same
from parity_chat.node import in_node
from samples import tries
from scripted_server import sse

from emitter_stream import OpenAIError
from emitter_stream.streams.chat.events import EVENTS, EVERYTHING

COUNT = int(os.environ.get("EMITTER_STREAM_FUZZ") or tries(100, 300))
SEED = int(os.environ.get("EMITTER_STREAM_FUZZ_SEED", "2024"))
LISTENED = ["connect", *(name for name in EVENTS if name != EVERYTHING), "error", "abort", "end"]


def here(client, params: dict) -> list:
    """Give what this library makes of the next stream that the server has."""
    run = client.chat.completions.stream(**params, inline=True)
    trace: list = []
    for name in LISTENED:
        run.on(name, lambda *args, name=name: trace.append([name, *map(plain, args)]))
    final: dict = {}
    for name, method in FINALS.items():
        try:
            final[name] = plain(getattr(run, method)())
        except OpenAIError as error:
            final[name] = plain(error)
    final["messages"] = plain(list(run.messages))
    final["allChatCompletions"] = len(run.all_chat_completions())
    return numbered([trace, final])


@pytest.mark.tries
@pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here")
def test_same_calls_as_node(connect):
    """Each stream leads to the same calls with the same arguments, and to the same finals."""
    chance = Chance(SEED)
    streams = [chance.stream() for _ in range(COUNT)]
    bodies = [stream["body"].encode() for stream in streams]
    client = connect(*(sse(body, (None, 7)[n % 2]) for n, body in enumerate(bodies)))
    for number, (stream, theirs) in enumerate(zip(streams, in_node(streams), strict=True)):
        trace, final = here(client, stream["params"])
        their_trace, their_final = numbered([theirs["trace"], theirs["final"]])
        place = f"stream {number} of seed {SEED}: {stream!a}"
        for mine, other in zip(trace, their_trace, strict=False):
            assert len(mine) == len(other), place
            assert all(same(a, b, mine[0]) for a, b in zip(mine, other, strict=True)), (
                f"{place}\n{mine!a}\nin Node {other!a}"
            )
        assert len(trace) == len(their_trace), place
        assert same(final, their_final), f"{place}\n{final!a}\nin Node {their_final!a}"
