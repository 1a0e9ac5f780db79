"""``client.chat``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from .._not_given import NOT_GIVEN, NotGiven
from ..engine.plain import Stream
from ..engine.sources import HTTPSource
from ..exceptions import OpenAIError
from ..streams.chat.core import ChatCore
from ..streams.chat.finals import Parsing, parsed_completion
from ..streams.chat.runner import (
    ChatCompletionRunner,
    ChatCompletionStreamingRunner,
    OnToolError,
    RunnerCore,
    RunSource,
    StreamingRunnerCore,
    fitted,
    follow,
)
from ..streams.chat.stream import ChatCompletionStream
from ..streams.chat.tools import RunTools
from ..streams.structured import chat_format, chat_tool, is_structure, tool_parsers
from ..tools.functions import call_directly
from ..types._model import with_request_id
from ..types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionDeleted,
    ChatCompletionStoreMessage,
    ParsedChatCompletion,
)
from ._api import Resource, parted
from ._chat_params import (
    ChatCreateBodyParams,
    ChatCreateParams,
    ChatListParams,
    ChatMessageListParams,
    ChatParams,
    ChatRunBodyParams,
    ChatRunParams,
    ChatStreamParams,
)
from ._page import CursorPage
from ._params import CallParams, sends_unknown
from ._path import url_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..http.transport import Exchange

__all__ = ["Chat", "CompletionMessages", "Completions"]

_PATH = "/chat/completions"


class Chat(Resource):
    """Answers of a model to a list of messages."""

    @property
    def completions(self) -> Completions:
        """The answers."""
        return Completions(self._api)


class Completions(Resource):
    """Answers of a model to a list of messages.

    Parameters are the API's, by keyword; those that this library does not know are sent as they
    are. Every method takes ``extra_headers``, ``extra_query``, ``extra_body``, ``timeout`` and
    ``signal`` too. Objects that this library returned may stand among the messages.
    """

    @property
    def messages(self) -> CompletionMessages:
        """The messages of completions that the server has kept."""
        return CompletionMessages(self._api)

    @overload
    def create(
        self, *, stream: Literal[False] | NotGiven | None = ..., **params: Unpack[ChatCreateParams]
    ) -> ChatCompletion: ...
    @overload
    def create(
        self, *, stream: Literal[True], **params: Unpack[ChatCreateParams]
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self, *, stream: bool, **params: Unpack[ChatCreateParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    @sends_unknown
    def create(
        self,
        *,
        messages: Iterable[Any],
        model: str,
        stream: bool | NotGiven | None = NOT_GIVEN,
        **params: Unpack[ChatCreateBodyParams],
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Ask for an answer; with ``stream=True`` for its chunks, as the server sends them.

        What comes back then can be iterated over once, on the caller's thread, and closed; nothing
        in it is repaired. Node: ``chat.completions.create``.
        """
        body, extras = parted({"messages": messages, "model": model, **params})
        if is_structure(body.get("response_format")):
            raise TypeError(
                "create() does not parse the answer; pass the class to parse() or stream()"
            )
        body = {**_sent(_prepared(body)), "stream": stream}
        if not stream:
            return self._api.fetch(ChatCompletion, "POST", _PATH, body=body, extras=extras)
        exchange = self._api.exchange("POST", _PATH, body=body, extras=extras)
        return Stream(HTTPSource(exchange, ChatCore()), _chunk_view, signal=extras.signal)

    @sends_unknown
    def parse(
        self, /, *, messages: Iterable[Any], model: str, **params: Unpack[ChatParams]
    ) -> ParsedChatCompletion:
        """Ask for an answer and parse it: ``choices[0].message.parsed``, and tools' arguments.

        ``response_format`` is a pydantic model, a dataclass, an attrs class, a ``TypedDict``, a
        JSON schema or a format of ``emitter_stream.helpers``; function tools must be strict. An
        answer that was cut off is a ``LengthFinishReasonError`` or a
        ``ContentFilterFinishReasonError``. Node: ``chat.completions.parse``.
        """
        body, extras = parted({"messages": messages, "model": model, **params})
        body = _prepared(body)
        for name, parser in tool_parsers(body.get("tools")).items():
            if parser is None:
                raise OpenAIError(f"The tool {name!r} is not strict: its arguments are not parsed.")
        completion = self._api.fetch(ChatCompletion, "POST", _PATH, body=_sent(body), extras=extras)
        parsed = parsed_completion(completion.to_dict(), Parsing.of(body))
        return with_request_id(parsed, completion._request_id)

    @sends_unknown
    def stream(
        self,
        *,
        messages: Iterable[Any],
        model: str,
        inline: bool = False,
        **params: Unpack[ChatStreamParams],
    ) -> ChatCompletionStream:
        """Ask for an answer and return its stream, to which listeners can be attached.

        ``response_format`` may be what ``parse`` takes. The request is sent at once. Node:
        ``chat.completions.stream``; with ``with``, the official Python SDK's method of that name.
        ``inline=True``: see ``EventStream``.
        """
        body, extras = parted({"messages": messages, "model": model, **params})
        body.pop("stream", None)
        body = _prepared(body)
        core = ChatCore(Parsing.of(body))
        core.conversation.messages.extend(body["messages"])
        exchange = self._api.exchange(
            "POST", _PATH, body={**_sent(body), "stream": True}, extras=extras
        )
        source = HTTPSource(exchange, core)
        return self._api.streams.make(
            ChatCompletionStream, source, core, extras.signal, inline=inline
        )

    @overload
    def run_tools(
        self, *, stream: Literal[False] | NotGiven | None = ..., **params: Unpack[ChatRunParams]
    ) -> ChatCompletionRunner: ...
    @overload
    def run_tools(
        self, *, stream: Literal[True], **params: Unpack[ChatRunParams]
    ) -> ChatCompletionStreamingRunner: ...
    @overload
    def run_tools(
        self, *, stream: bool, **params: Unpack[ChatRunParams]
    ) -> ChatCompletionRunner | ChatCompletionStreamingRunner: ...
    @sends_unknown
    def run_tools(
        self,
        *,
        messages: Iterable[Any],
        model: str,
        tools: Any = None,
        stream: bool | NotGiven | None = NOT_GIVEN,
        max_chat_completions: int = 10,
        after_completion: Callable[..., object] | None = None,
        tool_context: Any = None,
        on_tool_error: OnToolError = "raise",
        inline: bool = False,
        **params: Unpack[ChatRunBodyParams],
    ) -> ChatCompletionRunner | ChatCompletionStreamingRunner:
        """Ask for answers until the model calls no more functions; call those that it does.

        ``tools`` are functions (their schema comes from their hints), what ``function_tool`` or
        ``make_parseable_tool`` made, or Node's ``{"type": "function", "function": {"function": f,
        "parse": json.loads, "name": ..., "parameters": ...}}``, whose ``f(arguments, runner,
        tool_context)`` is called with as many of these as it takes. Functions of one answer run side
        by side, on threads, but for ``parallel_tool_calls=False`` and a forced function. One that
        raises ends the run with an ``OpenAIError``; ``on_tool_error="report"`` tells the model
        instead. ``after_completion(completion, runner)`` is called after each round, on the stream's
        thread. At most ``max_chat_completions`` requests are made. Node: ``runTools``.
        """
        streamed = bool(stream) and not isinstance(stream, NotGiven)
        sent, extras = parted({"messages": messages, "model": model, **params})
        sent = {
            **sent,
            "messages": _listed(messages),
            "tool_choice": sent.get("tool_choice", "auto"),
        }
        n = sent.get("n")
        if not streamed and isinstance(n, int) and n > 1:
            raise OpenAIError("run_tools knows n=1 alone; create() gives several choices.")
        coroutines = self._api.tool_caller is not None
        after_completion = fitted(after_completion, coroutines=coroutines)
        found = RunTools.of(tools, sent["tool_choice"], coroutines=coroutines)
        if found.params is not None:
            sent["tools"] = found.params
        if "response_format" in sent:
            sent["response_format"] = chat_format(sent["response_format"])
        parsing = Parsing.of(sent, runs_tools=True)
        core = StreamingRunnerCore(parsing) if streamed else RunnerCore(parsing)
        if found.problem is None:
            core.conversation.messages.extend(sent["messages"])

        def send(messages: list[Any]) -> Exchange:
            body = {**sent, "messages": [_message(message) for message in messages]}
            body["stream"] = streamed  # said in both cases, as by Node
            return self._api.exchange("POST", _PATH, body=body, extras=extras)

        source = RunSource(
            send,
            core,
            found,
            parallel=sent.get("parallel_tool_calls") is not False,
            max_chat_completions=max_chat_completions,
            on_tool_error=on_tool_error,
            tool_context=tool_context,
            has_after=after_completion is not None,
            call=call_directly if self._api.tool_caller is None else self._api.tool_caller(),
            inline=inline,
        )
        kind: type[ChatCompletionRunner | ChatCompletionStreamingRunner] = (
            ChatCompletionStreamingRunner if streamed else ChatCompletionRunner
        )
        runner = self._api.streams.make(kind, source, core, extras.signal, inline=inline)
        source.serve(runner)
        follow(runner, after_completion)
        return runner

    def retrieve(self, /, completion_id: str, **options: Unpack[CallParams]) -> ChatCompletion:
        """Get a completion that the server has kept. Node: ``retrieve``."""
        path = url_path("/chat/completions/{}", completion_id)
        return self._api.fetch(ChatCompletion, "GET", path, extras=parted(options)[1])

    def update(
        self,
        /,
        completion_id: str,
        *,
        metadata: Mapping[str, str] | None,
        **options: Unpack[CallParams],
    ) -> ChatCompletion:
        """Change a completion that the server has kept. Node: ``update``."""
        body, extras = parted({"metadata": metadata, **options})
        path = url_path("/chat/completions/{}", completion_id)
        return self._api.fetch(ChatCompletion, "POST", path, body=body, extras=extras)

    def list(self, /, **params: Unpack[ChatListParams]) -> CursorPage[ChatCompletion]:
        """List the completions that the server has kept: ``model``, ``metadata``, ``after``,
        ``limit``, ``order``. Node: ``list``."""
        query, extras = parted(params)
        return self._api.fetch_page(ChatCompletion, _PATH, query=query, extras=extras)

    def delete(self, /, completion_id: str, **options: Unpack[CallParams]) -> ChatCompletionDeleted:
        """Delete a completion that the server has kept. Node: ``delete``."""
        path = url_path("/chat/completions/{}", completion_id)
        return self._api.fetch(ChatCompletionDeleted, "DELETE", path, extras=parted(options)[1])


