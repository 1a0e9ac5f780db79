"""The folder that a run's code works in: the run's files in it, and what the code leaves there."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..cage import find_cage
from ..files.desk import Desk
from ..http.errors import ApiError
from ..interpreter import Sandbox
from ..models.model import Image, Model, Round, Said, Turn

DATA = "/mnt/data"
MOST_WRITTEN = 20  # files of one program
MOST_IMAGE = 20 * 1024 * 1024  # bytes
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


@dataclass
class Ran:
    """What came of a program: what it printed, and the ids of the images and files it wrote."""

    logs: str
    images: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


async def image_url(desk: Desk, file_id: str) -> str:
    """Return an address that holds an image; empty if it is none, or too large to be sent."""
    file, content = await desk.content(file_id)
    if file["bytes"] > MOST_IMAGE:
        return ""
    data = b"".join([piece async for piece in content])
    for magic, kind in _KINDS:
        if data.startswith(magic):
            return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return ""


async def with_images(desk: Desk, turn: Turn, model: Model) -> Turn:
    """Put the bytes of images that are files into a turn, for a model that reads them."""
    if not getattr(model, "reads_images", False):
        return turn
    history: list[Said | Round] = []
    for item in turn.history:
        if isinstance(item, Said) and any(isinstance(part, Image) for part in item.parts):
            item = Said(item.role, tuple([await _seen(desk, part) for part in item.parts]))
        history.append(item)
    return replace(turn, history=tuple(history))


async def _seen(desk: Desk, part: str | Image) -> str | Image:
    if isinstance(part, str) or part.url or not part.file_id:
        return part
    try:
        return replace(part, url=await image_url(desk, part.file_id))
    except (ApiError, FileNotFoundError):  # deleted since
        return part


class Workspace:
    """One for a run, made when code is first run; programs find what earlier ones have written.

    Files lie at `/mnt/data/FILE_ID`; where the cage has no file system of its own, `/mnt/data` in the
    code stands for the folder.
    """

    def __init__(self, desk: Desk, sandbox: Sandbox, file_ids: Sequence[str]) -> None:
        self._desk = desk
        self._sandbox = sandbox
        self._file_ids = list(dict.fromkeys(file_ids))
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._known: dict[str, tuple[int, int]] = {}

    async def run(self, source: str) -> Ran:
        """Run a program; cancelling kills it."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="emitter-stream-data-", ignore_cleanup_errors=True
            )
            await self._lay_out(self._folder.name)
        path = self._folder.name
        cage = self._sandbox.cage or await find_cage()
        if cage.data is None:
            source = source.replace(DATA, path.replace(os.sep, "/"))
        logs = (await self._sandbox.run(source, path)).replace(path, DATA)
        ran = Ran(logs)
        for name in self._written(path):
            data = await self._desk.stored.call((Path(path) / name).read_bytes)
            made = await self._desk.write(name, "assistants_output", data)
            if name.lower().endswith(_IMAGES):
                ran.images.append(made["id"])
            else:
                ran.files[name] = made["id"]
        return ran

    async def _lay_out(self, path: str) -> None:
        for file_id in self._file_ids:
            stored = self._desk.stored
            target = os.path.join(path, file_id)
            with contextlib.suppress(FileNotFoundError):  # deleted: the program will say so
                async with stored.local(file_id) as source:
                    await stored.call(partial(shutil.copyfile, source, target))
        self._known = dict(self._look(path))

    def _look(self, path: str) -> Mapping[str, tuple[int, int]]:
        """Return the files of the folder, but no links, which may lead anywhere."""
        found = {}
        for entry in os.scandir(path):
            if entry.is_file(follow_symlinks=False):
                facts = entry.stat(follow_symlinks=False)
                if facts.st_nlink == 1:
                    found[entry.name] = (facts.st_mtime_ns, facts.st_size)
        return found

    def _written(self, path: str) -> list[str]:
        """Return the files that are new or changed since the last look, oldest first."""
        now = self._look(path)
        fresh = [name for name in now if now[name] != self._known.get(name)]
        self._known = dict(now)
        fresh = [name for name in fresh if name not in self._file_ids]
        return sorted(fresh, key=lambda name: now[name])[:MOST_WRITTEN]

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
