"""A dialogue with a model in the terminal, by any of the three APIs: `emitter-stream chat`."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from .client import DEFAULT_BASE_URL, OpenAI, environment_variable
from .exceptions import OpenAIError
from .show.live import write_live
from .show.text import visible
from .tools.functions import Toolbox

__all__ = [
    "DIALOGUES",
    "BadFile",
    "Dialogue",
    "NoServer",
    "Settings",
    "answer",
    "api_for",
    "functions_in",
    "opened",
    "talk",
]

# Ends that the answer itself shows, or the next prompt, or an error.
QUIET = ("completed", "failed", "requires action", "stop", "tool_calls")

MOST_ROUNDS = 10  # of calls of functions in one answer, as in run_tools


class NoServer(Exception):
    """There is nobody to talk to; the message says what to do."""


class BadFile(Exception):
    """The user's file of functions failed; the message has its traceback, from that file on."""


@attrs.frozen
class Settings:
    """What the command was given."""

    model: str | None = None
    instructions: str | None = None
    assistant: str | None = None
    thread: str | None = None
    tools: tuple[str, ...] = ()
    functions: tuple[Callable[..., Any], ...] = ()

    def check(self, api: str) -> None:
        """Raise ``ValueError`` for what would be without effect."""
        if api != "assistants" and (self.assistant is not None or self.thread is not None):
            raise ValueError(f"--assistant and --thread do not go with --api {api}")
        if self.tools and self.assistant is not None:
            raise ValueError("--tool does not go with --assistant, which has its own tools")
        if self.tools and api == "chat":
            raise ValueError("--tool does not go with chat, which knows functions only")


@contextlib.contextmanager
def opened(base_url: str | None, scripted: bool, tell: Callable[[str], object]) -> Iterator[OpenAI]:
    """Give a client: of the address, of the environment's, or else of a server made for it.

    Raises ``NoServer`` if the last is wanted and its libraries are not there.
    """
    base_url = base_url or environment_variable("OPENAI_BASE_URL")
    key = environment_variable("OPENAI_API_KEY")
    if not scripted and (base_url or key):
        with OpenAI(key or "none", base_url=base_url) as client:  # local servers ask for no key
            yield client
        return
    try:
        from .server import LocalServer
    except ImportError as exc:
        raise NoServer(
            "there is neither OPENAI_API_KEY nor --base-url, and the built-in model needs "
            f"{exc.name}: pip install 'emitter-stream[server]'"
        ) from exc
    if not scripted:
        tell("neither OPENAI_API_KEY nor --base-url: the built-in scripted model answers")
    with (
        LocalServer(tokens_per_second=30) as server,
        OpenAI("any", base_url=server.base_url) as client,
    ):
        yield client


def api_for(client: OpenAI, assistant: str | None, thread: str | None) -> str:
    """Return the name of the API that ``--api auto`` means."""
    if assistant is not None or thread is not None:
        return "assistants"
    # Nearly every other server has chat; few have Responses.
    return "responses" if client.base_url == DEFAULT_BASE_URL else "chat"


def functions_in(path: str) -> tuple[Callable[..., Any], ...]:
    """Run a Python file; return the public functions that it defines."""
    source = Path(path).read_bytes()  # an OSError of the file itself, and not of what it does
    try:
        module = _run(source, path)
    except Exception as exc:
        trace = exc.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != path:
            trace = trace.tb_next  # of a syntax error none is in the file
        lines = traceback.format_exception(type(exc), exc, trace)
        raise BadFile(f"{path!r} cannot be run:\n{''.join(lines).rstrip()}") from exc
    return tuple(
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    )


def _run(source: bytes, path: str) -> ModuleType:
    """Run a file as the module ``functions``, and leave no compiled one beside it."""
    loader = importlib.machinery.SourceFileLoader("functions", path)
    spec = importlib.machinery.ModuleSpec("functions", loader, origin=path)
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules["functions"] = module  # dataclasses look there for the names in their annotations
    exec(loader.source_to_code(source, path), vars(module))  # noqa: S102
    return module


