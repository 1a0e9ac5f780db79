"""What an upstream is asked, in the words of both APIs, and how it is asked again."""

from __future__ import annotations

import pytest
from canned import HELLO, KEY, TOOLS, Answer, ask, error, function, question

from emitter_stream.server import DoneCall, Image, ModelError, Round, Said, Upstream

ROUND = Round(
    (
        DoneCall("function", "weather", '{"place":"Oslo"}', "mild", "call_1", "w", {"x_extra": 1}),
        DoneCall("code_interpreter", "", "print(1)", "1\n", "call_2", "abcdefgh9"),
    )
)
USER, LATER = Said("user", "Hi"), Said("assistant", "Let me look.")


def test_a_plain_request(canned):
    """Nothing is sent but what says something."""
    canned.answers = [Answer(HELLO)]
    ask(
        Upstream(canned.url), question(temperature=1.0, top_p=1.0, response_format={"type": "text"})
    )
    assert canned.paths == ["/v1/chat/completions"]
    assert canned.bodies == [
        {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert "authorization" not in canned.heads[0]


def test_a_full_request(canned):
    """What the run says is sent, in the words of Chat Completions."""
    strict = function("weather", strict=True, description=None)
    canned.answers = [Answer(HELLO)]
    turn = question(
        tools=(strict, function("clock", strict=False)),
        tool_choice={"type": "function", "function": {"name": "clock"}},
        parallel_tool_calls=False,
        temperature=0.5,
        top_p=0.9,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        limit=300,
    )
    ask(Upstream(canned.url, model="m"), turn)
    body = canned.bodies[0]
    del body["messages"], body["stream"], body["stream_options"]
    parameters = {"type": "object", "properties": {}}
    assert body == {
        "model": "m",
        "max_tokens": 300,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "parameters": parameters, "strict": True},
            },
            {"type": "function", "function": {"name": "clock", "parameters": parameters}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "clock"}},
        "parallel_tool_calls": False,
    }


def test_a_conversation(canned):
    """Text and calls of one answer are one message; ids are nine letters and digits."""
    canned.answers = [Answer(HELLO)]
    ask(Upstream(canned.url), question(history=(USER, LATER, ROUND, LATER, ROUND)))
    first, *outputs = canned.bodies[0]["messages"][2:]
    one, two = (call["id"] for call in first["tool_calls"])
    assert first == {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [
            {
                "id": one,
                "type": "function",
                "function": {"name": "weather", "arguments": '{"place":"Oslo"}'},
                "x_extra": 1,
            },
            {
                "id": "abcdefgh9",
                "type": "function",
                "function": {"name": "code_interpreter", "arguments": '{"code": "print(1)"}'},
            },
        ],
    }
    assert len(one) == 9 and one.isalnum() and one.isascii() and two == "abcdefgh9"
    assert outputs[:2] == [
        {"role": "tool", "tool_call_id": one, "content": "mild"},
        {"role": "tool", "tool_call_id": two, "content": "1\n"},
    ]
    assert outputs[2]["content"] == "Let me look."
    ids = [call["id"] for call in (*first["tool_calls"], *outputs[2]["tool_calls"])]
    assert len(set(ids)) == 4
    assert [message["tool_call_id"] for message in outputs[3:]] == ids[2:]


def test_neighbours_are_joined(canned):
    """Messages of one role in a row become one, with an empty line between their texts."""
    image = Image(url="https://example.com/a.png", detail="low")
    sent = {"type": "image_url", "image_url": {"url": image.url, "detail": "low"}}
    history = (
        Said("user", "a"),
        Said("user", ("b", image)),
        Said("user", "c"),
        Said("assistant", "d"),
        Said("assistant", "e"),
        Said("user", (Image(file_id="file_1"),)),
    )
    canned.answers = [Answer(HELLO)]
    ask(Upstream(canned.url), question(history=history, instructions=""))
    assert canned.bodies[0]["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "a\n\nb"}, sent, {"type": "text", "text": "c"}],
        },
        {"role": "assistant", "content": "d\n\ne"},
    ]


def test_a_request_of_responses(canned):
    """The same in the words of Responses: nothing is stored there, all of it comes each time."""
    canned.answers = [Answer(HELLO)]
    image = Image(url="https://example.com/a.png")
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    turn = question(
        history=(Said("user", ("Hi", image)), LATER, ROUND),
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": schema},
        reasoning_effort="low",
        limit=300,
    )
    ask(Upstream(canned.url, api="responses"), turn)
    assert canned.paths == ["/v1/responses"]
    parameters = {"type": "object", "properties": {}}
    assert canned.bodies[0] == {
        "model": "gpt-4o",
        "instructions": "Be brief.",
        "stream": True,
        "store": False,
        "max_output_tokens": 300,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", **schema}},
        "parallel_tool_calls": False,
        "tools": [
            {"type": "function", "name": name, "parameters": parameters}
            for name in ("weather", "clock")
        ],
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Hi"},
                    {"type": "input_image", "image_url": image.url, "detail": "auto"},
                ],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Let me look."}],
            },
            {
                "type": "function_call",
                "call_id": "w",
                "name": "weather",
                "arguments": '{"place":"Oslo"}',
            },
            {
                "type": "function_call",
                "call_id": "abcdefgh9",
                "name": "code_interpreter",
                "arguments": '{"code": "print(1)"}',
            },
            {"type": "function_call_output", "call_id": "w", "output": "mild"},
            {"type": "function_call_output", "call_id": "abcdefgh9", "output": "1\n"},
        ],
    }


