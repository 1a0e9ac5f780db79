"""The tool loop: a run that calls Python functions, as one stream through all of its rounds.

    the run's stream ... requires_action      CALL CALL     the functions, on threads
        RESULT RESULT     submit_tool_outputs' stream ... requires_action | completed

The source reads one HTTP exchange after the other and puts events of its own between them; the
core takes each exchange for what the Node SDK would take it for, a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from ...engine.core import Emission
from ...engine.rounds import Rounds, Steps
from ...engine.sources import HTTPSource, Source
from ...exceptions import OpenAIError, described
from ...http.transport import Exchange
from ...tools.crew import Crew, in_own_context
from ...tools.functions import Call, Toolbox, call_directly
from ...types import Run
from ...types._model import Model
from .core import _RUN_ENDS, AssistantCore
from .events import EVENTS

__all__ = ["FunctionCall", "OnToolError", "ToolLoopCore", "ToolLoopSource"]

OnToolError = Literal["raise", "report"]
"""What becomes of an exception in a function: it ends the stream, or the model is told."""

Submit = Callable[[str, list[dict[str, str]]], Exchange]
"""``submit(run_id, tool_outputs)`` returns the exchange that streams how the run goes on."""


class FunctionCall(Model):
    """A function call that the model asks for; ``arguments`` is JSON text, as the model wrote it."""

    __slots__ = ()

    id: str
    name: str
    arguments: str


class LoopEvent(str):
    """The name of an event that the loop made; told by identity, as a server may use any name.

    Their data is JSON, so that they are recorded with the others.
    """

    __slots__ = ()


CALL: Final = LoopEvent("functionToolCall")
RESULT: Final = LoopEvent("functionToolCallResult")
NEXT_ROUND: Final = LoopEvent("nextRound")


class ToolLoopCore(AssistantCore):
    """The Assistants core over several rounds, with the calls of functions and their results.

    Each round is a stream of its own to the Node SDK; it gets the same listener calls here. Only
    what is kept, and a step that one round begins and the next one ends, spans the rounds.
    """

    events: Mapping[str, int] = {**EVENTS, str(CALL): 1, str(RESULT): 1}
    made: Mapping[str, str] = {str(name): name for name in (CALL, RESULT, NEXT_ROUND)}

    def __init__(self) -> None:
        super().__init__()
        self.requires_action = False
        self._earlier: set[str] = set()  # the steps and messages of earlier rounds
        self._carried: str | None = None  # the step that the round before left open

    def feed(self, event: Any, data: Any) -> Iterable[Emission]:
        """Take an event of the API or of the loop; see ``AssistantCore.feed``."""
        if event is CALL:
            return ((str(CALL), (FunctionCall(data),)),)
        if event is RESULT:
            return ((str(RESULT), (data,)),)
        if event is NEXT_ROUND:
            self._next_round()
            return ()
        return super().feed(event, data)

    def _next_round(self) -> None:
        self.requires_action = False
        self.final_run = None  # or a round that is cut off would end as the round before
        self._earlier.update(self.messages, self.run_steps)
        self._carried = self._step_id
        self._step_id = self._message_id = self.current_message = None
        self._content_index = self._content = None
        self._growth = None
        self._forget_tool_call()

    def _run(self, event: str, data: Any) -> Iterator[Emission]:
        if event in _RUN_ENDS:
            status = data.get("status") if type(data) is dict else None
            self.requires_action = "requires_action" in (event.removeprefix("thread.run."), status)
        return super()._run(event, data)

    def _check_message(self, event: str, data: Any) -> None:
        if event == "thread.message.created" and self.current_message is None:
            self._forget_earlier(self.messages, data)
        super()._check_message(event, data)

    def _check_step(self, event: str, data: Any) -> None:
        if self._step_id is None:
            if event != "thread.run.step.created" and _id(data) == self._carried:
                self._step_id = self._carried  # it goes on
                self._carried = None
            elif event != "thread.run.step.delta":
                self._forget_earlier(self.run_steps, data)
        super()._check_step(event, data)

    def _forget_earlier(self, known: dict[str, Any], data: Any) -> None:
        """Take what an earlier round knew for new, as a stream of its own would."""
        identifier = _id(data)
        if identifier in self._earlier:
            self._earlier.discard(identifier)
            known.pop(identifier, None)


class ToolLoopSource(Rounds):
    """The events of a run that calls functions, over all of its rounds.

    ``first`` starts the run, ``submit`` makes the exchanges after it. ``call`` calls a function.
    ``source_of`` makes what reads an exchange.
    """

    def __init__(
        self,
        first: Exchange,
        submit: Submit,
        core: ToolLoopCore,
        toolbox: Toolbox,
        *,
        parallel: bool = True,
        max_rounds: int = 10,
        on_tool_error: OnToolError = "raise",
        call: Call = call_directly,
        inline: bool = False,
        source_of: Callable[[Exchange], Source] | None = None,
    ) -> None:
        if max_rounds < 1:
            raise ValueError(f"max_rounds is 1 or more, not {max_rounds!r}")
        if on_tool_error not in ("raise", "report"):
            raise ValueError(f"on_tool_error is 'raise' or 'report', not {on_tool_error!r}")
        self._submit = submit
        self._core = core
        self._toolbox = toolbox
        self._parallel = parallel
        self._max_rounds = max_rounds
        self._on_tool_error = on_tool_error
        self._call = call
        self._source_of = source_of or (lambda exchange: HTTPSource(exchange, core))
        super().__init__(self._source_of(first), inline=inline)

    def _rounds(self) -> Steps:
        core = self._core
        rounds = 0
        while True:
            yield from self._round()
            if not core.requires_action:
                return
            run_id, calls = _required_calls(core.final_run)
            rounds += 1
            if rounds > self._max_rounds:
                raise OpenAIError(
                    f"The run asked for function calls more than max_rounds={self._max_rounds} "
                    f"times. {_still_waits(run_id)}"
                )
            outputs: list[dict[str, str]] = []
            for group in [calls] if self._parallel else [[call] for call in calls]:
                yield [(CALL, call) for call in group]
                yield from self._results(run_id, group, outputs)
            yield from self._go_on(self._source_of(self._submit(run_id, outputs)))
            yield ((NEXT_ROUND, None),)

    def _results(
        self, run_id: str, calls: Sequence[dict[str, str]], outputs: list[dict[str, str]]
    ) -> Steps:
        """Call functions side by side; yield their results in the calls' order."""
        crew = Crew([in_own_context(self._answer, call) for call in calls])
        self._begin(crew)
        for index, call in enumerate(calls):
            output = yield from self._outcome(crew, index)
            if isinstance(output, BaseException):
                crew.wait()  # as in Node: no function of the round is left behind
                raise OpenAIError(
                    f"The function {call['name']!r} raised {described(output)}. "
                    f"{_still_waits(run_id)}"
                ) from output
            outputs.append({"tool_call_id": call["id"], "output": output})
            yield ((RESULT, output),)
        self._work = None

    def _answer(self, call: dict[str, str]) -> str:
        try:
            return self._toolbox.answer(call["name"], call["arguments"], self._call)
        except Exception as error:
            if self._on_tool_error == "report":
                return f"The function {call['name']} raised {described(error)}"
            raise


