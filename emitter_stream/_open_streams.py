"""The streams of this process, by where they read from: for a server that is about to stop.

Both sides import it, and it knows neither: a stream says how it is let run out, a server asks.
"""

from __future__ import annotations

import weakref
from typing import Protocol

__all__ = ["OpenStream", "add", "let_run_out"]

PERIOD = 0.1  # seconds between two looks at what does not say when it is over


class OpenStream(Protocol):
    """A stream of any kind."""

    origin: tuple[str, int] | None
    """The host and the port that it reads from; ``None`` if it reads from no server."""

    def wind_up(self) -> None:
        """Run to the end by itself, heard or not; abort if it only runs when somebody waits."""

    def wait_over(self, seconds: float) -> bool:
        """Wait until it is over or can never be, so many seconds at most; return whether it is."""
        ...


_streams: weakref.WeakSet[OpenStream] = weakref.WeakSet()


def add(stream: OpenStream) -> None:
    """Count a stream in, for as long as it is there."""
    _streams.add(stream)


def let_run_out(host: str, port: int) -> None:
    """Wait until all streams that read from there are over, those too that are made meanwhile."""
    while True:
        running = [stream for stream in _all() if _reads_from(stream, host, port)]
        running = [stream for stream in running if not stream.wait_over(0)]
        if not running:
            return
        for stream in running:
            stream.wind_up()
        running[0].wait_over(PERIOD)


def _all() -> list[OpenStream]:
    while True:
        try:
            return list(_streams)
        except RuntimeError:  # another thread has just made a stream
            continue


def _reads_from(stream: OpenStream, host: str, port: int) -> bool:
    if stream.origin is None or stream.origin[1] != port:
        return False
    return stream.origin[0] == host or (_is_here(stream.origin[0]) and _is_here(host))


def _is_here(host: str) -> bool:
    """Return whether a host is this machine by one of the usual names."""
    return host in ("localhost", "::1", "::", "0.0.0.0") or host.startswith("127.")
