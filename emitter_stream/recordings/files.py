"""Files with conversations in them: nothing else is overwritten, and nobody else reads them.

What a path leads to is judged by the open file itself, not by its name: links of either kind lead
to the same file, and nobody can exchange it between the look and the write.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

__all__ = ["open_page", "open_recording", "release"]

# A first line of a recording is far shorter; a file of another kind may be one endless line.
_LONGEST_HEADER = 64 * 1024


def open_recording(path: str, is_header: Callable[[bytes], bool]) -> BinaryIO:
    """Open a new file, or one that is empty or a recording, to write a recording from its start.

    ``is_header`` tells from a file's first line whether it is a recording. A new file is readable
    for its owner alone; one that is there keeps its mode. Raises ``FileExistsError``, and leaves
    the file alone, if it is anything else (a file of another kind, a folder, a device, a pipe, a
    link that leads nowhere) or if another stream is being recorded to it; ``OSError`` if it cannot
    be opened. Not buffered: each write is in the file when it returns.
    """
    file = _open(path, 0o600)
    try:
        _lock(file, path)
        first = file.readline(_LONGEST_HEADER)
        if first and not is_header(first):
            raise FileExistsError(
                f"{path!r} is there and is no recording: only a recording is replaced by another. "
                f"Delete it first, or name another file"
            )
        _empty(file)
    except BaseException:
        file.close()
        raise
    return file


def open_page(path: str, source: str) -> BinaryIO:
    """Open a file for the HTML page of the recording ``source``, as secret as that is.

    A page that is there is replaced. Raises ``FileExistsError`` if there is anything else, the
    recording above all; ``OSError`` if it cannot be opened.
    """
    readable = stat.S_IMODE(os.stat(source).st_mode) & 0o666
    file = _open(path, readable)
    try:
        start = file.read(_LONGEST_HEADER).lstrip().lower()
        if start and not start.startswith((b"<!doctype html", b"<html")):
            raise FileExistsError(
                f"{path!r} is there and is no HTML page: it is left as it is. "
                f"Delete it first, or name another file"
            )
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & ~readable and sys.platform != "win32":
            os.fchmod(file.fileno(), mode & readable)
        _empty(file)
    except BaseException:
        file.close()
        raise
    return file


def release(file: BinaryIO) -> None:
    """Close what `open_recording` gave, for this process and for those forked from it."""
    with contextlib.suppress(OSError, ValueError):
        if sys.platform != "win32":
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)  # a child's copy of it would keep the lock
    with contextlib.suppress(OSError):
        file.close()


def _open(path: str, mode: int) -> BinaryIO:
    """Open a regular file to read and write, unbuffered, as it is; it is made if it is not there."""

    def opener(name: str, flags: int) -> int:
        try:
            # EXCL: a link that leads nowhere would make a file where nobody asked for one.
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            return os.open(name, flags)

    try:
        kind = os.stat(path).st_mode
    except OSError:
        kind = stat.S_IFREG
    # Asked before as well: to open a pipe waits, and to open a device may do something.
    if stat.S_ISREG(kind):
        try:
            file = open(path, "r+b", buffering=0, opener=opener)  # noqa: SIM115 - it is returned
        except FileNotFoundError:
            if not os.path.islink(path):
                raise
            raise FileExistsError(f"{path!r} is a link that leads nowhere") from None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    elif stat.S_ISDIR(kind):
        raise IsADirectoryError(f"{path!r} is a folder")
    raise FileExistsError(f"{path!r} is no regular file")


def _lock(file: BinaryIO, path: str) -> None:
    """Keep the file from a second stream, of any process: what both write would be neither."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(f"another stream is being recorded to {path!r}") from None
        except OSError:  # a file system without locks
            pass


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()
