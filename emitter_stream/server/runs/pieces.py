"""What runs tell between two transactions of theirs: gathered, stored together, then sent.

A delta by itself is worth no transaction. The first one is stored at once; those of all runs that
come while the database is at work, or soon after, go together into the next transaction. Clients
hear of them when they are stored, so that nobody knows more than the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ..journal import where
from ..store.store import StorageFailed

logger = logging.getLogger("emitter_stream.server")

EVERY = 0.02  # seconds between two transactions for pieces, at least
# And for each run in the last one: what it took, and to send them. Else, of hundreds of runs at
# once, each piece would be sent by itself, and the work would grow with the load.
EVERY_RUN = 0.0002
# Of all runs together, while others are on their way to the database: no transaction may become so
# large that it is given up for its length, or what comes meanwhile would make each larger than the last.
MOST_WAITING = 20_000

Store = Callable[[Mapping[str, Sequence[bytes]]], Awaitable[set[str]]]


class Pieces:
    """The frames of one run that are not stored yet.

    `failed` is called when they could not be stored, and `lost` when the run is another process's.
    """

    def __init__(
        self,
        run_id: str,
        gatherer: Gatherer,
        failed: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self.run_id = run_id
        self.failed = failed
        self.lost = lost
        self._gatherer = gatherer
        self._frames: list[bytes] = []
        self._away: asyncio.Future[None] | None = None
        # Storing some of them failed, or only the answer was lost: who stores them now has to look.
        self.are_doubtful = False

    def put(self, frame: bytes) -> None:
        self._frames.append(frame)
        if not self.are_doubtful:
            self._gatherer.add(self)

    def take(self) -> list[bytes]:
        """Return the frames, to be stored by the caller; or to be put back."""
        frames, self._frames = self._frames, []
        return frames

    def put_back(self, frames: list[bytes]) -> None:
        self._frames[:0] = frames
        self.are_doubtful = self.are_doubtful or bool(frames)

    @property
    def are_too_many(self) -> bool:
        """Whether the model has to wait until those that are on their way are `settled`."""
        return self._away is not None and len(self._frames) * self._gatherer.runs > MOST_WAITING

    async def settled(self) -> None:
        """Wait until none of them is on its way to the database."""
        while self._away is not None:
            await asyncio.shield(self._away)

    def leave(self) -> list[bytes]:
        """The same as `take`, but until `arrived` they are on their way."""
        self._away = asyncio.get_running_loop().create_future()
        return self.take()

    def arrived(self) -> None:
        away, self._away = self._away, None
        if away is not None:
            away.set_result(None)


class Gatherer:
    """Stores what runs put into their `Pieces`; `store` returns the runs that are not ours any more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, Pieces] = {}
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0  # by the loop's clock

    @property
    def runs(self) -> int:
        """How many runs have something that is not on its way yet."""
        return len(self._waiting)

    def add(self, pieces: Pieces) -> None:
        self._waiting[pieces.run_id] = pieces
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="pieces")

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            begun = loop.time()
            if begun < self._not_before:
                await asyncio.sleep(self._not_before - begun)
                begun = loop.time()
            batch, self._waiting = self._waiting, {}
            self._not_before = begun + max(EVERY, EVERY_RUN * len(batch))
            away = {run_id: pieces.leave() for run_id, pieces in batch.items()}
            try:
                lost = await self._store({run: frames for run, frames in away.items() if frames})
            except Exception as exc:  # noqa: BLE001  (the runs fail, and the next are stored)
                if not isinstance(exc, StorageFailed):
                    logger.error("events could not be stored:\n%s", where(exc))
                for run_id, pieces in batch.items():
                    pieces.put_back(away[run_id])
                    pieces.failed()
            else:
                for run_id in lost:
                    batch[run_id].lost()
            finally:
                for pieces in batch.values():
                    pieces.arrived()
        self._task = None
