"""Responses streams made by chance, through the Node SDK and through this library: the same calls.

Runs where EMITTER_STREAM_NODE_MODULES names a node_modules folder with `openai` in it.
EMITTER_STREAM_FUZZ=N tries N streams, EMITTER_STREAM_FUZZ_SEED=TEXT others than the usual ones.
"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from parity import node_peer
from samples import tries

from emitter_stream import OpenAIError, ResponseStream
from emitter_stream.streams.responses.events import EVENTS

pytestmark = [
    pytest.mark.tries,
    pytest.mark.skipif(node_peer.find() is None, reason="no openai package for Node here"),
]

COUNT = int(os.environ.get("EMITTER_STREAM_FUZZ") or tries(130, 400))
SEED = os.environ.get("EMITTER_STREAM_FUZZ_SEED", "2026")
HERE = Path(__file__).parent
NAMES = ["connect", *EVENTS, "error", "abort", "end"]
VALUES = (None, "", 0, 1, 2, -1, True, False, "0", 1.0, [], {}, "x", "message", "refusal")
LONGEST = 40  # events


def load_corpus():
    """Give the events of the vectors, the longest streams without most of their deltas."""
    corpus = []
    for path in sorted((HERE.parents[1] / "parity_chat" / "scenarios").glob("*resp*.sse")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        events = []
        for line in lines:
            if line.startswith("data: {"):
                try:
                    events.append(json.loads(line[6:]))
                except ValueError:
                    break
        corpus.append(events if len(events) <= LONGEST else [*events[:12], *events[-8:]])
    return [events for events in corpus if events]


def places(value, way=()):
    """Give the ways to everything in an event."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*way, key)
        if isinstance(item, dict | list):
            yield from places(item, (*way, key))


def mutated(corpus, chance):
    """Give a stream of the corpus with something lost, repeated, moved, strange or changed."""
    events = copy.deepcopy(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place, kind = chance.randrange(len(events)), chance.random()
        if kind < 0.12 and len(events) > 1:
            del events[place]
        elif kind < 0.36:
            event = events[place] if kind < 0.24 else events.pop(place)
            events.insert(chance.randrange(len(events) + 1), copy.deepcopy(event))
        elif kind < 0.5:
            events.insert(place, copy.deepcopy(chance.choice(chance.choice(corpus))))
        else:
            *way, last = chance.choice(list(places(events[place])) or [("type",)])
            holder = events[place]
            for key in way:
                holder = holder[key]
            if isinstance(holder, dict) and chance.random() < 0.4:
                holder.pop(last, None)
            else:
                holder[last] = copy.deepcopy(chance.choice(VALUES))
    return events


def same(ours, theirs):
    """Tell whether two values of JSON are the same to JavaScript."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return isinstance(ours, bool) == isinstance(theirs, bool) and ours == theirs


def through_ours(events):
    """Give the calls, the final (`None` for an error), and how often something was repaired."""
    stream, trace = ResponseStream.from_events(events), []

    def hear(name):
        stream.on(name, lambda *args: trace.append([name, *(arg.to_dict() for arg in args)]))

    with stream._delivery.still():
        for name in NAMES:
            if name not in ("error", "abort"):
                hear(name)
        stream.on("error", lambda: None)  # or it is reported, where this thread waits too late
    try:
        final = stream.final_response(20).to_dict()
    except OpenAIError:
        final = None
    return trace, final, sum(stream.repairs.values())


def test_streams_made_by_chance():
    """What Node takes needs no repair and leads to the same calls; what neither takes, to as many."""
    chance, corpus = random.Random(SEED), load_corpus()
    streams = [mutated(corpus, chance) for _ in range(COUNT)]
    folder, node = node_peer.find()
    run = subprocess.run(
        [node, str(HERE / "response_node.mjs"), str(folder.resolve())],
        input=json.dumps([NAMES, streams]).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    taken = 0
    for events, theirs in zip(streams, json.loads(run.stdout), strict=True):
        trace, final, repairs = through_ours(events)
        failed = theirs["final"].keys() == {"error"}
        shown = json.dumps(events)
        taken += not failed
        if repairs:
            assert failed, f"Node takes this, and it was repaired: {shown}"
            continue
        calls = [call for call in theirs["trace"] if call[0] not in ("error", "abort")]
        assert same(trace, calls), shown
        assert (final is None) == failed, shown
        assert failed or same(final, theirs["final"]), shown
    assert 0 < taken < COUNT
