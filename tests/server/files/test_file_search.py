"""File search in runs: what is found, shown and cited, with the scripted model and another."""

from __future__ import annotations

import json

import pytest
from canned import STOP, Answer, Canned, called, delta, piece, sse
from documents import store_of, upload
from server_helpers import Raw, wait_for_run

from emitter_stream.server import Call, Input, Round, Text, Upstream
from emitter_stream.server.runs.citations import Citations

PARIS = "Größe zählt. The capital of France is Paris. It lies on the Seine."
SEARCH = {"type": "file_search"}
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
QUESTION = "What is the capital of France?"


def asked(raw, thread_fields=None, tools=(SEARCH,), question=QUESTION, message=None, **fields):
    """Run a question with file search; returns the run's events and its thread."""
    said = {"role": "user", "content": question, **(message or {})}
    thread = raw("POST", "/threads", {"messages": [said], **(thread_fields or {})}).body
    body = {"assistant_id": raw.assistant(tools=list(tools)), "stream": True, **fields}
    reply = raw("POST", f"/threads/{thread['id']}/runs", body)
    assert reply.status == 200, reply.raw
    return reply.events(), thread


def of(events, name):
    return [data for event, data in events if event == name]


def resources(*stores):
    return {"tool_resources": {"file_search": {"vector_store_ids": list(stores)}}}


def test_a_question_is_answered_with_a_citation(raw):
    """The scripted model searches, quotes the best text, and its mark is annotated where it stands."""
    file = upload(raw, "facts.md", PARIS.encode())
    events, _ = asked(raw, resources(store_of(raw, file)))
    (message,) = of(events, "thread.message.completed")
    text = message["content"][0]["text"]
    assert "The capital of France is Paris" in text["value"]
    (mark,) = text["annotations"]
    assert mark["file_citation"] == {"file_id": file}
    assert mark["text"] == "【0:0†facts.md】"
    assert text["value"][mark["start_index"] : mark["end_index"]] == mark["text"]
    deltas = [delta["delta"]["content"][0]["text"] for delta in of(events, "thread.message.delta")]
    assert "".join(delta["value"] for delta in deltas) == text["value"]
    (told,) = [delta for delta in deltas if delta.get("annotations")]
    assert told["value"] == mark["text"] and told["annotations"] == [{"index": 0, **mark}]
    assert of(events, "thread.run.completed")


def test_results_have_their_content_if_it_is_asked_for(raw):
    """Steps show ranking options and results; the content only by `include`."""
    file = upload(raw, "facts.md", PARIS.encode())
    store = store_of(raw, file)
    options = {"max_num_results": 5, "ranking_options": {"score_threshold": 0.25}}
    tool = {**SEARCH, "file_search": options}
    events, thread = asked(raw, resources(store), tools=[tool])
    step = of(events, "thread.run.step.completed")[0]
    (call,) = step["step_details"]["tool_calls"]
    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.25}
    assert call["file_search"]["ranking_options"] == ranking
    (result,) = call["file_search"]["results"]
    assert result == {"file_id": file, "file_name": "facts.md", "score": 1.0}
    steps = f"/threads/{thread['id']}/runs/{step['run_id']}/steps"
    for path in (f"{steps}/{step['id']}", steps):
        for query, has_content in (("", False), (f"?include[]={CONTENT}", True)):
            body = raw("GET", path.replace("[", "%5B") + query).body
            shown = body["data"][-1] if "data" in body else body
            (found,) = shown["step_details"]["tool_calls"][0]["file_search"]["results"]
            assert ("content" in found) is has_content
    assert raw("GET", f"{steps}?include[]=nonsense").error["param"] == "include"
    body = {"assistant_id": step["assistant_id"], "stream": True, "tools": [tool]}
    again = raw("POST", f"/threads/{thread['id']}/runs?include[]={CONTENT}", body).events()
    call = of(again, "thread.run.step.completed")[0]["step_details"]["tool_calls"][0]
    text = call["file_search"]["results"][0]["content"]
    assert text == [{"type": "text", "text": PARIS}]


