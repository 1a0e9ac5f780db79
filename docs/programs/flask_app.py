"""An answer as server-sent events, with Flask: `flask --app flask_app run`."""

import json

from flask import Flask, Response, request

from emitter_stream import OpenAI

app = Flask(__name__)
client = OpenAI()  # one for all requests: threads may share it, and so may forked workers


@app.get("/ask")
def ask():
    # inline: nothing runs beside the thread that Flask gives to this request.
    stream = client.responses.stream(model="gpt-4o", input=request.args["q"], inline=True)

    def events():
        for event in stream:  # a browser that goes away ends the loop, and so the request
            if event.type == "response.output_text.delta":
                yield f"data: {json.dumps(event.delta)}\n\n"

    return Response(events(), mimetype="text/event-stream")
