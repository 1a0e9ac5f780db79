"""Comparing what this library's listeners were called with, with what Node's were."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from pathlib import Path
from typing import Any

NAMES = (
    *("connect", "event", "run", "messageCreated", "messageDelta", "messageDone"),
    *("runStepCreated", "runStepDelta", "runStepDone"),
    *("toolCallCreated", "toolCallDelta", "toolCallDone"),
    *("textCreated", "textDelta", "textDone", "imageFileDone", "error", "abort", "end"),
)
HERE = Path(__file__).parent
PATIENCE = 120.0

FOLDERS = (("scenarios", "golden"), ("more_scenarios", "more_golden"))
VECTORS = {
    scenario.stem: (scenario, HERE / golden / f"{scenario.stem}.json")
    for scenarios, golden in FOLDERS
    for scenario in sorted((HERE / scenarios).glob("*.sse"))
}


def plain(value: Any) -> Any:
    """Copy an argument into JSON's types, tagged so that unequal things never compare equal.

    Numbers compare by value (JavaScript has one kind; 1.0 is 1) and apart from booleans.
    `None`, a hole and `undefined` are one. An error is its class names and its message.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return {"__bool__": "true" if value else "false"}
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, BaseException):
        names = [kind.__name__ for kind in type(value).__mro__]
        return {"error": names, "message": str(value)}
    if isinstance(value, dict):
        if value == {"__undefined__": True}:
            return None
        if set(value) == {"__number__"}:
            return number(float(value["__number__"].replace("Infinity", "inf")))
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return plain(value.to_dict())


def number(value: float) -> dict[str, str]:
    """Give a number in one spelling whatever its type; beyond 2**53 in JavaScript's precision."""
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf if value > 0 else -math.inf
    if math.isfinite(as_float) and as_float.is_integer() and abs(as_float) < 2**53:
        return {"__number__": str(int(as_float))}
    return {"__number__": repr(as_float)}


def same(ours: Any, theirs: Any) -> bool:
    """Tell whether one of our `plain` values is Node's; the texts of errors are our own."""
    if is_error(theirs):
        return isinstance(ours, dict) and theirs["error"] in ours.get("error", ())
    if isinstance(theirs, dict):
        return (
            isinstance(ours, dict)
            and ours.keys() == theirs.keys()
            and all(same(ours[key], theirs[key]) for key in theirs)
        )
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def is_error(theirs: Any) -> bool:
    """Tell a golden file's error from an API object that has fields of these names."""
    return (
        isinstance(theirs, dict)
        and theirs.keys() == {"error", "message"}
        and isinstance(theirs["error"], str)
    )


def pristine(trace: list[Any]) -> list[Any]:
    """Put the deltas into Node's trace as the server sent them.

    In Node a block's first delta *is* the snapshot, so that a second element for the same block
    in the same delta is merged into it before the listeners see it. Here (contract, section 6) a
    delta never changes.
    """
    out, sent, pieces, tools = [], None, iter(()), iter(())
    for call in trace:
        if call[0] == "event":
            data = call[1].get("data") if isinstance(call[1], dict) else None
            sent = data.get("delta") if isinstance(data, dict) else None
            content = sent.get("content") if isinstance(sent, dict) else None
            pieces = iter(content if isinstance(content, list) else ())
            details = sent.get("step_details") if isinstance(sent, dict) else None
            elements = details.get("tool_calls") if isinstance(details, dict) else None
            tools = iter(elements if isinstance(elements, list) else ())
        elif call[0] in ("messageDelta", "runStepDelta"):
            call = [call[0], sent, *call[2:]]
        elif call[0] == "textDelta":
            call = [call[0], next(filter(is_text, pieces))["text"], *call[2:]]
        elif call[0] in ("toolCallCreated", "toolCallDelta") and isinstance(call[1], dict):
            index = call[1].get("index")
            same = (one for one in tools if isinstance(one, dict) and one.get("index") == index)
            element = next(same, call[1])
            if call[0] == "toolCallDelta":
                call = [call[0], element, *call[2:]]
        out.append(call)
    return out


