"""The text of a snapshot: whole at every moment, whoever comes upon whom."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from emitter_stream.types._model import GrowingText

PIECES = [*(f"word {number} " for number in range(600)), "\ud83d", "\ude00", "", "é", "end"]


class Broken(Exception):
    pass


def interrupted(run: Callable[[], object], at: int, handler: Callable[[], object]) -> bool:
    """Run; call ``handler`` before the ``at``-th bytecode of the model; return whether there was one.

    A signal's handler can come at fewer places, and at none of our choosing.
    """
    left = at
    seen = False

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left, seen
        if not frame.f_code.co_filename.endswith("_growing.py"):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                seen = True
                sys.settrace(None)
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return seen


def at_every_bytecode(check: Callable[[int], bool]) -> None:
    at = 1
    while check(at):
        at += 1
    if at <= 10 and sys.version_info[:2] == (3, 12):
        pytest.skip("early releases of Python 3.12 lose events of a function's first run")
    assert at > 10  # there was something to interrupt


def grown(count: int) -> GrowingText:
    text = GrowingText("first ")
    for piece in PIECES[:count]:
        text.append(piece)
    return text


@pytest.mark.parametrize("read_before", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("count", [3, 255, 602], ids=["few", "many", "halves"])
def test_an_exception_at_any_moment_of_a_read_leaves_the_text_whole(count, read_before):
    """Whatever bytecode of a read an exception comes upon, the next read gives the text."""

    def fail() -> None:
        raise Broken

    def check(at: int) -> bool:
        text = grown(count - 1)
        if read_before:
            text.read()
        text.append(PIECES[count - 1])
        expected = grown(count).read()
        try:
            seen = interrupted(text.read, at, fail)
        except Broken:
            seen = True
        assert text.read() == expected
        text.append("more")
        assert text.read() == expected + "more"
        return seen

    at_every_bytecode(check)


@pytest.mark.parametrize("read_before", [True, False], ids=["read", "unread"])
def test_an_exception_at_any_moment_of_an_append_loses_no_other_piece(read_before):
    """It finds the piece appended or not, also where the parts are being packed."""

    def fail() -> None:
        raise Broken

    def check(at: int) -> bool:
        text = grown(254)
        if read_before:
            text.read()
        before = grown(254).read()
        try:
            seen = interrupted(lambda: text.append("piece"), at, fail)
        except Broken:
            seen = True
        assert text.read() in (before, before + "piece")
        return seen

    at_every_bytecode(check)


@pytest.mark.parametrize("count", [3, 255, 602], ids=["few", "many", "halves"])
def test_a_read_within_a_read_or_an_append_gives_the_text_so_far(count):
    """A handler reads the text at any bytecode of a read and of an append, without waiting."""
    before, expected = grown(count - 1).read(), grown(count).read()

    def append_and_read(text: GrowingText, given: list[str]) -> None:
        text.append(PIECES[count - 1])
        given.append(text.read())

    def check(at: int) -> bool:
        text = grown(count - 1)
        text.read()
        heard: list[str] = []
        given: list[str] = []
        seen = interrupted(
            lambda: append_and_read(text, given), at, lambda: heard.append(text.read())
        )
        assert given == [expected]
        assert set(heard) <= {before, expected}
        assert text.read() == expected
        return seen

    at_every_bytecode(check)


def test_a_text_that_was_packed_many_times_is_the_same_read_or_not():
    """Reading changes nothing of what is read, however many parts were joined meanwhile."""
    read, unread = GrowingText(""), GrowingText("")
    whole = ""
    for number in range(5_000):
        piece = "x" * (number % 7)
        whole += piece
        read.append(piece)
        unread.append(piece)
        assert read.read() == whole
    assert unread.read() == whole
    assert len(unread._parts) < 256
