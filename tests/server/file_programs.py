"""What is done with files, as programs that run unchanged on both Python packages.

| program | what it does, and what of it is compared |
| --- | --- |
| `files` | create of an open file, a path, bytes with a name, one that expires: what is made; retrieve; lists by purpose, in pages; content whole and as text; delete; the error of one that is gone |
| `uploads` | create, parts in another order, complete with MD5, cancel, a sum that is wrong, the helper that cuts a file (Node has none: by hand) |
| `stores` | create, expiry, metadata; a file by `create_and_poll` (with attributes and a strategy) and by `upload_and_poll`; a batch with one that cannot be read; lists by status; texts; update; search with filters, bounds and scores; delete |
| `searching` | a run that searches the assistant's store and a message's attachment: tool calls, deltas and their citations, texts, the step's results, what is stored |
| `coding` | a run of code over an attached table: its logs, the image and the written file, in deltas, and as they are downloaded |

Each gives what it has found, without ids and times; `node_files.mjs` has the same programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from node_script import run_node_script

import emitter_stream

NOTES = "# Größe\n\nThe capital of France is Paris. It lies on the Seine.\n"
WHALES = "Whales are the largest animals of the sea.\n"
LARGE = "".join(f"line {number} of a long text\n" for number in range(20_000))
TABLE = "month,rain\nJan,10\nFeb,30\nMar,20\n"
SEARCH, CODE = {"type": "file_search"}, {"type": "code_interpreter"}
RESULTS = "step_details.tool_calls[*].file_search.results[*].content"
QUICK = {"poll_interval_ms": 10}

Found = dict[str, Any]


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def shown(file: Any) -> list[Any]:
    """Give what is known of a file when it was made."""
    lifetime = file.expires_at - file.created_at if file.expires_at else None
    return [file.object, file.filename, file.bytes, file.purpose, file.status, lifetime]


def plain(value: Any) -> Any:
    """Give an object of either package as JSON has it."""
    return json.loads(value.to_json()) if hasattr(value, "to_json") else value


def told(error: Any) -> list[Any]:
    """Give what an error says."""
    return [error.status_code, error.code, error.param, error.type]


def fails(call: Callable[[], Any]) -> list[Any]:
    with pytest.raises((openai.APIStatusError, emitter_stream.APIStatusError)) as caught:
        call()
    return told(caught.value)


def files(client: Any, folder: Path) -> Found:
    path = folder / "notes.md"
    path.write_text(NOTES, encoding="utf-8")
    with path.open("rb") as opened:
        one = client.files.create(file=opened, purpose="assistants")
    two = client.files.create(file=path, purpose="user_data")
    three = client.files.create(
        file=("a b.txt", WHALES.encode()),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    found: Found = {"made": [shown(file) for file in (one, two, three)]}
    found["retrieved"] = shown(client.files.retrieve(three.id))
    found["pages"] = [file.filename for file in client.files.list(purpose="user_data", limit=1)]
    found["oldest first"] = [file.filename for file in client.files.list(order="asc")]
    found["content"] = [
        digest(client.files.content(one.id).read()),
        client.files.content(two.id).text,
    ]
    gone = client.files.delete(one.id)
    found["deleted"] = [gone.object, gone.deleted, gone.id == one.id]
    found["missing"] = fails(lambda: client.files.content(one.id))
    found["refused"] = fails(lambda: client.files.create(file=b"x", purpose="nonsense"))
    return found


def uploads(client: Any, folder: Path) -> Found:
    new = {"filename": "x.txt", "mime_type": "text/plain", "purpose": "assistants"}
    data = NOTES.encode()
    begun = client.uploads.create(bytes=len(data), **new)
    found: Found = {"begun": [begun.object, begun.status, begun.bytes, begun.filename]}
    last = client.uploads.parts.create(begun.id, data=data[20:])
    first = client.uploads.parts.create(begun.id, data=data[:20])
    found["part"] = [first.object, first.upload_id == begun.id]
    order = [first.id, last.id]
    found["wrong sum"] = fails(
        lambda: client.uploads.complete(begun.id, part_ids=order, md5="0" * 32)
    )
    done = client.uploads.complete(begun.id, part_ids=order, md5=digest(data))
    found["completed"] = [done.status, *shown(done.file)]
    found["content"] = digest(client.files.content(done.file.id).read())
    given_up = client.uploads.cancel(client.uploads.create(bytes=1, **new).id)
    found["cancelled"] = given_up.status
    found["too late"] = fails(lambda: client.uploads.parts.create(given_up.id, data=b"x"))
    path = folder / "large.txt"
    path.write_text(LARGE, encoding="utf-8", newline="")
    whole = client.uploads.upload_file_chunked(
        file=path, mime_type="text/plain", purpose="assistants", part_size=200_000
    )
    found["cut"] = [whole.status, *shown(whole.file)]
    found["cut content"] = digest(client.files.content(whole.file.id).read())
    return found


def in_store(file: Any) -> list[Any]:
    """Give what a store says of a file."""
    error = file.last_error and file.last_error.code
    return [file.object, file.status, file.usage_bytes, plain(file.attributes), error]


def hits(page: Any) -> list[Any]:
    return [
        [hit.filename, hit.score, plain(hit.attributes), [part.text for part in hit.content]]
        for hit in page
    ]


def stores(client: Any, folder: Path) -> Found:
    vector_stores = client.vector_stores
    store = vector_stores.create(
        name="facts",
        metadata={"a": "b"},
        expires_after={"anchor": "last_active_at", "days": 3},
    )
    found: Found = {
        "made": [store.object, store.name, store.status, plain(store.metadata)],
        "expires": [store.expires_after.days, store.expires_at - store.last_active_at],
    }
    large = client.files.create(file=("large.txt", LARGE.encode()), purpose="assistants")
    strategy = {
        "type": "static",
        "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0},
    }
    added = vector_stores.files.create_and_poll(
        large.id,
        vector_store_id=store.id,
        attributes={"year": 2020, "draft": False},
        chunking_strategy=strategy,
        **QUICK,
    )
    found["added"] = [*in_store(added), plain(added.chunking_strategy)]
    notes = vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("notes.md", NOTES.encode()), **QUICK
    )
    found["uploaded"] = in_store(notes)
    batch = vector_stores.file_batches.upload_and_poll(
        store.id, files=[("whales.txt", WHALES.encode()), ("bad.pdf", b"no pdf")], **QUICK
    )
    found["batch"] = [batch.object, batch.status, plain(batch.file_counts)]
    again = vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id)
    found["batch again"] = [again.status, again.id == batch.id]
    of_batch = vector_stores.file_batches.list_files
    failed = of_batch(batch.id, vector_store_id=store.id, filter="failed")
    found["failed"] = [in_store(file) for file in failed]
    found["cancel"] = fails(
        lambda: vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    )
    listed = vector_stores.files.list(store.id, filter="completed", order="asc", limit=1)
    found["completed"] = [client.files.retrieve(file.id).filename for file in listed][:2]
    pages = vector_stores.files.content(notes.id, vector_store_id=store.id)
    found["texts"] = [part.text for part in pages]
    changed = vector_stores.files.update(
        notes.id, vector_store_id=store.id, attributes={"year": 2021}
    )
    found["updated"] = plain(changed.attributes)
    found["search"] = hits(vector_stores.search(store.id, query="What is the capital of France?"))
    found["two queries"] = hits(
        vector_stores.search(store.id, query=["Paris", "largest animals"], max_num_results=2)
    )
    late = {"type": "gte", "key": "year", "value": 2021}
    found["filtered"] = hits(vector_stores.search(store.id, query="capital lies", filters=late))
    strict = {"score_threshold": 0.9}
    found["strict"] = hits(
        vector_stores.search(store.id, query="whales of Paris", ranking_options=strict)
    )
    found["too many"] = fails(lambda: vector_stores.search(store.id, query="x", max_num_results=51))
    out = vector_stores.files.delete(notes.id, vector_store_id=store.id)
    found["taken out"] = [out.object, out.deleted, client.files.retrieve(notes.id).filename]
    new = vector_stores.update(store.id, name="new", expires_after=None)
    found["renamed"] = [new.name, new.expires_at, plain(new.file_counts)]
    found["stores"] = [one.name for one in vector_stores.list(limit=1)]
    gone = vector_stores.delete(store.id)
    found["deleted"] = [gone.object, gone.deleted]
    found["missing"] = fails(lambda: vector_stores.retrieve(store.id))
    return found


def marks(text: Any, names: dict[str, str]) -> list[Any]:
    """Give the annotations of a text, with the names of their files."""
    return [
        [
            mark.type,
            mark.text,
            mark.start_index,
            mark.end_index,
            names[getattr(mark, mark.type).file_id],
        ]
        for mark in text.annotations or ()
    ]


def follow(client: Any, thread: str, assistant: str, names: dict[str, str]) -> list[Any]:
    """Stream a run and give what its listeners hear, each in its package's own way."""
    heard: list[Any] = []

    def name(file_id: str) -> str:
        if file_id not in names:
            names[file_id] = client.files.retrieve(file_id).filename
        return names[file_id]

    def know(text: Any) -> Any:
        for mark in text.annotations or ():
            name(getattr(mark, mark.type).file_id)
        return marks(text, names)

    def on_tool(call: Any) -> None:
        heard.append(["tool", call.type])

    def on_delta(delta: Any) -> None:
        for part in delta.content or ():
            if part.type == "text":
                heard.append(["text", part.index, part.text.value, know(part.text)])
            else:
                heard.append(["image", part.index, name(part.image_file.file_id)])

    def on_text(text: Any) -> None:
        heard.append(["text done", text.value, know(text)])

    def on_image(image: Any) -> None:
        heard.append(["image done", name(image.file_id)])

    if isinstance(client, emitter_stream.OpenAI):
        stream = client.beta.threads.runs.stream(thread, assistant_id=assistant)
        stream.on("toolCallCreated", on_tool)
        stream.on("messageDelta", lambda delta, _: on_delta(delta))
        stream.on("textDone", lambda text, _: on_text(text))
        stream.on("imageFileDone", lambda image, _: on_image(image))
        heard.append(["end", stream.final_run().status])
        return heard

    class Handler(openai.AssistantEventHandler):
        def on_tool_call_created(self, tool_call: Any) -> None:
            on_tool(tool_call)

        def on_message_delta(self, delta: Any, snapshot: Any) -> None:
            on_delta(delta)

        def on_text_done(self, text: Any) -> None:
            on_text(text)

        def on_image_file_done(self, image_file: Any) -> None:
            on_image(image_file)

    with client.beta.threads.runs.stream(
        thread_id=thread, assistant_id=assistant, event_handler=Handler()
    ) as stream:
        stream.until_done()
    heard.append(["end", stream.get_final_run().status])
    return heard


