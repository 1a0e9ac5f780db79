"""The keyword arguments of the methods of files, uploads and vector stores: see ``_params``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from .._not_given import NotGiven
from ..http.form import FileInput
from ..types.files import FilePurpose
from ..types.params import ChunkingStrategyParam, Metadata
from ._params import CallOptions, ListParams

__all__ = [
    "AddFileParams",
    "BatchParams",
    "BatchUploadParams",
    "FileListParams",
    "FileParams",
    "PollOptions",
    "SearchParams",
    "StoreFileListParams",
    "StoreParams",
    "StoreUpdateParams",
    "UploadIntoParams",
    "UploadParams",
]

Attributes = Mapping[str, str | float | bool]
Progress = Callable[[int, int], object]


class _FileRequired(TypedDict):
    file: FileInput
    purpose: FilePurpose


class FileParams(_FileRequired, CallOptions, total=False):
    """What ``files.create`` takes."""

    expires_after: Mapping[str, Any] | NotGiven
    on_progress: Progress | None


class FileListParams(CallOptions, total=False):
    """What ``files.list`` takes."""

    after: str | NotGiven
    limit: int | NotGiven
    order: Literal["asc", "desc"] | NotGiven
    purpose: str | NotGiven


class _UploadRequired(TypedDict):
    bytes: int
    filename: str
    mime_type: str
    purpose: FilePurpose


class UploadParams(_UploadRequired, CallOptions, total=False):
    """What ``uploads.create`` takes."""

    expires_after: Mapping[str, Any] | NotGiven


class StoreUpdateParams(CallOptions, total=False):
    """What ``vector_stores.update`` takes."""

    expires_after: Mapping[str, Any] | NotGiven | None
    metadata: Metadata | NotGiven | None
    name: str | NotGiven | None


class StoreParams(StoreUpdateParams, total=False):
    """What ``vector_stores.create`` takes."""

    chunking_strategy: ChunkingStrategyParam | NotGiven
    description: str | NotGiven
    file_ids: Sequence[str] | NotGiven


class _SearchRequired(TypedDict):
    query: str | Sequence[str]


class SearchParams(_SearchRequired, CallOptions, total=False):
    """What ``vector_stores.search`` takes."""

    filters: Mapping[str, Any] | NotGiven
    max_num_results: int | NotGiven
    ranking_options: Mapping[str, Any] | NotGiven
    rewrite_query: bool | NotGiven


class PollOptions(CallOptions, total=False):
    """What ``poll`` takes."""

    poll_interval_ms: int | NotGiven
    max_wait_seconds: float | NotGiven


class AddFileParams(CallOptions, total=False):
    """What ``vector_stores.files.create`` takes beside the ids."""

    attributes: Attributes | NotGiven | None
    chunking_strategy: ChunkingStrategyParam | NotGiven


class _IntoRequired(TypedDict):
    vector_store_id: str
    file: FileInput


class UploadIntoParams(_IntoRequired, AddFileParams, total=False):
    """What ``vector_stores.files.upload`` takes."""

    on_progress: Progress | None


class StoreFileListParams(ListParams, total=False):
    """What lists of files in a store take."""

    filter: Literal["in_progress", "completed", "failed", "cancelled"] | NotGiven


class BatchParams(AddFileParams, total=False):
    """What ``vector_stores.file_batches.create`` takes."""

    file_ids: Sequence[str] | NotGiven
    files: Iterable[Mapping[str, Any]] | NotGiven


class _FilesRequired(TypedDict):
    files: Iterable[FileInput]


class BatchUploadParams(_FilesRequired, AddFileParams, total=False):
    """What ``vector_stores.file_batches.upload_and_poll`` takes."""

    file_ids: Sequence[str]
    max_concurrency: int
    on_progress: Callable[[FileInput, int, int], object] | None
