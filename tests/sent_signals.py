"""A signal to the main thread of this process, from another thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def sender(number: int) -> Callable[[], None]:
    """Give what sends the main thread a signal; made there, and called on another thread.

    One that comes between Python's look for signals and its sleep in a read or at a lock wakes
    nobody. So it is sent again until its handler has run.
    """
    taken = threading.Event()
    handler = signal.getsignal(number)

    def handle(*args) -> None:
        signal.signal(number, handler)
        taken.set()
        handler(*args)

    def send() -> None:
        main = threading.main_thread().ident
        signal.pthread_kill(main, number)
        while not taken.wait(1):
            signal.pthread_kill(main, number)

    signal.signal(number, handle)
    return send
