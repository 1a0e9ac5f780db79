"""An exception out of a signal's handler, at each moment of a wait, an iteration and an abort.

A trace function that raises comes at all the moments at which Python looks for signals: after a call,
at the beginning of a function, in a loop. The n-th run of a test raises at the n-th of these in the
modules that deliver.
"""

from __future__ import annotations

import contextlib
import dis
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emitter_stream import AssistantStream, OpenAIError
from emitter_stream.engine import delivery

ENGINE = str(Path(delivery.__file__).parent)
PATIENCE = 120.0
LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")  # operations after which Python looks


WHOLE = [{"type": "text", "text": {"value": "0123", "annotations": []}}]


class Limit(Exception):
    """What the handler raises."""


class Interruption:
    """Raises once, at the n-th moment of what this thread does in the modules of that name."""

    def __init__(self, number: int, *modules: str) -> None:
        self.left = number
        self.files = {f"{ENGINE}/{module}.py" for module in modules}
        self.has_come = False
        self.where = ""
        self.calls = 0

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame, event, arg):
        self.calls += 1
        if frame.f_code.co_filename not in self.files or is_in_finalizer(frame):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        code = frame.f_code.co_code
        before, calls = "RESUME", self.calls

        def operation(frame, event, arg):
            nonlocal before, calls
            if event == "opcode":
                # It does not look after a call of a function in Python.
                is_return = before.startswith("CALL") and self.calls != calls
                self.left -= before.startswith(LOOKS) and not is_return
                calls = self.calls
                before = dis.opname[code[frame.f_lasti]]
                if self.left == 0:
                    self.has_come = True
                    self.where = f"{frame.f_code.co_name}, line {frame.f_lineno}"
                    sys.settrace(self._before)
                    raise Limit
            return operation

        return operation


def is_in_finalizer(frame) -> bool:
    """Tell whether nothing that is raised here leaves it."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def events() -> list[dict]:
    pieces = [
        {
            "event": "thread.message.delta",
            "data": {
                "id": "m",
                "delta": {"content": [{"index": 0, "type": "text", "text": {"value": str(n)}}]},
            },
        }
        for n in range(4)
    ]
    return [
        {"event": "thread.message.created", "data": {"id": "m", "content": []}},
        *pieces,
        {"event": "thread.message.completed", "data": {"id": "m", "content": WHOLE}},
        {"event": "thread.run.completed", "data": {"id": "r", "status": "completed"}},
    ]


def at_every_moment(program: Callable[[Interruption], None], *modules: str) -> None:
    """Run a program with an interruption at its first moment, a later one, until there are no more."""
    number = 1
    while True:
        interruption = Interruption(number, *modules)
        ended = threading.Event()
        failures = []

        def run(interruption=interruption, ended=ended, failures=failures):
            try:
                program(interruption)
            except BaseException as error:  # noqa: BLE001 - the test is told
                failures.append(error)
            ended.set()

        threading.Thread(target=run, daemon=True).start()
        assert ended.wait(PATIENCE), f"hangs: {number}, {interruption.where}"
        if failures:
            raise AssertionError(f"fails: {number}, {interruption.where}") from failures[0]
        if not interruption.has_come:
            return
        number += 1


@pytest.mark.parametrize(
    "wait",
    [
        lambda stream: stream.done(),
        lambda stream: list(stream.text_deltas),
        lambda stream: stream.emitted("messageDone"),
    ],
    ids=["done", "iterator", "emitted"],
)
def test_an_inline_wait_may_be_broken_off_anywhere(wait):
    """Later waits end, ``end`` is told once, and other threads find the stream free."""

    def program(interruption):
        ends = []
        stream = AssistantStream.from_events(events(), inline=True).on(
            "end", lambda: ends.append(1)
        )
        try:
            with interruption:
                wait(stream)
        except (OpenAIError, Limit):
            pass
        with contextlib.suppress(OpenAIError, Limit):
            stream.done(PATIENCE)
        assert ends == [1]
        assert stream.ended
        other = threading.Thread(target=lambda: stream.on("textDelta", len), daemon=True)
        other.start()
        other.join(PATIENCE)
        assert not other.is_alive()

    at_every_moment(program, "policy", "iterator", "delivery", "inline", "mover")


@pytest.mark.parametrize("method", ["done", "until_done"])
def test_a_wait_may_be_broken_off_anywhere(method):
    """The stream goes on, and a wait that is begun anew ends."""

    def program(interruption):
        stream = AssistantStream.from_events(events())
        try:
            with interruption:
                getattr(stream, method)()
        except Limit:
            pass
        stream.done(PATIENCE)
        assert stream.final_messages()[0].content[0].text.value == "0123"

    at_every_moment(program, "policy", "iterator", "delivery", "stream")


@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
def test_an_iteration_loses_nothing_that_it_was_about_to_give(inline):
    """An exception while an item is taken leaves it where it is: the next call gives it."""

    def program(interruption):
        stream = AssistantStream.from_events(events(), inline=inline)
        pieces = stream.text_deltas
        got = [next(pieces)]
        stream.done()  # all is there: nothing is read that the exception would end
        try:
            with interruption:
                while True:
                    got.append(next(pieces))
        except (Limit, StopIteration):
            pass
        got += pieces
        assert "".join(got) == "0123"

    at_every_moment(program, "policy", "iterator", "delivery", "inline", "stream")


def test_an_abort_may_be_broken_off_anywhere():
    """The next ``abort()`` completes it, and the stream ends though nothing wakes its iterable."""

    def program(interruption):
        never = threading.Event()

        def silent():
            yield from events()[:2]
            never.wait(PATIENCE)

        stream = AssistantStream.from_events(silent())
        stream.emitted("textDelta")
        try:
            with interruption:
                stream.abort()
        except Limit:
            pass
        stream.abort()
        with pytest.raises(OpenAIError):
            stream.done(PATIENCE / 2)
        assert stream.ended
        never.set()

    at_every_moment(program, "policy", "iterator", "delivery", "stream")


def test_an_abort_between_the_look_and_the_read_ends_the_stream():
    """It is not left until the next item, which may never come."""
    never, aborted = threading.Event(), threading.Event()

    def silent():
        yield from events()[:2]
        never.wait(PATIENCE)

    stream = AssistantStream.from_events(silent())
    delta_heard = threading.Event()
    stream.on("textDelta", delta_heard.set)
    told = stream._delivery
    release = told.release
    at_release = threading.Event()

    def late_release():
        if delta_heard.is_set() and not at_release.is_set():
            at_release.set()
            assert aborted.wait(PATIENCE)
        return release()

    told.release = late_release
    stream.start()
    assert at_release.wait(PATIENCE)
    stream.abort()
    aborted.set()
    with pytest.raises(OpenAIError):
        stream.done(PATIENCE / 2)
    assert stream.ended
    never.set()
