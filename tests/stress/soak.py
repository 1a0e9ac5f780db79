"""Two servers on one PostgreSQL, with all that may happen to them; what was promised is counted.

    python tests/stress/soak.py --seconds 1800

Servers are killed and stopped, their connections to the database and their clients' stand still or
are cut, at random, while clients stream runs with `resume=True` through a balancer. In the end every
message that was acknowledged must be there, every run over, no thread blocked, and every text that
was heard the one that is stored. The exit status is 1 if anything is not so; the counts are JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "server")]

from databases import new_database, postgres_server
from proxy import Proxy
from sqlalchemy.engine import make_url

from emitter_stream import APIError, BadRequestError, OpenAI, OpenAIError

OVER = ("completed", "failed", "cancelled", "expired", "incomplete")


class Balancer(Proxy):
    """Passes each connection on to one of several servers that take it."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        super().__init__(("127.0.0.1", ports[0]))

    def _connect(self) -> socket.socket:
        for port in random.sample(self.ports, len(self.ports)):
            with contextlib.suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port), timeout=1)
                server.settimeout(None)  # an answer may take its time
                return server
        raise OSError("no server is there")


class Server:
    """A server process, which has its own way to the database."""

    def __init__(self, number: int, database: str) -> None:
        url = make_url(database)
        port = url.port or 5432
        folder = url.query.get("host")
        target: Any = (url.host or "127.0.0.1", port)
        if folder:
            target = f"{folder}/.s.PGSQL.{port}"
        self.way = Proxy(target)
        through = url.set(host="127.0.0.1", port=self.way.port, query={})
        self.database = through.render_as_string(hide_password=False)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = open(f"/tmp/soak-{os.getpid()}-{number}.log", "wb")  # noqa: SIM115
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "emitter_stream.cli", "serve", "--port", str(self.port)]
        pace = ["--db", self.database, "--tokens-per-second", "25"]
        self.process = subprocess.Popen([*command, *pace], stdout=subprocess.PIPE, stderr=self.log)
        self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
        self.way.close()
        self.log.close()


