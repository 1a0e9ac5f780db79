"""The Node SDK's reference program over a model of yours: `Upstream` puts it behind the server.

    EMITTER_STREAM_UPSTREAM=http://localhost:11434/v1 EMITTER_STREAM_MODEL=qwen3:8b python any_model.py

Without the first the scripted model answers. The key, if one is needed, is EMITTER_STREAM_UPSTREAM_KEY,
or what the environment has for api.openai.com and Azure. The code that the model writes is run on
this machine, guarded against accidents only; leave `code_interpreter` out and it is not.
"""
# mypy: allow-untyped-defs

import os

from emitter_stream import OpenAI
from emitter_stream.server import LocalServer, Upstream

url = os.environ.get("EMITTER_STREAM_UPSTREAM")
model = Upstream(url, model=os.environ.get("EMITTER_STREAM_MODEL")) if url else None

with LocalServer(model=model, code_interpreter="local") as server:
    openai = OpenAI(base_url=server.base_url, api_key="any")
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

    run = (
        openai.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
        .on("textCreated", lambda text: print("\nassistant > ", end="", flush=True))
        .on("textDelta", lambda text_delta, snapshot: print(text_delta.value, end="", flush=True))
        .on(
            "toolCallCreated",
            lambda tool_call: print(f"\nassistant > {tool_call.type}\n\n", end=""),
        )
        .on("toolCallDelta", on_tool_call_delta)
    )
    run.until_done()
