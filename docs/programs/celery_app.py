"""Answers made by workers, with Celery: `celery --app celery_app worker`."""

import os

from celery import Celery

from emitter_stream import OpenAI

app = Celery("celery_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
client = OpenAI()  # made before the workers are forked: each has connections of its own


@app.task
def answer(question: str) -> str:
    stream = client.responses.stream(model="gpt-4o", input=question)
    stream.on("response.output_text.delta", lambda event: print(event.delta, end="", flush=True))
    # Wait in the task: a stream lives in the process that made it, and ends with it.
    return stream.final_response(timeout=300).output_text
