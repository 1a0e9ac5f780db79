"""One run at work: asks the model, runs code, stores and publishes every step of the way.

A worker is a task of its own. Whether a client watches makes no difference to it: what it tells is
stored, the deltas as `Pieces`, all else in the transaction that makes it so; and then sent to whoever
follows the run.

Longer than 500 lines: one run's state, from its question to its end, which each step changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, TypeVar

from ..files.desk import Hit
from ..http.errors import ApiError
from ..journal import where
from ..models.model import (
    BadPart,
    Call,
    Heard,
    Input,
    ModelError,
    Refusal,
    Stop,
    Text,
    Turn,
    count_tokens,
)
from ..store import objects
from ..store.objects import Json
from ..store.store import StorageFailed
from ..store.vectors import StoreRecords
from .citations import Citations
from .feed import Feed, frame
from .lifecycle import Context, Disowned, Ending, Event, Interrupted, Lifecycle
from .pieces import Pieces
from .searching import (
    READING_PATIENCE,
    SEARCH,
    has_search,
    options_of,
    queries_of,
    results_of,
    searches_in,
    sources_in,
    stores_of,
)
from .turns import build_turn, prompt_tokens
from .workspace import Workspace, with_images

if TYPE_CHECKING:
    from .runs import RunEngine

T = TypeVar("T")

logger = logging.getLogger("emitter_stream.server")

MAX_ROUNDS = 32
_STORAGE_FAILED = Ending("failed", "The server's storage failed.")
# The text of a message is kept for who reads it while it grows: as events it is stored anyway.
SAVE_EVERY = 0.5  # seconds
MOST_SAVES = 100  # a second, of all runs together
AT_A_TIME = 0.002  # seconds for one run, until others get on
CLOSING = 5.0  # seconds for a model to let go of what it holds

# Why an answer stopped, as the message and as the run tell it.
_CUT = {"length": "max_tokens", "content_filter": "content_filter"}
_INCOMPLETE = {"length": "max_completion_tokens", "content_filter": "content_filter"}


class Answer(Heard):
    """One answer of the model as a whole: what it cost, and what cut it off.

    The server guesses from the question and the pieces where the model tells no usage.
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self._turn = turn
        self.written: list[list[str]] = []  # its texts and inputs, in pieces

    @property
    def usage(self) -> Json:
        told = self.reported
        if told is not None:
            return objects.usage(told.prompt, told.completion, told.cached, told.reasoning)
        # A piece is about a token from nearly every model, and much more from some.
        words = sum(count_tokens("".join(pieces)) for pieces in self.written)
        return objects.usage(prompt_tokens(self._turn), max(self.pieces, words))


class OpenCall:
    """A call in the open step, as far as the model has written it."""

    def __init__(self, call: Call, index: int) -> None:
        self.kind = call.kind
        self.name = call.name
        self.index = index
        self.call_id = objects.new_id("call")
        self.aside: Json = {"id": call.id, "extra": call.extra}
        self.input: list[str] = []
        self.logs = ""
        self.around: Around | None = None
        self.images: list[str] = []  # files that the code has drawn
        self.search: Json | None = None  # what a file search has found

    def body(self) -> Json:
        """Return the call in its final form."""
        text = "".join(self.input)
        body: Json = {"id": self.call_id, "type": self.kind}
        if self.kind == "function":
            body["function"] = {"name": self.name, "arguments": text, "output": None}
        elif self.kind == SEARCH:
            body["file_search"] = self.search or {}
        else:
            outputs: list[Json] = [{"type": "logs", "logs": self.logs}] if self.logs else []
            outputs += [{"type": "image", "image": {"file_id": image}} for image in self.images]
            body["code_interpreter"] = {"input": text, "outputs": outputs}
        return body


class Around:
    """The frame of a delta but for its piece: nearly every one of an answer is the one before with
    another piece of text."""

    def __init__(self, event: str, delta: Callable[[str], Json]) -> None:
        self._before, self._behind = frame(event, delta("@@")).split(b'"@@"')

    def frame(self, piece: str) -> bytes:
        """Raises `TypeError` or `UnicodeEncodeError` for what is no whole text."""
        return b"%b%b%b" % (self._before, encode_basestring(piece).encode(), self._behind)


