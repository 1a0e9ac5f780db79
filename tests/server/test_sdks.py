"""The official SDKs against the embedded server: it must not mirror this library's mistakes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import openai
import pytest
from openai import AssistantEventHandler
from server_helpers import BOTH, EQUATION, PATIENCE, RAIN, WEATHER, Process, Raw
from typing_extensions import override

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

JANE = "Please address the user as Jane Doe. The user has a premium account."


def test_reference_program(client):
    """The Python reference program shows tool call, code, output and an answer to Jane Doe."""

    class EventHandler(AssistantEventHandler):
        @override
        def on_text_created(self, text) -> None:
            print("\nassistant > ", end="", flush=True)

        @override
        def on_text_delta(self, delta, snapshot):
            print(delta.value, end="", flush=True)

        def on_tool_call_created(self, tool_call):
            print(f"\nassistant > {tool_call.type}\n", flush=True)

        def on_tool_call_delta(self, delta, snapshot):
            if delta.type == "code_interpreter":
                if delta.code_interpreter.input:
                    print(delta.code_interpreter.input, end="", flush=True)
                if delta.code_interpreter.outputs:
                    print("\n\noutput >", flush=True)
                    for output in delta.code_interpreter.outputs:
                        if output.type == "logs":
                            print(f"\n{output.logs}", flush=True)

    assistant = client.beta.assistants.create(
        name="Math Tutor", model="gpt-4o", tools=[{"type": "code_interpreter"}]
    )
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content=EQUATION)
    shown = io.StringIO()
    with (
        redirect_stdout(shown),
        client.beta.threads.runs.stream(
            thread_id=thread.id,
            assistant_id=assistant.id,
            instructions=JANE,
            event_handler=EventHandler(),
        ) as stream,
    ):
        stream.until_done()
    tool, rest = shown.getvalue().split("\n\noutput >\n", 1)
    assert tool.startswith("\nassistant > code_interpreter\n\nfrom fractions import Fraction\n")
    assert rest == (
        "\nx = 1\n\n\nassistant > Of course, Jane Doe. The solution of 3x + 11 = 14 is: x = 1."
    )
    assert stream.get_final_run().status == "completed"
    assert [step.type for step in stream.get_final_run_steps()] == [
        "tool_calls",
        "message_creation",
    ]
    assert len(stream.get_final_messages()) == 1


def test_functions_by_stream(client):
    """submit_tool_outputs_stream goes on with the run; two calls were made side by side."""
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[WEATHER, RAIN])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": BOTH}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
        run = stream.current_run
    calls = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": call.function.name + "!"} for call in calls]
    assert len(outputs) == 2
    with client.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs
    ) as stream:
        text = "".join(stream.text_deltas)
    assert "get_current_temperature!" in text and "get_rain_probability!" in text


def test_functions_by_poll(client):
    """create_and_poll stops at requires_action; submit_tool_outputs_and_poll ends the run."""
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[WEATHER])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "How warm is it in Oslo? temperature"}]},
        poll_interval_ms=1,
    )
    assert run.status == "requires_action"
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert json.loads(call.function.arguments)["location"] == "Oslo"
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "-3"}],
        poll_interval_ms=1,
    )
    assert run.status == "completed" and run.usage.total_tokens > 0


def test_all_other_methods(start):
    """Every method of assistants, threads, messages, runs and steps gets what it expects."""
    with openai.OpenAI(base_url=start().base_url, api_key="any") as client:
        use_all_methods(client.beta)


def use_all_methods(beta):
    made = [beta.assistants.create(model="gpt-4o", name=f"n{i}") for i in range(5)]
    listed = [a.id for a in beta.assistants.list(limit=2)]  # three pages
    assert listed == [a.id for a in reversed(made)]
    assistant = beta.assistants.update(made[0].id, name="new", metadata={"a": "b"})
    assert beta.assistants.retrieve(assistant.id) == assistant
    assert assistant.name == "new"
    assert beta.assistants.delete(made[1].id).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        beta.assistants.retrieve(made[1].id)
    assert caught.value.request_id.startswith("req_")

    thread = beta.threads.create(metadata={"x": "y"})
    assert beta.threads.retrieve(thread.id) == thread
    assert beta.threads.update(thread.id, metadata={"x": "z"}).metadata == {"x": "z"}
    message = beta.threads.messages.create(thread.id, role="user", content="Hello")
    assert beta.threads.messages.retrieve(message.id, thread_id=thread.id) == message
    update = beta.threads.messages.update(message.id, thread_id=thread.id, metadata={"m": "1"})
    assert update.metadata == {"m": "1"}
    run = beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=1
    )
    assert run.status == "completed"
    assert beta.threads.runs.retrieve(run.id, thread_id=thread.id) == run
    assert beta.threads.runs.update(run.id, thread_id=thread.id, metadata={}).metadata == {}
    assert [r.id for r in beta.threads.runs.list(thread.id)] == [run.id]
    (step,) = beta.threads.runs.steps.list(run.id, thread_id=thread.id)
    found = beta.threads.runs.steps.retrieve(step.id, thread_id=thread.id, run_id=run.id)
    assert found == step
    assert len(list(beta.threads.messages.list(thread.id, run_id=run.id))) == 1
    assert beta.threads.messages.delete(message.id, thread_id=thread.id).deleted
    with pytest.raises(openai.BadRequestError):
        beta.threads.runs.cancel(run.id, thread_id=thread.id)
    events = beta.threads.create_and_run(assistant_id=assistant.id, stream=True)
    assert next(iter(events)).event == "thread.created"
    assert beta.threads.delete(thread.id).deleted


def test_conversation(client):
    """A later answer refers to what was said before, and a name given earlier is used."""
    assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be kind.")
    thread = client.beta.threads.create()
    for text in ("My name is Ada Lovelace.", "What is an engine?"):
        client.beta.threads.messages.create(thread.id, role="user", content=text)
        client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=1
        )
    answer = client.beta.threads.messages.list(thread.id).data[0].content[0].text.value
    for part in ("Ada Lovelace!", "What is an engine?", "My name is Ada Lovelace", "Be kind"):
        assert part in answer


MODULES = os.environ.get("EMITTER_STREAM_NODE_MODULES", "")
NODE = next(
    (str(p) for p in [Path(MODULES, ".bin", "node")] if MODULES and p.exists()),
    shutil.which("node"),
)
NODE_PROGRAM = """
const OpenAI = require('openai').OpenAI ?? require('openai');
const openai = new OpenAI({ apiKey: 'any', baseURL: process.argv[1] });
const [question, both, tools] = JSON.parse(process.argv[2]);
const say = (text) => process.stdout.write(text);
const follow = (run) => run
  .on('textCreated', () => say('\\nassistant > '))
  .on('textDelta', (delta) => say(delta.value))
  .on('toolCallCreated', (call) => say(`\\nassistant > ${call.type}\\n\\n`))
  .on('toolCallDelta', (delta) => {
    if (delta.type !== 'code_interpreter') return;
    if (delta.code_interpreter.input) say(delta.code_interpreter.input);
    for (const output of delta.code_interpreter.outputs ?? []) say(`\\noutput > ${output.logs}`);
  });
