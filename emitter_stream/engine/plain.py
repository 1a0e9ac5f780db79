"""The plain stream of ``create(stream=True)``: events as they come, on the thread that iterates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..abort import AbortSignal
from ..exceptions import APIUserAbortError, HTTPResponse
from .sources import Source

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Stream"]

_T = TypeVar("_T")


class Stream(Generic[_T]):
    """The events of one answer: iterable once, closed by ``with`` or ``close()``.

    It has no listeners and no thread: each event is read when it is asked for, and nothing in it is
    repaired. Leaving the loop early leaves the connection open until the stream is closed or
    dropped, as with the official Python SDK.
    """

    def __init__(
        self,
        source: Source,
        view: Callable[[Any, Any], _T],
        *,
        signal: AbortSignal | None = None,
    ) -> None:
        """Open the source; ``view`` makes an event of its name and data."""
        self._source = source
        self._view = view
        self._signal = signal
        self._events: Iterator[_T] = iter(())
        self._opened = False
        if signal is not None:
            signal.add_callback(source.interrupt)
        try:
            source.open()
            self._opened = True
        except APIUserAbortError as error:
            self._explain(error)
            raise
        finally:
            if not self._opened:
                self.close()
        self._events = self._read()

    @property
    def response(self) -> HTTPResponse | None:
        """The status and the headers that it came with; ``None`` of one that is replayed."""
        return getattr(self._source, "response", None)

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        return next(self._events)

    def close(self) -> None:
        """Close the connection; the iteration ends. Again does nothing."""
        close = getattr(self._events, "close", None)
        if close is not None:
            close()
        self._events = iter(())
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def read(self) -> tuple[list[_T] | None, BaseException | None]:
        """Wait for more; return the events that came and what was raised behind them, if anything.

        At the end there are none: ``None``. For who reads in a place where nothing may be raised.
        """
        items: list[_T] = []
        try:
            events = self._source.read()
            if events is None:
                self._release()
                return None, None
            items.extend(self._view(name, data) for name, data in events)
        except BaseException as error:  # noqa: BLE001 - who reads raises it
            if isinstance(error, APIUserAbortError):
                self._explain(error)
            self._release()
            return items, error
        return items, None

    def interrupt(self) -> None:
        """Wake who reads, from any thread, with an ``APIUserAbortError``."""
        self._source.interrupt()

    def _read(self) -> Iterator[_T]:
        source, view = self._source, self._view
        try:
            while (events := source.read()) is not None:
                for name, data in events:
                    yield view(name, data)
        except APIUserAbortError as error:
            self._explain(error)
            raise
        finally:
            self._release()

    def _release(self) -> None:
        if self._signal is not None:
            self._signal.remove_callback(self._source.interrupt)
        self._source.close()

    def _explain(self, error: APIUserAbortError) -> None:
        """Make the signal's reason the cause of an abort."""
        reason = None if self._signal is None else self._signal.reason
        if isinstance(reason, BaseException):
            error.__cause__ = reason
