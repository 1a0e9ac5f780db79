"""The bytes of an answer, on their way from the server."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .._names import PythonNames

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..http.transport import Exchange

__all__ = ["BinaryContent", "Body"]


class Body(PythonNames):
    """The body of an answer: read whole, which keeps it, or in pieces, which keeps none."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._whole: bytes | None = None
        self._is_taken = False

    def read(self) -> bytes:
        """Return all bytes; again the same."""
        if self._whole is None:
            self._whole = b"".join(self._pieces())
        return self._whole

    def json(self) -> Any:
        """Return what the bytes say as JSON."""
        return json.loads(self.read())

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the bytes as they come, or in pieces of ``chunk_size``."""
        pieces = self._pieces() if self._whole is None else iter((self._whole,))
        if chunk_size is None:
            yield from pieces
            return
        kept = bytearray()
        for piece in pieces:
            kept += piece
            while len(kept) >= chunk_size:
                yield bytes(kept[:chunk_size])
                del kept[:chunk_size]
        if kept:
            yield bytes(kept)

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """Iterate over the text, which is in UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for piece in self.iter_bytes(chunk_size):
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Iterate over the lines of the text, without their ends."""
        rest = ""
        for text in self.iter_text():
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield line.removesuffix("\r")
        if rest:
            yield rest

    def stream_to_file(
        self, file: str | os.PathLike[str], *, chunk_size: int | None = None
    ) -> None:
        """Write the bytes to a file as they come."""
        with open(file, "wb") as target:
            target.writelines(self.iter_bytes(chunk_size))

    def close(self) -> None:
        """Give up what has not been read; again does nothing."""
        self._exchange.close()

    def _pieces(self) -> Iterator[bytes]:
        if self._is_taken:
            raise RuntimeError("The content was iterated over before; read() keeps it")
        self._is_taken = True
        try:
            while piece := self._exchange.read():
                yield piece
        finally:
            self._exchange.close()


class BinaryContent(Body):
    """What ``files.content`` returns: bytes that are fetched as they are asked for.

    ``read`` keeps them all; ``iter_bytes`` and ``stream_to_file`` keep none, so that a large file
    takes no memory. Give it up before the end with ``close``, or use it in a ``with``.
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer, with lower-case names."""
        return self._exchange.headers

    @property
    def content(self) -> bytes:
        """All bytes."""
        return self.read()

    @property
    def text(self) -> str:
        """All of it as text in UTF-8."""
        return self.read().decode("utf-8", "replace")

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Write the bytes to a file as they come."""
        self.stream_to_file(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
