"""Messages, in pieces: what a stream says of a message between its creation and its end.

Everything but ``index`` and ``type`` is optional: a delta has only what is new.
"""

from __future__ import annotations

from typing import Literal

from .._model import ListView, Model
from .._variant import Variant
from .message import ImageDetail

__all__ = [
    "AnnotationDelta",
    "FileCitationDelta",
    "FileCitationDeltaAnnotation",
    "FilePathDelta",
    "FilePathDeltaAnnotation",
    "ImageFileDelta",
    "ImageFileDeltaBlock",
    "ImageURLDelta",
    "ImageURLDeltaBlock",
    "MessageContentDelta",
    "MessageDelta",
    "MessageDeltaEvent",
    "RefusalDeltaBlock",
    "TextDelta",
    "TextDeltaBlock",
]


class FileCitationDelta(Model):
    """The file that a citation points to."""

    __slots__ = ()

    file_id: str | None
    quote: str | None


class FilePathDelta(Model):
    """The file that was generated."""

    __slots__ = ()

    file_id: str | None


class AnnotationDelta(Model):
    """A piece of the annotation at ``index``; the API sends annotations whole."""

    __slots__ = ()

    index: int
    type: Literal["file_citation", "file_path"]
    text: str | None
    start_index: int | None
    end_index: int | None
    file_citation: FileCitationDelta | None
    file_path: FilePathDelta | None


class FileCitationDeltaAnnotation(AnnotationDelta, metaclass=Variant, type="file_citation"):
    """A piece of an annotation of type ``file_citation``."""


class FilePathDeltaAnnotation(AnnotationDelta, metaclass=Variant, type="file_path"):
    """A piece of an annotation of type ``file_path``."""


class TextDelta(Model):
    """A piece of a text: ``value`` goes at its end."""

    __slots__ = ()

    value: str | None
    annotations: ListView[AnnotationDelta] | None


class ImageFileDelta(Model):
    """An image made by the code interpreter; the API sends it whole."""

    __slots__ = ()

    file_id: str | None
    detail: ImageDetail | None


class ImageURLDelta(Model):
    """An image somewhere on the web."""

    __slots__ = ()

    url: str | None
    detail: ImageDetail | None


class MessageContentDelta(Model):
    """A piece of the message's block at ``index``."""

    __slots__ = ()

    index: int
    type: Literal["text", "image_file", "image_url", "refusal"]
    text: TextDelta | None
    image_file: ImageFileDelta | None
    image_url: ImageURLDelta | None
    refusal: str | None


class TextDeltaBlock(MessageContentDelta, metaclass=Variant, type="text"):
    """A piece of a block of type ``text``."""


class ImageFileDeltaBlock(MessageContentDelta, metaclass=Variant, type="image_file"):
    """A piece of a block of type ``image_file``."""


class ImageURLDeltaBlock(MessageContentDelta, metaclass=Variant, type="image_url"):
    """A piece of a block of type ``image_url``."""


class RefusalDeltaBlock(MessageContentDelta, metaclass=Variant, type="refusal"):
    """A piece of a block of type ``refusal``."""


class MessageDelta(Model):
    """What is new in a message."""

    __slots__ = ()

    role: Literal["user", "assistant"] | None
    content: ListView[MessageContentDelta] | None


class MessageDeltaEvent(Model):
    """The data of ``thread.message.delta``: the message's id and what is new in it."""

    __slots__ = ()

    id: str
    object: Literal["thread.message.delta"]
    delta: MessageDelta
