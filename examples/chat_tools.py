"""Function calls: a chat completion that goes on until the model calls no more functions."""

import _setup

from emitter_stream import OpenAI


def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    return f"18 degrees and dry in {city}"


_setup.use_embedded_server()
openai = OpenAI()

runner = (
    openai.chat.completions.run_tools(
        model="gpt-4o",
        stream=True,
        messages=[{"role": "user", "content": "What is the weather in Oslo and Lima?"}],
        tools=[get_weather],
    )
    .on("functionToolCall", lambda call: print("calling", call.name, call.arguments))
    .on("functionToolCallResult", lambda result: print("->", result))
    .on("content", lambda delta, snapshot: print(delta, end="", flush=True))
)

runner.done()
print(f"\n{len(runner.all_chat_completions())} completions")

# Node:
#
# import OpenAI from 'openai';
#
# const get_weather = ({ city }) => `18 degrees and dry in ${city}`;
# const description = 'Get the current weather in a city.';
# const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
#
# const openai = new OpenAI();
#
# const runner = openai.chat.completions
#   .runTools({
#     model: 'gpt-4o',
#     stream: true,
#     messages: [{ role: 'user', content: 'What is the weather in Oslo and Lima?' }],
#     tools: [{ type: 'function',
#       function: { function: get_weather, parse: JSON.parse, description, parameters } }],
#   })
#   .on('functionToolCall', (call) => console.log('calling', call.name, call.arguments))
#   .on('functionToolCallResult', (result) => console.log('->', result))
#   .on('content', (delta, snapshot) => process.stdout.write(delta));
#
# await runner.done();
# console.log(`\n${runner.allChatCompletions().length} completions`);