class OpenStep:
    """What the model has written so far in the step that is open."""

    def __init__(
        self, step: Json, message: Json | None, citations: Citations, images: Sequence[str] = ()
    ) -> None:
        self.step = step
        self.citations = citations
        self.images = list(images)  # files in front of the text
        self.message_id: str | None = message["id"] if message else None
        self.text: list[str] = []
        self.around: Around | None = None
        self.calls: list[OpenCall] = []
        self.by_key: dict[str, OpenCall] = {}

    def call_bodies(self) -> list[Json]:
        return [call.body() for call in self.calls]

    def content(self) -> list[Json]:
        """Return the content of the message."""
        text = "".join(self.text)
        images = [objects.image_content(file_id) for file_id in self.images]
        if not text:
            return images
        return [*images, objects.text_content(text, self.citations.annotations)]

    def say(self, pieces: Iterable[tuple[str, list[Json]]]) -> list[Event]:
        """Take pieces of its text, each with the marks that end in it; returns what tells them."""
        events: list[Event] = []
        for text, marks in pieces:
            first = len(self.citations.annotations) - len(marks)
            numbered = [{"index": first + n, **one} for n, one in enumerate(marks)]
            delta = objects.message_delta(
                self.message_id or "", text, not self.text, numbered, len(self.images)
            )
            self.text.append(text)
            events.append(("thread.message.delta", delta))
        return events

    def asides(self) -> dict[str, Json]:
        for call in self.calls:
            if call.kind == SEARCH:
                call.aside["input"] = "".join(call.input)
        return {call.call_id: call.aside for call in self.calls if any(call.aside.values())}