class Dialogue:
    """One dialogue. ``write`` prints a piece of text; ``read`` asks for a line."""

    def __init__(
        self,
        client: OpenAI,
        settings: Settings,
        write: Callable[[str], object],
        read: Callable[[str], str],
    ) -> None:
        self._client = client
        self._settings = settings
        self._print = write
        self._read = read
        self._line_is_open = False
        self._toolbox = Toolbox.of(settings.functions)
        self._question = ""
        self._said = ""  # of the answer under way
        self._kept: list[Any] = []  # of the dialogue so far, where the server keeps nothing

    def ask(self, question: str) -> None:
        """Send a question and print the answer as it comes.

        The listeners are called by this thread, so that nothing is printed after it has left.
        """
        self._question, self._said = question, ""
        try:
            self._answer()
        finally:
            if self._line_is_open:  # by what broke this off
                self._write("\n")

    def stop(self) -> None:
        """Make the dialogue whole again after an answer that was broken off.

        The model is to know of it what the user has seen.
        """
        if self._said:
            self._kept += [
                {"role": "user", "content": self._question},
                {"role": "assistant", "content": self._said},
            ]

    def close(self) -> None:
        """Take back what was made for the dialogue."""

    def _answer(self) -> None:
        raise NotImplementedError

    def _model(self) -> str:
        if self._settings.model is not None:
            return self._settings.model
        if self._client.base_url == DEFAULT_BASE_URL:
            return "gpt-4o"
        for model in self._client.models.list():
            return model.id
        raise OpenAIError("the server names no model; say --model NAME")

    def _write(self, text: str) -> None:
        self._line_is_open = not text.endswith("\n")
        self._print(text)

    def _show(self, stream: Any) -> None:
        write_live(stream, self._write, QUIET)

    def _hear(self, piece: str) -> None:
        """Keep a piece before it is shown: Ctrl-C may come in between."""
        self._said += piece


class ResponsesDialogue(Dialogue):
    """By Responses. The items are kept here, as few servers but OpenAI's keep them."""

    def _answer(self) -> None:
        items = [*self._kept, {"role": "user", "content": self._question}]
        tools: list[Any] = [{"type": name} for name in self._settings.tools]
        for tool in self._toolbox.functions.values():
            tools.append({"type": "function", **tool["function"]})
        given: dict[str, Any] = {"model": self._model()}
        if tools:
            given["tools"] = tools
        if self._settings.instructions is not None:
            given["instructions"] = self._settings.instructions
        for _ in range(MOST_ROUNDS):
            stream = self._client.responses.stream(**given, input=items, inline=True)
            stream.on("event", self._hear_event)  # by which it is shown as well
            self._show(stream)
            response = stream.final_response()
            if response.status == "failed":
                raise OpenAIError(f"the response failed: {getattr(response.error, 'message', '')}")
            items.extend(response.output or ())
            outputs = [
                self._output(item)
                for item in response.output or ()
                if item.type == "function_call" and response.status == "completed"
            ]
            items.extend(outputs)
            if not outputs:
                break
        self._kept = items

    def _hear_event(self, event: Any) -> None:
        if event.type == "response.output_text.delta":
            self._hear(event.delta)

    def _output(self, call: Any) -> dict[str, Any]:
        if self._toolbox.functions:
            output = self._toolbox.answer(call.name, call.arguments)
            self._write(f"output > {visible(output)}\n")
        else:
            output = self._read(f"output of {visible(call.name)} > ")
        return {"type": "function_call_output", "call_id": call.call_id, "output": output}


class ChatDialogue(Dialogue):
    """By Chat Completions."""

    def _answer(self) -> None:
        question = {"role": "user", "content": self._question}
        instructions = self._settings.instructions
        if not self._kept and instructions is not None:
            self._kept = [{"role": "system", "content": instructions}]
        given: dict[str, Any] = {"model": self._model(), "messages": [*self._kept, question]}
        completions = self._client.chat.completions
        stream: Any
        if self._toolbox.functions:
            tools = list(self._toolbox.functions.values())
            stream = completions.run_tools(**given, tools=tools, stream=True, inline=True)
        else:
            stream = completions.stream(**given, inline=True)
        stream.on("chunk", self._hear_chunk)  # by which it is shown as well
        self._show(stream)
        stream.until_done()
        self._kept = list(stream.messages)

    def _hear_chunk(self, chunk: Any) -> None:
        for choice in chunk.choices:
            self._hear(getattr(choice.delta, "content", None) or "")


