# %% Listeners print into the cell that waits for them
from emitter_stream import OpenAI

client = OpenAI()
stream = client.responses.stream(model="gpt-4o", input="What is a cell?", inline=True)
stream.on("response.output_text.delta", lambda event: print(event.delta, end=""))
stream.until_done()  # the stop button ends the stream

# %% A notebook has an event loop, so `await` works as it is
from emitter_stream.aio import AsyncOpenAI

async_client = AsyncOpenAI()
stream = async_client.responses.stream(model="gpt-4o", input="What is a kernel?")
stream.on("response.output_text.delta", lambda event: print(event.delta, end=""))
response = await stream.final_response()

# %% The stream has ended; what it gave is there
print(response.status)
