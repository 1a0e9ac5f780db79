"""The same client and streams for asyncio.

from emitter_stream.aio import AsyncOpenAI

async with AsyncOpenAI() as client:
    run = client.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
    run.on("textDelta", lambda delta: websocket.send_text(delta.value))
    print(await run.final_messages())
"""

from ._client import AsyncOpenAI
from ._event_handler import AsyncAssistantEventHandler, AsyncAssistantStreamManager
from ._page import AsyncCursorPage, AsyncPaginator
from ._stream import AsyncAssistantStream, AsyncEventIterator

__all__ = [
    "AsyncAssistantEventHandler",
    "AsyncAssistantStream",
    "AsyncAssistantStreamManager",
    "AsyncCursorPage",
    "AsyncEventIterator",
    "AsyncOpenAI",
    "AsyncPaginator",
]
