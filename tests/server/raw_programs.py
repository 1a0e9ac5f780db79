"""Programs that ask what an answer came with, which run unchanged on both Python packages.

Each returns what it has found, so that the two, and the plain client and the asyncio one, can be
compared.
"""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from answer_programs import HELLO, READ, Reading
from server_helpers import WEATHER

CHAT: dict[str, Any] = {"model": "m", "messages": HELLO}


def head(response: Any) -> list[Any]:
    """Give what is known of an answer by its head, in any spelling of a header's name."""
    kind = response.headers["Content-Type"].partition(";")[0]
    known = bool(response.request_id) and response.request_id == response.headers["x-request-id"]
    missing = response.headers.get("X-Nothing", "nothing")
    return [response.status_code, kind, known, missing, response.method, response.retries_taken]


def asked(client: Any, kinds: Any) -> list[Any]:
    """The raw answers of several methods, the ids of requests, and errors."""
    completions, responses = client.chat.completions, client.responses
    raw = completions.with_raw_response.create(**CHAT)
    found: list[Any] = [*head(raw), raw.parse().choices[0].message.content]
    found.append(json.loads(raw.text) == json.loads(raw.content) == raw.parse().to_dict())
    raw = completions.with_raw_response.create(**CHAT, stream=True)
    found += [head(raw), "".join(c.choices[0].delta.content or "" for c in raw.parse())]
    raw = completions.with_raw_response.parse(
        model="m", messages=[{"role": "user", "content": READ}], response_format=Reading
    )
    found.append(raw.parse().choices[0].message.parsed.model_dump())
    made = responses.with_raw_response.create(model="m", input="Hello?").parse()
    raw = responses.with_raw_response.retrieve(made.id)
    found += [head(raw), raw.parse().output_text, bool(made._request_id)]
    found.append(
        [item.type for item in responses.input_items.with_raw_response.list(made.id).parse()]
    )
    found.append(client.chat.with_raw_response.completions.create(**CHAT).status_code)
    found.append(client.models.with_raw_response.list().parse().data[0].object)
    try:
        responses.with_raw_response.retrieve("resp_none")
    except kinds.NotFoundError as error:
        found.append([error.status_code, error.code, error.response.headers["Content-Type"]])
    try:
        client.with_options(max_retries=0).chat.completions.create(model="m", messages=[])
    except kinds.BadRequestError as error:
        found += [isinstance(error, kinds.APIStatusError), bool(error.request_id), error.type]
    first = completions.create(**CHAT)
    found += [bool(first._request_id), copy.deepcopy(first) == first]
    found.append(pickle.loads(pickle.dumps(first)) == first)
    found.append(json.loads(first.to_json()) == first.model_dump(mode="json", exclude_unset=True))
    return found


def streamed(client: Any) -> list[Any]:
    """Answers whose bodies are read in each way, or not."""
    completions = client.chat.completions
    found: list[Any] = []
    with completions.with_streaming_response.create(**CHAT) as response:
        found += [head(response), response.parse().choices[0].message.content]
    with completions.with_streaming_response.create(**CHAT) as response:
        found.append(response.json()["choices"][0]["message"]["role"])
        found.append(json.loads(response.read()) == json.loads(response.text()))
    with completions.with_streaming_response.create(**CHAT, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
        found += [len(lines), lines[-1]]
    with completions.with_streaming_response.create(**CHAT, stream=True) as response:
        found.append(sum(1 for _ in response.parse()))
    with completions.with_streaming_response.create(
        model="m", messages=iter(HELLO), tools=[WEATHER]
    ) as response:
        found.append(b"".join(response.iter_bytes(7))[:1])
    with completions.with_streaming_response.create(**CHAT) as response:
        found.append(response.status_code)  # and no more
    return found


async def asked_aio(client: Any) -> list[Any]:
    """The same with asyncio, in fewer ways."""
    completions = client.chat.completions
    raw = await completions.with_raw_response.create(**CHAT)
    found: list[Any] = [*head(raw), raw.parse().choices[0].message.content]
    raw = await completions.with_raw_response.create(**CHAT, stream=True)
    found.append([chunk.choices[0].finish_reason async for chunk in raw.parse()])
    raw = await client.chat.with_raw_response.completions.create(**CHAT)
    found.append(raw.status_code)
    async with completions.with_streaming_response.create(**CHAT) as response:
        found += [head(response), (await response.parse()).choices[0].message.content]
    async with completions.with_streaming_response.create(**CHAT, stream=True) as response:
        lines = [line async for line in response.iter_lines() if line]
        found += [len(lines), lines[-1]]
    async with completions.with_streaming_response.create(**CHAT, stream=True) as response:
        found.append(len([chunk async for chunk in await response.parse()]))
    async with completions.with_streaming_response.create(**CHAT) as response:
        found += [(await response.json())["object"], len(await response.text()) > 10]
    return found