def stored(client: Any, thread: str, names: dict[str, str]) -> list[Any]:
    """Give the parts of the answer as it is kept."""
    answer = next(iter(client.beta.threads.messages.list(thread)))
    return [
        ["text", part.text.value, marks(part.text, names)]
        if part.type == "text"
        else ["image", names[part.image_file.file_id]]
        for part in answer.content
    ]


def calls(client: Any, thread: str, **params: Any) -> list[Any]:
    """Give the tool calls of the thread's last run."""
    run = next(iter(client.beta.threads.runs.list(thread)))
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread, order="asc", **params)
    return [
        call for step in steps if step.type == "tool_calls" for call in step.step_details.tool_calls
    ]


def searching(client: Any, folder: Path) -> Found:
    notes = client.files.create(file=("notes.md", NOTES.encode()), purpose="assistants")
    whales = client.files.create(file=("whales.txt", WHALES.encode()), purpose="assistants")
    store = client.vector_stores.create(file_ids=[notes.id])
    assistant = client.beta.assistants.create(
        model="gpt-4o",
        tools=[SEARCH],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    said = {
        "role": "user",
        "content": "What is the capital of France, and the largest animals of the sea?",
        "attachments": [{"file_id": whales.id, "tools": [SEARCH]}],
    }
    thread = client.beta.threads.create(messages=[said])
    names: dict[str, str] = {}
    found: Found = {"heard": follow(client, thread.id, assistant.id, names)}
    found["kept"] = stored(client, thread.id, names)
    resources = client.beta.threads.retrieve(thread.id).tool_resources
    own = client.vector_stores.retrieve(resources.file_search.vector_store_ids[0])
    found["thread's store"] = [own.file_counts.completed, own.expires_after.days]
    message = next(iter(client.beta.threads.messages.list(thread.id, order="asc")))
    found["attached"] = [
        [one.file_id == whales.id, [tool.type for tool in one.tools]] for one in message.attachments
    ]
    for given in ({}, {"include": [RESULTS]}):
        found[f"results {len(given)}"] = [
            [call.type, call.file_search.ranking_options.ranker]
            + [
                [one.file_name, one.score, [part.text for part in one.content or ()]]
                for one in call.file_search.results
            ]
            for call in calls(client, thread.id, **given)
        ]
    return found


def coding(client: Any, folder: Path) -> Found:
    table = client.files.create(file=("rain.csv", TABLE.encode()), purpose="assistants")
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[CODE])
    said = {
        "role": "user",
        "content": "Plot the table in this csv file.",
        "attachments": [{"file_id": table.id, "tools": [CODE]}],
    }
    thread = client.beta.threads.create(messages=[said])
    names: dict[str, str] = {}
    found: Found = {"heard": follow(client, thread.id, assistant.id, names)}
    found["kept"] = stored(client, thread.id, names)
    found["calls"] = [
        [
            call.code_interpreter.input.replace(table.id, "FILE"),
            [
                output.logs if output.type == "logs" else names[output.image.file_id]
                for output in call.code_interpreter.outputs
            ],
        ]
        for call in calls(client, thread.id)
    ]
    found["downloads"] = {
        name: digest(client.files.content(file_id).read()) for file_id, name in names.items()
    }
    written = client.files.list(purpose="assistants_output", order="asc")
    found["written"] = [shown(file) for file in written]
    return found


PROGRAMS = {program.__name__: program for program in (files, uploads, stores, searching, coding)}


def run_node(program: str, base_url: str, folder: Path) -> Found:
    """Run a program of `node_files.mjs`; skip where Node or its SDK is missing."""
    given = {"NOTES": NOTES, "WHALES": WHALES, "LARGE": LARGE, "TABLE": TABLE, "RESULTS": RESULTS}
    (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
    script = Path(__file__).with_name("node_files.mjs")
    found: Found = run_node_script(script, base_url, program, str(folder))
    return found
