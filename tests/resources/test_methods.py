"""What each method sends, and what it gives."""

import inspect

import openai.resources.beta.assistants
import openai.resources.beta.threads.messages
import openai.resources.beta.threads.runs.runs
import openai.resources.beta.threads.runs.steps
import openai.resources.beta.threads.threads
import pytest
from fake_transport import fake_api

from emitter_stream import APIError, AssistantEventHandler, types
from emitter_stream.resources import Assistants, Beta, Messages, Runs, Steps, Threads

OUTPUTS = [{"tool_call_id": "c", "output": "1"}]
INCLUDE = ["step_details.tool_calls[*].file_search.results[*].content"]
STREAM = b'event: thread.run.completed\ndata: {"id": "r", "status": "completed"}\n\n'

A, D, M, R, S, T = (
    types.Assistant,
    types.AssistantDeleted,
    types.Message,
    types.Run,
    types.RunStep,
    types.Thread,
)

# resource, method, ids and arguments -> HTTP method, path, body, class of what comes back
CALLS = [
    (Assistants, "create", (), {"model": "m"}, "POST", "/assistants", {"model": "m"}, A),
    (Assistants, "retrieve", ("a",), {}, "GET", "/assistants/a", None, A),
    (Assistants, "update", ("a",), {"name": None}, "POST", "/assistants/a", {"name": None}, A),
    (Assistants, "delete", ("a",), {}, "DELETE", "/assistants/a", None, D),
    (Threads, "create", (), {}, "POST", "/threads", {}, T),
    (Threads, "retrieve", ("t",), {}, "GET", "/threads/t", None, T),
    (Threads, "update", ("t",), {"metadata": {}}, "POST", "/threads/t", {"metadata": {}}, T),
    (Threads, "delete", ("t",), {}, "DELETE", "/threads/t", None, types.ThreadDeleted),
    (
        Threads,
        "create_and_run",
        (),
        {"assistant_id": "a", "thread": {"messages": []}, "stream": False},
        "POST",
        "/threads/runs",
        {"assistant_id": "a", "thread": {"messages": []}, "stream": False},
        R,
    ),
    (
        Messages,
        "create",
        ("t",),
        {"role": "user", "content": "hi"},
        "POST",
        "/threads/t/messages",
        {"role": "user", "content": "hi"},
        M,
    ),
    (Messages, "retrieve", ("m",), {"thread_id": "t"}, "GET", "/threads/t/messages/m", None, M),
    (
        Messages,
        "update",
        ("m",),
        {"thread_id": "t", "metadata": {"k": "v"}},
        "POST",
        "/threads/t/messages/m",
        {"metadata": {"k": "v"}},
        M,
    ),
    (
        Messages,
        "delete",
        ("m",),
        {"thread_id": "t"},
        "DELETE",
        "/threads/t/messages/m",
        None,
        types.MessageDeleted,
    ),
    (
        Runs,
        "create",
        ("t",),
        {"assistant_id": "a", "tools": None},
        "POST",
        "/threads/t/runs",
        {"assistant_id": "a", "tools": None},
        R,
    ),
    (Runs, "retrieve", ("r",), {"thread_id": "t"}, "GET", "/threads/t/runs/r", None, R),
    (
        Runs,
        "update",
        ("r",),
        {"thread_id": "t", "metadata": None},
        "POST",
        "/threads/t/runs/r",
        {"metadata": None},
        R,
    ),
    (Runs, "cancel", ("r",), {"thread_id": "t"}, "POST", "/threads/t/runs/r/cancel", None, R),
    (
        Runs,
        "submit_tool_outputs",
        ("r",),
        {"thread_id": "t", "tool_outputs": iter(OUTPUTS)},
        "POST",
        "/threads/t/runs/r/submit_tool_outputs",
        {"tool_outputs": OUTPUTS},
        R,
    ),
    (
        Steps,
        "retrieve",
        ("s",),
        {"thread_id": "t", "run_id": "r"},
        "GET",
        "/threads/t/runs/r/steps/s",
        None,
        S,
    ),
]

LISTS = [
    (Assistants, (), {}, "/assistants", A),
    (Messages, ("t",), {"run_id": "r"}, "/threads/t/messages", M),
    (Runs, ("t",), {}, "/threads/t/runs", R),
    (Steps, ("r",), {"thread_id": "t"}, "/threads/t/runs/r/steps", S),
]

