"""The few errors of the gateway. Each carries what a person reads, and the codes for both wires.

A message says what happened, to what, and what to do next; it never holds a credential or a masked value.
"""

from __future__ import annotations


class HoopError(Exception):
    """Base of all errors that a person is meant to read.

    ``sqlstate`` goes to PostgreSQL clients (appendix A of PostgreSQL's documentation), ``grpc_status`` is the name of
    the gRPC status for commands.
    """

    sqlstate = "XX000"
    grpc_status = "INTERNAL"

    def __init__(self, message: str, *, hint: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if sqlstate is not None:
            self.sqlstate = sqlstate


class Refused(HoopError):
    """The principal may not do this."""

    sqlstate = "42501"
    grpc_status = "PERMISSION_DENIED"


class NotSignedIn(HoopError):
    """No token, or one that does not verify."""

    sqlstate = "28000"
    grpc_status = "UNAUTHENTICATED"


class NotFound(HoopError):
    """No such connection, request or session, or none that the caller may see."""

    sqlstate = "42704"
    grpc_status = "NOT_FOUND"


class InvalidInput(HoopError):
    """What was sent or configured cannot be meant."""

    sqlstate = "22023"
    grpc_status = "INVALID_ARGUMENT"


class Unavailable(HoopError):
    """Something the gateway depends on (store, journal, provider, database, catalog) does not answer: fail closed."""

    sqlstate = "58000"
    grpc_status = "UNAVAILABLE"


class LimitExceeded(HoopError):
    """A limit of the gateway was met; the message says which (INV-9)."""

    sqlstate = "54000"
    grpc_status = "RESOURCE_EXHAUSTED"
