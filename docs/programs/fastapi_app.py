"""An answer as server-sent events, with FastAPI: `uvicorn fastapi_app:app`."""

import json
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from emitter_stream.aio import AsyncOpenAI

client = AsyncOpenAI()


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


@app.get("/ask")
async def ask(q: str) -> StreamingResponse:
    async def events():
        # `async with`: a browser that goes away cancels this, and the request ends at once.
        async with client.responses.stream(model="gpt-4o", input=q) as stream:
            async for (event,) in stream.events("response.output_text.delta"):
                yield f"data: {json.dumps(event.delta)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
