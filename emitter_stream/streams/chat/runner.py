"""Runs of tools over chat completions: several requests, and functions between them, as one stream.

    request ... tool_calls    the functions, on threads    RESULT RESULT    after_completion
    request ... tool_calls    ...    request ... an answer    after_completion

The source reads one answer after another and puts events of its own between them; a core takes
them for what the Node SDK's runners do.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from ...engine.codec import WireEvent
from ...engine.core import Emission
from ...engine.emitter import fit, is_coroutine_function
from ...engine.rounds import Rounds, Steps
from ...engine.sources import HTTPSource, Source
from ...engine.work import working_for
from ...exceptions import OpenAIError
from ...http.transport import Exchange
from ...tools.crew import Crew, in_own_context
from ...tools.functions import Call, call_directly
from ...types import Model
from ...types._model import plain_copy
from .codec import CODEC
from .conversation import Conversation, request_message
from .core import ChatCore
from .events import EVENTS, EVERYTHING, RUNNER_EVENTS
from .finals import Parsing, parsed_completion
from .runner_listeners import ChatRunnerListeners
from .stream import API, ChatCompletionStream, ConversationStream, RunLines, Skipping
from .tools import RunTools, ToolAnswer

__all__ = [
    "STREAMING_API",
    "WHOLE_API",
    "ChatCompletionRunner",
    "ChatCompletionStreamingRunner",
    "RunSource",
    "RunnerCore",
    "StreamingRunnerCore",
    "follow",
]

OnToolError = Literal["raise", "report"]

AFTER_COMPLETION = "afterCompletion"
"""The name under which ``after_completion`` is called: like a listener, on the stream's thread."""


class MadeEvent(str):
    """The name of an event that the run made; told by identity, as a server may use any name."""

    __slots__ = ()


CONNECTED: Final = MadeEvent("connected")  # another answer begins
ANSWER: Final = MadeEvent("answer")  # one that came whole
ROUND_END: Final = MadeEvent("roundEnd")  # the chunks of an answer are over
RESULT: Final = MadeEvent("functionToolCallResult")
AFTER: Final = MadeEvent(AFTER_COMPLETION)

_MADE = {str(name): name for name in (CONNECTED, ANSWER, ROUND_END, RESULT, AFTER)}


class StreamingRunnerCore(ChatCore):
    """The chat core over several completions, with the results of functions between them."""

    events: Mapping[str, int] = {**EVENTS, AFTER_COMPLETION: 1}
    made: Mapping[str, str] = _MADE

    def feed(self, event: Any, data: Any) -> Iterable[Emission]:
        """Take a chunk, or an event of the run; see ``ChatCore.feed``."""
        if not isinstance(event, MadeEvent):
            return super().feed(event, data)
        if event is ROUND_END:
            return self.with_everything(self.end_completion())
        if event is RESULT:
            return self.with_everything(self.conversation.tool_message(data))
        return _made_calls(event, self.conversation)

    def finish(self) -> Iterator[Emission]:
        """Take the end of the run."""
        return self.conversation.finals()


class RunnerCore:
    """A run whose answers come whole: the Node SDK's ``ChatCompletionRunner``."""

    events: Mapping[str, int] = {**RUNNER_EVENTS, AFTER_COMPLETION: 1}
    aliases: frozenset[str] = frozenset()
    made: Mapping[str, str] = _MADE
    codec = CODEC
    open_prefix = ""
    current_event: object = None

    def __init__(self, parsing: Parsing) -> None:
        self.wanted: Any = self.events
        self.listened: Any = self.events
        self.parsing = parsing
        self.conversation = Conversation()

    def feed(self, event: Any, data: Any) -> Iterator[Emission]:
        """Take an answer, or an event of the run."""
        if event is ANSWER:
            completion = parsed_completion(data, self.parsing)
            return self._with_content(self.conversation.add_completion(completion._data))
        if event is RESULT:
            return self.conversation.tool_message(data)
        return _made_calls(event, self.conversation)

    def finish(self) -> Iterator[Emission]:
        """Take the end of the run."""
        return self.conversation.finals()

    def growth(self) -> None:
        """Return ``None``: nothing grows."""

    def grown(self, piece: str) -> WireEvent:
        """Never called."""
        raise NotImplementedError

    def _with_content(self, calls: Iterator[Emission]) -> Iterator[Emission]:
        content: Any = None
        for name, args in calls:
            yield name, args
            if name == "message":
                content = args[0]._data.get("content") or None
        if isinstance(content, str):
            yield "content", (content,)


