"""What type checkers are told of these events.

Written by ``python tests/write_listeners.py`` from ``events.py``; not to be changed by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.loop.stream import AsyncEventStream

__all__ = ["AsyncChatRunnerListeners"]

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Literal, TypeVar, overload

    from typing_extensions import Self

    from ..._typing import AsyncListener0, AsyncListener1, Defaulted
    from ...engine.loop.iterator import AsyncEventIterator
    from ...exceptions import APIUserAbortError, OpenAIError
    from ...types.chat import (
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
        ParsedFunction,
    )

    # fmt: off
    _AsyncF0 = TypeVar("_AsyncF0", bound=AsyncListener0)
    _AsyncF1 = TypeVar("_AsyncF1", bound=AsyncListener1[OpenAIError])
    _AsyncF2 = TypeVar("_AsyncF2", bound=AsyncListener1[APIUserAbortError])
    _AsyncF3 = TypeVar("_AsyncF3", bound=AsyncListener1[str])
    _AsyncF4 = TypeVar("_AsyncF4", bound=AsyncListener1[Any])
    _AsyncF5 = TypeVar("_AsyncF5", bound=AsyncListener1[ParsedChatCompletion])
    _AsyncF6 = TypeVar("_AsyncF6", bound=AsyncListener1[ParsedFunction])
    _AsyncF7 = TypeVar("_AsyncF7", bound=AsyncListener1[ParsedChatCompletionMessage])
    _AsyncF8 = TypeVar("_AsyncF8", bound=AsyncListener1[CompletionUsage])

    class AsyncChatRunnerListeners(AsyncEventStream):
        @overload
        def on(self, event: Literal["error"], listener: Defaulted[OpenAIError, object]) -> Self: ...
        @overload
        def on(self, event: Literal["error"], listener: Callable[[OpenAIError], object]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Defaulted[APIUserAbortError, object]) -> Self: ...
        @overload
        def on(self, event: Literal["abort"], listener: Callable[[APIUserAbortError], object]) -> Self: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: Defaulted[str, object]) -> Self: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: Callable[[str], object]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Defaulted[Any, object]) -> Self: ...
        @overload
        def on(self, event: Literal["message"], listener: Callable[[Any], object]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Defaulted[ParsedChatCompletion, object]) -> Self: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: Callable[[ParsedChatCompletion], object]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Defaulted[ParsedFunction, object]) -> Self: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: Callable[[ParsedFunction], object]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Defaulted[ParsedChatCompletionMessage, object]) -> Self: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: Callable[[ParsedChatCompletionMessage], object]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Defaulted[CompletionUsage, object]) -> Self: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: Callable[[CompletionUsage], object]) -> Self: ...
        @overload
        def on(self, event: Literal["connect", "end", "error", "abort", "content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult", "message", "chatCompletion", "finalChatCompletion", "functionToolCall", "finalFunctionToolCall", "finalMessage", "totalUsage"], listener: Callable[[], object]) -> Self: ...
        @overload
        def on(self, event: Literal["connect", "end"], listener: None = None) -> Callable[[_AsyncF0], _AsyncF0]: ...
        @overload
        def on(self, event: Literal["error"], listener: None = None) -> Callable[[_AsyncF1], _AsyncF1]: ...
        @overload
        def on(self, event: Literal["abort"], listener: None = None) -> Callable[[_AsyncF2], _AsyncF2]: ...
        @overload
        def on(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], listener: None = None) -> Callable[[_AsyncF3], _AsyncF3]: ...
        @overload
        def on(self, event: Literal["message"], listener: None = None) -> Callable[[_AsyncF4], _AsyncF4]: ...
        @overload
        def on(self, event: Literal["chatCompletion", "finalChatCompletion"], listener: None = None) -> Callable[[_AsyncF5], _AsyncF5]: ...
        @overload
        def on(self, event: Literal["functionToolCall", "finalFunctionToolCall"], listener: None = None) -> Callable[[_AsyncF6], _AsyncF6]: ...
        @overload
        def on(self, event: Literal["finalMessage"], listener: None = None) -> Callable[[_AsyncF7], _AsyncF7]: ...
        @overload
        def on(self, event: Literal["totalUsage"], listener: None = None) -> Callable[[_AsyncF8], _AsyncF8]: ...
        def on(self, event: Any, listener: Any = None) -> Any:
            """Call ``listener`` at each ``event``, by ``once`` at the next only; return the stream.

            Node: ``on``, ``once``.

            Listeners of one event are called in the order they were attached, each with as many of
            the event's arguments as it takes. Without ``listener``, return a decorator that
            returns the function. Raises ``ValueError`` for a name that is never emitted,
            ``TypeError`` for a listener that needs more than the event passes.
            """
        once = on
        @overload  # type: ignore[override]
        def emitted(self, event: Literal["connect", "end"], timeout: float | None = None) -> Coroutine[Any, Any, None]: ...
        @overload
        def emitted(self, event: Literal["error"], timeout: float | None = None) -> Coroutine[Any, Any, OpenAIError]: ...
        @overload
        def emitted(self, event: Literal["abort"], timeout: float | None = None) -> Coroutine[Any, Any, APIUserAbortError]: ...
        @overload
        def emitted(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"], timeout: float | None = None) -> Coroutine[Any, Any, str]: ...
        @overload
        def emitted(self, event: Literal["message"], timeout: float | None = None) -> Coroutine[Any, Any, Any]: ...
        @overload
        def emitted(self, event: Literal["chatCompletion", "finalChatCompletion"], timeout: float | None = None) -> Coroutine[Any, Any, ParsedChatCompletion]: ...
        @overload
        def emitted(self, event: Literal["functionToolCall", "finalFunctionToolCall"], timeout: float | None = None) -> Coroutine[Any, Any, ParsedFunction]: ...
        @overload
        def emitted(self, event: Literal["finalMessage"], timeout: float | None = None) -> Coroutine[Any, Any, ParsedChatCompletionMessage]: ...
        @overload
        def emitted(self, event: Literal["totalUsage"], timeout: float | None = None) -> Coroutine[Any, Any, CompletionUsage]: ...
        def emitted(self, event: Any, timeout: float | None = None) -> Any:
            """Wait for the next ``event``; return its argument, or a tuple of several. Node: ``emitted``.

            Raises the stream's error if that comes instead (``"error"`` returns it), an
            ``OpenAIError`` that names the event if the stream ends without it, ``TimeoutError``
            after ``timeout`` seconds.
            """
        @overload  # type: ignore[override]
        def events(self, event: Literal["connect", "end"]) -> AsyncEventIterator[tuple[()]]: ...
        @overload
        def events(self, event: Literal["error"]) -> AsyncEventIterator[tuple[OpenAIError]]: ...
        @overload
        def events(self, event: Literal["abort"]) -> AsyncEventIterator[tuple[APIUserAbortError]]: ...
        @overload
        def events(self, event: Literal["content", "functionToolCallResult", "finalContent", "finalFunctionToolCallResult"]) -> AsyncEventIterator[tuple[str]]: ...
        @overload
        def events(self, event: Literal["message"]) -> AsyncEventIterator[tuple[Any]]: ...
        @overload
        def events(self, event: Literal["chatCompletion", "finalChatCompletion"]) -> AsyncEventIterator[tuple[ParsedChatCompletion]]: ...
        @overload
        def events(self, event: Literal["functionToolCall", "finalFunctionToolCall"]) -> AsyncEventIterator[tuple[ParsedFunction]]: ...
        @overload
        def events(self, event: Literal["finalMessage"]) -> AsyncEventIterator[tuple[ParsedChatCompletionMessage]]: ...
        @overload
        def events(self, event: Literal["totalUsage"]) -> AsyncEventIterator[tuple[CompletionUsage]]: ...
        def events(self, event: Any) -> Any:
            """Return an iterator over the arguments of each ``event``, always as a tuple. Node: ``events``.

            It listens from now on, and loses nothing. At the end of the stream it raises the
            stream's error, except that ``"error"`` and ``"abort"`` yield theirs. Leaving it early
            only detaches it.
            """
    # fmt: on

else:

    class AsyncChatRunnerListeners(AsyncEventStream):
        """The methods are those of the base; this is for type checkers."""
