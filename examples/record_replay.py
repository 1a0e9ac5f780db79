"""A run is recorded, replayed at another pace, drawn as a page, and takes a server's place in a test."""

import tempfile
from pathlib import Path

import _setup

from emitter_stream import AssistantStream, OpenAI
from emitter_stream.recordings import Recording
from emitter_stream.show import Timeline
from emitter_stream.show.html import page
from emitter_stream.testing import record, replay_client

_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(
    model="gpt-4o", tools=[{"type": "code_interpreter"}], instructions="Be brief."
)
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "Please solve the equation 3x + 11 = 14."}]
)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "run.jsonl"

# Every event goes to the file as it is received, with its time.
stream = client.beta.threads.runs.stream(thread.id, assistant_id=assistant.id).record(path)
print("live:", stream.final_messages()[0].content[0].text.value)

# A replay is a stream like any other: listeners, waits, iterators, abort. Here: five times as fast.
again = AssistantStream.replay(path, speed=5)
again.on("toolCallCreated", lambda call: print("replay: uses", call.type))
print("replay:", "".join(again.text_deltas))

# A picture of it: what the command `emitter-stream show` draws.
timeline = Timeline.of(Recording.load(path))
print(f"{timeline.events} events, {len(timeline.calls)} tool call, {timeline.status}")
Path(folder.name, "run.html").write_text(page(timeline), encoding="utf-8")


def answer(client: OpenAI) -> str:
    """Stand for the program that is to be tested."""
    stream = client.beta.threads.runs.stream("thread_1", assistant_id="asst_1")
    return stream.final_messages()[0].content[0].text.value


# In a test: a client whose streams are recordings, and a list of all that listeners are called with.
assert answer(replay_client(path)) == "".join(AssistantStream.replay(path, None).text_deltas)
calls = record(stream := AssistantStream.replay(path, speed=None))
stream.until_done()
print(f"{len(calls)} calls, from {calls[0][0]} to {calls[-1][0]}")
folder.cleanup()
