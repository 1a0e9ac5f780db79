"""What a method says of a keyword argument that it does not know, or does not get."""

from __future__ import annotations

import asyncio
import inspect
import typing

import pytest
from fake_transport import fake_api

from emitter_stream import NOT_GIVEN
from emitter_stream.aio import AsyncOpenAI
from emitter_stream.resources import Assistants, Messages, Responses, Runs, Steps, Threads, _params
from emitter_stream.resources.responses import InputItems

RESOURCES = [Assistants, Messages, Runs, Steps, Threads]
METHODS = [
    pytest.param(resource, name, id=f"{resource.__name__}.{name}")
    for resource in RESOURCES
    for name, _ in inspect.getmembers(resource, inspect.isfunction)
    if not name.startswith("_")
]

# resource, method, ids, arguments with one that is wrong, and what is meant
MISSPELT = [
    (Runs, "stream", ("t",), {"asistant_id": "a"}, "assistant_id"),
    (Runs, "stream", ("t",), {"assistant_id": "a", "assistantId": "b"}, "assistant_id"),
    (Runs, "stream", ("t",), {"assistant_id": "a", "eventHandler": None}, "event_handler"),
    (Runs, "stream", ("t",), {"assistant_id": "a", "temprature": 1}, "temperature"),
    (
        Runs,
        "create",
        ("t",),
        {"assistant_id": "a", "additionalMessages": []},
        "additional_messages",
    ),
    (
        Runs,
        "create_and_poll",
        ("t",),
        {"assistant_id": "a", "poll_interval": 1},
        "poll_interval_ms",
    ),
    (Runs, "run_tools", ("t",), {"assistant_id": "a", "tool": []}, "tools"),
    (Runs, "retrieve", ("r",), {"thread_id": "t", "time_out": 1}, "timeout"),
    (Runs, "poll", ("r", "t"), {"poll_interval": 1}, "poll_interval_ms"),
    (Runs, "submit_tool_outputs", ("r",), {"thread_id": "t", "outputs": []}, "tool_outputs"),
    (Threads, "create", (), {"message": []}, "messages"),
    (Threads, "create_and_run", (), {"assistant_id": "a", "threads": {}}, "thread"),
    (Messages, "create", ("t",), {"rôle": "user", "content": "x"}, "role"),
    (Messages, "list", ("t",), {"runId": "r"}, "run_id"),
    (Assistants, "create", (), {"modle": "m"}, "model"),
    (Steps, "list", ("r",), {"thread_id": "t", "includes": []}, "include"),
]


@pytest.mark.parametrize(
    ("resource", "name", "ids", "arguments", "meant"),
    MISSPELT,
    ids=[f"{row[0].__name__}.{row[1]}-{row[4]}" for row in MISSPELT],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(resource, name, ids, arguments, meant):
    """A misspelt parameter, or one with Node's name, is refused before anything is sent."""
    api, sent = fake_api({"id": "x"})
    with pytest.raises(TypeError) as caught:
        getattr(resource(api), name)(*ids, **arguments)
    assert f"did you mean '{meant}'?" in str(caught.value)
    assert f"{resource.__name__.lower()}.{name}() has no parameter" in str(caught.value)
    assert sent == []


@pytest.mark.parametrize(("resource", "name"), METHODS)
def test_no_method_takes_any_name(resource, name):
    """Each method names all its parameters, and a name that is near none is refused as well."""
    api, sent = fake_api({"id": "x"})
    method = getattr(resource(api), name)
    parameters = inspect.signature(method).parameters.values()
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters)
    needed = {one.name: "x" for one in parameters if one.default is one.empty}
    with pytest.raises(TypeError, match=r"'zzz'.*extra_body"):
        method(**needed, zzz=1)
    assert sent == []


@pytest.mark.parametrize(("resource", "name"), METHODS)
def test_what_is_needed_is_named(resource, name):
    """A call without an argument that must be there says which."""
    api, sent = fake_api({"id": "x"})
    method = getattr(resource(api), name)
    parameters = inspect.signature(method).parameters.values()
    for missing in [one.name for one in parameters if one.default is one.empty]:
        needed = {one.name: "x" for one in parameters if one.default is one.empty}
        del needed[missing]
        with pytest.raises(TypeError, match=f"'{missing}'"):
            method(**needed)
    assert sent == []


