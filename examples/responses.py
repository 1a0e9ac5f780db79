"""Responses: a listener for each event by its name, and a second one that builds on the first."""

import _setup

from emitter_stream import OpenAI

_setup.use_embedded_server()
openai = OpenAI()

first = (
    openai.responses.stream(model="gpt-4o", input="What is a listener?")
    .on("response.created", lambda event: print("status:", event.response.status))
    .on("response.output_text.delta", lambda event: print(event.delta, end="", flush=True))
    .on("response.output_text.done", lambda event: print())
    .final_response()
)
print("status:", first.status)

second = (
    openai.responses.stream(model="gpt-4o", input="And an emitter?", previous_response_id=first.id)
    .on("response.output_text.delta", lambda event: print(event.delta, end="", flush=True))
    .final_response()
)
print(f"\n{len(second.output_text)} characters")

# Node:
#
# import OpenAI from 'openai';
#
# const openai = new OpenAI();
#
# const first = await openai.responses
#   .stream({ model: 'gpt-4o', input: 'What is a listener?' })
#   .on('response.created', (event) => console.log('status:', event.response.status))
#   .on('response.output_text.delta', (event) => process.stdout.write(event.delta))
#   .on('response.output_text.done', (event) => console.log())
#   .finalResponse();
# console.log('status:', first.status);
#
# const second = await openai.responses
#   .stream({ model: 'gpt-4o', input: 'And an emitter?', previous_response_id: first.id })
#   .on('response.output_text.delta', (event) => process.stdout.write(event.delta))
#   .finalResponse();
# console.log(`\n${second.output_text.length} characters`);
