"""Callbacks while the program does other work: the stream has a thread of its own."""

import itertools
import queue
import threading

import _setup

from emitter_stream import OpenAI

_setup.use_embedded_server()
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", instructions="Be brief.")
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "How many prime numbers are there?"}]
)

# Listeners run on the stream's thread. What they have for the program goes through a queue.
words: queue.SimpleQueue[str] = queue.SimpleQueue()
stream = (
    client.beta.threads.runs.stream(thread.id, assistant_id=assistant.id)
    .on("textDelta", lambda delta: words.put(delta.value or ""))
    .once("textDelta", lambda: print("listening on", threading.current_thread().name))
)
print("working on", threading.current_thread().name)

primes: list[int] = []
answer = ""
for number in itertools.count(2):
    if all(number % prime for prime in primes):
        primes.append(number)
    while not words.empty():
        word = words.get()
        answer += word
        print(f"{word!r} came at prime {primes[-1]}")
    if stream.ended and words.empty():
        break

stream.until_done()  # raises what went wrong, if anything did
print(answer)
