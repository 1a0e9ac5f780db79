"""The three ways to iterate over a stream, instead of listeners or beside them."""

from collections import Counter

import _setup

from emitter_stream import AssistantStream, OpenAI

_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be brief.")


def ask(question: str) -> AssistantStream:
    return client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": question}]}
    )


# Every event, as the API sends it.
counts = Counter(event.event for event in ask("What is an event?"))
for name, count in counts.items():
    print(f"{count:4} {name}")

# The arguments of one event's listeners, always as a tuple.
for delta, snapshot in ask("What is a tuple?").events("textDelta"):
    print(f"{len(snapshot.value):4} {delta.value!r}")

# Only the text. Listeners are called all the same, on the stream's thread, which may be ahead of us.
stream = ask("What is text?").on("textCreated", lambda text: print("assistant > ", end=""))
for piece in stream.text_deltas:
    print(piece, end="", flush=True)
print(f"\n{stream.final_run().status}")
