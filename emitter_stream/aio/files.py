"""``client.files``, ``client.uploads`` and ``client.vector_stores`` for asyncio: see ``.resources``."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator
from typing import Any

from ..resources._content import BinaryContent
from ..resources.files import Files, Parts, Uploads
from ..resources.vector_stores import FileBatches, VectorStoreFiles, VectorStores
from .calls import each_in_thread, in_thread
from .resources import _AsyncResource, _Call, _List, _Turned

__all__ = [
    "AsyncBinaryContent",
    "AsyncFileBatches",
    "AsyncFiles",
    "AsyncParts",
    "AsyncUploads",
    "AsyncVectorStoreFiles",
    "AsyncVectorStores",
]


class AsyncBinaryContent(BinaryContent):
    """The same for asyncio: the methods with an ``a`` wait on the loop, the others block it."""

    async def aread(self) -> bytes:
        """Return all bytes; again the same."""
        return await in_thread(self.read, self._exchange)

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the bytes as they come, or in pieces of ``chunk_size``."""
        return each_in_thread(self.iter_bytes(chunk_size), self._exchange)

    async def astream_to_file(
        self, file: str | os.PathLike[str], *, chunk_size: int | None = None
    ) -> None:
        """Write the bytes to a file as they come."""
        save = functools.partial(self.stream_to_file, file, chunk_size=chunk_size)
        await in_thread(save, self._exchange)

    async def aclose(self) -> None:
        """Give up what has not been read."""
        self.close()


class _Content(_Turned):
    """The method whose answer is what a file holds."""

    def _turn(self, answer: Any) -> AsyncBinaryContent:
        return AsyncBinaryContent(answer._exchange)


class AsyncFiles(_AsyncResource):
    """Files on the server; see ``Files``."""

    create = _Call(Files.create)
    retrieve = _Call(Files.retrieve)
    list = _List(Files.list)
    delete = _Call(Files.delete)
    content = _Content(Files.content)
    retrieve_content = _Call(Files.retrieve_content)
    wait_for_processing = _Call(Files.wait_for_processing)


class AsyncParts(_AsyncResource):
    """The parts of uploads."""

    create = _Call(Parts.create)


class AsyncUploads(_AsyncResource):
    """Large files, uploaded in parts; see ``Uploads``."""

    @property
    def parts(self) -> AsyncParts:
        """The parts."""
        return AsyncParts(self._plain.parts)

    create = _Call(Uploads.create)
    cancel = _Call(Uploads.cancel)
    complete = _Call(Uploads.complete)
    upload_file_chunked = _Call(Uploads.upload_file_chunked)


class AsyncVectorStores(_AsyncResource):
    """Files that can be searched; see ``VectorStores``."""

    @property
    def files(self) -> AsyncVectorStoreFiles:
        """The files in stores."""
        return AsyncVectorStoreFiles(self._plain.files)

    @property
    def file_batches(self) -> AsyncFileBatches:
        """Files that are put into a store together."""
        return AsyncFileBatches(self._plain.file_batches)

    create = _Call(VectorStores.create)
    retrieve = _Call(VectorStores.retrieve)
    update = _Call(VectorStores.update)
    list = _List(VectorStores.list)
    delete = _Call(VectorStores.delete)
    search = _List(VectorStores.search)


class AsyncVectorStoreFiles(_AsyncResource):
    """The files in vector stores; see ``VectorStoreFiles``."""

    create = _Call(VectorStoreFiles.create)
    retrieve = _Call(VectorStoreFiles.retrieve)
    update = _Call(VectorStoreFiles.update)
    list = _List(VectorStoreFiles.list)
    delete = _Call(VectorStoreFiles.delete)
    content = _List(VectorStoreFiles.content)
    poll = _Call(VectorStoreFiles.poll)
    create_and_poll = _Call(VectorStoreFiles.create_and_poll)
    upload = _Call(VectorStoreFiles.upload)
    upload_and_poll = _Call(VectorStoreFiles.upload_and_poll)


class AsyncFileBatches(_AsyncResource):
    """Files that are put into a vector store together; see ``FileBatches``."""

    create = _Call(FileBatches.create)
    retrieve = _Call(FileBatches.retrieve)
    cancel = _Call(FileBatches.cancel)
    list_files = _List(FileBatches.list_files)
    poll = _Call(FileBatches.poll)
    create_and_poll = _Call(FileBatches.create_and_poll)
    upload_and_poll = _Call(FileBatches.upload_and_poll)
