"""Conversations with libpq's own functions, each of which is traced: what it sends and what it is sent (PQtrace).

A trace has the kind, length and fields of every message; only what no two servers share is blanked (process ids, OIDs,
lines of the server's source), by libpq itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from select import select

from psycopg import pq
from psycopg.pq import ExecStatus, Trace
from psycopg.pq.abc import PGconn

Conversation = Callable[[PGconn], None]
SECONDS = 30
_COPYING = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT)


def traced(dsn: str, conversation: Conversation) -> str:
    """The trace of one conversation, from behind its sign-in to its end."""
    connection = pq.PGconn.connect(dsn.encode())
    assert not connection.error_message, connection.error_message
    with tempfile.TemporaryDirectory(prefix="hoop-trace-") as directory:
        path = Path(directory, "trace")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            connection.trace(file)
            connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS | Trace.REGRESS_MODE)
            conversation(connection)
            connection.untrace()
        finally:
            connection.finish()
            os.close(file)
        return path.read_text()


def _results(connection: PGconn, count: int) -> None:
    """Read ``count`` results; None, which is between the results of two queries, is no result."""
    end = time.monotonic() + SECONDS
    while count:
        while connection.is_busy():
            ready, _, _ = select([connection.socket], [], [], max(0.0, end - time.monotonic()))
            assert ready, "no answer came"
            connection.consume_input()
        count -= connection.get_result() is not None


def _pipeline(connection: PGconn, count: int) -> None:
    connection.pipeline_sync()
    connection.flush()
    _results(connection, count)


def simple(connection: PGconn) -> None:
    for text in (
        b"SELECT 1 AS one, NULL, 'a' || 'b'",
        b"",
        b";",
        b"SELECT 1; SELECT 2",
        b"SELECT FROM generate_series(1, 2)",
    ):
        connection.exec_(text)


def errors(connection: PGconn) -> None:
    for text in (
        b"SELECT 1/0",
        b"SELECT 1; SELECT 1/0; SELECT 2",
        b"BEGIN; SELECT 1/0",
        b"SELECT 1",
        b"ROLLBACK",
        b"SELECT * FROM nowhere",
        b"INSERT INTO people (id) VALUES (1)",
        b"ROLLBACK",
    ):
        connection.exec_(text)


def extended(connection: PGconn) -> None:
    connection.exec_params(b"SELECT $1::int4, $2", [b"1", None])
    connection.exec_params(b"SELECT $1::int4 AS n", [b"\0\0\0\7"], param_formats=[1], result_format=1)
    connection.prepare(b"one", b"SELECT $1::text, 1")
    connection.describe_prepared(b"one")
    for value in (b"a", None):
        connection.exec_prepared(b"one", [value])
    connection.exec_prepared(b"one", [])
    connection.exec_prepared(b"two", [])
    connection.prepare(b"one", b"SELECT 2")
    connection.close_prepared(b"one")
    connection.close_prepared(b"one")
    connection.exec_params(b"", [])
    connection.exec_params(b"SELECT 1/$1::int4", [b"0"])


def portals(connection: PGconn) -> None:
    connection.exec_(b"BEGIN")
    connection.exec_(b"DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) n")
    connection.describe_portal(b"c")
    connection.exec_params(b"FETCH 2 FROM c", [], result_format=1)
    connection.exec_(b"MOVE 1 IN c")
    connection.close_portal(b"c")
    connection.describe_portal(b"c")
    connection.exec_(b"ROLLBACK")


def pipeline(connection: PGconn) -> None:
    connection.enter_pipeline_mode()
    for value in (b"1", b"2"):
        connection.send_query_params(b"SELECT $1::int4", [value])
    connection.send_prepare(b"p", b"SELECT 3")
    connection.send_describe_prepared(b"p")
    connection.send_query_prepared(b"p", [])
    _pipeline(connection, 6)
    connection.send_query_params(b"SELECT 1", [])
    connection.send_flush_request()
    connection.flush()
    _results(connection, 1)
    connection.send_query_params(b"SELECT 1/0", [])
    connection.send_query_params(b"SELECT 'skipped'", [])
    connection.pipeline_sync()
    connection.send_query_params(b"BEGIN", [])
    connection.send_query_params(b"SELECT 'after'", [])
    connection.send_query_params(b"COMMIT", [])
    _pipeline(connection, 7)
    connection.exit_pipeline_mode()


def copying(connection: PGconn) -> None:
    connection.exec_(b"CREATE TEMP TABLE copied (a int, b text)")
    for options, data in ((b"", b"1\tone\n2\t\\N\n"), (b"(FORMAT csv)", b"3,three\n"), (b"(FORMAT text)", b"x\ty\n")):
        assert connection.exec_(b"COPY copied FROM STDIN " + options).status in _COPYING
        connection.put_copy_data(data)
        connection.put_copy_end()
        _results(connection, 1)
        _none(connection)
    connection.exec_(b"COPY copied FROM STDIN")
    connection.put_copy_data(b"4\tfour\n")
    connection.put_copy_end(b"the client gives up")
    _results(connection, 1)
    _none(connection)
    for options in (b"", b"(FORMAT binary)", b"(FORMAT csv, HEADER)"):
        connection.exec_(b"COPY copied TO STDOUT " + options)
        while connection.get_copy_data(0)[0] > 0:
            pass
        _results(connection, 1)
        _none(connection)


def _none(connection: PGconn) -> None:
    """Up to ReadyForQuery."""
    while connection.get_result() is not None:
        pass


def asides(connection: PGconn) -> None:
    connection.exec_(b"SET application_name = 'traced'")
    connection.exec_(b"BEGIN; SET LOCAL TimeZone = 'Europe/Vienna'; ROLLBACK")
    connection.exec_(b"LISTEN heard; NOTIFY heard, 'a word'")
    connection.exec_(b"DROP TABLE IF EXISTS nowhere")
    connection.exec_(b"DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'more', HINT = 'less'; END $$")
    connection.exec_(b"SELECT 1")


ALL: dict[str, Conversation] = {
    one.__name__: one for one in (simple, errors, extended, portals, pipeline, copying, asides)
}
