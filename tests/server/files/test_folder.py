"""The folder that has the bytes of files: what readers leave behind."""

from __future__ import annotations

import asyncio
import io
import threading

from left_behind import wait_until
from scripted_server import PATIENCE

from emitter_stream.server.files import folder as folders


def test_a_reader_that_is_cancelled_while_it_opens_leaves_no_file_open(tmp_path, monkeypatch):
    """What the thread had begun to open is closed when it is there."""
    opening, gate, real = threading.Event(), threading.Event(), io.FileIO
    opened = []

    def open_slowly(path):
        opening.set()
        gate.wait(PATIENCE)
        opened.append(real(path))
        return opened[0]

    (tmp_path / "file-1").write_bytes(b"abc")
    folder = folders.Folder(str(tmp_path))
    monkeypatch.setattr(folders.io, "FileIO", open_slowly)

    async def main() -> None:
        reading = asyncio.ensure_future(anext(folder.read("file-1")))
        assert await asyncio.to_thread(opening.wait, PATIENCE)
        reading.cancel()
        await asyncio.wait({reading})
        monkeypatch.undo()
        gate.set()

    asyncio.run(main())
    assert wait_until(lambda: bool(opened) and opened[0].closed)
    folder.close()
