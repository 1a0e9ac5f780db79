"""The client against the embedded server, beside the official SDK doing the same."""

from __future__ import annotations

import openai
import pytest
from left_behind import collect_garbage

from emitter_stream import (
    AssistantEventHandler,
    AssistantStream,
    BadRequestError,
    NotFoundError,
    OpenAI,
    types,
)
from emitter_stream.server import LocalServer

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

EQUATION = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def server():
    """One server for all: each test makes its own objects."""
    with LocalServer() as server:
        yield server
    collect_garbage()


@pytest.fixture(scope="module")
def ours(server):
    """This library's client."""
    with OpenAI("any", base_url=server.base_url) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(server):
    """The official SDK's client."""
    with openai.OpenAI(api_key="any", base_url=server.base_url) as client:
        yield client


@pytest.fixture(params=["ours", "theirs"])
def either(request):
    """Each of the two, for what both must do alike."""
    return request.getfixturevalue(request.param)


def conversation(client, text=EQUATION, **assistant):
    """Make an assistant and a thread with one message."""
    assistant = client.beta.assistants.create(model="gpt-4o", **assistant)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text}])
    return assistant, thread


def test_assistants(either):
    """Created, changed, read, listed and deleted."""
    assistants = either.beta.assistants
    made = assistants.create(
        model="gpt-4o",
        name="Math Tutor",
        instructions="Be kind.",
        tools=[{"type": "code_interpreter"}, WEATHER],
        metadata={"k": "v"},
        temperature=0.5,
    )
    assert made.tools[1].function.name == "get_weather"
    changed = assistants.update(made.id, name=None, tools=made.tools[:1], metadata={"k": "w"})
    assert (changed.name, changed.instructions) == (None, "Be kind.")
    assert len(changed.tools) == 1
    assert assistants.retrieve(made.id).metadata == {"k": "w"}
    assert made.id in [assistant.id for assistant in assistants.list()]
    assert assistants.delete(made.id).deleted is True


def test_threads_and_messages(either):
    """Created, changed, read, listed and deleted."""
    threads = either.beta.threads
    thread = threads.create(metadata={"k": "v"})
    assert threads.update(thread.id, metadata={"k": "w"}).metadata == {"k": "w"}
    message = threads.messages.create(
        thread.id, role="user", content=[{"type": "text", "text": "hello"}]
    )
    assert message.content[0].text.value == "hello"
    messages = threads.messages
    assert messages.update(message.id, thread_id=thread.id, metadata={"a": "b"}).metadata
    assert messages.retrieve(message.id, thread_id=thread.id).metadata == {"a": "b"}
    assert [each.id for each in messages.list(thread.id)] == [message.id]
    assert messages.delete(message.id, thread_id=thread.id).id == message.id
    assert list(messages.list(thread.id)) == []
    assert threads.delete(thread.id).deleted is True


def test_a_run_is_polled_to_its_end(either):
    """create_and_poll, then the run's steps and messages."""
    assistant, thread = conversation(either, tools=[{"type": "code_interpreter"}])
    runs = either.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5)
    assert run.status == "completed"
    assert run.usage.total_tokens > 0
    steps = list(runs.steps.list(run.id, thread_id=thread.id, order="asc"))
    assert [step.type for step in steps] == ["tool_calls", "message_creation"]
    call = runs.steps.retrieve(
        steps[0].id, thread_id=thread.id, run_id=run.id
    ).step_details.tool_calls[0]
    assert call.code_interpreter.outputs[0].logs.strip() == "x = 1"
    (message,) = either.beta.threads.messages.list(thread.id, run_id=run.id)
    assert "x = 1" in message.content[0].text.value


def test_tool_outputs_are_submitted_and_polled(either):
    """A run that requires action goes on with the outputs."""
    assistant, thread = conversation(either, "What is the weather in Paris?", tools=[WEATHER])
    runs = either.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5)
    assert run.status == "requires_action"
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    done = runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": call.id, "output": "19 degrees"}],
        poll_interval_ms=5,
    )
    assert done.status == "completed"


def test_a_run_that_waits_can_be_cancelled_and_changed(either):
    """update and cancel of a run, and the list of a thread's runs."""
    assistant, thread = conversation(either, "What is the weather in Paris?", tools=[WEATHER])
    runs = either.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5)
    assert runs.update(run.id, thread_id=thread.id, metadata={"k": "v"}).metadata == {"k": "v"}
    assert runs.cancel(run.id, thread_id=thread.id).status in ("cancelling", "cancelled")
    assert runs.poll(run.id, thread.id, poll_interval_ms=5).status == "cancelled"
    assert [each.id for each in runs.list(thread.id)] == [run.id]


def test_create_and_run_poll(either):
    """A thread and a run on it in one request."""
    assistant = either.beta.assistants.create(model="gpt-4o")
    run = either.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "hello"}]},
        poll_interval_ms=5,
    )
    assert run.status == "completed"
    assert len(list(either.beta.threads.messages.list(run.thread_id))) == 2


def test_lists_go_through_all_pages(either):
    """In both orders, with small pages, from a cursor on."""
    texts = [f"message {number}" for number in range(7)]
    thread = either.beta.threads.create(
        messages=[{"role": "user", "content": text} for text in texts]
    )
    messages = either.beta.threads.messages

    def read(**query):
        page = messages.list(thread.id, limit=3, **query)
        return [message.content[0].text.value for message in page]

    assert read(order="asc") == texts
    assert read() == texts[::-1]
    third = messages.list(thread.id, order="asc", limit=3).data[2]
    assert read(order="asc", after=third.id) == texts[3:]
    first = messages.list(thread.id, limit=3)
    assert first.has_next_page()
    assert [len(page.data) for page in first.iter_pages()] == [3, 3, 1]


