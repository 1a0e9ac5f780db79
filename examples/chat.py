"""A chat completion, heard by listeners."""

import _setup

from emitter_stream import OpenAI

_setup.use_embedded_server()
openai = OpenAI()

stream = (
    openai.chat.completions.stream(
        model="gpt-4o",
        messages=[{"role": "user", "content": "What is a stream?"}],
        stream_options={"include_usage": True},
    )
    .on("content", lambda delta, snapshot: print(delta, end="", flush=True))
    .on("content.done", lambda done: print(f"\n{len(done.content)} characters"))
)

completion = stream.final_chat_completion()
print(completion.choices[0].finish_reason)
print(f"{stream.total_usage().total_tokens} tokens")

# Node:
#
# import OpenAI from 'openai';
#
# const openai = new OpenAI();
#
# const stream = openai.chat.completions
#   .stream({
#     model: 'gpt-4o',
#     messages: [{ role: 'user', content: 'What is a stream?' }],
#     stream_options: { include_usage: true },
#   })
#   .on('content', (delta, snapshot) => process.stdout.write(delta))
#   .on('content.done', (done) => console.log(`\n${done.content.length} characters`));
#
# const completion = await stream.finalChatCompletion();
# console.log(completion.choices[0].finish_reason);
# console.log(`${(await stream.totalUsage()).total_tokens} tokens`);
