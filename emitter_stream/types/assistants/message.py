"""Messages, whole.

Parts that only one variant has (``MessageContent.text``) are declared as always there, because the
variant's ``type`` implies them and testing each for ``None`` would help nobody. On another variant
they read as ``None``, as they read as undefined in Node.
"""

from __future__ import annotations

from typing import Literal

from .._model import ListView, Model
from .._resource import Resource
from .._variant import Variant
from .shared import Tool

__all__ = [
    "Annotation",
    "Attachment",
    "FileCitation",
    "FileCitationAnnotation",
    "FilePath",
    "FilePathAnnotation",
    "ImageDetail",
    "ImageFile",
    "ImageFileContentBlock",
    "ImageURL",
    "ImageURLContentBlock",
    "Message",
    "MessageContent",
    "MessageDeleted",
    "MessageIncompleteDetails",
    "RefusalContentBlock",
    "Text",
    "TextContentBlock",
]

ImageDetail = Literal["auto", "low", "high"]


class FileCitation(Model):
    """The file that a citation points to."""

    __slots__ = ()

    file_id: str
    quote: str | None


class FilePath(Model):
    """The file that was generated."""

    __slots__ = ()

    file_id: str


class Annotation(Model):
    """A mark in a text, over ``start_index`` to ``end_index``: a cited or a generated file.

    ``text`` is what stands in the text there, which a program usually replaces.
    """

    __slots__ = ()

    type: Literal["file_citation", "file_path"]
    text: str
    start_index: int
    end_index: int
    file_citation: FileCitation
    file_path: FilePath


class FileCitationAnnotation(Annotation, metaclass=Variant, type="file_citation"):
    """An annotation of type ``file_citation``."""


class FilePathAnnotation(Annotation, metaclass=Variant, type="file_path"):
    """An annotation of type ``file_path``."""


class Text(Model):
    """A text and the marks in it."""

    __slots__ = ()

    value: str
    annotations: ListView[Annotation]


class ImageFile(Model):
    """An image that was uploaded or made by the code interpreter."""

    __slots__ = ()

    file_id: str
    detail: ImageDetail | None


class ImageURL(Model):
    """An image somewhere on the web; only in messages of users."""

    __slots__ = ()

    url: str
    detail: ImageDetail | None


class MessageContent(Model):
    """One block of a message: a text, an image or a refusal."""

    __slots__ = ()

    type: Literal["text", "image_file", "image_url", "refusal"]
    text: Text
    image_file: ImageFile
    image_url: ImageURL
    refusal: str


class TextContentBlock(MessageContent, metaclass=Variant, type="text"):
    """A block of type ``text``."""


class ImageFileContentBlock(MessageContent, metaclass=Variant, type="image_file"):
    """A block of type ``image_file``."""


class ImageURLContentBlock(MessageContent, metaclass=Variant, type="image_url"):
    """A block of type ``image_url``."""


class RefusalContentBlock(MessageContent, metaclass=Variant, type="refusal"):
    """A block of type ``refusal``."""


class Attachment(Model):
    """A file that belongs to a message, and the tools that can read it."""

    __slots__ = ()

    file_id: str | None
    tools: ListView[Tool] | None


class MessageIncompleteDetails(Model):
    """Why a message is not whole."""

    __slots__ = ()

    reason: Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"]


class Message(Resource):
    """A message of a thread. Times are in seconds since 1970."""

    __slots__ = ()

    _shown = ("id", "role", "status", "content")

    id: str
    object: Literal["thread.message"]
    created_at: int
    thread_id: str
    status: Literal["in_progress", "incomplete", "completed"]
    incomplete_details: MessageIncompleteDetails | None
    completed_at: int | None
    incomplete_at: int | None
    role: Literal["user", "assistant"]
    content: ListView[MessageContent]
    assistant_id: str | None
    run_id: str | None
    attachments: ListView[Attachment] | None
    metadata: dict[str, str] | None


class MessageDeleted(Resource):
    """The answer to the deletion of a message."""

    __slots__ = ()

    _shown = ("id", "deleted")

    id: str
    object: Literal["thread.message.deleted"]
    deleted: bool
