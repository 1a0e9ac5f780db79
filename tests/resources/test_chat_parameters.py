"""The parameters of chat, Responses and models: which are known, and what becomes of others."""

from __future__ import annotations

import inspect
import typing

import pytest
from fake_transport import fake_api
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from emitter_stream import NOT_GIVEN
from emitter_stream.resources import Models, Responses
from emitter_stream.resources.chat import CompletionMessages, Completions

ASK = {"model": "m", "messages": []}


def names_of(method) -> list[str]:
    """Give the names that editors show for a method."""
    return list(inspect.signature(method).parameters)


@pytest.mark.parametrize("name", ["create", "parse", "stream", "run_tools"])
def test_chat_knows_the_official_parameters(name):
    """Every parameter of the official SDK's method is named, and any other is taken as well."""
    official = typing.get_type_hints(completion_create_params.CompletionCreateParamsNonStreaming)
    method = getattr(Completions, name)
    assert official.keys() - {"stream"} <= set(names_of(method))
    assert {"extra_headers", "extra_query", "extra_body", "timeout", "signal"} <= set(
        names_of(method)
    )
    *_, last = inspect.signature(method).parameters.values()
    assert last.kind is last.VAR_KEYWORD


@pytest.mark.parametrize("name", ["create", "parse", "stream"])
def test_responses_knows_the_official_parameters(name):
    """The same of Responses."""
    official = typing.get_type_hints(response_create_params.ResponseCreateParamsNonStreaming)
    assert official.keys() - {"stream"} <= set(names_of(getattr(Responses, name)))


def test_unknown_parameters_are_sent():
    """What a server takes beyond the API goes to it under its own name; NOT_GIVEN does not."""
    completion = {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}
    api, sent = fake_api(completion, completion, {"output": []}, {"output": []})
    completions, responses = Completions(api), Responses(api)
    completions.create(**ASK, top_k=4, min_p=NOT_GIVEN, temperature=None)
    completions.parse(**ASK, top_k=4)
    responses.create(model="m", input="x", top_k=4)
    responses.parse(model="m", input="x", top_k=4)
    assert [request.body.get("top_k") for request in sent] == [4, 4, 4, 4]
    assert sent[0].body == {**ASK, "top_k": 4, "temperature": None}


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda api: Completions(api).list(lmit=1), "limit"),
        (lambda api: Completions(api).retrieve("c", time_out=1), "timeout"),
        (lambda api: Completions(api).update("c", meta_data={}, metadata={}), "metadata"),
        (lambda api: CompletionMessages(api).list("c", ordr="asc"), "order"),
        (lambda api: Models(api).list(extra_header={}), "extra_headers"),
        (lambda api: Models(api).retrieve("m", time_out=1), "timeout"),
    ],
)
def test_methods_that_send_no_body_take_no_other(call, meant):
    """Where nothing else can be sent, an unknown name is an error that names the nearest."""
    api, sent = fake_api()
    with pytest.raises(TypeError, match=f"did you mean '{meant}'"):
        call(api)
    assert sent == []
