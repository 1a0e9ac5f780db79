"""Fork again and again while four threads use the client; each child asks and checks its answers.

    python tests/stress/forks.py [FORKS] [--tls]

Ends with status 1 if a child hung, got another's answer or failed. With ``--tls`` the server's
certificate is made by the ``openssl`` program.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork in a process with threads

from forking import in_child

from emitter_stream import OpenAI, OpenAIError


@contextlib.contextmanager
def serving(tls: bool) -> Iterator[str]:
    """Start the server; give the base URL, and let this process trust it."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, str(Path(__file__).with_name("server.py"))]
        if tls:
            file = certificate(folder)
            os.environ["REQUESTS_CA_BUNDLE"] = file
            arguments.append(file)
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            port = int(process.stdout.readline())
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
        finally:
            process.kill()
            process.communicate()


def certificate(folder: str) -> str:
    """Make a key and a certificate for 127.0.0.1, in one file."""
    file = str(Path(folder, "server.pem"))
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    made = subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", "-", "-out", "-"],
        capture_output=True,
        check=True,
    )
    Path(file).write_bytes(made.stdout)
    return file


def work(client: OpenAI, name: str) -> str:
    """Do in a child what a worker does: with the parent's client and with an own one."""
    own = OpenAI(base_url=client.base_url, api_key="sk-test", max_retries=0, timeout=10)
    for each in (client, own):
        threads = each.beta.threads
        if threads.retrieve(name, timeout=10).id != name:
            return "another's answer"
        stream = threads.runs.stream(name, assistant_id="a")
        if "".join(stream.text_deltas) != "".join(f"{name}{n} " for n in range(10)):
            return "another's stream"
    stream = client.beta.threads.runs.stream("endless", assistant_id="a")
    stream.emitted("textDelta", timeout=10)
    stream.abort()
    with contextlib.suppress(OpenAIError):
        stream.done(10)
    return "aborted" if stream.aborted else "not aborted"


def busy(client: OpenAI, stop: threading.Event, number: int, wrong: list[str]) -> None:
    """Do in a thread of the parent what takes locks: streams, requests, aborts."""
    threads = client.beta.threads
    count = 0
    while not stop.is_set():
        count += 1
        name = f"busy{number}x{count}"
        if threads.retrieve(name).id != name:
            wrong.append(name)
        text = "".join(threads.runs.stream(name, assistant_id="a").text_deltas)
        if text != "".join(f"{name}{n} " for n in range(10)):
            wrong.append(name)
        stream = threads.runs.stream("endless", assistant_id="a").on("textDelta", lambda: None)
        stream.start().abort()
        with contextlib.suppress(OpenAIError):
            stream.done(10)


def stress(forks: int, tls: bool) -> tuple[Counter[str], list[str], float]:
    """Return how the children ended, what went wrong in the parent, and the seconds it took."""
    with serving(tls) as url:
        client = OpenAI(base_url=url, api_key="sk-test", max_retries=0, timeout=20)
        stop, wrong = threading.Event(), []
        workers = [
            threading.Thread(target=busy, args=(client, stop, number, wrong)) for number in range(4)
        ]
        for worker in workers:
            worker.start()
        begun = time.monotonic()
        ends = Counter(
            in_child(lambda name=f"child{number}": work(client, name)) for number in range(forks)
        )
        seconds = time.monotonic() - begun
        alive = sum(worker.is_alive() for worker in workers)
        stop.set()
        for worker in workers:
            worker.join()
        if alive < len(workers):
            wrong.append("a thread of the parent failed")
        return ends, wrong, seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forks", type=int, nargs="?", default=200)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    ends, wrong, seconds = stress(options.forks, options.tls)
    print(f"{options.forks} forks in {seconds:.1f} s: {dict(ends)}; in the parent: {wrong or 'ok'}")
    sys.exit(wrong != [] or ends != {"'aborted'": options.forks})
