"""The same client and streams for asyncio.

from emitter_stream.aio import AsyncOpenAI

async with AsyncOpenAI() as client:
    run = client.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
    run.on("textDelta", lambda delta: websocket.send_text(delta.value))
    print(await run.final_messages())
"""

from ..engine.loop.iterator import AsyncEventIterator
from ..streams.assistants.aio_handler import AsyncAssistantEventHandler, AsyncAssistantStreamManager
from ..streams.assistants.aio_stream import AsyncAssistantStream
from ..streams.chat.aio_stream import (
    AsyncChatCompletionRunner,
    AsyncChatCompletionStream,
    AsyncChatCompletionStreamingRunner,
)
from ..streams.responses.aio_stream import AsyncResponseStream
from .azure import AsyncAzureOpenAI
from .client import AsyncOpenAI
from .pages import AsyncCursorPage, AsyncPaginator
from .plain import AsyncStream

__all__ = [
    "AsyncAssistantEventHandler",
    "AsyncAssistantStream",
    "AsyncAssistantStreamManager",
    "AsyncAzureOpenAI",
    "AsyncChatCompletionRunner",
    "AsyncChatCompletionStream",
    "AsyncChatCompletionStreamingRunner",
    "AsyncCursorPage",
    "AsyncEventIterator",
    "AsyncOpenAI",
    "AsyncPaginator",
    "AsyncResponseStream",
    "AsyncStream",
]
