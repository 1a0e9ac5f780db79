"""The streams of this process: for its end, for a child of it, for a server that is about to stop.

All sides import it, and it knows none: a stream says what it is asked, the others ask. One registry,
since a weak reference for each of three is two more objects for the garbage collector, of each of
thousands of streams.
"""

from __future__ import annotations

import weakref
from typing import Protocol

__all__ = ["OpenStream", "add", "everyone", "leave_all", "let_run_out"]

PERIOD = 0.1  # seconds between two looks at what does not say when it is over


class OpenStream(Protocol):
    """A stream of any kind."""

    origin: tuple[str, int] | None
    """The host and the port that it reads from; ``None`` if it reads from no server."""

    @property
    def thread(self) -> object | None:
        """What moves it on by itself, if something does."""
        ...

    def wind_up(self) -> None:
        """Run to the end by itself, heard or not; abort if it only runs when somebody waits."""

    def wait_over(self, seconds: float) -> bool:
        """Wait until it is over or can never be, so many seconds at most; return whether it is."""
        ...


_streams: weakref.WeakSet[OpenStream] = weakref.WeakSet()


def add(stream: OpenStream) -> None:
    """Count a stream in, for as long as it is there."""
    _streams.add(stream)


def everyone() -> list[OpenStream]:
    """Return all streams; of one that is just being made not all may be there yet."""
    while True:
        try:
            return list(_streams)
        except RuntimeError:  # another thread has just made a stream
            continue


def leave_all() -> list[OpenStream]:
    """Forget all streams, in a child, whose parent's they are; return them."""
    global _streams
    left, _streams = list(_streams), weakref.WeakSet()
    return left


def let_run_out(host: str, port: int) -> None:
    """Wait until all streams that read from there are over, those too that are made meanwhile."""
    while True:
        running = [stream for stream in everyone() if _reads_from(stream, host, port)]
        running = [stream for stream in running if not stream.wait_over(0)]
        if not running:
            return
        for stream in running:
            stream.wind_up()
        running[0].wait_over(PERIOD)


def _reads_from(stream: OpenStream, host: str, port: int) -> bool:
    if stream.origin is None or stream.origin[1] != port:
        return False
    return stream.origin[0] == host or (_is_here(stream.origin[0]) and _is_here(host))


def _is_here(host: str) -> bool:
    """Return whether a host is this machine by one of the usual names."""
    return host in ("localhost", "::1", "::", "0.0.0.0") or host.startswith("127.")
