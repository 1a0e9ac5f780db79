"""The `emitter-stream` command: one function a subcommand. Its options are in ``_cli_arguments``.

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
from collections.abc import Callable, Iterator, Sequence

from ._cli_arguments import new_parser
from ._cli_help import completion_script


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    args = _parser().parse_args(argv)
    status: int = args.run(args)
    return status


def _parser() -> argparse.ArgumentParser:
    runs = {
        "serve": _serve,
        "chat": _chat,
        "replay": _replay,
        "show": _show,
        "completion": _completion,
    }
    return new_parser(runs)


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
    except KeyboardInterrupt:  # the second one; what is left ends with the process
        return 130
    finally:
        restore()


def _serve_until(stop: threading.Event, args: argparse.Namespace) -> int:
    # Imported here: the other commands work without the extra.
    try:
        from .server import LocalServer, Upstream
        from .server.garbage import rarely_collected
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
            max_connections=args.max_connections,
            tokens_per_second=args.tokens_per_second,
        )
    except ValueError as exc:
        return _fail(str(exc))
    waits = True
    try:
        with _log_lines() if args.log or sys.stderr.isatty() else contextlib.nullcontext():
            if stop.is_set():
                return 0
            server.start()
            print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
            print(*server.describe(), sep="\n", flush=True)
            print(f"playground: {server.base_url.removesuffix('/v1')}/", flush=True)
            with rarely_collected():
                # In slices: on Windows a wait without end cannot be broken off by Ctrl-C.
                while server.running and not stop.wait(0.5):
                    pass
            server.stop()
    except OSError as exc:
        return _fail(f"cannot listen on {args.host}:{args.port}: {exc.strerror or exc}")
    except DatabaseUnusable as exc:
        return _fail(str(exc))
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        if waits:
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
    from .show.live import replayed, write_live

    try:
        with _warnings_as_lines():
            stream = replayed(args.file, None if args.fast else args.speed)
    except (OSError, OpenAIError) as exc:
        return _fail(str(exc))
    _accept_all_characters()
    write_live(stream, _until_closed(lambda text: print(text, end="", flush=True)))
    try:
        stream.done()
    except KeyboardInterrupt:
        return 130
    except OpenAIError as exc:
        if isinstance(exc.__cause__, BrokenPipeError):
            return _closed_pipe()
        return _fail(f"{type(exc).__name__}: {exc}")
    return 0


def _show(args: argparse.Namespace) -> int:
    from .exceptions import OpenAIError
    from .recordings import Recording
    from .show import Timeline

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
        return _fail(str(exc))
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
    except (OSError, TypeError, ValueError, OpenAIError, chat.NoServer, chat.BadFile) as exc:
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
    for message in dict.fromkeys(str(warning.message) for warning in caught):  # each once
        print(f"emitter-stream: {visible(message)}", file=sys.stderr)


def _accept_all_characters() -> None:
    """Let a terminal that does not have a character show another in its place."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _until_closed(write: Callable[[str], object]) -> Callable[[str], object]:
    """Return a ``write`` that tells one caller that the reader went away, and is silent then.

    The listener of ``end`` ends an open line: nobody hears what it raises, which would be printed.
    """
    closed = False

    def piece(text: str) -> None:
        nonlocal closed
        if not closed:
            try:
                write(text)
            except BrokenPipeError:
                closed = True
                raise

    return piece


def _closed_pipe() -> int:
    """Return the status for a reader that went away (``| head``), with nothing left to be said."""
    # Or the interpreter complains when it flushes stdout at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _fail(message: str) -> int:
    """Write why a command ends, which a server may have said; return the status."""
    from .show.text import visible

    print(f"emitter-stream: {visible(message)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
