"""``client.vector_stores``."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..http.form import FileInput
from ..types.files import (
    FileContentResponse,
    VectorStore,
    VectorStoreDeleted,
    VectorStoreFile,
    VectorStoreFileBatch,
    VectorStoreFileDeleted,
    VectorStoreSearchResponse,
)
from ._api import Resource, parted
from ._file_params import (
    AddFileParams,
    Attributes,
    BatchParams,
    BatchUploadParams,
    PollOptions,
    SearchParams,
    StoreFileListParams,
    StoreParams,
    StoreUpdateParams,
    UploadIntoParams,
)
from ._page import CursorPage, SinglePage
from ._params import CallOptions, ListParams
from ._path import url_path
from ._poll import poll_until
from .files import Files

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["FileBatches", "VectorStoreFiles", "VectorStores"]

_SETTLED = ("completed", "cancelled", "failed")


class VectorStores(Resource):
    """Files that can be searched, by file search and by ``search``."""

    @property
    def files(self) -> VectorStoreFiles:
        """The files in stores."""
        return VectorStoreFiles(self._api)

    @property
    def file_batches(self) -> FileBatches:
        """Files that are put into a store together."""
        return FileBatches(self._api)

    def create(self, **params: Unpack[StoreParams]) -> VectorStore:
        """Create a vector store, empty or of ``file_ids`` (Node: ``vectorStores.create``)."""
        body, extras = parted(params)
        return self._api.fetch(VectorStore, "POST", "/vector_stores", body=body, extras=extras)

    def retrieve(self, vector_store_id: str, **options: Unpack[CallOptions]) -> VectorStore:
        """Get a vector store by its id; a ``NotFoundError`` if there is none."""
        path = url_path("/vector_stores/{}", vector_store_id)
        return self._api.fetch(VectorStore, "GET", path, extras=parted(options)[1])

    def update(self, vector_store_id: str, **params: Unpack[StoreUpdateParams]) -> VectorStore:
        """Change the name, the metadata or the expiry of a vector store."""
        path = url_path("/vector_stores/{}", vector_store_id)
        body, extras = parted(params)
        return self._api.fetch(VectorStore, "POST", path, body=body, extras=extras)

    def list(self, **params: Unpack[ListParams]) -> CursorPage[VectorStore]:
        """List the vector stores, newest first by default."""
        query, extras = parted(params)
        return self._api.fetch_page(VectorStore, "/vector_stores", query=query, extras=extras)

    def delete(self, vector_store_id: str, **options: Unpack[CallOptions]) -> VectorStoreDeleted:
        """Delete a vector store; its files stay."""
        path = url_path("/vector_stores/{}", vector_store_id)
        return self._api.fetch(VectorStoreDeleted, "DELETE", path, extras=parted(options)[1])

    def search(
        self, vector_store_id: str, **params: Unpack[SearchParams]
    ) -> SinglePage[VectorStoreSearchResponse]:
        """Find what the files say about a ``query``, best first (Node: ``vectorStores.search``)."""
        path = url_path("/vector_stores/{}/search", vector_store_id)
        body, extras = parted(params)
        return self._api.fetch_list(
            VectorStoreSearchResponse, path, method="POST", body=body, extras=extras
        )


class VectorStoreFiles(Resource):
    """The files in vector stores."""

    def create(
        self, vector_store_id: str, *, file_id: str, **params: Unpack[AddFileParams]
    ) -> VectorStoreFile:
        """Put a file into a store, where it is read (Node: ``vectorStores.files.create``)."""
        path = url_path("/vector_stores/{}/files", vector_store_id)
        body, extras = parted(params)
        body = {"file_id": file_id, **body}
        return self._api.fetch(VectorStoreFile, "POST", path, body=body, extras=extras)

    def retrieve(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[CallOptions]
    ) -> VectorStoreFile:
        """Get what the server says of a file in a store."""
        path = url_path("/vector_stores/{}/files/{}", vector_store_id, file_id)
        return self._api.fetch(VectorStoreFile, "GET", path, extras=parted(options)[1])

    def update(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        attributes: Attributes | None,
        **options: Unpack[CallOptions],
    ) -> VectorStoreFile:
        """Set the attributes of a file in a store."""
        path = url_path("/vector_stores/{}/files/{}", vector_store_id, file_id)
        body, extras = {"attributes": attributes}, parted(options)[1]
        return self._api.fetch(VectorStoreFile, "POST", path, body=body, extras=extras)

    def list(
        self, vector_store_id: str, **params: Unpack[StoreFileListParams]
    ) -> CursorPage[VectorStoreFile]:
        """List the files in a store, newest first by default; ``filter`` is a status."""
        path = url_path("/vector_stores/{}/files", vector_store_id)
        query, extras = parted(params)
        return self._api.fetch_page(VectorStoreFile, path, query=query, extras=extras)

    def delete(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[CallOptions]
    ) -> VectorStoreFileDeleted:
        """Take a file out of a store; the file stays."""
        path = url_path("/vector_stores/{}/files/{}", vector_store_id, file_id)
        return self._api.fetch(VectorStoreFileDeleted, "DELETE", path, extras=parted(options)[1])

    def content(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[CallOptions]
    ) -> SinglePage[FileContentResponse]:
        """Get the text that was read from a file in a store."""
        path = url_path("/vector_stores/{}/files/{}/content", vector_store_id, file_id)
        return self._api.fetch_list(FileContentResponse, path, extras=parted(options)[1])

    def poll(
        self, file_id: str, *, vector_store_id: str, **options: Unpack[PollOptions]
    ) -> VectorStoreFile:
        """Get a file in a store until it has been read; look at its ``status`` and ``last_error``.

        ``TimeoutError`` after ``max_wait_seconds``, if that is given.
        """
        path = url_path("/vector_stores/{}/files/{}", vector_store_id, file_id)
        given, extras = parted(options)
        return poll_until(self._api, VectorStoreFile, path, _SETTLED, given, extras=extras)

    def create_and_poll(
        self,
        file_id: str,
        *,
        vector_store_id: str,
        poll_interval_ms: Any = None,
        max_wait_seconds: float | None = None,
        **params: Unpack[AddFileParams],
    ) -> VectorStoreFile:
        """Put a file into a store, wait and return it as ``poll`` does."""
        self.create(vector_store_id, file_id=file_id, **params)
        waits = _given(poll_interval_ms=poll_interval_ms, max_wait_seconds=max_wait_seconds)
        extras = parted(params)[1].without_body()
        path = url_path("/vector_stores/{}/files/{}", vector_store_id, file_id)
        return poll_until(self._api, VectorStoreFile, path, _SETTLED, waits, extras=extras)

    def upload(self, **params: Unpack[UploadIntoParams]) -> VectorStoreFile:
        """Upload a file and put it into a store."""
        given = dict(params)
        store_id, file = given.pop("vector_store_id"), given.pop("file")
        uploaded = self._upload(file, given.pop("on_progress", None), given)
        return self.create(store_id, file_id=uploaded, **given)  # type: ignore[arg-type]

    def upload_and_poll(
        self,
        *,
        poll_interval_ms: Any = None,
        max_wait_seconds: float | None = None,
        **params: Unpack[UploadIntoParams],
    ) -> VectorStoreFile:
        """Upload a file, put it into a store, wait and return it as ``poll`` does."""
        given = dict(params)
        store_id, file = given.pop("vector_store_id"), given.pop("file")
        uploaded = self._upload(file, given.pop("on_progress", None), given)
        return self.create_and_poll(
            uploaded,
            vector_store_id=store_id,  # type: ignore[arg-type]
            poll_interval_ms=poll_interval_ms,
            max_wait_seconds=max_wait_seconds,
            **given,  # type: ignore[arg-type]
        )

    def _upload(self, file: Any, on_progress: Any, options: Mapping[str, Any]) -> str:
        call = {name: options[name] for name in ("extra_headers", "timeout") if name in options}
        uploaded = Files(self._api).create(
            file=file, purpose="assistants", on_progress=on_progress, **call
        )
        return uploaded.id


class FileBatches(Resource):
    """Files that are put into a vector store together."""

    def create(self, vector_store_id: str, **params: Unpack[BatchParams]) -> VectorStoreFileBatch:
        """Put files into a store, by ``file_ids`` or ``files`` with settings of their own."""
        path = url_path("/vector_stores/{}/file_batches", vector_store_id)
        body, extras = parted(params)
        return self._api.fetch(VectorStoreFileBatch, "POST", path, body=body, extras=extras)

    def retrieve(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[CallOptions]
    ) -> VectorStoreFileBatch:
        """Get a batch by its id."""
        path = url_path("/vector_stores/{}/file_batches/{}", vector_store_id, batch_id)
        return self._api.fetch(VectorStoreFileBatch, "GET", path, extras=parted(options)[1])

    def cancel(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[CallOptions]
    ) -> VectorStoreFileBatch:
        """Cancel a batch: what has not been read is not read any more."""
        path = url_path("/vector_stores/{}/file_batches/{}/cancel", vector_store_id, batch_id)
        extras = parted(options)[1]
        return self._api.fetch(VectorStoreFileBatch, "POST", path, body={}, extras=extras)

    def list_files(
        self, batch_id: str, *, vector_store_id: str, **params: Unpack[StoreFileListParams]
    ) -> CursorPage[VectorStoreFile]:
        """List the files of a batch, newest first by default; ``filter`` is a status."""
        path = url_path("/vector_stores/{}/file_batches/{}/files", vector_store_id, batch_id)
        query, extras = parted(params)
        return self._api.fetch_page(VectorStoreFile, path, query=query, extras=extras)

    def poll(
        self, batch_id: str, *, vector_store_id: str, **options: Unpack[PollOptions]
    ) -> VectorStoreFileBatch:
        """Get a batch until all its files have been read; ``file_counts`` says how it went."""
        path = url_path("/vector_stores/{}/file_batches/{}", vector_store_id, batch_id)
        given, extras = parted(options)
        return poll_until(self._api, VectorStoreFileBatch, path, _SETTLED, given, extras=extras)

    def create_and_poll(
        self,
        vector_store_id: str,
        *,
        poll_interval_ms: Any = None,
        max_wait_seconds: float | None = None,
        **params: Unpack[BatchParams],
    ) -> VectorStoreFileBatch:
        """Put files into a store, wait and return the batch as ``poll`` does."""
        batch = self.create(vector_store_id, **params)
        waits = _given(poll_interval_ms=poll_interval_ms, max_wait_seconds=max_wait_seconds)
        extras = parted(params)[1].without_body()
        path = url_path("/vector_stores/{}/file_batches/{}", vector_store_id, batch.id)
        return poll_until(self._api, VectorStoreFileBatch, path, _SETTLED, waits, extras=extras)

    def upload_and_poll(
        self,
        vector_store_id: str,
        *,
        poll_interval_ms: Any = None,
        max_wait_seconds: float | None = None,
        **params: Unpack[BatchUploadParams],
    ) -> VectorStoreFileBatch:
        """Upload files, ``max_concurrency`` (5) at a time, put them into a store, wait as ``poll`` does.

        ``file_ids`` are put in with them. The first upload that fails is raised.
        ``on_progress(file, sent, total)`` is called as bytes are taken, on several threads.
        """
        given: dict[str, Any] = dict(params)
        files: builtins.list[FileInput] = builtins.list(given.pop("files"))
        ids = builtins.list(given.pop("file_ids", ()))
        on_progress = given.pop("on_progress", None)
        call = {name: given[name] for name in ("extra_headers", "timeout") if name in given}

        def upload(file: FileInput) -> str:
            tell = None
            if on_progress is not None:
                tell = lambda sent, total: on_progress(file, sent, total)
            made = Files(self._api).create(
                file=file, purpose="assistants", on_progress=tell, **call
            )
            return made.id

        if not files and not ids:
            raise ValueError("There are no files: give files= or file_ids=")
        with ThreadPoolExecutor(given.pop("max_concurrency", 5), "emitter-stream-upload") as pool:
            uploads = [pool.submit(upload, file) for file in files]
            try:
                ids += [one.result() for one in uploads]
            finally:
                for one in uploads:
                    one.cancel()
        return self.create_and_poll(
            vector_store_id,
            file_ids=ids,
            poll_interval_ms=poll_interval_ms,
            max_wait_seconds=max_wait_seconds,
            **given,
        )


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