def test_parameters_have_the_defaults_of_what_is_left_out():
    """NOT_GIVEN where None would be sent as null, None for what is never sent; no default if needed."""
    parameters = inspect.signature(Runs.stream).parameters
    assert parameters["assistant_id"].default is inspect.Parameter.empty
    assert parameters["model"].default is NOT_GIVEN
    assert parameters["timeout"].default is NOT_GIVEN
    assert parameters["extra_headers"].default is None
    assert parameters["model"].annotation == "str | NotGiven | None"
    by_keyword = [one.kind is one.KEYWORD_ONLY for one in parameters.values()]
    assert by_keyword == [False, False, *[True] * (len(parameters) - 2)]  # self and thread_id


def test_not_given_is_not_sent():
    """A parameter given as NOT_GIVEN is as one that is left out; None is sent as null."""
    api, sent = fake_api({"id": "x"}, {"data": []})
    Runs(api).create("t", assistant_id="a", model=NOT_GIVEN, metadata=None, include=NOT_GIVEN)
    Messages(api).list("t", limit=NOT_GIVEN, run_id="r")
    assert sent[0].body == {"assistant_id": "a", "metadata": None}
    assert [request.query for request in sent] == [{}, {"run_id": "r"}]


@pytest.mark.parametrize(
    ("stream", "create"),
    [
        (_params.RunStreamParams, Runs.stream),
        (_params.RunToolsStreamParams, Runs.run_tools),
        (_params.SubmitStreamParams, Runs.submit_tool_outputs_stream),
        (_params.ThreadRunStreamParams, Threads.create_and_run_stream),
    ],
    ids=["stream", "run_tools", "submit_tool_outputs_stream", "create_and_run_stream"],
)
def test_what_type_checkers_are_shown_is_what_is_taken(stream, create):
    """The parameters of a streaming method's overloads are those of the method itself."""
    taken = inspect.signature(create).parameters.keys() - {"self", "event_handler"}
    shown = stream.__annotations__.keys()
    assert taken - {"thread_id", "run_id"} == shown - {"thread_id"}
    assert stream.__required_keys__ <= taken


def test_the_second_request_has_no_extra_body():
    """extra_body goes with the request that starts a run, not with those that look for it."""
    api, sent = fake_api({"id": "r", "thread_id": "t", "status": "completed"})
    extras = {"extra_body": {"b": 1}, "extra_query": {"q": 1}, "extra_headers": {"H": "1"}}
    Runs(api).create_and_poll("t", assistant_id="a", **extras)
    Threads(api).create_and_run_poll(assistant_id="a", **extras)
    Runs(api).submit_tool_outputs_and_poll("r", thread_id="t", tool_outputs=[], **extras)
    assert [request.method for request in sent] == ["POST", "GET"] * 3
    assert all(request.body["b"] == 1 for request in sent[::2])
    assert all(request.body is None for request in sent[1::2])
    assert all(request.query == {"q": "1"} for request in sent)
    assert all(request.headers == {"H": "1"} for request in sent)


def test_the_asyncio_methods_say_the_same():
    """An unknown name is the same error on the asyncio side, awaited or not."""

    async def main():
        async with AsyncOpenAI("any", base_url="http://127.0.0.1:9") as client:
            runs = client.beta.threads.runs
            with pytest.raises(TypeError, match="did you mean 'assistant_id'"):
                await runs.create("t", asistant_id="a")
            with pytest.raises(TypeError, match="did you mean 'assistant_id'"):
                runs.stream("t", assistantId="a")
            with pytest.raises(TypeError, match="did you mean 'limit'"):
                await runs.list("t", limits=1)

    asyncio.run(main())


def test_unknown_parameters_of_responses_are_sent():
    """What this library does not know of Responses yet goes to the server."""
    api, sent = fake_api({"id": "x"})
    Responses(api).create(model="m", input="x", novelty=1)
    assert sent[0].body == {"model": "m", "input": "x", "novelty": 1}


def test_a_parameter_is_not_lost_where_nothing_is_sent():
    """A name that a call of Responses has no body for is an error, not left out in silence."""
    api, sent = fake_api({"id": "x", "data": []})
    for call in (Responses(api).delete, Responses(api).cancel, InputItems(api).list):
        with pytest.raises(TypeError, match="did you mean 'timeout'"):
            call("r", timeouts=1)
    assert sent == []


def test_hints_need_nothing_that_may_be_missing():
    """The tables can be looked at without typing_extensions, which is not installed with this."""
    assert typing.is_typeddict(_params.RunParams)
    assert "assistant_id" in _params.RunParams.__required_keys__
    assert "model" in _params.RunParams.__optional_keys__
