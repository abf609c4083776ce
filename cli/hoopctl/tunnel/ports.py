"""Which local port a tunnel listens on: the one asked for, the one it had last, or a free one. Always 127.0.0.1."""

from __future__ import annotations

import errno
import socket

from hoopctl.errors import HoopctlError

HOST = "127.0.0.1"
FIRST_PORT = 5432
_TRIED_PORTS = 100
_BACKLOG = 128


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of the tunnel before that are still closing must not keep the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def listen_on(port: int) -> socket.socket:
    """A listener on ``port`` of loopback; 0 is any free one. Raises HoopctlError when the port cannot be had."""
    try:
        return _listen(port)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {(error.strerror or '').lower()}"
        raise HoopctlError(
            f"Port {port} of {HOST} {why}.", hint="Choose another with --port; 0 is any free one."
        ) from None


def listen_somewhere(last: int | None, avoid: frozenset[int] = frozenset()) -> socket.socket:
    """A listener on ``last`` when it is free, else on the first free port from 5432 up that is not in ``avoid``.

    ``avoid`` are ports that other connections had last. Raises HoopctlError when none can be had.
    """
    candidates = [] if last is None else [last]
    candidates += [port for port in range(FIRST_PORT, FIRST_PORT + _TRIED_PORTS) if port not in avoid]
    for port in candidates:
        try:
            return _listen(port)
        except OSError:
            continue
    return listen_on(0)