def is_text(element: dict[str, Any]) -> bool:
    """Tell whether Node makes a textDelta of a delta's element."""
    value = element.get("text")
    return element.get("type") == "text" and (bool(value) or isinstance(value, (dict, list)))


def brief(call: Any) -> str:
    """Show a call in one line that fits a terminal."""
    text = json.dumps(call, ensure_ascii=True)
    return text if len(text) < 700 else f"{text[:400]} ... {text[-280:]}"


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """Say where two whole results (trace, final, state) differ first, or give None."""
    return difference_from(expected(theirs), ours)


def expected(golden: dict[str, Any]) -> dict[str, Any]:
    """Give what a golden file wants of us, for any number of comparisons."""
    return plain_result({**golden, "trace": pristine(golden["trace"])})


def difference_from(theirs: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """Say where a whole result differs first from what is `expected`, or give None."""
    for at, (mine, node) in enumerate(zip(ours["trace"], theirs["trace"], strict=False)):
        if not same(mine, node):
            return f"call {at}:\n  here {brief(mine)}\n  Node {brief(node)}"
    if len(ours["trace"]) != len(theirs["trace"]):
        at = min(len(ours["trace"]), len(theirs["trace"]))
        extra = [call[0] for call in (ours["trace"] + theirs["trace"])[at:]]
        return (
            f"{len(ours['trace'])} calls here, {len(theirs['trace'])} in Node; from {at} on:\n"
            f"  here {[call[0] for call in ours['trace'][at:]]}\n"
            f"  Node {[call[0] for call in theirs['trace'][at:]]}\n  {brief(extra)}"
        )
    for part in ("final", "state"):
        for key, node in theirs[part].items():
            if not same(ours[part][key], node):
                return f"{part} {key}:\n  here {brief(ours[part][key])}\n  Node {brief(node)}"
    return None


def plain_result(result: dict[str, Any]) -> dict[str, Any]:
    """Bring a golden file into the form in which things are compared."""
    return {key: plain(result[key]) for key in ("trace", "final", "state")}


def load_golden(path: Path) -> dict[str, Any]:
    """Read a golden file."""
    return json.loads(path.read_text(encoding="utf-8"))


class Recorder:
    """Listens to every event of a stream and keeps a copy of each call, made at the call."""

    def __init__(self, stream, names: tuple[str, ...] = NAMES):
        self.trace: list[list[Any]] = []
        self.threads: set[threading.Thread] = set()
        self.ended = threading.Event()
        self.stream = stream
        # Attached as one: on a busy machine the tick may pass between two of them, and a late
        # listener is given its own past, not the calls in their common order.
        still = getattr(getattr(stream, "_delivery", None), "still", contextlib.nullcontext)
        with still():
            for name in sorted(names, key=lambda name: name != "error"):  # so that it is heard
                stream.on(name, self._listener(name))

    def _listener(self, name: str):
        def listener(*args: Any) -> None:
            self.trace.append([name, *map(plain, args)])
            self.threads.add(threading.current_thread())
            if name == "end":
                self.ended.set()

        return listener

    @property
    def names(self) -> list[str]:
        """The names of the calls so far."""
        return [call[0] for call in self.trace]

    def of(self, name: str) -> list[list[Any]]:
        """Give the arguments of each call of one event."""
        return [call[1:] for call in self.trace if call[0] == name]

    def result(self) -> dict[str, Any]:
        """Wait for the end and give trace, final and state as the golden files have them."""
        waits = {
            "run": self.stream.final_run,
            "messages": self.stream.final_messages,
            "run_steps": self.stream.final_run_steps,
        }
        final = {key: plain(settle(wait)) for key, wait in waits.items()}
        state = {key: plain(getattr(self.stream, key)) for key in ("ended", "errored", "aborted")}
        return {"trace": self.trace, "final": final, "state": state}


def settle(wait) -> Any:
    """Call a waiting method; its error is the result if it has one."""
    from emitter_stream import OpenAIError

    try:
        return wait(timeout=PATIENCE)
    except OpenAIError as error:
        return error