def test_what_no_store_knows_is_not_searched(raw):
    """The scripted model answers without the tool if the stores have nothing on the question."""
    store = store_of(raw, upload(raw, "facts.md", PARIS.encode()))
    for given in (resources(store), {}):
        events, _ = asked(raw, given, question="Explain quantum chromodynamics")
        (message,) = of(events, "thread.message.completed")
        assert message["content"][0]["text"]["annotations"] == []
        assert len(of(events, "thread.run.step.completed")) == 1
    events, _ = asked(raw, {}, question="Explain quantum physics", tool_choice="required")
    assert (
        "found nothing" in of(events, "thread.message.completed")[0]["content"][0]["text"]["value"]
    )


def test_attachments_go_into_the_threads_store(raw):
    """The store is made for the first attachment, lives 7 days after its use, and is waited for."""
    file, other = upload(raw, "facts.md", PARIS.encode()), upload(raw, "more.txt", b"Rome, Italy")
    message = {"attachments": [{"file_id": file, "tools": [SEARCH]}]}
    events, thread = asked(raw, message=message)
    (store,) = thread["tool_resources"]["file_search"]["vector_store_ids"]
    (message,) = of(events, "thread.message.completed")
    assert message["content"][0]["text"]["annotations"][0]["file_citation"] == {"file_id": file}
    body = raw("GET", f"/vector_stores/{store}").body
    assert body["expires_after"] == {"anchor": "last_active_at", "days": 7}
    said = {"role": "user", "content": "Hi", "attachments": [{"file_id": other, "tools": [SEARCH]}]}
    assert raw("POST", f"/threads/{thread['id']}/messages", said).status == 200
    again = raw("GET", f"/threads/{thread['id']}").body["tool_resources"]["file_search"]
    assert again == {"vector_store_ids": [store]}
    listed = raw("GET", f"/vector_stores/{store}/files").body["data"]
    assert {one["id"] for one in listed} == {file, other}
    code = [{"file_id": file, "tools": [{"type": "code_interpreter"}]}]
    raw("POST", f"/threads/{thread['id']}/messages", {**said, "attachments": code})
    kept = raw("GET", f"/threads/{thread['id']}").body["tool_resources"]["code_interpreter"]
    assert kept["file_ids"] == [file]


def test_stores_are_made_with_what_needs_them(raw):
    """`vector_stores` in tool resources make a store; assistants' and threads' are both searched."""
    one, two = (
        upload(raw, "one.txt", b"Alpha is first."),
        upload(raw, "two.txt", b"Beta is second."),
    )
    new = {"file_search": {"vector_stores": [{"file_ids": [one], "metadata": {"a": "b"}}]}}
    assistant = raw("POST", "/assistants", {"model": "m", "tool_resources": new}).body
    (made,) = assistant["tool_resources"]["file_search"]["vector_store_ids"]
    assert raw("GET", f"/vector_stores/{made}").body["metadata"] == {"a": "b"}
    assert "vector_stores" not in assistant["tool_resources"]["file_search"]
    body = {
        "assistant_id": assistant["id"],
        "tools": [SEARCH],
        "stream": True,
        "thread": {
            "messages": [{"role": "user", "content": "alpha beta"}],
            "tool_resources": {"file_search": {"vector_stores": [{"file_ids": [two]}]}},
        },
    }
    events = raw("POST", "/threads/runs", body).events()
    call = of(events, "thread.run.step.completed")[0]["step_details"]["tool_calls"][0]
    assert {found["file_id"] for found in call["file_search"]["results"]} == {one, two}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/assistants", {"model": "m", **resources("vs_no")}),
        (
            "/assistants",
            {"model": "m", "tool_resources": {"code_interpreter": {"file_ids": ["f"]}}},
        ),
        ("/threads", resources("vs_no")),
        (
            "/threads",
            {
                "messages": [
                    {"role": "user", "content": "x", "attachments": [{"file_id": "f", "tools": []}]}
                ]
            },
        ),
        (
            "/threads",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_file", "image_file": {"file_id": "f"}}],
                    }
                ]
            },
        ),
    ],
)
def test_unknown_ids_are_refused(raw, path, body):
    """Files and stores that there are none of cannot be named."""
    assert raw("POST", path, body).status == 404


