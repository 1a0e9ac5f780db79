"""Any server that speaks the API: Ollama, vLLM, llama.cpp, LM Studio, or the embedded one.

OPENAI_BASE_URL=http://localhost:11434/v1 python examples/local_model.py "Why is the sky blue?"
"""

import os
import sys

import _setup

from emitter_stream import OpenAI

_setup.use_embedded_server()
openai = OpenAI(api_key=os.environ.get("OPENAI_API_KEY", "none"))
question = sys.argv[1] if len(sys.argv) > 1 else "Who are you?"

model = next(iter(openai.models.list())).id
print("model:", model)

stream = openai.chat.completions.stream(
    model=model, messages=[{"role": "user", "content": question}]
).on("content", lambda delta, snapshot: print(delta, end="", flush=True))

print("\nended by:", stream.final_chat_completion().choices[0].finish_reason)
# What such servers leave out or send otherwise, and this package has put right (Node has no such).
print("repairs:", dict(stream.repairs))

# Node:
#
# import OpenAI from 'openai';
#
# const openai = new OpenAI({ apiKey: process.env.OPENAI_API_KEY ?? 'none' });
# const question = process.argv[2] ?? 'Who are you?';
#
# const model = (await openai.models.list()).data[0].id;
# console.log('model:', model);
#
# const stream = openai.chat.completions
#   .stream({ model, messages: [{ role: 'user', content: question }] })
#   .on('content', (delta, snapshot) => process.stdout.write(delta));
#
# console.log('\nended by:', (await stream.finalChatCompletion()).choices[0].finish_reason);
