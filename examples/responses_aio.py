"""Responses on an event loop: coroutine listeners, and two answers side by side."""

import asyncio

import _setup

from emitter_stream.aio import AsyncOpenAI
from emitter_stream.types.responses import ResponseTextDeltaEvent

_setup.use_embedded_server()


async def main() -> None:
    async with AsyncOpenAI() as openai:

        async def ask(question: str) -> str:
            answer = await openai.responses.stream(model="gpt-4o", input=question).final_response()
            return answer.output_text

        async def show(event: ResponseTextDeltaEvent) -> None:
            print(event.delta, end="", flush=True)
            await asyncio.sleep(0)  # the next event waits for this listener

        stream = openai.responses.stream(model="gpt-4o", input="What is a loop?")
        response = await stream.on("response.output_text.delta", show).final_response()
        print("\nstatus:", response.status)
        for answer in await asyncio.gather(ask("One?"), ask("Two?")):
            print(answer)


asyncio.run(main())

# Node:
#
# import OpenAI from 'openai';
#
# const openai = new OpenAI();
#
# async function ask(question) {
#   const answer = await openai.responses
#     .stream({ model: 'gpt-4o', input: question }).finalResponse();
#   return answer.output_text;
# }
#
# const stream = openai.responses.stream({ model: 'gpt-4o', input: 'What is a loop?' });
# stream.on('response.output_text.delta', (event) => process.stdout.write(event.delta));
# const response = await stream.finalResponse();
# console.log('\nstatus:', response.status);
# for (const answer of await Promise.all([ask('One?'), ask('Two?')])) console.log(answer);
