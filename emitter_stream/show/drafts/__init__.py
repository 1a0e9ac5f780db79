"""From the events of a recording to a timeline: one draft an API."""

from __future__ import annotations

from ...exceptions import OpenAIError
from ...recordings import Recording
from ..timeline import Timeline
from .assistants import AssistantDraft
from .base import Draft
from .chat import ChatDraft
from .responses import ResponseDraft

__all__ = ["draft_of"]


def draft_of(recording: Recording, timeline: Timeline) -> Draft:
    """Return what makes a timeline of a recording; ``OpenAIError`` for an API unknown here."""
    if recording.api == "assistants":
        return AssistantDraft(timeline, recording)
    if recording.api == "chat":
        return ChatDraft(timeline, recording)
    if recording.api == "responses":
        return ResponseDraft(timeline)
    raise OpenAIError(
        f"The recording {recording.path!r} is of the API {recording.api!r:.40}, which this "
        f"emitter_stream cannot show."
    )
