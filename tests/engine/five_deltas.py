"""An answer of five deltas, and what makes and hears its streams."""

from __future__ import annotations

import select
import threading

import scripted_server
from parity.compare import PATIENCE, Recorder
from parity.transcripts import DONE, answered, encode, message, run, said, started, text_delta

from emitter_stream import AssistantStream

FIVE = answered("a", "b", "c", "d", "e")


def play(frames) -> AssistantStream:
    """Make a stream of these frames, without a server."""
    events = [{"event": name, "data": data} for name, data in frames if name != "done"]
    return AssistantStream.from_events(events)


def five_names() -> list[str]:
    """Give every call that FIVE makes, in order."""
    recorder = Recorder(play(FIVE))
    recorder.stream.done(timeout=PATIENCE)
    return recorder.names


def gated(first, rest, gate):
    """Make a script that sends the first frames, waits for the gate and sends the rest."""
    return scripted_server.gated(gate, encode(first), encode(rest))


class Tap:
    """A listener that keeps the deltas it was given and can be waited for."""

    def __init__(self):
        self.got: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, delta):
        with self._changed:
            self.got.append(delta.value)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until that many deltas have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, PATIENCE), self.got


HALF = len(FIVE) - 6  # the frames up to the third delta


class Halves:
    """A script that stands still after three deltas, until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self._script = gated(FIVE[:HALF], FIVE[HALF:], self.go_on)

    def __call__(self, exchange) -> None:
        self._script(exchange)


class HalvedChunk:
    """A script whose only chunk comes in pieces that end amid its size, its data and its end.

    The first is sent when the first of the `gates` is opened, and so on.
    """

    def __init__(self) -> None:
        self.gates = [threading.Event() for _ in range(6)]

    def __call__(self, exchange) -> None:
        data = encode(FIVE)
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
        cuts = [0, 1, 3, 100, len(framed) - 6, len(framed) - 3, len(framed)]
        exchange.head()
        for gate, start, stop in zip(self.gates, cuts[:-1], cuts[1:], strict=True):
            exchange.wait(gate)
            exchange.raw(framed[start:stop])


def flood(sent: list[int], held_back: threading.Event, pieces: int, size: int):
    """Make a script that sends much, and says so when the client has stopped taking it."""

    def script(exchange):
        exchange.head(framing="close")
        exchange.raw(encode([*started(), message(1, "created")]))
        # The bulk is in events that nothing is accumulated from.
        frame = encode([text_delta(1, "x"), run("queued", pad="x" * size)])
        for _ in range(pieces):
            if not select.select([], [exchange.sock], [], 0.3)[1]:
                held_back.set()
            exchange.raw(frame)
            sent[0] += len(frame)
        exchange.raw(encode([message(1, "completed"), run("completed"), DONE]))
        exchange.finish()

    return script


def many(count: int):
    """Make a run with that many text deltas."""
    return [*started(), *said(1, [f"{number}," for number in range(count)]), run("completed"), DONE]