class Worker:
    """Drives one run to its end, or to the point where it needs the client.

    `context` is what a run that has begun is asked with; without it there is only its end to come.
    """

    def __init__(
        self, engine: RunEngine, run: Json, feed: Feed | None, context: Context | None = None
    ) -> None:
        self.engine = engine
        self.run_id = run_id = str(run["id"])
        self.thread_id: str = run["thread_id"]
        self.task: asyncio.Task[None]
        self._run = run
        self._feed = feed
        self._context = context
        self._pieces = Pieces(run_id, engine.gatherer, self._storage_failed, self.disown)
        self.told_up_to = 0  # the number of the last event that is known to be stored
        self._disowned = False
        self._ending: Ending | None = None
        self._interruptible = False
        self._open: OpenStep | None = None
        self._save_at = 0.0
        self._sources: dict[tuple[int, int], str] = {}
        self._written: dict[str, str] = {}  # files of its code, by their names
        self._drawn: list[str] = []  # images of its code that no message has yet
        files = (run["tool_resources"].get("code_interpreter") or {}).get("file_ids") or ()
        self._workspace = Workspace(engine.desk, engine.sandbox, files)

    def start(self) -> None:
        self.task = asyncio.create_task(self._main(), name=self.run_id)

    def publish(self, event: str, data: Json) -> None:
        """Tell what is stored nowhere else."""
        self._pieces.put(frame(event, data))

    async def _store(
        self,
        work: Callable[[Lifecycle], T],
        tell: Callable[[T], Sequence[Event]] = lambda _: (),
    ) -> T:
        """Run `work` in a transaction; what was published before, and what it tells, belong to it."""
        await self._pieces.settled()
        before = self._pieces.take()

        def whole(lifecycle: Lifecycle) -> T:
            lifecycle.own(self.run_id)
            result = work(lifecycle)
            lifecycle.tell(self.run_id, tell(result), self._unstored(lifecycle, before))
            return result

        try:
            return await self.engine.transact(whole)
        except BaseException:
            self._pieces.put_back(before)
            raise

    def _unstored(self, lifecycle: Lifecycle, frames: Sequence[bytes]) -> Sequence[bytes]:
        """Return those of the frames that are not stored, as far as that is in doubt."""
        if not self._pieces.are_doubtful:
            return frames
        return lifecycle.unstored(self.run_id, frames, self.told_up_to)

    def _storage_failed(self) -> None:
        self.interrupt(_STORAGE_FAILED)

    def disown(self) -> None:
        """End without a word: the run is another process's, or was deleted there."""
        self._disowned = True
        self.interrupt(Ending("failed"))

    def interrupt(self, ending: Ending) -> None:
        """End the run before its time; the first reason given counts.

        Only waiting for the model or for code is broken off. A transaction is always seen
        through: its outcome would be unknown otherwise.
        """
        if self._ending is None:
            self._ending = ending
            if self._interruptible:
                self.task.cancel()

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        left = max(0.0, self._run["expires_at"] - self.engine.db.clock())
        timer = loop.call_later(left, self.interrupt, Ending("expired"))
        is_closed = False
        try:
            await self._drive()
            is_closed = True
        except Disowned:
            is_closed = self._disowned = True
        except StorageFailed:
            pass  # the engine ends the run when it can; the database has logged why
        except BaseException as exc:  # noqa: BLE001  (it is logged)
            logger.error("run %s could not be closed:\n%s", self.run_id, where(exc))
        finally:
            timer.cancel()
            self._workspace.close()
            # No await since the last events were told: whoever reads them finds the run free.
            self.engine.forget(self)
            if self._disowned:
                self.engine.let_go(self.run_id, self._feed)
            elif self._feed is not None and self._feed.watched:
                if not is_closed:
                    # Its stream ends all the same.
                    self._feed.say(frame("error", _stream_error()))
                self._feed.end()

    async def _drive(self) -> None:
        """Work until the end, or until the client is needed.

        Raises `StorageFailed` if the end cannot be stored; then the engine has been asked to close
        the run as soon as that is possible again. Raises `Disowned` if the run is not ours any more.
        """
        try:
            # A cancel may have come when the run had just begun to wait for the client.
            if await self._work() or self._ending is None:
                return
        except Interrupted:
            pass
        except Disowned:
            raise
        except StorageFailed:
            self._ending = self._ending or _STORAGE_FAILED
        # Whatever a model raises ends its run: KeyboardInterrupt is no signal on this thread.
        except BaseException as exc:  # noqa: BLE001  (it is logged, and told by the run)
            failed = self._failed(exc)
            self._ending = self._ending or failed
        if self._disowned:
            raise Disowned
        ending = self._ending or Ending("cancelled")
        await self._pieces.settled()
        before = self._pieces.take()

        def close(lifecycle: Lifecycle) -> None:
            lifecycle.own(self.run_id)
            self._save(lifecycle)
            lifecycle.close_run(self.run_id, ending, self._unstored(lifecycle, before))

        try:
            await self.engine.transact(close)
        except Disowned:
            raise
        except BaseException as exc:
            if not isinstance(exc, StorageFailed):  # then what the step holds is not worth a try
                self._open = None
            self.engine.close_later(self.run_id, close)
            raise

    def _failed(self, exc: BaseException) -> Ending:
        """Log what the model raised, and say it as far as a client may know."""
        if isinstance(exc, ModelError):  # not its message, which may say what was asked
            logger.warning("run %s failed: the model says %s", self.run_id, exc.code)
            return Ending("failed", exc.message, exc.code)
        logger.error("run %s failed:\n%s", self.run_id, where(exc))
        what = f"it sent {exc}" if isinstance(exc, BadPart) else type(exc).__name__
        return Ending("failed", f"The model failed: {what}.")

    async def _work(self) -> bool:
        """Work until the run's end; or, then return False, until the client is needed."""
        context, self._context = self._context, None
        if self._ending is not None or context is None:
            raise Interrupted
        if not self.engine.has_code and any(
            tool["type"] == "code_interpreter" for tool in context.run["tools"]
        ):
            self.engine.say_no_code()
        for rounds in range(MAX_ROUNDS):
            if rounds:
                context = await self.engine.transact(lambda s: s.context(self.run_id))
            self._sources = sources_in(context.steps)
            finds = await self._look_ahead(context)
            turn = build_turn(context, has_code=self.engine.has_code, finds=finds)
            if turn is None:
                return await self._finish("max_prompt_tokens")
            if turn.limit is not None and turn.limit <= 0:
                return await self._finish("max_completion_tokens")
            answer = Answer(turn)
            shown = await with_images(self.engine.desk, turn, self.engine.model)
            await self._respond(shown, answer)
            usage, stop, step = answer.usage, answer.stop, self._open
            if step is not None and step.message_id is not None:
                await self._end_message(step, usage, stop, ends=True)
                return True
            if step is not None:
                if stop is None:
                    await self._run_code(step)
                    await self._search(step)
                    if any(call.kind == "function" for call in step.calls):
                        await self._await_outputs(step, usage)
                        return False
                await self._end_calls(step, usage, stop)
                if stop is None:
                    continue
            return await self._finish(_reason(stop), usage if step is None else None)
        raise RuntimeError(f"the model made {MAX_ROUNDS} rounds of tool calls without an answer")

    async def _respond(self, turn: Turn, answer: Answer) -> None:
        """Stream one answer of the model into steps."""
        most = None if self.engine.keeps_limits else turn.limit
        parts = self.engine.model.respond(turn)
        now = asyncio.get_running_loop().time
        turn_ends = 0.0
        try:
            while True:
                if now() >= turn_ends:
                    # A model that never waits must still let the other runs and requests get on.
                    await self._wait(_others if self._open is None else self.engine.pace.turn)
                    while self._pieces.are_too_many:
                        await self._wait(self._pieces.settled)
                    await self._save_now_and_then()
                    turn_ends = now() + AT_A_TIME
                if self._ending is not None:
                    raise Interrupted
                self._interruptible = True
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    break
                except asyncio.CancelledError:
                    raise self._interrupted() from None
                finally:
                    self._interruptible = False
                if answer.stop is None and answer.pieces != most and self._add(part):
                    answer.pieces += 1
                    continue
                taken = answer.take(part, most)
                if answer.is_full:
                    return
                if taken is not None:
                    await self._take(taken, answer)
        finally:
            close = getattr(parts, "aclose", None)
            if close is not None:
                await self._let_go(close)

    async def _let_go(self, close: Callable[[], Awaitable[object]]) -> None:
        """Close a model's answer, in this task: its cancel scopes may not be left in another."""
        timer = asyncio.get_running_loop().call_later(CLOSING, self.task.cancel)
        try:
            await close()
        except asyncio.CancelledError:
            raise TimeoutError(f"it did not let go in {CLOSING} seconds") from None
        finally:
            timer.cancel()

    async def _wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Begin something that an interrupt may break off, and wait for it."""
        if self._ending is not None:
            raise Interrupted
        self._interruptible = True
        try:
            return await begin()
        except asyncio.CancelledError:
            raise self._interrupted() from None
        finally:
            self._interruptible = False

    def _interrupted(self) -> Exception:
        """Return what a cancel of this task means."""
        if self._ending is None:  # the model's own, or the event loop ends
            return RuntimeError("it was cancelled, and not by this server")
        return Interrupted()

    def _add(self, part: object) -> bool:
        """Take what most parts are, a further piece of a text or a call; False: it is another."""
        step = self._open
        if type(part) is Text and step is not None and step.around is not None:
            into, around = step.text, step.around
        elif type(part) is Input and step is not None and part.extra is None:
            call = step.by_key.get(part.key) if part.key else step.calls[-1] if step.calls else None
            if call is None or call.around is None:
                return False
            into, around = call.input, call.around
        else:
            return False
        if not part.piece:
            return False
        try:
            framed = around.frame(part.piece)
        except (TypeError, UnicodeEncodeError):  # which is told in the same way as in other parts
            return False
        into.append(part.piece)
        self._pieces.put(framed)
        return True

    async def _take(self, part: Text | Refusal | Call | Input, answer: Answer) -> None:
        step = self._open
        if isinstance(part, (Text, Refusal)):
            if step is None:
                step = await self._open_message(part.piece)
                answer.written.append(step.text)
            elif step.message_id is None:
                raise BadPart("text after a tool call")
            else:
                for event in step.say(step.citations.feed(part.piece)):
                    self.publish(*event)
            if step.around is None and step.text and step.citations.is_idle:
                step.around = Around(
                    "thread.message.delta",
                    partial(
                        objects.message_delta,
                        step.message_id or "",
                        first=False,
                        index=len(step.images),
                    ),
                )
        elif isinstance(part, Call):
            if part.kind == "function" and part.name == SEARCH and has_search(self._run):
                part = replace(part, kind=SEARCH, name="")
            if part.kind == "code_interpreter" and not self.engine.has_code:
                raise BadPart("code, which this server does not run")
            if step is not None and step.message_id is not None:
                # What the answer costs is not known yet: it stands in its last step.
                await self._end_message(step, objects.usage(0, 0))
                step = None
            if step is None:
                step = await self._open_calls()
            if part.key and part.key in step.by_key:
                raise BadPart("two calls with one key")
            call = OpenCall(part, len(step.calls))
            step.calls.append(call)
            step.by_key[part.key] = call
            answer.written.append(call.input)
            self._begin_call(step, call)
        else:
            if step is None or not step.calls:
                raise BadPart("a call's input before the call")
            if part.key and part.key not in step.by_key:
                raise BadPart("an input for a call that there is not")
            call = step.by_key[part.key] if part.key else step.calls[-1]
            if part.extra is not None:
                call.aside["extra"] = part.extra
            if part.piece:
                call.input.append(part.piece)
                if call.kind == SEARCH:  # its query is not told
                    return
                key = "arguments" if call.kind == "function" else "input"
                self._publish_call(step, call.index, call.kind, {key: part.piece})
                if call.around is None:
                    head = {"index": call.index, "type": call.kind}
                    step_id, kind = step.step["id"], call.kind
                    call.around = Around(
                        "thread.run.step.delta",
                        lambda text: objects.step_delta(step_id, {**head, kind: {key: text}}),
                    )

    async def _open_message(self, piece: str) -> OpenStep:
        """Begin a message; its first piece is told in the transaction that makes it."""

        def open_message(lifecycle: Lifecycle) -> tuple[OpenStep, list[Event]]:
            step, message = lifecycle.open_message(self.run_id)
            opened = OpenStep(step, message, self._citations(), self._drawn)
            events = [
                ("thread.run.step.created", step),
                ("thread.run.step.in_progress", step),
                ("thread.message.created", message),
                ("thread.message.in_progress", message),
            ]
            for index, file_id in enumerate(self._drawn):
                part = {"index": index, **objects.image_content(file_id)}
                delta = objects.content_delta(message["id"], part)
                events.append(("thread.message.delta", delta))
            return opened, [*events, *opened.say(opened.citations.feed(piece))]

        opened, _ = await self._store(open_message, lambda made: made[1])
        self._open, self._drawn = opened, []
        return opened

    def _citations(self) -> Citations:
        return Citations(self._sources, self._written)

    async def _open_calls(self) -> OpenStep:
        step = await self._store(
            lambda s: s.open_calls(self.run_id),
            lambda step: [
                ("thread.run.step.created", step),
                ("thread.run.step.in_progress", step),
            ],
        )
        self._open = OpenStep(step, None, self._citations())
        return self._open

    def _begin_call(self, step: OpenStep, call: OpenCall) -> None:
        first: Json
        if call.kind == "function":
            first = {"name": call.name, "arguments": "", "output": None}
        elif call.kind == SEARCH:
            first = {}
        else:
            first = {"input": "", "outputs": []}
        self._publish_call(step, call.index, call.kind, first, call.call_id)

    def _publish_call(
        self, step: OpenStep, index: int, kind: str, data: Json, call_id: str | None = None
    ) -> None:
        head: Json = {"index": index} if call_id is None else {"index": index, "id": call_id}
        delta = objects.step_delta(step.step["id"], {**head, "type": kind, kind: data})
        self.publish("thread.run.step.delta", delta)

    async def _run_code(self, step: OpenStep) -> None:
        for call in step.calls:
            if call.kind != "code_interpreter":
                continue
            source = "".join(call.input)
            ran = await self._wait(partial(self._workspace.run, source))
            call.logs, call.images = ran.logs, ran.images
            self._drawn += ran.images
            self._written.update(ran.files)
            outputs = call.body()["code_interpreter"]["outputs"]
            if outputs:
                numbered = [{"index": n, **output} for n, output in enumerate(outputs)]
                self._publish_call(step, call.index, call.kind, {"outputs": numbered})

    async def _look_ahead(self, context: Context) -> bool:
        """Say whether the stores have something on the question, for a model that asks for that."""
        run = self._run
        if not getattr(self.engine.model, "looks_ahead", False) or not has_search(run):
            return True
        if searches_in(context.steps):
            return True
        asked = [body for body in context.messages if body["role"] == "user"]
        text = "\n".join(
            part["text"]["value"]
            for part in (asked[-1]["content"] if asked else ())
            if part["type"] == "text"
        )
        return bool(await self._wait(lambda: self._hits([text], 1)))

    async def _hits(self, queries: Sequence[str], most: int, threshold: float = 0) -> list[Hit]:
        """Search the run's stores, once their files have been read or that has taken too long."""
        desk, stores = self.engine.desk, stores_of(self._run)
        queries = [query for query in queries if query.strip()]
        if not stores or not queries:
            return []
        loop = asyncio.get_running_loop()
        until = loop.time() + READING_PATIENCE
        while loop.time() < until and await self.engine.transact(
            lambda s: StoreRecords(s).is_reading(stores)
        ):
            await desk.ingester.a_file_ends(min(1.0, max(0.01, until - loop.time())))
        return await desk.search(stores, queries, most=most, threshold=threshold)

    async def _search(self, step: OpenStep) -> None:
        for call in step.calls:
            if call.kind != SEARCH:
                continue
            most, ranking = options_of(self._run)
            find = partial(
                self._hits, queries_of("".join(call.input)), most, ranking["score_threshold"]
            )
            try:
                hits = await self._wait(find)
            except ApiError as exc:  # a store that has expired, or is gone
                raise ModelError("server_error", exc.message) from None
            call.search = {"ranking_options": ranking, "results": results_of(hits)}

    async def _end_message(
        self, step: OpenStep, usage: Json, stop: Stop | None = None, *, ends: bool = False
    ) -> None:
        """End the message that is open; `ends`: and the run, in the same transaction."""
        for event in step.say(step.citations.end()):
            self.publish(*event)
        content, message_id = step.content(), step.message_id or ""
        cut = _CUT[stop.reason] if stop is not None else None
        told = "thread.message.incomplete" if cut else "thread.message.completed"

        def end(lifecycle: Lifecycle) -> list[Event]:
            message, done = lifecycle.finish_message(step.step, message_id, content, usage, cut=cut)
            events = [(told, message), ("thread.run.step.completed", done)]
            if ends:
                events.append(lifecycle.finish_run(self.run_id, _reason(stop)))
            return events

        await self._store(end, lambda events: events)
        self._open = None

    async def _end_calls(self, step: OpenStep, usage: Json, stop: Stop | None) -> None:
        calls, asides = step.call_bodies(), step.asides()

        def end(lifecycle: Lifecycle) -> Json:
            if stop is not None:
                return lifecycle.cut_calls(step.step, calls, usage)
            lifecycle.keep_asides(self.run_id, asides)
            return lifecycle.finish_calls(step.step, calls, usage)

        shown = self.run_id in self.engine.with_content
        await self._store(
            end,
            lambda done: [
                (f"thread.run.step.{done['status']}", objects.shown_step(done, content=shown))
            ],
        )
        self._open = None

    async def _await_outputs(self, step: OpenStep, usage: Json) -> None:
        calls, asides = step.call_bodies(), step.asides()

        def leave(lifecycle: Lifecycle) -> Json:
            lifecycle.keep_asides(self.run_id, asides)
            return lifecycle.await_outputs(step.step, calls, usage)

        await self._store(leave, lambda run: [("thread.run.requires_action", run)])
        self._open = None

    async def _finish(self, incomplete: str | None, also: Json | None = None) -> bool:
        await self._store(
            lambda s: s.finish_run(self.run_id, incomplete, also), lambda event: [event]
        )
        return True

    def _save(self, lifecycle: Lifecycle) -> None:
        """Store what the open step holds so far."""
        step = self._open
        if step is None:
            return
        if step.message_id is not None:
            lifecycle.save_content(step.message_id, step.content())
        else:
            lifecycle.save_calls(step.step["id"], step.call_bodies())

    async def _save_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._save_at:
            if self._save_at:  # not at its beginning
                await self._store(self._save)
            self._save_at = now + SAVE_EVERY + self.engine.at_work / MOST_SAVES


async def _others() -> None:
    """Let the event loop do what else there is to do."""
    await asyncio.sleep(0)


def _reason(stop: Stop | None) -> str | None:
    """Return why a run is incomplete whose answer stopped so."""
    return _INCOMPLETE[stop.reason] if stop is not None else None


def _stream_error() -> Json:
    """Return an `error` event's data: flat as described, and within `error` as the SDKs read it."""
    message = "The server had an error while processing your request."
    body = ApiError(500, message, type="server_error").body()
    return {**body, **body["error"]}
