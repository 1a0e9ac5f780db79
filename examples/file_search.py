"""The official example of file search: a handler that replaces each citation in the text."""
# mypy: allow-untyped-defs, allow-incomplete-defs
# pyright: reportOptionalMemberAccess=false

import pathlib

import _setup

from emitter_stream import AssistantEventHandler, OpenAI, override

_setup.use_embedded_server()
client = OpenAI()

assistant = client.beta.assistants.create(
    name="Financial Analyst Assistant",
    instructions="You are an expert financial analyst.",
    model="gpt-4o",
    tools=[{"type": "file_search"}],
)
vector_store = client.vector_stores.create(name="Financial Statements")
edgar = pathlib.Path(__file__).parent / "edgar"
file_batch = client.vector_stores.file_batches.upload_and_poll(
    vector_store_id=vector_store.id, files=[edgar / "goog-10k.md", edgar / "brka-10k.txt"]
)
print(file_batch.status, file_batch.file_counts)
assistant = client.beta.assistants.update(
    assistant_id=assistant.id,
    tool_resources={"file_search": {"vector_store_ids": [vector_store.id]}},
)
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "How many employees did Berkshire Hathaway have?"}]
)


class EventHandler(AssistantEventHandler):
    @override
    def on_tool_call_created(self, tool_call):
        print(f"\nassistant > {tool_call.type}\n", flush=True)

    @override
    def on_message_done(self, message) -> None:
        # print a citation to the file searched
        message_content = message.content[0].text
        annotations = message_content.annotations
        citations = []
        for index, annotation in enumerate(annotations):
            message_content.value = message_content.value.replace(annotation.text, f"[{index}]")
            if file_citation := getattr(annotation, "file_citation", None):
                cited_file = client.files.retrieve(file_citation.file_id)
                citations.append(f"[{index}] {cited_file.filename}")
        print(message_content.value)
        print("\n".join(citations))


with client.beta.threads.runs.stream(
    thread_id=thread.id, assistant_id=assistant.id, event_handler=EventHandler()
) as stream:
    stream.until_done()