STREAMS = [
    (Runs, "stream", ("t",), {"assistant_id": "a"}, "/threads/t/runs"),
    (Runs, "create_and_stream", ("t",), {"assistant_id": "a"}, "/threads/t/runs"),
    (
        Runs,
        "submit_tool_outputs_stream",
        ("r",),
        {"thread_id": "t", "tool_outputs": OUTPUTS},
        "/threads/t/runs/r/submit_tool_outputs",
    ),
    (Threads, "create_and_run_stream", (), {"assistant_id": "a"}, "/threads/runs"),
]

FLAGGED = [
    (Runs, "create", ("t",), {"assistant_id": "a"}, "/threads/t/runs"),
    (
        Runs,
        "submit_tool_outputs",
        ("r",),
        {"thread_id": "t", "tool_outputs": OUTPUTS},
        "/threads/t/runs/r/submit_tool_outputs",
    ),
    (Threads, "create_and_run", (), {"assistant_id": "a"}, "/threads/runs"),
]

OFFICIAL = [
    (Assistants, openai.resources.beta.assistants.Assistants),
    (Threads, openai.resources.beta.threads.threads.Threads),
    (Messages, openai.resources.beta.threads.messages.Messages),
    (Runs, openai.resources.beta.threads.runs.runs.Runs),
    (Steps, openai.resources.beta.threads.runs.steps.Steps),
]


def named(method, ids, arguments):
    """Give all arguments by keyword, the ids by the names that the method has for them."""
    names = list(inspect.signature(method).parameters)
    return dict(zip(names, ids, strict=False)) | arguments


@pytest.mark.parametrize(
    ("resource", "name", "ids", "arguments", "method", "path", "body", "gives"),
    CALLS,
    ids=[f"{call[0].__name__}.{call[1]}" for call in CALLS],
)
def test_a_method_sends_its_request(resource, name, ids, arguments, method, path, body, gives):
    """Method, path and body are the API's, and the answer is an object of the right class."""
    api, sent = fake_api({"id": "x"})
    answer = getattr(resource(api), name)(*ids, **arguments)
    assert type(answer) is gives
    assert answer.id == "x"
    assert sent == [(method, path, {}, body, {}, api.timeout, None, None)]


@pytest.mark.parametrize(
    ("resource", "name", "ids", "arguments"),
    [call[:4] for call in CALLS if "tool_outputs" not in call[3]],
    ids=[f"{call[0].__name__}.{call[1]}" for call in CALLS if "tool_outputs" not in call[3]],
)
def test_ids_are_taken_by_position_and_by_name(resource, name, ids, arguments):
    """Both SDKs' ways of passing ids send the same request."""
    api, sent = fake_api({"id": "x"})
    method = getattr(resource(api), name)
    method(*ids, **arguments)
    method(**named(method, ids, arguments))
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("resource", "name", "ids", "arguments"),
    [call[:4] for call in CALLS] + [call[:4] for call in FLAGGED],
)
def test_every_method_takes_the_extra_options(resource, name, ids, arguments):
    """extra_headers, extra_query, extra_body and timeout go over what is sent otherwise."""
    api, sent = fake_api({"id": "x"})
    arguments = {
        key: OUTPUTS if key == "tool_outputs" else value for key, value in arguments.items()
    }
    getattr(resource(api), name)(
        *ids,
        **arguments,
        extra_headers={"X-Extra": "1"},
        extra_query={"q": True},
        extra_body={"novelty": 1},
        timeout=(1, 2),
    )
    (request,) = sent
    assert request.headers == {"X-Extra": "1"}
    assert request.query == {"q": "true"}
    assert request.body["novelty"] == 1
    assert request.timeout == (1, 2)


@pytest.mark.parametrize(("resource", "ids", "arguments", "path", "gives"), LISTS)
def test_lists_send_their_query(resource, ids, arguments, path, gives):
    """The cursors, the limit and the order are in the query, and the page has the right objects."""
    api, sent = fake_api({"data": [{"id": "x"}], "has_more": False})
    page = resource(api).list(*ids, **arguments, after="1", before="2", limit=3, order="asc")
    assert [type(item) for item in page] == [gives]
    (request,) = sent
    assert (request.method, request.path, request.body) == ("GET", path, None)
    expected = {"after": "1", "before": "2", "limit": "3", "order": "asc"}
    if "run_id" in arguments:
        expected["run_id"] = "r"
    assert request.query == expected


