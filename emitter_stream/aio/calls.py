"""The client's blocking calls, each on a thread of its own, for a task that waits for it.

A thread a call, and no pool: a call may last as long as a run (``runs.poll``), and would keep a
place in a pool that others wait for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from .._bell import Flag
from ..exceptions import APIUserAbortError, shown
from ..http.transport import Exchange, TokenProvider, Transport, asked_for

__all__ = ["InterruptibleTransport", "each_in_thread", "in_thread", "sleep"]

_T = TypeVar("_T")

_numbers = itertools.count(1)
_END: Any = object()


class _Call:
    """One call: what of it can be interrupted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop  # of the task that waits
        self._exchange: Exchange | None = None
        self.cancelled = Flag()

    def watch(self, exchange: Exchange) -> None:
        """Let ``exchange`` be what ``cancel`` interrupts."""
        self._exchange = exchange
        if self.cancelled.is_set():
            exchange.interrupt()

    def cancel(self) -> None:
        """Interrupt what the call waits for, and whatever else it begins."""
        self.cancelled.set()
        exchange = self._exchange
        if exchange is not None:
            exchange.interrupt()


class _Current(threading.local):
    call: _Call | None = None


_current = _Current()


class InterruptibleTransport(Transport):
    """A transport whose requests end when the task is cancelled that waits for them."""

    def exchange(self, *args: Any, **kwargs: Any) -> Exchange:
        exchange = super().exchange(*args, **kwargs)
        if _current.call is not None:
            _current.call.watch(exchange)
        return exchange

    def _authorizing(
        self, exchange: Exchange, provider: TokenProvider
    ) -> Callable[[], dict[str, str]]:
        # Asked on the event loop, where keys and tokens are got asynchronously.
        loop = _calling_loop()

        async def ask() -> Any:
            token = provider()
            return await token if inspect.isawaitable(token) else token

        def authorize() -> dict[str, str]:
            # On the thread that sends, which an abort wakes: it looks for one now and then.
            asked = asyncio.run_coroutine_threadsafe(ask(), loop)
            while not concurrent.futures.wait([asked], 0.05).done:
                if exchange.is_interrupted:
                    asked.cancel()
                    raise APIUserAbortError()
            return asked_for(asked.result)

        return authorize


def _calling_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that a request is made for, on it or on the thread of a call."""
    call = _current.call
    return asyncio.get_running_loop() if call is None else call.loop


def sleep(seconds: float) -> None:
    """Sleep, on the thread of a call, unless the call is cancelled."""
    call = _current.call
    assert call is not None
    call.cancelled.wait(seconds)


async def in_thread(function: Callable[[], _T], reads: Exchange | None = None) -> _T:
    """Call ``function()`` on a thread of its own and return what it returns, or raise its error.

    A cancelled task does not wait for the thread: what that waits for is interrupted, and it ends.
    ``reads`` is an exchange from before that it may wait for.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_T] = loop.create_future()
    call = _Call(loop)
    if reads is not None:
        call.watch(reads)

    def settle(value: Any, error: BaseException | None) -> None:
        if result.done():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)

    def run() -> None:
        _current.call = call
        value: Any = None
        error: BaseException | None = None
        try:
            value = function()
        except StopIteration as raised:  # a future does not take one
            error = RuntimeError(f"the call raised {shown(raised)}")
        except BaseException as raised:  # noqa: BLE001 - the task is told
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, value, error)

    name = f"emitter-stream-call-{next(_numbers)}"
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return await result
    except asyncio.CancelledError:
        call.cancel()
        raise


async def each_in_thread(pieces: Iterator[_T], reads: Exchange) -> AsyncIterator[_T]:
    """Yield what an iterator gives that reads from ``reads``, each on a thread of its own."""
    while (piece := await in_thread(lambda: next(pieces, _END), reads)) is not _END:
        yield piece
