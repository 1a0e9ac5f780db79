"""Connections to PostgreSQL over a link that may go: both ends notice, and neither waits for long.

Where packets are lost and nobody says so, TCP alone would wait for a quarter of an hour for an answer,
and for ever for a client that has nothing to say. The database's end matters as much: the sessions of
hosts that are gone would count against its limit, and hold up what it has to say to all that listen.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

# libpq's, for this end; a socket of a file has none of it, and takes no notice.
LINK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Of a session, for the database's end.
SESSION = (
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=10s"
)


def hang_up(connection: Any) -> None:
    """Shut a connection down under the thread that waits for it."""
    with contextlib.suppress(Exception):
        number = os.dup(connection.fileno())
        with socket.socket(fileno=number) as twin:
            twin.shutdown(socket.SHUT_RDWR)
