"""Bodies of multipart/form-data that are read from where they lie while they are sent."""

from __future__ import annotations

import io
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

__all__ = ["FileContent", "FileInput", "FormBody"]

FileContent = IO[bytes] | bytes | os.PathLike[str] | str
"""A file object that was opened for bytes, the bytes themselves, or a path."""

FileInput = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Mapping[str, str]]
)
"""What ``file=`` takes: a content, or a tuple of a name, a content, a type and headers."""

_KEPT = 1024 * 1024  # bytes in memory of what can be read only once
_PIECE = 256 * 1024


class FormBody:
    """A form with one file. It can be sent again: ``rewind`` begins anew.

    ``on_progress(sent, total)`` is called with bytes of the file as they are taken to be sent.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        name: str,
        file: FileInput,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> None:
        file_name, content, kind, headers = _parted(file)
        self._source, self._start, self._size, self._owned = _opened(content)
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        file_name = file_name or _name_of(content)
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n{value}\r\n'
            for key, value in _flat(fields)
        )
        more = "".join(f"{key}: {value}\r\n" for key, value in (headers or {}).items())
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"; '
            f'filename="{_quoted(file_name)}"\r\nContent-Type: {kind or "application/octet-stream"}'
            f"\r\n{more}\r\n"
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._on_progress = on_progress
        self._told = -1
        self.rewind()

    def rewind(self) -> None:
        """Begin anew."""
        self._source.seek(self._start)
        self._left = self._size
        self._before, self._behind = io.BytesIO(self._head), io.BytesIO(self._tail)

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(_PIECE):
            yield data

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        data = self._before.read(size)
        if data:
            return data
        if self._left:
            data = self._source.read(min(size, self._left))
            if not isinstance(data, bytes):
                raise TypeError("The file was opened for text; open it for bytes: open(path, 'rb')")
            if not data:
                raise OSError("the file became shorter while it was being sent")
            self._left -= len(data)
            self._tell()
            return data
        return self._behind.read(size)

    def _tell(self) -> None:
        sent = self._size - self._left
        if self._on_progress is not None and sent > self._told:  # not back, when it is sent again
            self._told = sent
            self._on_progress(sent, self._size)

    def close(self) -> None:
        """Close what was opened here; a file of the caller's stays open."""
        if self._owned:
            self._source.close()


def _parted(file: Any) -> tuple[str | None, Any, str | None, Mapping[str, str] | None]:
    if not isinstance(file, tuple):
        return None, file, None, None
    if not 2 <= len(file) <= 4:
        raise TypeError(f"A file is (name, content[, type[, headers]]), not {len(file)} things")
    name, content, kind, headers = (*file, None, None)[:4]
    return name, content, kind, headers


def _opened(content: Any) -> tuple[Any, int, int, bool]:
    """Return what is read, where it begins, how long it is, and whether it was opened here."""
    if isinstance(content, (bytes, bytearray, memoryview)):
        data = bytes(content)
        return io.BytesIO(data), 0, len(data), True
    if isinstance(content, (str, os.PathLike)):
        file = io.FileIO(content)
        return file, 0, os.fstat(file.fileno()).st_size, True
    if not hasattr(content, "read"):
        raise TypeError(
            f"A file is a path, a file object, bytes or a tuple (name, content), not "
            f"{type(content).__name__}"
        )
    if isinstance(content, io.TextIOBase):
        raise TypeError("The file was opened for text; open it for bytes: open(path, 'rb')")
    try:
        start = content.tell()
        end = content.seek(0, os.SEEK_END)
        content.seek(start)
    except (OSError, AttributeError, io.UnsupportedOperation):  # a pipe, a response
        kept: Any = tempfile.SpooledTemporaryFile(_KEPT)  # noqa: SIM115 - closed with the form
        while data := content.read(_PIECE):
            kept.write(data)
        return kept, 0, kept.tell(), True
    return content, start, (content.tell() if end is None else end) - start, False


def _name_of(content: Any) -> str:
    path = content if isinstance(content, (str, os.PathLike)) else getattr(content, "name", None)
    if isinstance(path, (str, os.PathLike)):
        return os.path.basename(os.fspath(path)) or "upload"
    return "upload"


def _quoted(name: str) -> str:
    """Write a name as browsers do in a form."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat({f"{name}[{key}]": one for key, one in value.items()})
        elif value is not None:
            yield name, value if isinstance(value, str) else json.dumps(value)