def test_both_read_the_same(ours, theirs):
    """What one client made, the other reads field by field the same."""
    assistant, thread = conversation(ours, tools=[{"type": "code_interpreter"}, WEATHER])
    run = ours.beta.threads.runs.create_and_poll(
        thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    pairs = [
        (
            ours.beta.assistants.retrieve(assistant.id),
            theirs.beta.assistants.retrieve(assistant.id),
        ),
        (ours.beta.threads.retrieve(thread.id), theirs.beta.threads.retrieve(thread.id)),
        (
            ours.beta.threads.runs.retrieve(run.id, thread_id=thread.id),
            theirs.beta.threads.runs.retrieve(run.id, thread_id=thread.id),
        ),
        *zip(
            ours.beta.threads.messages.list(thread.id),
            theirs.beta.threads.messages.list(thread.id),
            strict=True,
        ),
        *zip(
            ours.beta.threads.runs.steps.list(run.id, thread_id=thread.id),
            theirs.beta.threads.runs.steps.list(run.id, thread_id=thread.id),
            strict=True,
        ),
    ]
    for mine, official in pairs:
        assert mine.to_dict() == official.to_dict(mode="json")
        assert type(mine).__name__ == type(official).__name__


def test_both_send_the_same(ours, theirs):
    """A run started by either with the same arguments has the same settings."""
    assistant, thread = conversation(ours)
    settings = {
        "assistant_id": assistant.id,
        "instructions": "Be brief.",
        "additional_instructions": "Be kind.",
        "additional_messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 500,
        "max_prompt_tokens": 1000,
        "metadata": {"k": "v"},
        "model": "gpt-4o-mini",
        "parallel_tool_calls": False,
        "response_format": {"type": "text"},
        "temperature": 0.5,
        "tool_choice": "auto",
        "tools": [WEATHER],
        "top_p": 0.9,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    }
    told = []
    for client in (ours, theirs):
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, poll_interval_ms=5, **settings
        ).to_dict()
        told.append({key: run[key] for key in settings if key in run} | {"status": run["status"]})
    assert told[0] == told[1]
    assert told[0]["model"] == "gpt-4o-mini"


def test_both_stream_the_same_events(ours, theirs):
    """Event by event, apart from ids and times."""
    names = []
    for client in (ours, theirs):
        assistant, thread = conversation(client, tools=[{"type": "code_interpreter"}])
        events = client.beta.threads.runs.create(
            thread_id=thread.id, assistant_id=assistant.id, stream=True
        )
        names.append([event.event for event in events])
    assert names[0] == names[1]
    assert names[0][0] == "thread.run.created"
    assert names[0][-1] == "thread.run.completed"


def test_a_stream_by_each_method(ours):
    """stream, submit_tool_outputs_stream and create_and_run_stream run to their ends."""
    assistant, thread = conversation(ours, "What is the weather in Paris?", tools=[WEATHER])
    stream = ours.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
    assert isinstance(stream, AssistantStream)
    run = stream.final_run()
    assert isinstance(run, types.Run)
    assert run.status == "requires_action"
    outputs = [
        {"tool_call_id": call.id, "output": "19 degrees"}
        for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    further = ours.beta.threads.runs.submit_tool_outputs_stream(
        run.id, thread_id=thread.id, tool_outputs=outputs
    )
    assert further.final_run().status == "completed"
    fresh = ours.beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "hello"}]}
    )
    assert next(iter(fresh)).event == "thread.created"


def test_a_stream_with_a_handler(ours):
    """The handler hears the text that the thread has afterwards."""

    class Handler(AssistantEventHandler):
        def __init__(self):
            super().__init__()
            self.text = ""

        def on_text_delta(self, delta, snapshot):
            self.text += delta.value

    assistant, thread = conversation(ours)
    with ours.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
    ) as handler:
        handler.until_done()
    answer = ours.beta.threads.messages.list(thread.id).data[0]
    assert handler.text == answer.content[0].text.value


def test_errors_are_the_official_sdks(ours, theirs):
    """Class, status, code and param of an error are what the official SDK gives."""
    attempts = {
        (NotFoundError, openai.NotFoundError): lambda client: client.beta.threads.retrieve(
            "thread_none"
        ),
        (BadRequestError, openai.BadRequestError): lambda client: client.beta.assistants.create(
            model="gpt-4o", temperature=99
        ),
    }
    for (mine, official), attempt in attempts.items():
        with pytest.raises(mine) as here:
            attempt(ours)
        with pytest.raises(official) as there:
            attempt(theirs)
        for fact in ("status_code", "code", "param", "type", "body"):
            assert getattr(here.value, fact) == getattr(there.value, fact)


def test_parameters_that_are_not_known_here_are_sent(ours, theirs):
    """extra_body reaches the server, which says the same of it to both."""
    seen = []
    for client in (ours, theirs):
        made = client.beta.assistants.create(model="a", extra_body={"model": "b"})
        seen.append(made.model)
    assert seen == ["b", "b"]


def test_received_objects_can_be_sent_back(ours):
    """Tools of one assistant for another, blocks of one message as those of another."""
    assistant, thread = conversation(ours, tools=[WEATHER], metadata={"k": "v"})
    twin = ours.beta.assistants.create(
        model=assistant.model, tools=assistant.tools, metadata=assistant.metadata
    )
    assert twin.tools == assistant.tools
    run = ours.beta.threads.runs.create_and_poll(
        thread.id, assistant_id=twin.id, tools=(), poll_interval_ms=5
    )
    assert list(run.tools) == []