CHOICES = {
    "auto": ("auto", (USER,), TOOLS, None, True),
    "required": ("required", (USER,), TOOLS, "required", True),
    "required after a round": ("required", (USER, ROUND), TOOLS, None, True),
    "required without tools": ("required", (USER,), (), None, False),
    "none": ("none", (USER,), TOOLS, None, False),
    "none after a round": ("none", (USER, ROUND), TOOLS, "none", True),
    "a tool that is not offered": ({"type": "file_search"}, (USER,), TOOLS, None, True),
}


@pytest.mark.parametrize("case", CHOICES)
def test_tool_choice(canned, case):
    """A call is asked for once, before the first round; `none` takes the tools away."""
    choice, history, tools, sent, offered = CHOICES[case]
    canned.answers = [Answer(HELLO)]
    ask(Upstream(canned.url), question(tool_choice=choice, history=history, tools=tools))
    assert canned.bodies[0].get("tool_choice") == sent
    assert ("tools" in canned.bodies[0]) == offered


@pytest.mark.parametrize(
    "url, path",
    [
        ("http://H", "/v1/chat/completions"),
        ("http://H/", "/v1/chat/completions"),
        ("http://H/openai/v1/", "/openai/v1/chat/completions"),
        ("http://H/openai?api-version=1", "/openai/chat/completions?api-version=1"),
    ],
)
def test_urls(canned, url, path):
    """The path is appended to the base, and a query stays at the end."""
    canned.answers = [Answer(HELLO)]
    ask(Upstream(url.replace("H", f"127.0.0.1:{canned.port}")))
    assert canned.paths == [path]


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://user:pa55word@h/v1"},
        {"url": "ftp://h/v1"},
        {"url": "h:11434/v1"},
        {"url": "http://h:port/v1"},
        {"url": ""},
        {"api": "assistants"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"headers": {"a b": "pa55word"}},
        {"headers": {"x": "pa55word\r\ny: z"}},
        {"headers": {"x": "env:EMITTER_STREAM_NOT_THERE"}},
        {"key": "pa55word\n\x00"},
    ],
)
def test_what_cannot_be_used(options):
    """What makes no sense is refused at once, without a word of what may be secret."""
    with pytest.raises(ValueError) as caught:
        Upstream(**{"url": "http://h", **options})
    assert "pa55word" not in str(caught.value)


