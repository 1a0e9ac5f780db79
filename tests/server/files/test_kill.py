"""kill -9 at any moment: a file is there and whole, or it is not there."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import random
import signal
import threading
import time

import pytest
from databases import new_database
from documents import form, found, settled, upload
from samples import tries
from server_helpers import PATIENCE, Process, Raw

from emitter_stream.server.files.large import LargeObjects
from emitter_stream.server.store.postgres import PostgresDatabase


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.exhaustive),
        pytest.param("postgres and a folder", marks=pytest.mark.exhaustive),
    ]
)
def places(request, tmp_path):
    """Give the arguments of a server whose files survive it."""
    if request.param == "sqlite":
        return ["--db", str(tmp_path / "db")]
    url = new_database(request.getfixturevalue("postgres"))
    folder = ["--files", str(tmp_path / "files")] if "folder" in request.param else []
    return ["--db", url, *folder]


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Uploading:
    """Some clients that upload files, each named by its content, until the server is gone."""

    def __init__(self, raw: Raw, seed: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self._raw = raw
        self._more = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed} {number}"),))
            for number in range(3)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, chance: random.Random) -> None:
        try:
            while True:
                data = chance.randbytes(chance.choice((0, 10, 100_000, 700_000, 2_500_000)))
                made = self._in_parts(data) if chance.random() < 0.3 and data else self._whole(data)
                with self._more:
                    self.acknowledged[made] = digest(data)
                    self._more.notify_all()
        except (OSError, http.client.HTTPException):
            pass  # the server is gone

    def _whole(self, data: bytes) -> str:
        return upload(self._raw, digest(data), data, "user_data")

    def _in_parts(self, data: bytes) -> str:
        new = {
            "filename": digest(data),
            "purpose": "user_data",
            "bytes": len(data),
            "mime_type": "text/plain",
        }
        path = f"/uploads/{self._raw('POST', '/uploads', new).body['id']}"
        middle = len(data) // 2
        parts = [
            self._raw("POST", f"{path}/parts", *form({}, "data", "part", piece)).body["id"]
            for piece in (data[:middle], data[middle:])
        ]
        done = self._raw("POST", f"{path}/complete", {"part_ids": parts})
        assert done.status == 200, done.raw
        return done.body["file"]["id"]

    def wait_for(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.tries
def test_files_under_a_kill(places, tmp_path):
    """What was answered is there; what is there has the content that its name says."""
    acknowledged: dict[str, str] = {}
    for count in tries((12,), (1, 12)):
        with Process(*places) as process:
            clients = Uploading(Raw(process.base_url), count)
            clients.wait_for(count)
            process.popen.send_signal(signal.SIGKILL)
            process.popen.wait(PATIENCE)
            clients.join()
        acknowledged.update(clients.acknowledged)
    with Process(*places) as process:
        raw = Raw(process.base_url)
        listed = {one["id"]: one for one in raw("GET", "/files").body["data"]}
        for file_id, one in listed.items():
            data = raw("GET", f"/files/{file_id}/content").raw
            assert (one["filename"], one["bytes"]) == (digest(data), len(data))
        kept = {file_id: one["filename"] for file_id, one in listed.items()}
        assert acknowledged.items() <= kept.items()
        if places[1] == str(tmp_path / "db"):  # it is alone, and sweeps at its start
            left = {name for name in os.listdir(tmp_path / "db-files") if name not in kept}
            assert all(name.startswith("part_") and "." not in name for name in left)


def test_files_that_another_server_was_reading(start, postgres):
    """What a killed server had begun to read into a store is read by another, when its claim is over."""
    url = new_database(postgres)
    with Process("--db", url) as process:
        raw = Raw(process.base_url)
        ids = [upload(raw, f"{n}.txt", b"alpha beta " * 20_000) for n in range(8)]
        store = raw("POST", "/vector_stores", {"file_ids": ids}).body["id"]
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait(PATIENCE)
    raw = Raw(start(db=url, clock=lambda: time.time() + 3600).base_url)
    assert settled(raw, store)["file_counts"]["completed"] == 8
    assert len(found(raw, store, "alpha", max_num_results=50)) == 50
    content = f"/vector_stores/{store}/files/{ids[0]}/content"
    assert len(raw("GET", content).body["data"]) == 99


def test_bytes_that_nobody_knows_are_swept(postgres):
    """Large objects without a file go once they are old, those of files and those on their way stay."""
    database = PostgresDatabase(new_database(postgres))
    objects = LargeObjects(database)

    async def write(name: str, data: bytes) -> None:
        writer = objects.writer(name)
        await writer.write(data)
        await writer.commit()
        assert (writer.size, writer.md5.hexdigest()) == (len(data), digest(data))

    async def read(name: str) -> bytes:
        return b"".join([piece async for piece in objects.read(name)])

    async def main() -> None:
        data = os.urandom(2_300_000)
        await write("kept", data)
        await write("left", b"x")
        await objects.sweep("kept".__eq__, 3600)
        assert await read("left") == b"x"
        await objects.sweep("kept".__eq__)
        assert await read("kept") == data
        async with objects.local("kept") as path:
            assert path.read_bytes() == data
        assert not path.exists()
        half = objects.writer("half")
        await half.write(data)
        await half.discard()
        for name in ("left", "half"):
            with pytest.raises(FileNotFoundError):
                await read(name)
        await objects.delete("kept", "never there")
        count = "SELECT count(*) FROM pg_largeobject_metadata"
        assert (await database.call(lambda s: s.connection().exec_driver_sql(count).scalar())) == 0

    try:
        asyncio.run(main())
    finally:
        database.close()
        objects.close()
