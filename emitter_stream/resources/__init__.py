"""The API's methods, grouped as in both official SDKs: ``client.beta.threads.runs.stream(...)``."""

from ._api import Api
from ._page import CursorPage
from .assistants import Assistants
from .beta import Beta
from .chat import Chat
from .files import Files, Uploads
from .messages import Messages
from .models import Models
from .responses import Responses
from .runs import Runs
from .steps import Steps
from .threads import Threads
from .vector_stores import VectorStores

__all__ = [
    "Api",
    "Assistants",
    "Beta",
    "Chat",
    "CursorPage",
    "Files",
    "Messages",
    "Models",
    "Responses",
    "Runs",
    "Steps",
    "Threads",
    "Uploads",
    "VectorStores",
]
