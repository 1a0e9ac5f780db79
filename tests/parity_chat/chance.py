"""Chat streams made by chance, of a kind that the Node SDK takes without repairs."""

from __future__ import annotations

import json
import random
from typing import Any

PIECES = [
    *("a", " b", "", "{", "}", "[", "]", '"x"', ":", ",", "1", "tru", "null", '{"a":', '"b":[1,'),
    *('\\"', "\u00e9", "\U0001f600", "\ud83d", "\ude00", " ", "\n"),
]
DOCUMENTS: list[Any] = [
    {"a": [1, 2.5, {"b": None}], "c": 'h\n"\u00e9'},
    [1, "x", {"k": []}],
    "text",
    {"n": -1e3, "t": True},
]
FORMATS = [
    {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
    {"type": "json_object"},
    {"type": "text"},
]
AUDIO = [
    *({"id": "au"}, {"data": "xy"}, {"transcript": "t"}, {"expires_at": 5}),
    {"id": "a", "data": "b", "transcript": "c"},
]


class Chance:
    """Makes one stream after another, each a request's parameters and a body."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def stream(self) -> dict[str, Any]:
        """Give ``{"params": ..., "body": ...}``."""
        count = self._one([1, 1, 1, 2])
        params = self._params(count)
        base: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 1}
        base["model"] = "m"
        if self._maybe(0.3):
            base["system_fingerprint"] = self._one(["fp", None, ""])
        choices = [_Choice(self, index) for index in range(count)]
        kind = self._one(["text", "json", "tools", "mixed", "mixed"])
        chunks = []
        for _ in range(self._random.randint(1, 14)):
            some = self._random.sample(choices, self._one([1, 1, count]))
            chunks.append({**base, "choices": [choice.step(kind) for choice in some]})
            if self._maybe(0.03):
                base["model"] = "m2"
            if self._maybe(0.03):
                base["id"] = self._one(["c2", "", None])
        for choice in choices:
            if choice.has_role and not self._maybe(0.05):
                chunks.append({**base, "choices": [choice.end()]})
        if self._maybe(0.3):
            usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
            chunks.append({**base, "choices": [], "usage": usage})
        return {"params": params, "body": self._body(chunks)}

    def _params(self, count: int) -> dict[str, Any]:
        params: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        if count > 1:
            params["n"] = count
        if self._maybe(0.35):
            params["response_format"] = self._one(FORMATS)
        if self._maybe(0.4):
            params["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": {}, **self._strict()}}
                for name in self._random.sample("fgh", self._random.randint(1, 2))
            ]
        return params

    def _strict(self) -> dict[str, Any]:
        return {"strict": self._maybe(0.5)} if self._maybe(0.7) else {}

    def _body(self, chunks: list[Any]) -> str:
        padded = self._maybe(0.3)
        body = ""
        for chunk in chunks:
            if padded:
                chunk = {**chunk, "obfuscation": self._one(["abc", "x", ""])}
            separators = self._one([(",", ":"), (",", ":"), (", ", ": ")])
            body += f"data: {json.dumps(chunk, separators=separators)}\n\n"
        return body + ("data: [DONE]\n\n" if self._maybe(0.8) else "")

    def _one(self, values: Any) -> Any:
        return self._random.choice(values)

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def _text(self) -> str:
        return "".join(self._random.choices(PIECES, k=self._random.randint(0, 3)))


class _Choice:
    """One choice of a stream under way."""

    def __init__(self, chance: Chance, index: int) -> None:
        self._chance = chance
        self._index = index
        self.has_role = False
        self._calls: dict[int, str] = {}
        self._rest = json.dumps(chance._one(DOCUMENTS))

    def step(self, kind: str) -> dict[str, Any]:
        """Give the choice of one chunk."""
        chance = self._chance
        delta: dict[str, Any] = {}
        if not self.has_role or chance._maybe(0.1):
            delta["role"] = "assistant"
            self.has_role = True
        if kind == "mixed":
            kind = chance._one(["text", "json", "tools", "refusal", "old", "audio", "none"])
        if kind == "text":
            delta["content"] = None if chance._maybe(0.1) else chance._text()
        elif kind == "json":
            size = chance._random.randint(0, 9)
            delta["content"], self._rest = self._rest[:size], self._rest[size:]
        elif kind == "refusal":
            delta["refusal"] = chance._one([chance._text(), None])
        elif kind == "old":
            call = {"arguments": chance._text()}
            delta["function_call"] = chance._one([{"name": "f", **call}, call, None])
        elif kind == "audio":
            delta["audio"] = chance._one(AUDIO)
        elif kind == "tools":
            delta["tool_calls"] = chance._one([[], None])
            if not chance._maybe(0.05):
                delta["tool_calls"] = [self._call() for _ in range(chance._one([1, 1, 1, 2]))]
        choice: dict[str, Any] = {"index": self._index, "delta": delta}
        if chance._maybe(0.05):
            delta["annotations"] = [{"a": 1}]
        if chance._maybe(0.8):
            choice["finish_reason"] = None
        if chance._maybe(0.5):
            choice["logprobs"] = None
        if chance._maybe(0.12):
            token = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}
            choice["logprobs"] = {"content": chance._one([[token], [token], None])}
            if chance._maybe(0.4):
                choice["logprobs"]["refusal"] = [{"token": "r"}]
        if chance._maybe(0.05):
            choice["stop_reason"] = chance._one([None, 1])
        return choice

    def end(self) -> dict[str, Any]:
        """Give the choice of the chunk that ends it."""
        chance = self._chance
        finish = chance._one(["stop", "stop", "tool_calls", "length", "content_filter"])
        delta = chance._one([{}, {}, {"content": "z"}])
        return {"index": self._index, "delta": delta, "finish_reason": finish}

    def _call(self) -> dict[str, Any]:
        chance = self._chance
        index = chance._one([0, 0, 0, 1, 1, 2])
        call: dict[str, Any] = {"index": index}
        if index not in self._calls:
            kind = self._calls[index] = chance._one([*["function"] * 5, "custom"])
            call |= {"id": chance._one([f"call_{index}", f"call_{index}", ""]), "type": kind}
            text = chance._one(["", chance._text(), "{"])
            if kind == "function":
                call["function"] = {"name": chance._one(["f", "g", "h", "zz"]), "arguments": text}
            else:
                call["custom"] = {"name": "cu", "input": text}
        elif self._calls[index] == "function":
            text = chance._one([chance._text(), '{"a":', "1}", "}"])
            call["function"] = {"arguments": text}
        else:
            call["custom"] = {"input": chance._text()}
        if chance._maybe(0.05):
            call["x"] = chance._one([1, [1], "y"])
        return call