def test_a_store_that_expires_fails_the_run(start):
    """The run says which store it is."""
    now = [1_000_000_000.0]
    raw = Raw(start(clock=lambda: now[0]).base_url)
    store = store_of(
        raw,
        upload(raw, "facts.md", PARIS.encode()),
        expires_after={"anchor": "last_active_at", "days": 1},
    )
    now[0] += 86_400
    events, _ = asked(raw, resources(store))
    error = of(events, "thread.run.failed")[0]["last_error"]
    assert error["code"] == "server_error"


class Searching:
    """Searches for what it was told, and cites in pieces that tear the marks apart."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.outputs: list[str] = []

    async def respond(self, turn):
        done = [item for item in turn.history if isinstance(item, Round)]
        if not done:
            yield Call("function", "file_search")
            yield Input(json.dumps({"query": "capital"}))
            return
        self.outputs += [call.output for call in done[-1].calls]
        for one in self.pieces:
            yield Text(one)


def test_any_model_cites(start):
    """A model calls the function, sees the texts behind their marks, and its marks are annotated."""
    model = Searching("So: 【", "0:0†facts", ".md】. And 【0:7†x】, 【a】 【", "0:0†facts.md】【")
    raw = Raw(start(model=model).base_url)
    file = upload(raw, "facts.md", PARIS.encode())
    events, _ = asked(raw, resources(store_of(raw, file)))
    text = of(events, "thread.message.completed")[0]["content"][0]["text"]
    assert text["value"] == "So: 【0:0†facts.md】. And 【0:7†x】, 【a】 【0:0†facts.md】【"
    places = [(mark["start_index"], mark["end_index"]) for mark in text["annotations"]]
    assert places == [(4, 18), (37, 51)]
    assert model.outputs == [f"【0:0†facts.md】\n{PARIS}"]
    assert not of(events, "thread.run.requires_action")


def test_an_upstream_is_offered_a_function(start, canned: Canned):
    """The tool goes out as a function, its call and its output as those of any other."""
    call = piece('{"query": "capital"}', "file_search", index=0, id="abcdefghi")
    canned.answers += [
        Answer(sse(called(call), delta("tool_calls"), "[DONE]")),
        Answer(sse(delta(content="Paris【0:0†facts.md】"), STOP, "[DONE]")),
    ]
    raw = Raw(start(model=Upstream(canned.url)).base_url)
    file = upload(raw, "facts.md", PARIS.encode())
    events, _ = asked(raw, resources(store_of(raw, file)))
    first, second = canned.bodies
    assert first["tools"][0]["function"]["name"] == "file_search"
    assert (
        second["messages"][-2]["tool_calls"][0]["function"]["arguments"] == '{"query": "capital"}'
    )
    assert PARIS in second["messages"][-1]["content"]
    text = of(events, "thread.message.completed")[0]["content"][0]["text"]
    assert text["annotations"][0]["file_citation"] == {"file_id": file}


def test_a_function_of_the_same_name_is_the_programs(raw):
    """A program's own `file_search` stays a function."""
    own = {"type": "function", "function": {"name": "file_search", "description": "capital France"}}
    thread = raw.thread(QUESTION)
    body = {"assistant_id": raw.assistant(tools=[own]), "tool_choice": "required"}
    run = raw("POST", f"/threads/{thread}/runs", body).body
    assert wait_for_run(raw, thread, run["id"])["status"] == "requires_action"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_marks_are_whole_however_they_come(size):
    """Texts cut anywhere give the same annotations, each mark in a piece of its own."""
    text = (
        "🐋 a【1:2†ä b】b sandbox:/mnt/data/plot.csv. sandbox:/mnt/data/no 【1:2†x"
        + "y" * 400
        + "】"
    )
    marks = Citations({(1, 2): "file-1"}, {"plot.csv": "file-2"})
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    given = [one for piece in pieces for one in marks.feed(piece)] + list(marks.end())
    assert "".join(piece for piece, _ in given) == text
    found = [(mark["text"], next(iter(mark[mark["type"]].values()))) for mark in marks.annotations]
    assert found == [("【1:2†ä b】", "file-1"), ("sandbox:/mnt/data/plot.csv", "file-2")]
    for mark in marks.annotations:
        assert text[mark["start_index"] : mark["end_index"]] == mark["text"]
