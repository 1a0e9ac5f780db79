"""Files, uploads, vector stores, and what is in them."""

from __future__ import annotations

from typing import Any, Literal

from ._model import ListView, Model
from ._resource import Resource

__all__ = [
    "ChunkingStrategy",
    "FileContentResponse",
    "FileCounts",
    "FileDeleted",
    "FileObject",
    "FilePurpose",
    "StaticChunkingStrategy",
    "Upload",
    "UploadPart",
    "VectorStore",
    "VectorStoreDeleted",
    "VectorStoreExpiresAfter",
    "VectorStoreFile",
    "VectorStoreFileBatch",
    "VectorStoreFileDeleted",
    "VectorStoreFileError",
    "VectorStoreSearchContent",
    "VectorStoreSearchResponse",
]

FilePurpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class FileObject(Resource):
    """A file on the server. Times are in seconds since 1970."""

    __slots__ = ()

    _shown = ("id", "filename", "bytes", "purpose")

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None


class FileDeleted(Resource):
    """The answer to the deletion of a file."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["file"]
    deleted: bool


class Upload(Resource):
    """A large file on its way, in parts; ``file`` is there once it is completed."""

    __slots__ = ()

    _shown = ("id", "status", "filename", "bytes")

    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: FileObject | None


class UploadPart(Resource):
    """A part of an upload."""

    __slots__ = ()

    _shown = ("id", "upload_id")

    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str


class FileCounts(Model):
    """How many files of a store or a batch are in which state."""

    __slots__ = ()

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class VectorStoreExpiresAfter(Model):
    """How many days after its last use a store expires."""

    __slots__ = ()

    anchor: Literal["last_active_at"]
    days: int


class VectorStore(Resource):
    """Files that can be searched."""

    __slots__ = ()

    _shown = ("id", "name", "status")

    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: VectorStoreExpiresAfter | None
    expires_at: int | None
    last_active_at: int | None
    metadata: dict[str, str] | None


class VectorStoreDeleted(Resource):
    """The answer to the deletion of a vector store."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["vector_store.deleted"]
    deleted: bool


class StaticChunkingStrategy(Model):
    """The size of chunks and how much they overlap, in tokens."""

    __slots__ = ()

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class ChunkingStrategy(Model):
    """How a file was cut into chunks."""

    __slots__ = ()

    type: Literal["static", "other"]
    static: StaticChunkingStrategy | None


class VectorStoreFileError(Model):
    """Why a file could not be read."""

    __slots__ = ()

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class VectorStoreFile(Resource):
    """A file in a vector store; ``id`` is the file's."""

    __slots__ = ()

    _shown = ("id", "vector_store_id", "status")

    id: str
    object: Literal["vector_store.file"]
    usage_bytes: int
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    last_error: VectorStoreFileError | None
    chunking_strategy: ChunkingStrategy | None
    attributes: dict[str, Any] | None


class VectorStoreFileDeleted(Resource):
    """The answer to taking a file out of a vector store."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["vector_store.file.deleted"]
    deleted: bool


class VectorStoreFileBatch(Resource):
    """Files that were put into a vector store together."""

    __slots__ = ()

    _shown = ("id", "vector_store_id", "status")

    id: str
    object: Literal["vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    file_counts: FileCounts


class FileContentResponse(Model):
    """A piece of what was read from a file in a vector store."""

    __slots__ = ()

    type: str | None
    text: str | None


class VectorStoreSearchContent(Model):
    """A piece of text that was found."""

    __slots__ = ()

    type: Literal["text"]
    text: str


class VectorStoreSearchResponse(Model):
    """A chunk that was found, with its score of 0 to 1."""

    __slots__ = ()

    file_id: str
    filename: str
    score: float
    attributes: dict[str, Any] | None
    content: ListView[VectorStoreSearchContent]
