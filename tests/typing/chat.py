"""What type checkers say of natural uses of chat completions. Checked, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from emitter_stream import (
    ChatCompletionRunner,
    ChatCompletionStream,
    ChatCompletionStreamingRunner,
    OpenAI,
    Stream,
)
from emitter_stream.aio import AsyncChatCompletionStream, AsyncOpenAI, AsyncStream
from emitter_stream.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionStreamEvent,
    ContentDeltaEvent,
    ParsedChatCompletion,
    ParsedFunction,
)


def streams(client: OpenAI, messages: list[Any]) -> None:
    stream = client.chat.completions.stream(model="m", messages=messages)
    assert_type(stream, ChatCompletionStream)
    chained = (
        stream.on("content", lambda delta, snapshot: print(delta.upper(), snapshot.upper()))
        .on("content", lambda delta: print(delta.upper()))
        .on("chunk", lambda chunk, snapshot: print(chunk.choices[0].delta.content, snapshot.id))
        .on("content.delta", lambda event: print(event.delta.upper(), event.parsed))
        .on("tool_calls.function.arguments.done", lambda event: print(event.index + 1))
        .on("functionToolCall", lambda call: print(call.name, call.parsed_arguments))
        .on("totalUsage", lambda usage: print(usage.total_tokens + 1))
        .once("finalChatCompletion", lambda completion: print(completion.usage))
        .on("error", lambda error: print(error.__cause__))
        .on("end", lambda: None)
    )
    assert_type(chained, ChatCompletionStream)
    stream.on("content.delta", lambda event: print(event.no_such_field))  # type: ignore
    stream.on("conten", print)  # type: ignore

    @stream.on("content.done")
    def whole(event: Any) -> None:
        print(event.content)

    assert_type(stream.final_chat_completion(), ParsedChatCompletion)
    assert_type(stream.final_content(), str | None)
    assert_type(stream.final_function_tool_call(), ParsedFunction | None)
    with stream as events:
        for event in events:
            assert_type(event, ChatCompletionStreamEvent)
            if event.type == "content.delta":
                assert_type(event, ContentDeltaEvent)


def answers(client: OpenAI, messages: list[Any]) -> None:
    completions = client.chat.completions
    assert_type(completions.create(model="m", messages=messages), ChatCompletion)
    plain = completions.create(model="m", messages=messages, stream=True)
    assert_type(plain, Stream[ChatCompletionChunk])
    assert_type(completions.parse(model="m", messages=messages), ParsedChatCompletion)
    streamed = completions.run_tools(model="m", messages=messages, tools=[], stream=True)
    assert_type(streamed, ChatCompletionStreamingRunner)
    whole = completions.run_tools(model="m", messages=messages, tools=[])
    assert_type(whole, ChatCompletionRunner)
    whole.on("content", lambda content: print(content.upper()))
    completions.create(model="m", messages=messages, temperature=0.5, max_tokens=10, seed=1)
    completions.create(model="m", messages=messages, temprature=0.5)  # type: ignore
    completions.stream(model="m", messages=messages, max_tokens="10")  # type: ignore
    completions.parse(model="m", messages=messages, response_format=dict, timeout=5)
    completions.run_tools(model="m", messages=messages, tools=[], max_chat_completion=3)  # type: ignore
    completions.list(limt=2)  # type: ignore
    client.models.retrieve("m", timeout=5, extra_headers={"X": None})
    client.models.list(limit=2)  # type: ignore
    whole.on("chunk", print)  # type: ignore
    for completion in completions.list(limit=2):
        assert_type(completion, ChatCompletion)


async def on_a_loop(client: AsyncOpenAI, messages: list[Any]) -> None:
    stream = client.chat.completions.stream(model="m", messages=messages)
    assert_type(stream, AsyncChatCompletionStream)

    async def listen(delta: str) -> None:
        print(delta)

    stream.on("content", listen).on("content", lambda delta, snapshot: print(delta, snapshot))
    assert_type(await stream.final_content(), str | None)
    async with stream as events:
        async for event in events:
            assert_type(event, ChatCompletionStreamEvent)
    plain = await client.chat.completions.create(model="m", messages=messages, stream=True)
    assert_type(plain, AsyncStream[ChatCompletionChunk])
    assert_type(await client.chat.completions.create(model="m", messages=messages), ChatCompletion)
    async for model in client.models.list():
        print(model.owned_by)