def _required_calls(run: Any) -> tuple[str, list[dict[str, str]]]:
    """Return the run's id and the function calls that it waits for; ``OpenAIError`` if it is odd."""
    data = run.to_dict() if isinstance(run, Run) else None
    run_id = _id(data)
    if run_id is None:
        raise OpenAIError("The run requires action but has no id, so nothing can be submitted.")
    action = data.get("required_action") if data else None
    kind = action.get("type") if isinstance(action, dict) else None
    if not isinstance(action, dict) or kind != "submit_tool_outputs":
        raise OpenAIError(
            f"The run requires an action of type {kind!r}, not 'submit_tool_outputs', which is all "
            f"that run_tools knows. {_still_waits(run_id)}"
        )
    details = action.get("submit_tool_outputs")
    given = details.get("tool_calls") if isinstance(details, dict) else None
    calls = []
    for call in given if isinstance(given, list) else ():
        if not isinstance(call, dict) or call.get("type", "function") != "function":
            continue  # a tool of another kind is not ours to run
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        found: dict[str, Any] = {"id": call.get("id")}
        found.update({key: function.get(key) for key in ("name", "arguments")})
        if not all(isinstance(value, str) for value in found.values()):
            raise OpenAIError(
                f"The run requires a function call without a proper id, name or arguments: "
                f"{call!r:.200}. {_still_waits(run_id)}"
            )
        calls.append(found)
    if not calls:
        raise OpenAIError(f"The run requires action but no function call. {_still_waits(run_id)}")
    if len({call["id"] for call in calls}) < len(calls):
        raise OpenAIError(
            f"The run requires several function calls of one id, which could not be told apart. "
            f"{_still_waits(run_id)}"
        )
    return run_id, calls


def _still_waits(run_id: str) -> str:
    return f"The run {run_id} still waits for outputs: submit them or cancel it."


def _id(data: Any) -> str | None:
    identifier = data.get("id") if type(data) is dict else None
    return identifier if isinstance(identifier, str) and identifier else None
