"""What the examples share: a server to talk to."""

import atexit
import os
import subprocess
import sys


def use_embedded_server() -> None:
    """Start `emitter-stream serve` for this program, unless OPENAI_BASE_URL names a server.

    ``OpenAI()`` then finds it in the environment. Its scripted model needs no API key.
    """
    if os.environ.get("OPENAI_BASE_URL"):
        return
    command = [sys.executable, "-m", "emitter_stream.cli", "serve", "--port", "0"]
    pace = ["--tokens-per-second", "60"]
    server = subprocess.Popen([*command, *pace], stdout=subprocess.PIPE, text=True)

    # Called when the last stream has ended: a stream may run on after the program's last line.
    @atexit.register
    def stop() -> None:
        server.terminate()
        server.communicate()

    assert server.stdout is not None
    line = server.stdout.readline().strip()  # OPENAI_BASE_URL=http://127.0.0.1:PORT/v1
    if not line:
        sys.exit("The embedded server did not start.")
    os.environ["OPENAI_BASE_URL"] = line.removeprefix("OPENAI_BASE_URL=")
    os.environ["OPENAI_API_KEY"] = "any"
