"""The `emitter-stream` command: one function a subcommand.

emitter-stream serve    start the embedded Assistants server
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    args = _parser().parse_args(argv)
    status: int = args.run(args)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emitter-stream", description="Chained listeners for OpenAI Assistants streams."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="start the embedded Assistants server",
        description="Start an Assistants v2 server with a scripted model. It prints the address "
        "to set as OPENAI_BASE_URL, and runs until Ctrl-C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument("--port", type=_port, default=8000, help="port; 0 takes a free one")
    serve.add_argument(
        "--db", default=":memory:", metavar="PATH", help="database file, or :memory:"
    )
    serve.add_argument(
        "--tokens-per-second",
        type=_pace,
        default=30.0,
        metavar="N",
        help="pace of the answers; 0: as fast as possible",
    )
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is between 0 and 65535")
    return port


def _pace(text: str) -> float:
    pace = float(text)
    if not 0 <= pace < float("inf"):
        raise argparse.ArgumentTypeError("the pace must be 0 or more")
    return pace


def _serve(args: argparse.Namespace) -> int:
    # Imported here: the other commands work without the extra.
    try:
        from .server import LocalServer
        from .server.store import DatabaseUnusable
    except ImportError as exc:
        return _fail(str(exc))

    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    # Before the start, so that a signal at any time ends in an orderly stop.
    previous = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    server = LocalServer(
        db=args.db,
        host=args.host,
        port=args.port,
        tokens_per_second=args.tokens_per_second,
    )
    try:
        server.start()
        print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
        # In slices: on Windows a wait without end cannot be broken off by Ctrl-C.
        while server.running and not stop.wait(0.5):
            pass
    except OSError as exc:
        return _fail(f"cannot listen on {args.host}:{args.port}: {exc.strerror or exc}")
    except DatabaseUnusable as exc:
        return _fail(str(exc))
    finally:
        # Back to what they were: a second Ctrl-C breaks off the stop.
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
        server.stop()
    return 0 if stop.is_set() else _fail("the server ended unexpectedly")


def _fail(message: str) -> int:
    print(f"emitter-stream: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
