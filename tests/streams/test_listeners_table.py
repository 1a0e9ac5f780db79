"""What type checkers are told of events is what the streams emit."""

from __future__ import annotations

import pytest
import write_listeners

from emitter_stream.engine.stream import BASE_EVENTS
from emitter_stream.streams.assistants.core import RAW_EVENTS
from emitter_stream.streams.assistants.events import EACH, PIECE, SIGNATURES
from emitter_stream.streams.assistants.tool_loop import ToolLoopCore


@pytest.mark.parametrize(
    ("table", "side"), write_listeners.FILES, ids=lambda part: getattr(part, "file", None)
)
def test_overloads_are_as_the_table_has_them(table, side):
    """Nobody has changed a table without its overloads, or the overloads by hand."""
    text = write_listeners.path_of(table, side).read_text(encoding="utf-8")
    assert text == write_listeners.written(table, side), "python tests/write_listeners.py"


def test_the_table_has_what_is_emitted():
    """Every name is there that a stream of a run emits, with the number of its arguments."""
    (assistants,) = (t for t in write_listeners.TABLES if t.name == "Assistant")
    table = {name: len(classes) for name, classes in assistants.signatures.items()}
    assert {**table, EACH: 2, PIECE: 1} == ToolLoopCore().events
    assert set(RAW_EVENTS) <= set(SIGNATURES)
    assert {name: len(classes) for name, classes in write_listeners.BASE.items()} == BASE_EVENTS