class AssistantsDialogue(Dialogue):
    """By Assistants, on a thread of the server."""

    _assistant: str | None = None
    _thread: str | None = None
    _made: str | None = None  # an assistant that is ours to delete

    def _begin(self) -> tuple[str, str]:
        beta, settings = self._client.beta, self._settings
        if self._assistant is None:
            self._assistant = settings.assistant
        if self._assistant is None:
            tools: list[Any] = [{"type": name} for name in settings.tools]
            given: dict[str, Any] = {"model": self._model(), "instructions": settings.instructions}
            tools += self._toolbox.params
            assistant = beta.assistants.create(**given, tools=tools)
            self._assistant = self._made = assistant.id
        if self._thread is None:
            self._thread = settings.thread or beta.threads.create().id
        return self._assistant, self._thread

    def _answer(self) -> None:
        assistant, thread = self._begin()
        runs = self._client.beta.threads.runs
        self._client.beta.threads.messages.create(thread, role="user", content=self._question)
        given: dict[str, Any] = {"assistant_id": assistant}
        if self._settings.assistant is not None:  # what is said here counts instead of its own
            settings = {"model": self._settings.model, "instructions": self._settings.instructions}
            given |= {name: value for name, value in settings.items() if value is not None}
        stream: Any
        if self._toolbox.functions:
            functions = list(self._settings.functions)
            stream = runs.run_tools(thread, **given, tools=functions, send_tools=False, inline=True)
        else:
            stream = runs.stream(thread, **given, inline=True)
        while True:
            self._show(stream)
            run = stream.final_run()
            if run.status != "requires_action":
                break
            outputs = [
                {
                    "tool_call_id": call.id,
                    "output": self._read(f"output of {visible(call.function.name)} > "),
                }
                for call in run.required_action.submit_tool_outputs.tool_calls
            ]
            stream = runs.submit_tool_outputs_stream(
                run.id, thread_id=thread, tool_outputs=outputs, inline=True
            )
        if run.status == "failed":
            raise OpenAIError(f"the run failed: {getattr(run.last_error, 'message', '')}")

    def stop(self) -> None:
        """Cancel the run: a thread takes no message while one is active."""
        if self._thread is None:
            return
        runs = self._client.beta.threads.runs
        with contextlib.suppress(OpenAIError):
            for run in runs.list(self._thread, limit=1):
                if run.status in ("queued", "in_progress", "requires_action"):
                    runs.cancel(run.id, thread_id=self._thread)
                    runs.poll(run.id, thread_id=self._thread)
                break

    def close(self) -> None:
        if self._made is not None:
            with contextlib.suppress(OpenAIError):
                self._client.beta.assistants.delete(self._made)


DIALOGUES: dict[str, type[Dialogue]] = {
    "responses": ResponsesDialogue,
    "chat": ChatDialogue,
    "assistants": AssistantsDialogue,
}


def talk(dialogue: Dialogue, read: Callable[[str], str], interactive: bool) -> int:
    """Ask what the user types, until the input ends or Ctrl-C at the prompt; return the status."""
    while True:
        try:
            question = read("you > ")
        except (EOFError, KeyboardInterrupt):
            if interactive:
                print()
            return 0
        if question.strip():
            status = answer(dialogue, question)
            if status and not interactive:
                return status


def answer(dialogue: Dialogue, question: str) -> int:
    """Ask one question; return the status. Ctrl-C breaks off the answer, and no more than that."""
    try:
        dialogue.ask(question)
        return 0
    except KeyboardInterrupt:
        print("(stopped)", flush=True)
        status = 130
    except EOFError:
        print("emitter-stream: the input ended before a tool's output", file=sys.stderr)
        status = 1
    except OpenAIError as exc:
        print(f"emitter-stream: {visible(str(exc))}", file=sys.stderr)
        status = 1
    dialogue.stop()
    return status