class Soak:
    """What is done, and what came of it."""

    def __init__(self, seconds: float, clients: int, seed: int) -> None:
        self.until = time.monotonic() + seconds
        self.clients = clients
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.messages: dict[str, list[str]] = {}  # acknowledged, by thread
        self.heard: list[tuple[str, str, dict[str, str]]] = []  # thread, run, texts by message
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def over(self) -> bool:
        return time.monotonic() >= self.until

    # what happens

    def trouble(self, servers: list[Server], balancer: Balancer) -> None:
        while not self.over():
            time.sleep(self.random.uniform(2, 6))
            server = self.random.choice(servers)
            kind = self.random.choice(["kill", "stop", "partition", "cut", "cut"])
            self.count(f"trouble: {kind}")
            if kind == "kill":
                server.kill()
                time.sleep(self.random.uniform(0, 4))
                server.start()
            elif kind == "stop":
                server.process.send_signal(signal.SIGSTOP)
                time.sleep(self.random.uniform(1, 20))
                server.process.send_signal(signal.SIGCONT)
            elif kind == "partition":
                server.way.stall()
                time.sleep(self.random.uniform(1, 20))
                if self.random.random() < 0.5:
                    server.way.cut()
                server.way.go_on()
            else:
                balancer.cut()

    def client(self, number: int, base_url: str) -> None:
        chance = random.Random(number)
        client = OpenAI("any", base_url=base_url, max_retries=0, timeout=20.0)
        with client:
            while not self.over():
                try:
                    self.conversation(client, chance)
                except APIError as error:
                    self.count(f"refused: {type(error).__name__}")
                    time.sleep(chance.uniform(0.1, 0.5))
                except Exception as error:  # noqa: BLE001 - it is what is looked for
                    self.wrong.append(f"{type(error).__name__}: {error}")

    def conversation(self, client: OpenAI, chance: random.Random) -> None:
        thread = client.beta.threads.create()
        self.messages[thread.id] = []
        assistant = client.beta.assistants.create(model="m")
        for turn in range(3):
            text = f"This is message {turn} of {thread.id}."
            message = client.beta.threads.messages.create(thread.id, role="user", content=text)
            self.messages[thread.id].append(message.id)
            self.count("messages acknowledged")
            if not self.run(client, thread.id, assistant.id, chance):
                return

    def run(self, client: OpenAI, thread: str, assistant: str, chance: random.Random) -> bool:
        texts: dict[str, list[str]] = {}
        stream = client.beta.threads.runs.stream(thread, assistant_id=assistant, resume=True)
        stream.on(
            "messageDelta",
            lambda delta, message: texts.setdefault(message.id, []).extend(
                part.text.value or "" for part in delta.content or () if part.type == "text"
            ),
        )
        if chance.random() < 0.1:
            threading.Timer(chance.uniform(0, 1), self._cancel, (client, stream, thread)).start()
        try:
            run = stream.final_run()
        except OpenAIError as error:
            self.count(f"streams given up: {type(error).__name__}")
            return False
        self.count(f"streams whole: {run.status}")
        self.heard.append((thread, run.id, {one: "".join(text) for one, text in texts.items()}))
        return True

    def _cancel(self, client: OpenAI, stream: Any, thread: str) -> None:
        run = stream.current_run()
        if run is not None:
            with contextlib.suppress(OpenAIError):
                client.beta.threads.runs.cancel(run.id, thread_id=thread)
                self.count("cancelled")

    # what must be so

    def check(self, base_url: str) -> None:
        """Look at all that was made, several threads at a time."""
        with (
            OpenAI("any", base_url=base_url, max_retries=5, timeout=60.0) as client,
            ThreadPoolExecutor(6) as pool,
        ):
            assistant = client.beta.assistants.create(model="m").id
            stored: dict[str, dict[str, str]] = {}  # texts by message, by run

            def look(thread: str) -> None:
                try:
                    stored.update(self.check_thread(client, thread, assistant))
                except Exception as error:  # noqa: BLE001 - the other threads are looked at all the same
                    self.wrong.append(f"{thread}: {type(error).__name__}: {error}")

            list(pool.map(look, self.messages))
        for _, run_id, texts in self.heard:
            whole = {message: text for message, text in stored.get(run_id, {}).items() if text}
            self.expect(texts == whole, f"{run_id}: heard {texts}, stored {whole}")
            self.count("texts compared")

    def check_thread(self, client: OpenAI, thread: str, assistant: str) -> dict[str, Any]:
        """Return the texts of a thread's runs, by message."""
        by_run: dict[str, dict[str, str]] = {}
        stored = list(client.beta.threads.messages.list(thread, limit=100))
        missing = set(self.messages[thread]) - {message.id for message in stored}
        self.expect(not missing, f"messages are lost in {thread}: {missing}")
        for message in stored:
            if message.run_id:
                text = "".join(part.text.value for part in message.content)
                by_run.setdefault(message.run_id, {})[message.id] = text
        runs = list(client.beta.threads.runs.list(thread, limit=100))
        for run in runs:
            self.count("runs")
            self.expect(run.status in OVER, f"{run.id} of {thread} is {run.status}")
        try:
            made = client.beta.threads.runs.create(thread, assistant_id=assistant).id
        except BadRequestError as error:
            # A request that is sent again, since its answer was lost, meets the run that it made.
            found = re.search(r"already has an active run (\w+)", str(error))
            made = found[1] if found else ""
            self.expect(
                bool(made) and made not in {run.id for run in runs}, f"{thread} is blocked: {error}"
            )
            self.count("made, but the answer was lost")
        with contextlib.suppress(BadRequestError):  # it is over, or the answer was lost
            client.beta.threads.runs.cancel(made, thread_id=thread)
        self.count("threads free")
        return by_run

    def expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.wrong.append(what)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with postgres_server() as url:
        database = new_database(url)
        servers = [Server(number, database) for number in range(2)]
        balancer = Balancer([server.port for server in servers])
        base_url = f"http://127.0.0.1:{balancer.port}/v1"
        soak = Soak(args.seconds, args.clients, args.seed)
        threads = [
            threading.Thread(target=soak.client, args=(number, base_url))
            for number in range(args.clients)
        ]
        threads.append(threading.Thread(target=soak.trouble, args=(servers, balancer)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(15)  # in which what was left must have been ended
        try:
            soak.check(base_url)
        except Exception as error:  # noqa: BLE001 - what was counted is told all the same
            soak.wrong.append(f"the check: {type(error).__name__}: {error}")
        finally:
            for server in servers:
                server.close()
            balancer.close()
    print(json.dumps({"counts": dict(sorted(soak.counts.items())), "wrong": soak.wrong}, indent=1))
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
