"""Room on the disk that is kept for deleting when there is no other."""

from __future__ import annotations

import contextlib
import os
import shutil

SIZE = 2 * 1024 * 1024
# Pages of 4 KiB: the write-ahead log's usual length is half of the reserve.
LOG_PAGES = SIZE // 4096 // 2


class Reserve:
    """A file beside the database.

    SQLite has to write before it can delete: the changed pages go into its write-ahead log, and
    from there into the database, which grows by what was added before. On a full disk neither has
    room, and nothing could ever be deleted to make some. So the file is removed for the time of a
    deletion, and made anew from the room that the log then no longer takes; what was deleted leaves
    free pages in the database, which the next objects use.
    """

    def __init__(self, database: str) -> None:
        self._path = f"{database}-reserve"

    def fill(self) -> None:
        """Make the file: `SIZE`, or half of the room that there is, since the log needs some too."""
        self.release()
        try:
            room = shutil.disk_usage(os.path.dirname(os.path.abspath(self._path))).free
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(bytes(min(SIZE, room // 2)))
        except OSError:
            self.release()

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)
