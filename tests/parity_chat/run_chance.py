"""Runs of tools made by chance: what the model answers, and what the functions do."""

from __future__ import annotations

import json
import random
from typing import Any

NAMES = ("f", "g", "h")
ARGUMENTS = [
    *("{}", '{"a": 1}', '{"a": "\u00e9\\n"}', "[1, 2]", '"x"', "null", "", "{", '{"a": 1} ', "12"),
    '{"b": {"c": [true, null]}}',
]
RESULTS: list[Any] = [
    *("text", "", "\u00e9 \U0001f600", 1, 2.5, 0, True, False, [], [1, "x", None], {}),
    {"k": [1, {"l": "\u00fc"}], "n": None},
]
TEXTS = ["", "a", "Hello", "\u00e9", '{"a": 1}', " "]
EXTRA = {"role": "user", "content": "more"}


class RunChance:
    """Makes one run after another, as ``node_trace.mjs`` and ``Run`` take them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._ids = 0

    def run(self) -> dict[str, Any]:
        """Give a run: parameters, options, and the answers to its requests."""
        streamed = self._maybe(0.6)
        names = self._random.sample(NAMES, self._random.randint(1, 3))
        params: dict[str, Any] = {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": streamed,
            "tools": [self._tool(name) for name in names],
        }
        if self._maybe(0.25):
            params["parallel_tool_calls"] = self._maybe(0.4)
        if self._maybe(0.25):
            forced = {"type": "function", "function": {"name": self._one(names)}}
            params["tool_choice"] = self._one(["required", "auto", "none", forced, forced])
        if self._maybe(0.2):
            params["temperature"] = 0.5
        options: dict[str, Any] = {}
        if self._maybe(0.4):
            options["maxChatCompletions"] = self._random.randint(1, 3)
        if self._maybe(0.4):
            options["afterCompletion"] = [
                self._one([{}, {}, {}, {"push": EXTRA}, {"push": EXTRA}, {"throws": "no"}])
                for _ in range(self._random.randint(1, 4))
            ]
        rounds = self._random.randint(0, 3)
        messages = [self._calling() for _ in range(rounds)]
        if self._maybe(0.9):
            messages.append(self._saying())
        write = self._streamed if streamed else self._whole
        answers = [write(message) for message in messages]
        return {"helper": "runTools", "params": params, "options": options, "answers": answers}

    def _tool(self, name: str) -> dict[str, Any]:
        spec = self._one([*[{"returns": self._one(RESULTS)}] * 6, {"echo": True}, {"throws": "no"}])
        function: dict[str, Any] = {"name": name, "parameters": {"type": "object"}}
        if self._maybe(0.5):
            function["description"] = "d"
        if self._maybe(0.1):
            function["strict"] = False
        tool = {"type": "function", "function": function, "$fn": spec}
        if self._maybe(0.6):
            tool["$parse"] = self._one(["bad_args", "bad_args", "throw"])
        return tool

    def _saying(self) -> dict[str, Any]:
        message: dict[str, Any] = {"content": self._one(TEXTS)}
        if self._maybe(0.1):
            message = {"content": None, "refusal": "no"}
        return {"message": message, "finish": self._one(["stop", "stop", "stop", "length"])}

    def _calling(self) -> dict[str, Any]:
        calls = []
        for _ in range(self._one([1, 1, 1, 2, 3])):
            self._ids += 1
            function = {"name": self._one([*NAMES, "zz"]), "arguments": self._one(ARGUMENTS)}
            identifier = "" if self._maybe(0.05) else f"call_{self._ids}"
            calls.append({"id": identifier, "type": "function", "function": function})
            if self._maybe(0.05):
                custom = {"name": "cu", "input": "x"}
                calls.append({"id": f"call_{self._ids}_c", "type": "custom", "custom": custom})
        message = {"content": self._one([None, None, "Let me see."]), "tool_calls": calls}
        return {"message": message, "finish": self._one(["tool_calls", "tool_calls", "stop"])}

    def _whole(self, answer: dict[str, Any]) -> str:
        message = {"role": "assistant", **answer["message"]}
        choice = {"index": 0, "message": message, "finish_reason": answer["finish"]}
        completion = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        completion["choices"] = [choice]
        if self._maybe(0.5):
            completion["usage"] = self._usage()
        return json.dumps(completion)

    def _streamed(self, answer: dict[str, Any]) -> str:
        message = answer["message"]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": message.get("content")}]
        if message.get("refusal"):
            deltas.append({"refusal": message["refusal"]})
        for index, call in enumerate(message.get("tool_calls") or ()):
            if call["type"] == "custom":
                deltas.append({"tool_calls": [{"index": index, **call}]})
                continue
            arguments = call["function"]["arguments"]
            cut = self._random.randint(0, len(arguments))
            begun = {**call["function"], "arguments": arguments[:cut]}
            deltas.append({"tool_calls": [{"index": index, **call, "function": begun}]})
            if arguments[cut:]:
                rest = {"index": index, "function": {"arguments": arguments[cut:]}}
                deltas.append({"tool_calls": [rest]})
        chunks = [self._chunk([{"index": 0, "delta": delta}]) for delta in deltas]
        chunks.append(self._chunk([{"index": 0, "delta": {}, "finish_reason": answer["finish"]}]))
        if self._maybe(0.4):
            chunks.append({**self._chunk([]), "usage": self._usage()})
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        return body + "data: [DONE]\n\n"

    def _chunk(self, choices: list[Any]) -> dict[str, Any]:
        document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return {**document, "choices": choices}

    def _usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        if self._maybe(0.3):
            usage["completion_tokens_details"] = {"reasoning_tokens": 1}
        return usage

    def _one(self, values: Any) -> Any:
        return self._random.choice(values)

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance
