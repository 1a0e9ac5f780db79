"""``client.files`` and ``client.uploads``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._not_given import NOT_GIVEN, NotGiven
from ..http.form import FileInput
from ..types.files import FileDeleted, FileObject, FilePurpose, Upload, UploadPart
from ._api import Resource, parted
from ._content import BinaryContent
from ._file_params import FileListParams, FileParams, Progress, UploadParams
from ._page import CursorPage
from ._params import CallOptions
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Files", "Parts", "Uploads"]

PART_SIZE = 64 * 1024 * 1024
_ENDED = ("processed", "error", "deleted")


class Files(Resource):
    """Files on the server, for all that takes a file's id."""

    def create(self, **params: Unpack[FileParams]) -> FileObject:
        """Upload a file (Node: ``files.create``).

        ``file`` is a path, a file object opened for bytes, bytes, or a tuple ``(name, content)`` with a
        type as third, if need be. It is read while it is sent, and takes no memory.
        ``on_progress(sent, total)`` is called as bytes of it are taken.
        """
        body, extras = parted(params)
        file, on_progress = body.pop("file"), body.pop("on_progress", None)
        return self._api.send_form(
            FileObject, "/files", body, "file", file, on_progress, extras=extras
        )

    def retrieve(self, file_id: str, **options: Unpack[CallOptions]) -> FileObject:
        """Get what the server says of a file; a ``NotFoundError`` if there is none."""
        path = url_path("/files/{}", file_id)
        return self._api.fetch(FileObject, "GET", path, extras=parted(options)[1])

    def list(self, **params: Unpack[FileListParams]) -> CursorPage[FileObject]:
        """List the files, newest first by default; those of one ``purpose`` if it is given."""
        query, extras = parted(params)
        return self._api.fetch_page(FileObject, "/files", query=query, extras=extras)

    def delete(self, file_id: str, **options: Unpack[CallOptions]) -> FileDeleted:
        """Delete a file, from all vector stores too."""
        path = url_path("/files/{}", file_id)
        return self._api.fetch(FileDeleted, "DELETE", path, extras=parted(options)[1])

    def content(self, file_id: str, **options: Unpack[CallOptions]) -> BinaryContent:
        """Get the bytes of a file, as they are asked for."""
        path = url_path("/files/{}/content", file_id)
        return self._api.content(path, extras=parted(options)[1])

    def retrieve_content(self, file_id: str, **options: Unpack[CallOptions]) -> str:
        """Get the bytes of a file as text; an older name of ``content(...).text``."""
        return self.content(file_id, **options).text

    def wait_for_processing(
        self, id: str, *, poll_interval: float = 5.0, max_wait_seconds: float = 1800.0
    ) -> FileObject:
        """Get a file until the server has processed it; ``RuntimeError`` after ``max_wait_seconds``."""
        until = time.monotonic() + max_wait_seconds
        file = self.retrieve(id)
        while file.status not in _ENDED:
            self._api.sleep(poll_interval)
            file = self.retrieve(id)
            if time.monotonic() > until:
                raise RuntimeError(
                    f"Giving up on waiting for file {id} to be processed after "
                    f"{max_wait_seconds:g} seconds"
                )
        return file


class Uploads(Resource):
    """Large files, uploaded in parts."""

    @property
    def parts(self) -> Parts:
        """The parts."""
        return Parts(self._api)

    def create(self, **params: Unpack[UploadParams]) -> Upload:
        """Begin an upload of ``bytes`` bytes; its parts may have 64 MiB each."""
        body, extras = parted(params)
        return self._api.fetch(Upload, "POST", "/uploads", body=body, extras=extras)

    def cancel(self, upload_id: str, **options: Unpack[CallOptions]) -> Upload:
        """Give an upload up."""
        path = url_path("/uploads/{}/cancel", upload_id)
        return self._api.fetch(Upload, "POST", path, body={}, extras=parted(options)[1])

    def complete(
        self,
        upload_id: str,
        *,
        part_ids: Sequence[str],
        md5: str | NotGiven = NOT_GIVEN,
        **options: Unpack[CallOptions],
    ) -> Upload:
        """Put the parts together, in this order; the upload's ``file`` is the file."""
        path = url_path("/uploads/{}/complete", upload_id)
        body = {"part_ids": part_ids, "md5": md5}
        return self._api.fetch(Upload, "POST", path, body=body, extras=parted(options)[1])

    def upload_file_chunked(
        self,
        *,
        file: str | os.PathLike[str] | bytes,
        mime_type: str,
        purpose: FilePurpose,
        filename: str | None = None,
        bytes: int | None = None,
        part_size: int | None = None,
        md5: str | NotGiven = NOT_GIVEN,
        on_progress: Progress | None = None,
    ) -> Upload:
        """Upload a file in parts of ``part_size`` bytes, one after the other.

        Of bytes the ``filename`` must be given. ``on_progress(sent, total)`` is called after each part.
        """
        if isinstance(file, (str, os.PathLike)):
            filename = filename or os.path.basename(os.fspath(file))
            size = os.path.getsize(file) if bytes is None else bytes
        else:
            if filename is None:
                raise TypeError("The filename must be given for a file that is bytes")
            size = len(file) if bytes is None else bytes
        upload = self.create(bytes=size, filename=filename, mime_type=mime_type, purpose=purpose)
        ids: list[str] = []
        sent = 0
        for data in _cut(file, part_size or PART_SIZE):
            ids.append(self.parts.create(upload.id, data=data).id)
            sent += len(data)
            if on_progress is not None:
                on_progress(sent, size)
        return self.complete(upload.id, part_ids=ids, md5=md5)


def _cut(file: Any, size: int) -> Any:
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as source:
            while data := source.read(size):
                yield data
    else:
        for start in range(0, len(file), size):
            yield file[start : start + size]


class Parts(Resource):
    """The parts of uploads."""

    def create(
        self, upload_id: str, *, data: FileInput, **options: Unpack[CallOptions]
    ) -> UploadPart:
        """Send a part, of at most 64 MiB; several may be sent at a time."""
        path = url_path("/uploads/{}/parts", upload_id)
        extras = parted(options)[1]
        return self._api.send_form(UploadPart, path, {}, "data", data, None, extras=extras)
