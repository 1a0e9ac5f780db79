"""The `emitter-stream` command: one function a subcommand.

emitter-stream serve        start the embedded Assistants server
emitter-stream chat         talk to a model
emitter-stream replay       print a recorded stream as it came
emitter-stream show         draw a recorded stream
emitter-stream completion   print what completes this command in a shell
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence

from ._cli_help import Examples, ExamplesAndDefaults, completion_script


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    args = _parser().parse_args(argv)
    status: int = args.run(args)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emitter-stream",
        description="Talk to a model, serve the Assistants API, replay and draw recordings.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_chat(commands)
    _add_replay(commands)
    _add_show(commands)
    _add_completion(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"emitter-stream {version('emitter-stream')}")
        parser.exit()


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        "--db",
        default=":memory:",
        metavar="PATH",
        help="database file, :memory:, or postgresql://..., which several servers can share",
    )
    serve.add_argument(
        "--files",
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
    serve.set_defaults(run=_serve)


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    replay.set_defaults(run=_replay)


def _add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    show.set_defaults(run=_show)


def _add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    chat.set_defaults(run=_chat)


def _add_completion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    completion = commands.add_parser(
        "completion",
        help="print what completes this command in a shell",
        description="Print a script that completes this command. It needs the extra `completion`.",
        epilog='examples:\n  eval "$(emitter-stream completion bash)"     # in ~/.bashrc\n'
        "  emitter-stream completion fish > ~/.config/fish/completions/emitter-stream.fish\n",
        formatter_class=Examples,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))
    completion.set_defaults(run=_completion)


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


def _pace(text: str) -> float:
    try:
        pace = float(text)
    except ValueError:
        pace = -1
    if not 0 <= pace < float("inf"):
        raise argparse.ArgumentTypeError("the pace must be a number, 0 or more")
    return pace


def _serve(args: argparse.Namespace) -> int:
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.getsignal(number) for number in numbers]

    def restore() -> None:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)

    def end(*_: object) -> None:
        stop.set()
        restore()  # a second Ctrl-C breaks off the stop

    # Before the imports, which take a moment, so that a signal at any time ends in silence.
    for number in numbers:
        signal.signal(number, end)
    try:
        return _serve_until(stop, args)
    finally:
        restore()


def _serve_until(stop: threading.Event, args: argparse.Namespace) -> int:
    # Imported here: the other commands work without the extra.
    try:
        from .server import LocalServer, Upstream
        from .server.store.store import DatabaseUnusable
    except ImportError as exc:
        return _fail(str(exc))

    try:
        model = None
        if args.upstream is not None:
            model = Upstream(
                args.upstream,
                args.model,
                args.upstream_api,
                headers=_headers(args.upstream_header),
                timeout=args.upstream_timeout,
            )
        elif args.model is not None or args.upstream_header:
            raise ValueError("--model and --upstream-header go with --upstream")
        server = LocalServer(
            model=model,
            code_interpreter=args.code_interpreter,
            embeddings=args.embeddings,
            db=args.db,
            files=args.files,
            host=args.host,
            port=args.port,
            allowed_hosts=args.allowed_host,
            allow_origins=args.allow_origin,
            api_key_file=args.api_key_file,
            any_key=args.any_key,
            tokens_per_second=args.tokens_per_second,
        )
    except ValueError as exc:
        return _fail(str(exc))
    try:
        with _log_lines() if args.log or sys.stderr.isatty() else contextlib.nullcontext():
            if stop.is_set():
                return 0
            server.start()
            print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
            print(*server.describe(), sep="\n", flush=True)
            print(f"playground: {server.base_url.removesuffix('/v1')}/", flush=True)
            # In slices: on Windows a wait without end cannot be broken off by Ctrl-C.
            while server.running and not stop.wait(0.5):
                pass
            server.stop()
    except OSError as exc:
        return _fail(f"cannot listen on {args.host}:{args.port}: {exc.strerror or exc}")
    except DatabaseUnusable as exc:
        return _fail(str(exc))
    finally:
        server.stop()
    return 0 if stop.is_set() else _fail("the server ended unexpectedly")


@contextlib.contextmanager
def _log_lines() -> Iterator[None]:
    """Write what the server notes, a line each run that ends, to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("emitter_stream.server")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _headers(given: list[str]) -> dict[str, str]:
    """Read `Name: value` each."""
    headers = {}
    for number, line in enumerate(given, 1):
        name, colon, value = line.partition(":")
        if not colon:  # not quoted: it may be a key
            raise ValueError(f"--upstream-header {number} is not of the form 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


def _replay(args: argparse.Namespace) -> int:
    from .exceptions import OpenAIError
    from .show import visible
    from .show.live import replayed, write_live

    try:
        with _warnings_as_lines():
            stream = replayed(args.file, None if args.fast else args.speed)
    except (OSError, OpenAIError) as exc:
        return _fail(visible(str(exc)))
    _accept_all_characters()
    write_live(stream, lambda text: print(text, end="", flush=True))
    try:
        stream.done()
    except KeyboardInterrupt:
        return 130
    except OpenAIError as exc:
        if isinstance(exc.__cause__, BrokenPipeError):
            return _closed_pipe()
        return _fail(visible(f"{type(exc).__name__}: {exc}"))
    return 0


def _show(args: argparse.Namespace) -> int:
    from .exceptions import OpenAIError
    from .recordings import Recording
    from .show import Timeline, visible

    try:
        with _warnings_as_lines():
            timeline = Timeline.of(Recording.load(args.file))
        if args.html is not None:
            from .recordings.files import open_page
            from .show.html import page

            # Whole before the file is opened: what is there is lost only to a page.
            data = memoryview(page(timeline).encode())
            with open_page(args.html, args.file) as file:
                while data:  # unbuffered: a nearly full disk takes a part
                    data = data[file.write(data) :]
            return 0
    except (OSError, OpenAIError) as exc:
        return _fail(visible(str(exc)))
    try:
        from .show.terminal import draw
    except ImportError as exc:
        return _fail(
            f"to draw in the terminal, `show` needs {exc.name}: pip install 'emitter-stream[show]' "
            f"(--html needs nothing)"
        )
    _accept_all_characters()
    try:
        draw(timeline)
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    return 0


def _chat(args: argparse.Namespace) -> int:
    from . import terminal_chat as chat
    from .exceptions import OpenAIError

    _accept_all_characters()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if interactive:
        with contextlib.suppress(ImportError):  # not on Windows
            import readline  # noqa: F401  (by being there it lets lines be edited)

    def tell(text: str) -> None:
        print(f"emitter-stream: {text}", file=sys.stderr)

    def read(prompt: str) -> str:
        return input(prompt if interactive else "")

    try:
        settings = chat.Settings(
            args.model,
            args.instructions,
            args.assistant,
            args.thread,
            tuple(args.tool),
            chat.functions_in(args.functions) if args.functions is not None else (),
        )
        with chat.opened(args.base_url, args.scripted, tell) as client:
            api = args.api
            if api == "auto":
                api = chat.api_for(client, args.assistant, args.thread)
            settings.check(api)
            dialogue = chat.DIALOGUES[api](
                client, settings, lambda text: print(text, end="", flush=True), read
            )
            try:
                if args.question:
                    return chat.answer(dialogue, " ".join(args.question))
                return chat.talk(dialogue, read, interactive)
            finally:
                dialogue.close()
    except BrokenPipeError:
        return _closed_pipe()
    except KeyboardInterrupt:
        return 130
    except (OSError, TypeError, ValueError, OpenAIError, chat.NoServer) as exc:
        return _fail(str(exc))


def _completion(args: argparse.Namespace) -> int:
    try:
        script = completion_script(_parser(), args.shell)
    except ImportError as exc:
        return _fail(f"`completion` needs {exc.name}: pip install 'emitter-stream[completion]'")
    print(script)
    return 0


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Write warnings to stderr as this command writes its errors."""
    from .show.text import visible

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print(f"emitter-stream: {visible(str(warning.message))}", file=sys.stderr)


def _accept_all_characters() -> None:
    """Let a terminal that does not have a character show another in its place."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _closed_pipe() -> int:
    """Return the status for a reader that went away (``| head``), with nothing left to be said."""
    # Or the interpreter complains when it flushes stdout at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _fail(message: str) -> int:
    print(f"emitter-stream: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
