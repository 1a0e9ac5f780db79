"""Chat, tool and Responses streams of this library beside the Node SDK's traces of the same bodies.

``README.md`` says what stands in the files, and what counts as equal.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scripted_server import PATIENCE, Exchange, Script

from emitter_stream import helpers

HERE = Path(__file__).parent
INDEX = json.loads((HERE / "INDEX.json").read_text())

FINALS = {
    "finalChatCompletion": "final_chat_completion",
    "finalContent": "final_content",
    "finalMessage": "final_message",
    "finalFunctionToolCall": "final_function_tool_call",
    "finalFunctionToolCallResult": "final_function_tool_call_result",
    "totalUsage": "total_usage",
}


def names_of(*kinds: str) -> list[str]:
    """Give the scenarios whose kind begins with one of ``kinds``."""
    return sorted(name for name, entry in INDEX.items() if entry["kind"].startswith(kinds))


def load(folder: str, name: str) -> dict[str, Any]:
    """Read a scenario or a golden file."""
    return json.loads((HERE / folder / f"{name}.json").read_text())


def scripts(scenario: dict[str, Any], piece: int | None) -> list[Script]:
    """Give what answers the requests of a scenario, one after another."""
    made = [_script(body, piece) for body in scenario["bodies"]]
    return [*made, _script({"status": 500, "content_type": "application/json"}, None)]


def _script(body: dict[str, Any], piece: int | None) -> Script:
    content = (HERE / "scenarios" / body["file"]).read_bytes() if "file" in body else b"{}"

    def script(exchange: Exchange) -> None:
        if body.get("fetch_error"):
            exchange.cut()
            return
        kind = body.get("content_type", "text/event-stream")
        exchange.head(body.get("status", 200), content_type=kind, framing="chunked")
        exchange.body(content, piece)
        if body.get("body_error"):
            exchange.cut()
        else:
            exchange.finish()

    return script


# Values


def plain(value: Any) -> Any:
    """Give what a listener was given as JSON, now."""
    if isinstance(value, BaseException):
        return {"__error__": [kind.__name__ for kind in type(value).__mro__]}
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, float) and not math.isfinite(value):
        return {"__number__": "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def same(ours: Any, theirs: Any, event: str | None = None) -> bool:
    """Tell whether two values are equal by the rules of the README."""
    if theirs is None or theirs == {"__undefined__": True}:
        return ours is None
    if isinstance(ours, dict) and "__error__" in ours:
        kind = theirs.get("error") if isinstance(theirs, dict) else None
        return kind in (*ours["__error__"], "Error", "string")
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(
            same(ours[key], theirs[key])
            if key in ours and key in theirs
            else _may_lack(theirs[key])
            if key in theirs
            else (key in ("parsed", "parsed_arguments") and ours[key] is None)
            or (key == "type" and ours[key] == event)
            for key in {**ours, **theirs}
        )
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return ours is theirs
    if isinstance(theirs, int | float) and isinstance(ours, int | float):
        return ours == theirs or (abs(theirs) > 2**53 and float(ours) == float(theirs))
    return bool(type(ours) is type(theirs) and ours == theirs)


def _may_lack(theirs: Any) -> bool:
    return bool(theirs == {"__undefined__": True})


_GENERATED = re.compile(r"call_(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|UUID\d+)")


def numbered(value: Any) -> Any:
    """Give JSON with the ids that were generated written as the how-manieth they are."""
    seen: dict[str, str] = {}
    text = json.dumps(value)
    return json.loads(_GENERATED.sub(lambda m: seen.setdefault(m[0], f"call_#{len(seen)}"), text))


def settled(trace: Iterable[list[Any]]) -> list[list[Any]]:
    """Give a trace with the functions of each round in one order: they begin in any."""
    made: list[list[Any]] = []
    functions: list[list[Any]] = []
    for call in trace:
        if call[0] == "$fn":
            functions.append(call)
            continue
        made += sorted(functions, key=json.dumps)
        functions.clear()
        made.append(call)
    return made + sorted(functions, key=json.dumps)


# From a scenario to a stream


def _fail(message: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        raise ValueError(message)

    return parse


def _bad_arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"bad arguments: {text}") from None


PARSERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "wrap": lambda text: {"wrapped": json.loads(text)},
    "throw": _fail("parser failed"),
    "throw_string": _fail("not an Error object"),
    "bad_args": _bad_arguments,
    "undefined": lambda text: None,
}


class Run:
    """One scenario as a stream of this library: what it called, and what it came to."""

    def __init__(self, client: Any, scenario: dict[str, Any], controller: Any) -> None:
        self.trace: list[list[Any]] = []
        self._options = scenario.get("options") or {}
        self._controller = controller
        self._counts: Counter[str] = Counter()
        helper = scenario["helper"]
        self._params = self._parameters(scenario)
        if helper == "responses":
            self.stream = client.responses.stream(**self._params)
        elif helper == "runTools":
            self.stream = client.chat.completions.run_tools(**{"stream": True, **self._params})
        else:
            self.stream = client.chat.completions.stream(**self._params)

    def listen(self, names: Iterable[str]) -> None:
        """Attach a listener for each name."""
        for name in names:
            self.stream.on(name, self._listener(name))

    def result(self, final: dict[str, Any]) -> dict[str, Any]:
        """Give everything that a golden file has, but the requests."""
        until = time.monotonic() + PATIENCE
        while not self.stream.ended and time.monotonic() < until:
            threading.Event().wait(0.001)
        if "finalResponse" not in final:
            final["messages"] = plain(list(self.stream.messages))
            final["allChatCompletions"] = len(self.stream.all_chat_completions())
        state = {name: getattr(self.stream, name) for name in ("ended", "errored", "aborted")}
        return {"trace": self.trace, "final": final, "state": state}

    def _listener(self, name: str) -> Callable[..., None]:
        def hear(*args: Any) -> None:
            self.trace.append([name, *map(plain, args)])
            self._counts[name] += 1
            for key, abort in (("abort", self.stream.abort), ("abort_signal", self._abort)):
                when = self._options.get(key)
                if when and (when["event"], when["nth"]) == (name, self._counts[name]):
                    abort()

        return hear

    def _abort(self) -> None:
        self._controller.abort(ValueError("caller reason"))

    def _parameters(self, scenario: dict[str, Any]) -> dict[str, Any]:
        default = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        if scenario["helper"] == "responses":
            default = {"model": "gpt-4o", "input": "hi"}
        params: dict[str, Any] = json.loads(json.dumps(scenario.get("params", default)))
        form = params.get("response_format")
        if isinstance(form, dict) and "$auto" in form:
            parser = PARSERS[form.pop("$auto")]
            params["response_format"] = helpers.make_parseable_response_format(form, parser)
        text = params.get("text") or {}
        if "$auto" in (text.get("format") or {}):
            parser = PARSERS[text["format"].pop("$auto")]
            text["format"] = helpers.make_parseable_text_format(text["format"], parser)
        if params.get("tools"):
            flat = scenario["helper"] == "responses"
            params["tools"] = [self._tool(tool, flat=flat) for tool in params["tools"]]
        if "toolContext" in params:
            params["tool_context"] = params.pop("toolContext")
        options = self._options
        if options.get("signal") or options.get("abort_signal"):
            params["signal"] = self._controller.signal
        if options.get("signal") == "aborted":
            self._controller.abort()
        if "maxChatCompletions" in options:
            params["max_chat_completions"] = options["maxChatCompletions"]
        if "afterCompletion" in options:
            params["after_completion"] = self._after(iter(options["afterCompletion"]))
        return params

    def _tool(self, tool: dict[str, Any], *, flat: bool) -> Any:
        keys = ("$auto", "$fn", "$parse", "$function_name")
        auto, spec, parse, named = (tool.pop(key, None) for key in keys)
        name = (tool.get("function") or {}).get("name") or named
        function = self._function(spec, name) if spec else None
        if auto and flat:
            return helpers.make_parseable_response_tool(tool, parser=PARSERS[auto])
        if auto:
            return helpers.make_parseable_tool(tool, parser=PARSERS[auto], callback=function)
        if function:
            tool["function"] = {**(tool.get("function") or {}), "function": function}
            if parse:
                tool["function"]["parse"] = PARSERS[parse]
        return tool

    def _function(self, spec: dict[str, Any], name: str) -> Callable[..., Any]:
        def call(arguments: Any, runner: Any, context: Any = None) -> Any:
            given = [] if context is None else [plain(context)]
            self.trace.append(["$fn", name, plain(arguments), *given])
            threading.Event().wait(spec.get("delay", 0) / 1000)
            if spec.get("push"):
                runner.messages.append(dict(spec["push"]))
            if spec.get("abort"):
                runner.abort()
            if spec.get("abort_signal"):
                self._abort()
            for key in ("throws", "throws_string"):
                if key in spec:
                    raise ValueError(spec[key])
            if spec.get("echo"):
                return arguments
            return None if spec.get("returns_undefined") else _as_in_javascript(spec.get("returns"))

        call.__name__ = name
        return call

    def _after(self, actions: Any) -> Callable[..., None]:
        def after(completion: Any, runner: Any) -> None:
            choices = plain(completion)["choices"]
            finish = choices[0].get("finish_reason") if choices else None
            self.trace.append(["$afterCompletion", finish, len(runner.messages)])
            action = next(actions, None) or {}
            if action.get("push"):
                runner.messages.append(dict(action["push"]))
            if action.get("abort"):
                runner.abort()
            if action.get("throws"):
                raise ValueError(action["throws"])

        return after


def _as_in_javascript(value: Any) -> Any:
    """Give a value with 42.0 as 42, which is how JavaScript writes it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _as_in_javascript(item) for key, item in value.items()}
    return [_as_in_javascript(item) for item in value] if isinstance(value, list) else value


