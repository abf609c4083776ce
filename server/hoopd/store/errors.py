"""The one place where psycopg's exceptions become ours.

A message never carries the DSN, a parameter or the DETAIL of the server's error: those may hold values (INV-4, INV-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from hoopd.domain.errors import Unavailable
from hoopd.recording.ports import StoreRefused

_DATA_CLASSES = ("22", "23", "54")
"""Data exception, integrity constraint violation, program limit exceeded (PostgreSQL documentation, appendix A):
the store is well, and this one write is not."""

_AWAY_CLASSES = ("08", "57P")
"""Connection exception, and a server that is shutting down, starting, or has just crashed."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``Unavailable`` (or ``StoreRefused``, where only this write is at fault) for any error of psycopg."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error) from error


def _translate(error: psycopg.Error) -> Unavailable:
    state = error.sqlstate
    if state is None or state.startswith(_AWAY_CLASSES):
        return Unavailable(
            "The gateway's store (PostgreSQL) does not answer.",
            hint="Check that it runs and that the gateway can reach it; nothing is let through until it answers.",
        )
    if state.startswith(_DATA_CLASSES):
        return StoreRefused(f"The gateway's store refused what was to be written (SQLSTATE {state}).")
    return Unavailable(
        f"The gateway's store (PostgreSQL) answered with an error (SQLSTATE {state}).",
        hint="See the store's own log; nothing is let through until it works.",
    )