class CompletionMessages(Resource):
    """The messages of completions that the server has kept."""

    def list(
        self, /, completion_id: str, **params: Unpack[ChatMessageListParams]
    ) -> CursorPage[ChatCompletionStoreMessage]:
        """List them: ``after``, ``limit``, ``order``. Node: ``messages.list``."""
        query, extras = parted(params)
        path = url_path("/chat/completions/{}/messages", completion_id)
        return self._api.fetch_page(ChatCompletionStoreMessage, path, query=query, extras=extras)


def _prepared(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with classes as formats and lists in the place of iterables."""
    made = {**body, "messages": _listed(body["messages"])}
    if is_structure(body.get("text_format")):
        raise TypeError("chat takes a class as response_format=; text_format= is that of responses")
    if "response_format" in made:
        made["response_format"] = chat_format(made["response_format"])
    if isinstance(made.get("tools"), Iterable):
        made["tools"] = [chat_tool(tool) for tool in made["tools"]]
    return made


def _listed(messages: Any) -> list[Any]:
    if isinstance(messages, str | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(
            "messages is a list of messages, each like {'role': 'user', 'content': 'Hello'}; not a "
            f"{type(messages).__name__}"
        )
    return list(messages)


def _sent(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body whose messages are as they are sent."""
    return {**body, "messages": [_message(message) for message in body["messages"]]}


def _message(message: Any) -> Any:
    """Return a message without what only helpers add to one that came out of them."""
    if isinstance(message, Mapping):
        return message
    to_dict = getattr(message, "to_dict", None)
    if to_dict is None:
        return message
    made = to_dict()
    made.pop("parsed", None)
    for call in made.get("tool_calls") or ():
        function = call.get("function")
        if isinstance(function, dict):
            function.pop("parsed_arguments", None)
    return made


def _chunk_view(name: Any, data: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk(data)
