"""What is held while a run is begun, cancelled or deleted."""

from __future__ import annotations

import asyncio

from server_helpers import PATIENCE

from emitter_stream.server.runs.holds import Holds


def test_threads_do_not_wait_for_each_other():
    """Runs of many threads, and of new ones, are begun at the same time."""

    async def main() -> None:
        holds = Holds()
        inside: set[int] = set()
        all_in = asyncio.Event()

        async def begin(number: int, thread: str | None) -> None:
            async with holds.hold(thread):
                inside.add(number)
                if len(inside) == 4:
                    all_in.set()
                await all_in.wait()

        names = ["a", "b", None, None]
        works = (begin(number, name) for number, name in enumerate(names))
        await asyncio.wait_for(asyncio.gather(*works), PATIENCE)
        await asyncio.wait_for(holds.none(), PATIENCE)

    asyncio.run(main())


def test_one_thread_is_held_by_one():
    """What is done to one thread is done one after the other, also if somebody gives up waiting."""

    async def main() -> list[str]:
        holds, said = Holds(), []
        go_on = asyncio.Event()

        async def work(name: str) -> None:
            async with holds.hold("a"):
                said.append(f"{name} in")
                await go_on.wait()
                said.append(f"{name} out")

        tasks = [asyncio.create_task(work(name)) for name in ("1", "2", "3")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        go_on.set()
        await asyncio.wait_for(asyncio.gather(tasks[0], tasks[2]), PATIENCE)
        assert not holds._locks
        return said

    assert asyncio.run(main()) == ["1 in", "1 out", "3 in", "3 out"]


def test_a_wait_for_all():
    """A stop waits until nobody holds any thread, not even one that raised."""

    async def main() -> list[str]:
        holds, said = Holds(), []
        go_on = asyncio.Event()

        async def work() -> None:
            async with holds.hold("a"):
                await go_on.wait()
                said.append("done")
                raise ZeroDivisionError

        async def stop() -> None:
            await holds.none()
            said.append("stopped")

        tasks = [asyncio.create_task(work()), asyncio.create_task(work())]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(stop())
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait_for(stopping, PATIENCE)
        await asyncio.wait(tasks)
        assert all(isinstance(task.exception(), ZeroDivisionError) for task in tasks)
        return said

    assert asyncio.run(main()) == ["done", "done", "stopped"]
