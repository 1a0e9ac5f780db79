"""What type checkers know of Responses: events, items, and plain streams. Checked, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from emitter_stream import OpenAI, Stream
from emitter_stream.types.responses import (
    Response,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseItem,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)

client = OpenAI()
stream = client.responses.stream(model="m", input="hi")

stream.on("response.output_text.delta", lambda event: print(event.delta, event.snapshot))
stream.on("response.output_text.delta", lambda event: print(event.detla))  # type: ignore
stream.on("response.output_txt.delta", print)  # type: ignore
stream.once("response.completed", lambda event: print(event.response.output_text)).on("end", print)
stream.on("keepalive", lambda event: print(event.sequence_number))


@stream.on("response.function_call_arguments.delta")
def on_arguments(event: ResponseFunctionCallArgumentsDeltaEvent) -> None: ...


@stream.on("response.output_text.done")  # type: ignore
def on_done(event: ResponseFunctionCallArgumentsDeltaEvent) -> None: ...


assert_type(stream.emitted("response.output_text.delta"), ResponseTextDeltaEvent)

with client.responses.stream(model="m", input="hi") as events:
    for event in events:
        if event.type == "response.output_text.delta":
            assert_type(event, ResponseTextDeltaEvent)
            print(event.delta, event.snapshot)
        elif event.type == "response.output_item.done" and event.item.type == "message":
            for part in event.item.content:
                if part.type == "output_text":
                    print(part.text, part.annotations)
    assert_type(events.get_final_response(), Response)

assert_type(client.responses.create(model="m", input="hi"), Response)
assert_type(
    client.responses.create(model="m", input="hi", stream=True), Stream[ResponseStreamEvent]
)
client.responses.create(modle="m")  # type: ignore
for item in client.responses.input_items.list("resp_1"):
    assert_type(item, ResponseItem)
parsed: Any = client.responses.parse(model="m", input="hi", text_format=dict).output_parsed