def test_include_goes_into_the_query():
    """Not into the body, and as a list."""
    api, sent = fake_api({"id": "x"}, {"data": []}, {"id": "x"})
    Steps(api).retrieve("s", thread_id="t", run_id="r", include=INCLUDE)
    Steps(api).list("r", thread_id="t", include=INCLUDE)
    Runs(api).create("t", assistant_id="a", include=INCLUDE)
    assert [request.query for request in sent] == [{"include[]": INCLUDE}] * 3
    assert "include" not in sent[2].body


@pytest.mark.parametrize(("resource", "name", "ids", "arguments", "path"), STREAMS)
def test_stream_methods_send_at_once(resource, name, ids, arguments, path):
    """Without a handler the stream that comes back is under way and has the server's events."""
    api, sent = fake_api(STREAM)
    stream = getattr(resource(api), name)(*ids, **arguments)
    assert [event.event for event in stream] == ["thread.run.completed"]
    (request,) = sent
    assert (request.method, request.path) == ("POST", path)
    assert request.body["stream"] is True


@pytest.mark.parametrize(("resource", "name", "ids", "arguments", "path"), STREAMS)
def test_stream_methods_with_a_handler_wait_for_with(resource, name, ids, arguments, path):
    """With a handler, `with` gives that very handler and it hears the events."""
    api, _ = fake_api(STREAM)
    heard = []

    class Handler(AssistantEventHandler):
        def on_event(self, event):
            heard.append(event.event)

    handler = Handler()
    manager = getattr(resource(api), name)(*ids, **arguments, event_handler=handler)
    assert heard == []
    with manager as entered:
        assert entered is handler
        entered.until_done()
    assert heard == ["thread.run.completed"]


@pytest.mark.parametrize(("resource", "name", "ids", "arguments", "path"), FLAGGED)
def test_stream_true_gives_the_events(resource, name, ids, arguments, path):
    """create(stream=True) and its like give something to iterate over and to use in `with`."""
    api, sent = fake_api(STREAM)
    with getattr(resource(api), name)(*ids, **arguments, stream=True) as stream:
        assert [event.event for event in stream] == ["thread.run.completed"]
    assert sent[0].path == path
    assert sent[0].body["stream"] is True


@pytest.mark.parametrize("answer", [None, [], "hello", 3])
def test_an_answer_that_is_no_object_is_an_error(answer):
    """The error says what was asked and what came."""
    api, _ = fake_api(answer)
    with pytest.raises(APIError, match=r"answer to GET /threads/t is no JSON object"):
        Threads(api).retrieve("t")


def test_the_clients_options_go_under_the_calls():
    """Headers, query, timeout and retries of the client are sent where the call has none."""
    api, sent = fake_api({"id": "x"}, headers={"H": "1"}, query={"q": 1}, timeout=9, max_retries=4)
    Threads(api).retrieve("t")
    Threads(api).retrieve("t", extra_headers={"h": "2"}, extra_query={"q": 2}, timeout=None)
    assert [sent[0][2], *sent[0][4:7]] == [{"q": "1"}, {"H": "1"}, 9, 4]
    assert [sent[1][2], *sent[1][4:7]] == [{"q": "2"}, {"h": "2"}, None, 4]


@pytest.mark.parametrize(("ours", "theirs"), OFFICIAL, ids=lambda value: value.__module__)
def test_every_method_of_the_official_sdk_is_there_with_its_parameters(ours, theirs):
    """A call written for the official SDK is accepted, by position and by name."""
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if name.startswith("_"):
            continue
        parameters = inspect.signature(getattr(ours, name)).parameters
        for official in inspect.signature(method).parameters.values():
            mine = parameters[official.name]
            if official.kind is official.POSITIONAL_OR_KEYWORD:
                order = list(inspect.signature(method).parameters)
                assert list(parameters).index(mine.name) == order.index(mine.name)
                assert mine.kind is official.kind, f"{name}({mine.name})"
            assert (mine.default is mine.empty) == (official.default is official.empty)


def test_the_groups_hang_together():
    """client.beta leads to every group, over the same transport."""
    api, _ = fake_api()
    beta = Beta(api)
    assert isinstance(beta.assistants, Assistants)
    assert isinstance(beta.threads.messages, Messages)
    assert isinstance(beta.threads.runs.steps, Steps)
    assert beta.threads.runs.steps._api.transport is api.transport