(async () => {
  const { assistants, threads } = openai.beta;
  const tutor = await assistants.create({ model: 'm', tools: [{ type: 'code_interpreter' }] });
  const one = await threads.create({ messages: [{ role: 'user', content: question }] });
  const run = follow(threads.runs.stream(one.id, {
    assistant_id: tutor.id, instructions: 'Please address the user as Jane Doe.',
  }));
  say(`\\n${(await run.finalRun()).status}\\n`);
  const caller = await assistants.create({ model: 'm', tools });
  const first = threads.createAndRunStream({
    assistant_id: caller.id, thread: { messages: [{ role: 'user', content: both }] },
  });
  const waiting = await first.finalRun();
  const calls = waiting.required_action.submit_tool_outputs.tool_calls;
  const second = follow(threads.runs.submitToolOutputsStream(waiting.id, {
    thread_id: waiting.thread_id,
    tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: call.function.name })),
  }));
  say(`\\n${(await second.finalRun()).status} ${calls.length}\\n`);
  let seen = 0;
  for await (const message of threads.messages.list(one.id, { limit: 1 })) seen += 1;
  const gone = await threads.retrieve('thread_none').catch((error) => error.status);
  say(`${seen} ${gone}\\n`);
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(
    NODE is None or not Path(MODULES or "none", "openai").is_dir(),
    reason="node, or the npm package openai in EMITTER_STREAM_NODE_MODULES, is missing",
)
def test_node_package(server):
    """The Node package streams, calls functions, lists pages and reads errors."""
    given = json.dumps([EQUATION, BOTH, [WEATHER, RAIN]])
    done = subprocess.run(
        [NODE, "-e", NODE_PROGRAM, server.base_url, given],
        env={**os.environ, "NODE_PATH": MODULES, "NODE_NO_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "assistant > code_interpreter\n\nfrom fractions import Fraction" in done.stdout
    assert "\noutput > x = 1\n" in done.stdout
    assert "Of course, Jane Doe. The solution of 3x + 11 = 14 is: x = 1.\ncompleted" in done.stdout
    assert "get_rain_probability says: get_rain_probability.\ncompleted 2\n" in done.stdout
    assert done.stdout.endswith("2 404\n")


def test_served_process(tmp_path):
    """The reference question works against `emitter-stream serve` with a file, too."""
    with Process("--db", str(tmp_path / "a.db"), "--tokens-per-second", "0") as process:
        events = Raw(process.base_url).run(EQUATION, [{"type": "code_interpreter"}]).events()
        assert events[-2][0] == "thread.run.completed"
