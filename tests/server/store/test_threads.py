"""The threads that wait for disks and databases."""

from __future__ import annotations

import asyncio
import threading

import pytest
from server_helpers import PATIENCE

from emitter_stream.server.store.threads import WorkThreads


@pytest.fixture(params=[0.0, 0.001, 0.02], ids=["at-once", "hasty", "patient"])
def thread(request):
    """A thread for which the event loop waits for so long."""
    threads = WorkThreads("test", patience=request.param)
    yield threads
    threads.stop()


def test_many_answers(thread):
    """Everybody gets the answer to what he gave, and what was given first is done first."""
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        return number

    async def main() -> list[int]:
        calls = (thread.call(lambda n=n: work(n)) for n in range(200))
        return await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)

    assert asyncio.run(main()) == done == [*range(200)]
    assert thread.pending == 0


def test_what_is_raised(thread):
    """An exception is raised where it is waited for, and the next call goes well."""

    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 // 0)
        return await thread.call(lambda: 1)

    assert asyncio.run(main()) == 1 and thread.pending == 0


def test_a_call_that_is_not_wanted_any_more(thread):
    """Work that nobody waits for is not begun; if it was, its end concerns nobody."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def hold() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    async def main() -> None:
        first = asyncio.create_task(thread.call(hold))
        second = asyncio.create_task(thread.call(lambda: done.append(2)))
        await asyncio.to_thread(begun.wait, PATIENCE)
        first.cancel()
        second.cancel()
        await asyncio.wait([first, second])
        go_on.set()
        await asyncio.wait_for(thread.call(lambda: done.append(3)), PATIENCE)

    asyncio.run(main())
    assert done == [3] and thread.pending == 0


def test_another_loop(thread):
    """What one event loop waits for is not given to another; one that is closed is forgotten."""
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 1

    async def leave() -> None:
        task = asyncio.create_task(thread.call(hold))
        await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()

    async def ask() -> int:
        return await asyncio.wait_for(thread.call(lambda: 2), PATIENCE)

    asyncio.run(leave())
    go_on.set()
    assert asyncio.run(ask()) == 2


def test_a_loop_that_waits():
    """What is wanted in one round of a patient loop is done together, in the next."""
    threads = WorkThreads("test", patience=PATIENCE)

    async def main() -> list[int]:
        done: list[int] = []
        asked = [asyncio.create_task(threads.call(lambda n=n: done.append(n))) for n in range(5)]
        for _ in range(2):  # they ask in the first round
            await asyncio.sleep(0)
        there = list(done)
        await asyncio.wait_for(asyncio.gather(*asked), PATIENCE)
        return there

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
    threads.stop()


def test_patience_has_an_end():
    """Work that takes too long is waited for once; then the loop gets on until it is over."""
    threads = WorkThreads("test", patience=0.001)
    go_on = threading.Event()

    async def main() -> list[bool]:
        held = asyncio.create_task(threads.call(lambda: go_on.wait(PATIENCE)))
        others = []
        for _ in range(20):
            others.append(asyncio.create_task(threads.call(lambda: True)))
            await asyncio.sleep(0)
        go_on.set()
        return await asyncio.wait_for(asyncio.gather(held, *others), PATIENCE)

    assert asyncio.run(main()) == [True] * 21
    threads.stop()
