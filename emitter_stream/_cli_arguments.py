"""What can be said to the `emitter-stream` command: its subcommands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ._cli_help import Examples, ExamplesAndDefaults

__all__ = ["new_parser"]

Run = Callable[[argparse.Namespace], int]
"""What does the work of a subcommand and returns the exit status."""

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def new_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """Return the parser of the command; ``runs`` says what does the work of each subcommand."""
    parser = argparse.ArgumentParser(
        prog="emitter-stream",
        description="Talk to a model, serve the Assistants API, replay and draw recordings.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands, runs["serve"])
    _add_chat(commands, runs["chat"])
    _add_replay(commands, runs["replay"])
    _add_show(commands, runs["show"])
    _add_completion(commands, runs["completion"])
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"emitter-stream {version('emitter-stream')}")
        parser.exit()


def _add_serve(commands: _Commands, run: Run) -> None:
    serve = commands.add_parser(
        "serve",
        help="start the embedded Assistants server",
        description="Start an Assistants v2 server, by default with a scripted model. It prints the address "
        "to set as OPENAI_BASE_URL, and runs until Ctrl-C.",
        epilog="examples:\n"
        "  emitter-stream serve --db assistants.db\n"
        "  emitter-stream serve --upstream http://localhost:11434/v1 --model qwen3:8b\n",
        formatter_class=ExamplesAndDefaults,
    )
    serve.add_argument("--host", type=_host, default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=_port, default=8000, help="port; 0 takes a free one")
    serve.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that requests may come for, besides loopback and --host; repeatable",
    )
    serve.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="the keys that open the server, one a line, or NAME=KEY; each sees its own objects only",
    )
    serve.add_argument(
        "--any-key", action="store_true", help="any key will do, also beyond loopback"
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page's scheme://host:port whose scripts may use the server; repeatable",
    )
    serve.add_argument(
        "--max-connections",
        type=int,
        metavar="N",
        help="at once, others are answered 503; as many as open files allow, at most 10000, if not given",
    )
    serve.add_argument(
        "--db",
        type=_place,
        default=":memory:",
        metavar="PATH",
        help="database file, :memory:, or postgresql://..., which several servers can share",
    )
    serve.add_argument(
        "--files",
        type=_place,
        metavar="DIR",
        help="where uploaded files lie; beside the SQLite database or in PostgreSQL if not given",
    )
    serve.add_argument(
        "--tokens-per-second",
        type=_pace,
        default=30.0,
        metavar="N",
        help="pace of the answers; 0: as fast as possible",
    )
    upstream = serve.add_argument_group(
        "a model of your choice",
        "Any endpoint that speaks Chat Completions or Responses. Its key is taken from the "
        "environment: EMITTER_STREAM_UPSTREAM_KEY, or for api.openai.com OPENAI_API_KEY, for "
        "Azure AZURE_OPENAI_API_KEY.",
    )
    upstream.add_argument("--upstream", metavar="URL", help="its base, like OPENAI_BASE_URL")
    upstream.add_argument(
        "--upstream-api",
        choices=("auto", "chat", "responses"),
        default="auto",
        help="auto: responses on api.openai.com, else chat",
    )
    upstream.add_argument("--model", metavar="NAME", help="sent instead of the run's model")
    upstream.add_argument(
        "--embeddings",
        metavar="NAME",
        help="a model of the upstream's: files are searched by meaning too, not by words alone",
    )
    upstream.add_argument(
        "--upstream-header",
        action="append",
        default=[],
        metavar="'N: V'",
        help="sent with each request; V may be env:NAME; repeatable",
    )
    upstream.add_argument(
        "--upstream-timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds between two reads",
    )
    upstream.add_argument(
        "--code-interpreter",
        choices=("off", "local"),
        default="off",
        help="local: code that the model writes is run on this machine, in the strongest cage that it "
        "has: bubblewrap, else the kernel's filters, else limits alone",
    )
    serve.add_argument(
        "--log",
        action="store_true",
        help="write a line for each run that ends to stderr, as is done on a terminal",
    )
    serve.set_defaults(run=run)


def _add_replay(commands: _Commands, run: Run) -> None:
    replay = commands.add_parser(
        "replay",
        help="print a recorded stream as it came",
        description="Print what stream.record() wrote, of any of the APIs, at the pace at which "
        "it came: the texts, the tool calls with their input and output. The exit status is 1 if it ended in an error.",
        epilog="example:\n  emitter-stream replay run.jsonl --speed 4\n",
        formatter_class=Examples,
    )
    replay.add_argument("file", help="the recording")
    pace = replay.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed", type=_speed, default=1.0, metavar="X", help="times as fast (default: 1)"
    )
    pace.add_argument("--fast", action="store_true", help="as fast as possible")
    replay.set_defaults(run=run)


def _add_show(commands: _Commands, run: Run) -> None:
    show = commands.add_parser(
        "show",
        help="draw a recorded stream",
        description="Draw a recording of any of the APIs in the terminal: a lane a step, request, "
        "reasoning and message over time, the time to the first token, tokens a second, tool calls.",
        epilog="examples:\n"
        "  emitter-stream show run.jsonl\n"
        "  emitter-stream show run.jsonl --html run.html\n",
        formatter_class=Examples,
    )
    show.add_argument("file", help="the recording")
    show.add_argument(
        "--html", metavar="OUT", help="write it as one page instead, to a new file or over a page"
    )
    show.set_defaults(run=run)


def _add_chat(commands: _Commands, run: Run) -> None:
    chat = commands.add_parser(
        "chat",
        help="talk to a model",
        description="Talk to a model by any of the three APIs; its answers and its tool calls are "
        "shown as they come. Ctrl-C stops an answer, and at the prompt the program; so does the "
        "end of the input. The key is OPENAI_API_KEY; with neither key nor address the embedded "
        "server's scripted model answers.",
        epilog="examples:\n"
        "  emitter-stream chat\n"
        '  emitter-stream chat --model gpt-4o "Why is the sky blue?"\n'
        "  emitter-stream chat --base-url http://localhost:11434/v1 --model qwen3:8b\n"
        "  emitter-stream chat --api assistants --tool code_interpreter\n",
        formatter_class=Examples,
    )
    chat.add_argument("question", nargs="*", help="ask this alone, and end")
    where = chat.add_mutually_exclusive_group()
    where.add_argument("--base-url", metavar="URL", help="the server (default: OPENAI_BASE_URL)")
    where.add_argument(
        "--scripted", action="store_true", help="talk to the embedded server's scripted model"
    )
    chat.add_argument(
        "--api",
        choices=("auto", "responses", "chat", "assistants"),
        default="auto",
        help="auto: assistants with --assistant or --thread, responses at OpenAI, else chat",
    )
    chat.add_argument("--model", metavar="NAME", help="default: gpt-4o, elsewhere the first of all")
    chat.add_argument("--instructions", metavar="TEXT", help="what the model is to be")
    chat.add_argument("--assistant", metavar="ID", help="default: one made for this dialogue")
    chat.add_argument("--thread", metavar="ID", help="go on with this thread")
    chat.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="TYPE",
        help="a tool of the server's, such as code_interpreter; repeatable",
    )
    chat.add_argument(
        "--functions",
        metavar="FILE",
        help="a Python file whose public functions the model may call (needs the extra `tools`)",
    )
    chat.set_defaults(run=run)


def _add_completion(commands: _Commands, run: Run) -> None:
    completion = commands.add_parser(
        "completion",
        help="print what completes this command in a shell",
        description="Print a script that completes this command. It needs the extra `completion`.",
        epilog='examples:\n  eval "$(emitter-stream completion bash)"     # in ~/.bashrc\n'
        "  emitter-stream completion fish > ~/.config/fish/completions/emitter-stream.fish\n",
        formatter_class=Examples,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))
    completion.set_defaults(run=run)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError("the speed must be above 0; --fast has no pauses")
    return speed


def _port(text: str) -> int:
    # Not int() alone: it takes "1_0" and digits of other scripts.
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port is a number between 0 and 65535")
    return int(text)


def _host(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty host would be all of them: say 0.0.0.0")
    return text


def _place(text: str) -> str:
    if not text.strip():  # a variable that is not set, as a rule
        raise argparse.ArgumentTypeError("an empty name keeps nothing: name a place")
    return text


def _pace(text: str) -> float:
    try:
        pace = float(text)
    except ValueError:
        pace = -1
    if not 0 <= pace < float("inf"):
        raise argparse.ArgumentTypeError("the pace must be a number, 0 or more")
    return pace