# Comparing


def difference(name: str, ours: dict[str, Any], requests: list[Any]) -> str | None:
    """Give what differs from a scenario's golden file, ``None`` if nothing does.

    ``requests`` are the method, the path and the body of each.
    """
    golden, loose = load("golden", name), INDEX[name].get("loose")
    if loose:
        names = [call[0] for call in ours["trace"]]
        if names.count("end") != 1 or names[-1] != "end":
            return "no `end`, or not last"
        if loose == "names" and names != [call[0] for call in golden["trace"]]:
            return f"other calls: {names}"
        return None
    text = json.dumps(golden)
    if "returns_undefined" in json.dumps(load("scenarios", name)):
        golden = json.loads(text.replace('"undefined"', '"null"'))  # Python has one None
    bodies = [body for _, _, body in requests]
    left = numbered([settled(ours["trace"]), ours["final"], bodies])
    right = numbered([settled(golden["trace"]), golden["final"], golden["requests"]])
    for number, (mine, theirs) in enumerate(zip(left[0], right[0], strict=False)):
        if len(mine) != len(theirs) or not all(
            same(one, other, mine[0]) for one, other in zip(mine, theirs, strict=True)
        ):
            return f"call {number}: {str(mine)[:300]}, in Node {str(theirs)[:300]}"
    if len(left[0]) != len(right[0]):
        return f"{len(left[0])} calls, in Node {len(right[0])}"
    if not same(left[1], right[1]):
        return f"finals: {str(left[1])[:600]}, in Node {str(right[1])[:600]}"
    if ours["state"] != golden["state"]:
        return f"state: {ours['state']}, in Node {golden['state']}"
    if (load("scenarios", name).get("options") or {}).get("signal") == "aborted":
        return None  # whether a request goes out before it is seen is not the same everywhere
    if [list(request[:2]) for request in requests] != golden["request_meta"]:
        return f"requests: {[request[:2] for request in requests]}"
    return None if same(left[2], right[2]) else f"bodies: {str(left[2])[:600]}"
