"""Who follows which run in this process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .feed import HEARTBEAT, Feed


@dataclass(frozen=True)
class Told:
    """Events of a run that a transaction stored: their frames, from number `first` on.

    `ended`: no more will come.
    """

    run_id: str
    first: int
    frames: Sequence[bytes]
    ended: bool = False


class Tails:
    """Hands on what is told of runs to the feeds that follow them. It belongs on the event loop.

    What is told is stored before, so that a client never knows more than the database.
    """

    def __init__(self) -> None:
        self._feeds: dict[str, set[Feed]] = {}

    def follow(self, run_id: str, feed: Feed) -> None:
        """Give this feed what is told from now on."""
        self._feeds.setdefault(run_id, set()).add(feed)

    def leave(self, run_id: str, feed: Feed) -> None:
        feeds = self._feeds.get(run_id, set())
        feeds.discard(feed)
        if not feeds:
            self._feeds.pop(run_id, None)

    def of(self, run_id: str) -> Iterable[Feed]:
        """Return the feeds that follow a run."""
        return tuple(self._feeds.get(run_id, ()))

    def followed(self) -> list[str]:
        """Return the runs that somebody follows."""
        return list(self._feeds)

    def tell(self, told: Told) -> bool:
        """Hand on what was told; return False if some feed has missed something before it."""
        is_whole = True
        for feed in self.of(told.run_id):
            if feed.catching_up or feed.next < told.first:
                feed.is_behind = True
                is_whole = is_whole and feed.catching_up  # it sees to that itself
                continue
            feed.put(told.first, told.frames)
            if told.ended:
                feed.end()
                self.leave(told.run_id, feed)
        return is_whole

    def beat(self) -> None:
        """Send what shows that a connection lives to those who may have to wait for long."""
        for run_id, feeds in list(self._feeds.items()):
            for feed in list(feeds):
                if not feed.watched:
                    self.leave(run_id, feed)
                elif feed.numbered:
                    feed.say(HEARTBEAT)

    def close(self) -> None:
        """End all responses; those who want the rest have to ask again."""
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.cut()
        self._feeds.clear()
