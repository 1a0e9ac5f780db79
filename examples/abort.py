"""Ending a stream early: from a listener, by a signal for several streams, by leaving a loop."""

import _setup

from emitter_stream import AbortController, APIUserAbortError, AssistantStream, OpenAI

_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be verbose.")


def ask(question: str, controller: AbortController | None = None) -> AssistantStream:
    return client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": question}]},
        signal=controller.signal if controller else None,
    )


# A waiting method raises the error of an abort; `with stream:` does not.
stream = ask("What is a listener?")
stream.once("textDelta", lambda: stream.abort()).on("end", lambda: print("the end"))
try:
    stream.until_done()
except APIUserAbortError as error:
    print(error, stream.aborted)

# One controller for two streams. `abort` comes before `end`.
controller = AbortController()
with ask("What is a signal?", controller) as first, ask("And a slot?", controller) as second:
    for number, stream in enumerate((first, second), 1):
        stream.on("abort", lambda error, number=number: print(f"stream {number} was aborted"))
    first.emitted("textCreated")
    controller.abort()

# Leaving `for event in stream` early ends the request.
with ask("What is a loop?") as stream:
    for event in stream:
        if event.event == "thread.message.delta":
            break
print(stream)