def _made_calls(event: MadeEvent, conversation: Conversation) -> Iterator[Emission]:
    if event is AFTER:
        yield AFTER_COMPLETION, (conversation.completions[-1],)
    elif event is CONNECTED:
        yield "connect", ()


class _WholeAnswer:
    """The source of one answer that comes whole."""

    opens_at_once = False

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._answers: list[Any] = []

    def open(self) -> None:
        answer = self._exchange.json()
        if not isinstance(answer, dict):
            raise OpenAIError(f"The answer is no JSON object but {type(answer).__name__}.")
        self._answers.append(answer)

    def ready(self, seconds: float) -> bool:
        return True

    def read(self) -> Iterable[WireEvent] | None:
        return ((ANSWER, self._answers.pop()),) if self._answers else None

    def interrupt(self) -> None:
        self._exchange.interrupt()

    def close(self) -> None:
        self._exchange.close()

    def redact(self, value: Any) -> Any:
        return self._exchange.redact(value)


class RunSource(Rounds):
    """The events of a run of tools, over all of its requests.

    ``send(messages)`` makes the exchange of a request with these messages.
    """

    def __init__(
        self,
        send: Callable[[list[Any]], Exchange],
        core: StreamingRunnerCore | RunnerCore,
        tools: RunTools,
        *,
        parallel: bool = True,
        max_chat_completions: int = 10,
        on_tool_error: OnToolError = "raise",
        tool_context: Any = None,
        has_after: bool = False,
        call: Call = call_directly,
        inline: bool = False,
    ) -> None:
        if on_tool_error not in ("raise", "report"):
            raise ValueError(f"on_tool_error is 'raise' or 'report', not {on_tool_error!r}")
        self._send = send
        self._core = core
        self._tools = tools
        self._parallel = parallel and tools.forced is None
        self._most = max_chat_completions
        self._on_tool_error = on_tool_error
        self._context = tool_context
        self._has_after = has_after
        self._call = call
        self._runner: Callable[[], Any] = _nobody
        has_first = tools.problem is None and max_chat_completions > 0
        super().__init__(self._next_answer() if has_first else None, inline=inline)

    def serve(self, runner: Any) -> None:
        """Hand ``runner`` to the functions that ask for it, without keeping it alive."""
        self._runner = _handle(runner)

    def open(self) -> None:
        """Send the first request."""
        if self._tools.problem is not None:
            raise self._tools.problem
        super().open()

    def _next_answer(self) -> Source:
        messages = [request_message(message) for message in self._core.conversation.messages]
        exchange = self._send(messages)
        if isinstance(self._core, RunnerCore):
            return _WholeAnswer(exchange)
        return HTTPSource(exchange, self._core)

    def _rounds(self) -> Steps:
        core = self._core
        for round_number in range(self._most):
            if round_number:
                yield from self._go_on(self._next_answer())
                yield ((CONNECTED, None),)
            yield from self._round()
            if isinstance(core, StreamingRunnerCore):
                yield ((ROUND_END, None),)
            calls = _calls_of(core.conversation)
            if calls:
                groups = [calls] if self._parallel else [[call] for call in calls]
                for group in groups:
                    done = yield from self._results(group)
                    if done and self._tools.forced is not None:
                        calls = []
                        break
            if self._has_after:
                yield ((AFTER, None),)
            if not calls:
                return

    def _results(
        self, calls: Sequence[Mapping[str, Any]]
    ) -> Generator[Iterable[WireEvent], None, bool]:
        """Call functions side by side; yield their results in the calls' order.

        Return whether any function was called.
        """
        calls = [call for call in calls if call.get("type") == "function"]
        crew = Crew([in_own_context(self._answer, call["function"]) for call in calls])
        self._begin(crew)
        answers: list[ToolAnswer] = []
        failure: BaseException | None = None
        for index in range(len(calls)):
            answer = yield from self._outcome(crew, index)
            if isinstance(answer, BaseException):
                failure = failure or answer
            else:
                answers.append(answer)
        self._work = None
        if failure is not None:
            raise OpenAIError(
                f"A function that the model called raised {type(failure).__name__}: {failure}"
            ) from failure
        for call, answer in zip(calls, answers, strict=True):
            message = {"role": "tool", "tool_call_id": call.get("id"), "content": answer.content}
            yield ((RESULT, message),)
        return any(answer.called for answer in answers)

    def _answer(self, function: Mapping[str, Any]) -> ToolAnswer:
        name, arguments = function.get("name"), function.get("arguments")
        try:
            return self._tools.answer(
                str(name), str(arguments), self._runner, self._context, self._working
            )
        except Exception as error:
            if self._on_tool_error == "report":
                told = f"The function {name} raised {type(error).__name__}: {error}"
                return ToolAnswer(told, called=False)
            raise

    def _working(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return self._call(working_for(self._core, function), args, kwargs)


def fitted(
    after: Callable[..., object] | None, *, coroutines: bool
) -> Callable[..., object] | None:
    """Return what to call as ``after_completion``: it takes as much as a listener, both or less."""
    if after is None:
        return None
    if not coroutines and is_coroutine_function(after):
        raise TypeError(
            "after_completion is an `async def`, which this run cannot await; a run of AsyncOpenAI can"
        )
    return fit("after_completion", after, 2)


def follow(runner: Any, after: Callable[..., object] | None) -> None:
    """Call ``after`` as ``after_completion`` of a run, with the completion and the runner."""
    if after is not None:
        get = _handle(runner)
        runner.on(AFTER_COMPLETION, lambda completion: after(completion, get()))


def _handle(runner: Any) -> Callable[[], Any]:
    """Return what gives ``runner`` without keeping it alive.

    A stream that nobody holds any more runs on; its functions get one that equals it.
    """
    found, kind, fields = weakref.ref(runner), type(runner), runner.__dict__

    def get() -> Any:
        alive = found()
        if alive is None:
            alive = object.__new__(kind)
            alive.__dict__ = fields
        return alive

    return get


STREAMING_API = attrs.evolve(API, of_recording=lambda recording: StreamingRunnerCore())
WHOLE_API = attrs.evolve(API, of_recording=lambda recording: RunnerCore(Parsing()))


class ChatCompletionStreamingRunner(ChatCompletionStream):
    """A run of tools as one stream through all of its completions, chunk by chunk.

    The events are those of ``ChatCompletionStream``, for each completion; ``connect`` comes once a
    request. Node's class of the same name.
    """

    _api = STREAMING_API

    def to_readable_stream(self) -> Iterator[bytes]:
        """Return an iterator over the chunks and the results of tools, as lines of JSON.

        The same bytes as Node's ``toReadableStream()``; leaving it early aborts the run.
        """
        return self._iterator(Skipping, EVERYTHING, RunLines(), abort_on_leave=True)


class ChatCompletionRunner(ChatRunnerListeners, ConversationStream):
    """A run of tools whose answers come whole. Its events have no deltas.

    Events: ``connect message chatCompletion content functionToolCall functionToolCallResult
    finalChatCompletion finalMessage finalContent finalFunctionToolCall
    finalFunctionToolCallResult totalUsage error abort end``. Node's class of the same name.
    """

    _api = WHOLE_API
    _core: RunnerCore


def _calls_of(conversation: Conversation) -> list[Mapping[str, Any]]:
    """Return the tool calls of the answer that just came."""
    choices = conversation.completions[-1].choices
    message = choices[0].message if choices and choices[0] is not None else None
    if not isinstance(message, Model):
        raise OpenAIError("The answer has no message.")
    calls = plain_copy(message).get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _nobody() -> Any:
    return None
