"""The request bodies of files, uploads and vector stores; see `bodies`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from .bodies import BY_KIND, Body, Chunking, Id, Metadata, SomeText, Text, _tag
from .problems import ASIDE


class FileExpiry(Body):
    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class NewFile(Body):
    """The fields beside the file; `file` is its name."""

    file: str
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    expires_after: FileExpiry | None = None


class NewUpload(Body):
    filename: SomeText
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data"]
    bytes: Annotated[int, Field(ge=0)]
    mime_type: str
    expires_after: FileExpiry | None = None


class NewPart(Body):
    data: str


class CompleteUpload(Body):
    part_ids: Annotated[list[Id], Field(min_length=1)]
    md5: str | None = None


class StoreExpiry(Body):
    anchor: Literal["last_active_at"]
    days: Annotated[int, Field(ge=1, le=365)]


class Store(Body):
    file_ids: Annotated[list[Id], Field(max_length=500)] | None = None
    name: Text | None = None
    description: Text | None = None
    expires_after: StoreExpiry | None = None
    chunking_strategy: Chunking | None = None
    metadata: Metadata | None = None


class StoreUpdate(Body):
    name: Text | None = None
    expires_after: StoreExpiry | None = None
    metadata: Metadata | None = None


def _scalar(expected: str, *kinds: type, longest: int | None = None) -> AfterValidator:
    """Return a check that a value is of one of these types; `true` is no number."""

    def check(value: Any) -> Any:
        if type(value) not in kinds:
            raise PydanticCustomError("wrong_kind", "", {"expected": expected})
        if longest is not None and isinstance(value, str) and len(value) > longest:
            raise PydanticKnownError("string_too_long", {"max_length": longest})
        return value

    return AfterValidator(check)


_Attribute = Annotated[
    Any, _scalar("one of a string, number or boolean", str, int, float, bool, longest=512)
]
Attributes = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], _Attribute],
    Field(max_length=16),
]


class StoreFile(Body):
    file_id: Id
    chunking_strategy: Chunking | None = None
    attributes: Attributes | None = None


class StoreFileUpdate(Body):
    attributes: Attributes | None


class Batch(Body):
    file_ids: Annotated[list[Id], Field(min_length=1, max_length=2000)] | None = None
    files: Annotated[list[StoreFile], Field(min_length=1, max_length=2000)] | None = None
    chunking_strategy: Chunking | None = None
    attributes: Attributes | None = None

    @model_validator(mode="after")
    def _has_files(self) -> Batch:
        if self.file_ids is None and self.files is None:
            raise PydanticCustomError("missing_file_ids", "")
        return self


def _one_or_many(value: Any) -> str:
    return f"{ASIDE}an array" if isinstance(value, list) else f"{ASIDE}one"


_Wanted = Annotated[
    Annotated[
        list[Annotated[Any, _scalar("one of a string or number", str, int, float)]],
        _tag("an array"),
    ]
    | Annotated[
        Annotated[Any, _scalar("one of a string, number, boolean or array", str, int, float, bool)],
        _tag("one"),
    ],
    Discriminator(_one_or_many),
]


class Comparison(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: _Wanted


class Compound(Body):
    type: Literal["and", "or"]
    filters: list[Filter]


Filter = Annotated[
    Annotated[Comparison, _tag("eq")]
    | Annotated[Comparison, _tag("ne")]
    | Annotated[Comparison, _tag("gt")]
    | Annotated[Comparison, _tag("gte")]
    | Annotated[Comparison, _tag("lt")]
    | Annotated[Comparison, _tag("lte")]
    | Annotated[Comparison, _tag("in")]
    | Annotated[Comparison, _tag("nin")]
    | Annotated[Compound, _tag("and")]
    | Annotated[Compound, _tag("or")],
    BY_KIND,
]
Compound.model_rebuild()


class SearchRanking(Body):
    ranker: Literal["none", "auto", "default-2024-11-15", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] | None = None


Query = Annotated[
    Annotated[SomeText, _tag("a string")]
    | Annotated[Annotated[list[SomeText], Field(min_length=1, max_length=16)], _tag("an array")],
    BY_KIND,
]


class Search(Body):
    query: Query
    rewrite_query: bool | None = None
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    filters: Filter | None = None
    ranking_options: SearchRanking | None = None
