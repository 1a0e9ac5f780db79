"""Whose turn it is when runs have more to tell than this process can do at once.

Models say hundreds of words in the time that one run takes to begin. Without an order a round of the
event loop would be as long as all of them together, and what needs several rounds, a request, a
run that begins, an end, would come after nearly all that the others say. And the database's thread,
which gets the interpreter back only now and then from a loop that never rests, would do a
transaction as slowly.

So runs that are in the middle of their text go on in turns: a round takes about `ROUND`, whoever
waits longest goes first, and the database goes before them, for up to `PATIENCE`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

ROUND = 0.008  # seconds of the event loop
PATIENCE = 0.03  # seconds that texts wait for the database
LOOK_EVERY = 0.001


class Pace:
    """Gives turns to tasks of one event loop; `is_busy` says whether the database has work."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_going = False
        self._round_began = 0.0
        self._at_once = 1  # how many get on in a round: found by trying

    async def turn(self) -> None:
        """Wait for the next turn, at least until others have had theirs."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiting)
        if not self._is_going:
            self._is_going = True
            self._round_began = loop.time()
            loop.call_soon(self._go_round, loop)
        await waiting

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        took = now - self._round_began
        if took < PATIENCE and self._is_busy():
            loop.call_later(LOOK_EVERY, self._go_round, loop)
            return
        if not self._waiting:
            self._is_going = False
            return
        for _ in range(min(self._at_once, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():  # else whoever it was has been cancelled
                waiting.set_result(None)
        self._round_began = now
        # Behind those who were let on: the time until then is theirs.
        loop.call_soon(self._end_round, loop)

    def _end_round(self, loop: asyncio.AbstractEventLoop) -> None:
        took = loop.time() - self._round_began
        if took > ROUND:
            self._at_once = max(1, self._at_once // 2)
        elif took < ROUND / 2:
            self._at_once = min(self._at_once + 1, 1000)
        self._go_round(loop)
