"""A web server that passes a stream on, and a reader of it: Node's toReadableStream format.

In a browser the reader is the Node SDK's ``AssistantStream.fromReadableStream(response.body)``.
"""

import http.client
import http.server
import threading

import _setup

from emitter_stream import AssistantStream, OpenAI

_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be brief.")


class Relay(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        question = self.rfile.read(int(self.headers["Content-Length"])).decode()
        stream = client.beta.threads.create_and_run_stream(
            assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": question}]}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        for line in stream.to_readable_stream():
            self.wfile.write(line)  # one event; the reader has it at once

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", relay.server_port)
    connection.request("POST", "/", "What is a relay?")
    run = (
        AssistantStream.from_readable_stream(connection.getresponse())
        .on("connect", lambda: print("connected"))
        .on("textDelta", lambda delta: print(delta.value, end="", flush=True))
        .on("textDone", lambda: print())
        .final_run()
    )
    print(run.status)
    connection.close()
    relay.shutdown()