OPENAI, AZURE = "https://api.openai.com/v1", "https://me.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    "url, names, header",
    [
        ("http://h", ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"), None),
        ("https://api.openai.com.evil.example/v1", ("OPENAI_API_KEY",), None),
        ("https://openai.azure.com.evil.example/v1", ("AZURE_OPENAI_API_KEY",), None),
        ("https://me.cloudapp.azure.com/v1", ("AZURE_OPENAI_API_KEY",), None),
        (OPENAI, ("AZURE_OPENAI_API_KEY",), None),
        (OPENAI, ("OPENAI_API_KEY",), "Authorization"),
        (AZURE, ("OPENAI_API_KEY",), None),
        (AZURE, ("AZURE_OPENAI_API_KEY",), "api-key"),
        (AZURE, ("EMITTER_STREAM_UPSTREAM_KEY",), "api-key"),
        ("http://h", ("EMITTER_STREAM_UPSTREAM_KEY",), "Authorization"),
    ],
)
def test_keys_of_the_environment(monkeypatch, url, names, header):
    """OpenAI's and Azure's keys go to their hosts alone, our own wherever it is told."""
    for name in ("EMITTER_STREAM_UPSTREAM_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in names:
        monkeypatch.setenv(name, KEY)
    model = Upstream(url)
    sent = {name for name, value in model._headers.items() if KEY in value}
    assert sent == ({header} if header else set())
    assert KEY not in repr(model)


def test_hosts_of_openai_have_other_words():
    """api.openai.com is asked by Responses, it and Azure with the newer name of the limit."""
    assert Upstream(OPENAI, key=KEY)._api == "responses"
    assert Upstream(AZURE, key=KEY)._api == "chat"
    assert Upstream(AZURE, key=KEY)._limit_name == "max_completion_tokens"


def test_headers(canned, monkeypatch):
    """Headers are sent, from the environment too, and may take the place of ours."""
    monkeypatch.setenv("MY_HEADER", "from-the-environment")
    headers = {"X-One": "1", "X-Two": "env:MY_HEADER", "authorization": "Basic abcdefghi"}
    words = {"message": "No from-the-environment, no abcdefghi."}
    canned.answers = [Answer(HELLO), error(400, words)]
    model = Upstream(canned.url, key=KEY, headers=headers)
    ask(model)
    sent = canned.heads[0]
    assert (sent["x-one"], sent["x-two"]) == ("1", "from-the-environment")
    assert sent["authorization"] == "Basic abcdefghi"
    assert ask(model).error.message == "No ***, no ***."


UNKNOWN = "Unrecognized request argument supplied: {}"
REFUSED = {
    "param": ({"error": {"message": "No.", "param": "stream_options"}}, {"stream_options"}),
    "in words": ({"error": {"message": UNKNOWN.format("temperature")}}, {"temperature"}),
    "two at once": (
        {
            "detail": [
                {"loc": ["body", "temperature"], "msg": "x"},
                {"loc": ["body", "top_p"], "msg": "x"},
            ]
        },
        {"temperature", "top_p"},
    ),
    "as a string": ({"error": UNKNOWN.format("parallel_tool_calls")}, {"parallel_tool_calls"}),
    "response_format": ({"detail": "response_format is not supported"}, {"response_format"}),
}


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_fields(canned, case, status):
    """A field that is refused is left out, now and from then on."""
    body, fields = REFUSED[case]
    turn = question(
        tools=TOOLS,
        parallel_tool_calls=False,
        temperature=0.5,
        top_p=0.5,
        response_format={"type": "json_object"},
    )
    canned.answers = [error(status, body), Answer(HELLO), Answer(HELLO)]
    model = Upstream(canned.url)
    assert ask(model, turn).text == ask(model, turn).text == "Hello."
    first, second, third = canned.bodies
    assert set(first) - set(second) == fields and second == third


def test_the_other_limit(canned):
    """The two names of the limit stand for each other."""
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    canned.answers = [error(400, {"error": {"message": words}}), Answer(HELLO)]
    assert ask(Upstream(canned.url), question(limit=300)).text == "Hello."
    assert "max_tokens" not in canned.bodies[1]
    assert canned.bodies[1]["max_completion_tokens"] == 300


def test_a_field_that_stays_refused(canned):
    """Once a field, and a refusal that names nothing is final."""
    refusal = error(400, {"error": {"message": "temperature is out of range"}})
    canned.answers = [refusal] * 3
    heard = ask(Upstream(canned.url), question(temperature=0.5))
    assert heard.error.code == "invalid_prompt" and len(canned.bodies) == 2


def test_strict_is_refused(canned):
    """`strict` in a function is left out where it is refused by its place."""
    words = {"error": {"message": "No.", "param": "tools[0].function.strict"}}
    canned.answers = [error(400, words), Answer(HELLO)]
    turn = question(tools=(function("weather", strict=True),))
    assert ask(Upstream(canned.url), turn).text == "Hello."
    assert "strict" not in canned.bodies[1]["tools"][0]["function"]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_no_responses_there(canned, status):
    """With auto, an upstream that has no `/responses` is asked the other way, from then on."""
    model = Upstream(canned.url)
    model._api = "responses"  # as it is for api.openai.com
    canned.answers = [error(status, {}), Answer(HELLO), Answer(HELLO)]
    assert ask(model).text == ask(model).text == "Hello."
    assert [path[4:] for path in canned.paths] == ["responses", *["chat/completions"] * 2]


@pytest.mark.parametrize("api", ["auto", "responses"])
def test_responses_it_is(canned, api):
    """Where the API was named, or the model alone is missing, it stays."""
    model = Upstream(canned.url, api=api)
    model._api = "responses"
    words = {"error": {"message": "No such model.", "code": "model_not_found"}}
    canned.answers = [error(404, words if api == "auto" else {})] * 2
    assert isinstance(ask(model).error, ModelError) and len(canned.bodies) == 1


TOO_LONG = error(400, {"error": {"message": "This exceeds the maximum context length."}})


@pytest.mark.parametrize("count, kept", [(2, [1]), (3, [2]), (9, [5, 3, 2])])
def test_too_long_a_history(canned, count, kept):
    """The older half is dropped while there is one, three times at most; what the run did stays."""
    history = tuple(Said("user" if n % 2 else "assistant", f"{n}") for n in range(count - 1))
    turn = question(instructions="", history=(*history, Said("user", "last"), ROUND))
    canned.answers = [TOO_LONG] * len(kept) + [Answer(HELLO)]
    assert ask(Upstream(canned.url, api="responses"), turn).text == ""
    sizes = [sum(item["type"] == "message" for item in body["input"]) for body in canned.bodies]
    assert sizes == [count, *kept]
    assert all(body["input"][-1]["output"] == "1\n" for body in canned.bodies)


def test_too_long_for_good(canned):
    """After three times, and for a single message at once, it is the prompt that is wrong."""
    history = tuple(Said("user", f"{n}") for n in range(40))
    canned.answers = [TOO_LONG] * 5
    heard = ask(Upstream(canned.url), question(history=history))
    assert heard.error.code == "invalid_prompt" and len(canned.bodies) == 4
    assert ask(Upstream(canned.url)).error.code == "invalid_prompt" and len(canned.bodies) == 5
