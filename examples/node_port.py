"""The Node SDK's example of a streamed run, line for line."""
# mypy: allow-untyped-defs

import _setup

from emitter_stream import OpenAI

_setup.use_embedded_server()
openai = OpenAI()

assistant = openai.beta.assistants.create(
    name="Math Tutor",
    instructions="You are a personal math tutor. Write and run code to answer math questions. "
    "Please address the user as Jane Doe. The user has a premium account.",
    tools=[{"type": "code_interpreter"}],
    model="gpt-4o",
)
thread = openai.beta.threads.create()
message = openai.beta.threads.messages.create(
    thread.id,
    role="user",
    content="I need to solve the equation `3x + 11 = 14`. Can you help me?",
)


def on_tool_call_delta(tool_call_delta, snapshot):
    if tool_call_delta.type == "code_interpreter":
        if tool_call_delta.code_interpreter.input:
            print(tool_call_delta.code_interpreter.input, end="", flush=True)
        if tool_call_delta.code_interpreter.outputs:
            print("\noutput >\n", end="", flush=True)
            for output in tool_call_delta.code_interpreter.outputs:
                if output.type == "logs":
                    print(f"\n{output.logs}\n", end="", flush=True)


# We use the stream SDK helper to create a run with
# streaming. The SDK provides helpful event listeners to handle
# the streamed response.

run = (
    openai.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
    .on("textCreated", lambda text: print("\nassistant > ", end="", flush=True))
    .on("textDelta", lambda text_delta, snapshot: print(text_delta.value, end="", flush=True))
    .on("toolCallCreated", lambda tool_call: print(f"\nassistant > {tool_call.type}\n\n", end=""))
    .on("toolCallDelta", on_tool_call_delta)
)
