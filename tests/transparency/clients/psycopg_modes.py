"""psycopg in all its modes: each conversation of the corpus in each of them.

A mode is a way to send: which cursor, which format, when statements are prepared, whether psycopg opens transactions,
whether it waits for each answer. What is told of a step is all that psycopg knows of its results.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import pq

from tests.transparency import lines
from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.corpus import CONVERSATIONS, Step
from tests.transparency.sides import Side

PLACEHOLDER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Mode:
    """``wait``: whether each answer is awaited before the next statement is sent; else psycopg's pipeline is used."""

    name: str
    asynchronous: bool = False
    autocommit: bool = True
    cursor: type[psycopg.Cursor[Any]] = psycopg.Cursor
    async_cursor: type[psycopg.AsyncCursor[Any]] = psycopg.AsyncCursor
    binary: bool = False
    prepare: int | None = 5
    wait: bool = True

    @property
    def raw(self) -> bool:
        return issubclass(self.cursor, psycopg.RawCursor)

    @property
    def connecting(self) -> dict[str, Any]:
        return {"autocommit": self.autocommit, "prepare_threshold": self.prepare}


CLIENT: dict[str, Any] = {"cursor": psycopg.ClientCursor, "async_cursor": psycopg.AsyncClientCursor}
RAW: dict[str, Any] = {"cursor": psycopg.RawCursor, "async_cursor": psycopg.AsyncRawCursor}
MODES = (
    Mode("sync"),
    Mode("async", asynchronous=True),
    Mode("transaction", autocommit=False),
    Mode("async-transaction", asynchronous=True, autocommit=False),
    Mode("client-side", **CLIENT),
    Mode("async-client-side", asynchronous=True, **CLIENT),
    Mode("raw", **RAW),
    Mode("binary", binary=True, prepare=None),
    Mode("async-binary-prepared", asynchronous=True, binary=True, prepare=0),
    Mode("prepared", prepare=0),
    Mode("prepared-transaction", prepare=0, autocommit=False),
    Mode("pipeline", wait=False),
    Mode("async-pipeline-prepared", asynchronous=True, prepare=0, wait=False),
)


@dataclass
class Told:
    """What a connection has said so far."""

    told: Transcript = field(default_factory=list)

    def listen_to(self, connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
        connection.add_notice_handler(self.notice)
        connection.add_notify_handler(lambda found: self.told.append(f"notify {found.channel}: {found.payload}"))

    def notice(self, diag: Any) -> None:
        self.told += ["notice", *lines.diagnosis(diag)]

    def begin(self, step: Step) -> None:
        self.told.append(f"> {lines.value(step.sql)} {lines.value(step.params) if step.params else ''}")

    def failed(self, problem: psycopg.Error) -> None:
        # The text of the exception has the statement's own line of it, which its fields have not.
        self.told += [f"{type(problem).__name__}: {problem}", *lines.diagnosis(problem.diag)]

    def status(self, connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
        self.told.append(f"{connection.info.transaction_status.name}")


def results(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any], found: Sequence[Any] | None) -> Iterator[str]:
    """All that a cursor knows of its current result. A pipeline that fails may have told some of it or none, as the
    answers came in time or not, so that the caller keeps it only when the step is over."""
    yield f"{cursor.statusmessage} {cursor.rowcount}"
    if found is not None:
        yield from (f"  {column!r}" for column in cursor.description or ())
        yield from lines.rows(found)


def text_for(mode: Mode, step: Step) -> tuple[str, Any]:
    """The text and parameters as the mode's cursor wants them."""
    if not step.params:
        return step.sql, None
    if mode.raw:
        return step.sql, step.params
    named = {f"p{number}": value for number, value in enumerate(step.params, 1)}
    return PLACEHOLDER.sub(r"%(p\1)s", step.sql), named


def run_sync(side: Side, mode: Mode, steps: Sequence[Step]) -> Transcript:
    said = Told()
    with psycopg.connect(side.dsn, cursor_factory=mode.cursor, **mode.connecting) as connection:
        said.listen_to(connection)
        for step in steps:
            said.begin(step)
            try:
                with nullcontext() if mode.wait else connection.pipeline() as pipeline:
                    found = _execute(connection, mode, step, pipeline)
                said.told += found
            except psycopg.Error as problem:
                said.failed(problem)
                said.status(connection)
                if not mode.autocommit:
                    connection.rollback()
            said.status(connection)
    return said.told


def _execute(
    connection: psycopg.Connection[Any], mode: Mode, step: Step, pipeline: psycopg.Pipeline | None
) -> Transcript:
    with connection.cursor() as cursor:
        text, params = text_for(mode, step)
        cursor.execute(text.encode(), params, binary=mode.binary)
        if pipeline is not None:
            pipeline.sync()
        found = [*results(cursor, cursor.fetchall() if cursor.description else None)]
        while cursor.nextset():
            found += results(cursor, cursor.fetchall() if cursor.description else None)
    return found


async def run_async(side: Side, mode: Mode, steps: Sequence[Step]) -> Transcript:
    said = Told()
    async with await psycopg.AsyncConnection.connect(
        side.dsn, cursor_factory=mode.async_cursor, **mode.connecting
    ) as connection:
        said.listen_to(connection)
        for step in steps:
            said.begin(step)
            try:
                async with nullcontext() if mode.wait else connection.pipeline() as pipeline:
                    found = await _execute_async(connection, mode, step, pipeline)
                said.told += found
            except psycopg.Error as problem:
                said.failed(problem)
                said.status(connection)
                if not mode.autocommit:
                    await connection.rollback()
            said.status(connection)
    return said.told


async def _execute_async(
    connection: psycopg.AsyncConnection[Any], mode: Mode, step: Step, pipeline: psycopg.AsyncPipeline | None
) -> Transcript:
    async with connection.cursor() as cursor:
        text, params = text_for(mode, step)
        await cursor.execute(text.encode(), params, binary=mode.binary)
        if pipeline is not None:
            await pipeline.sync()
        found = [*results(cursor, await cursor.fetchall() if cursor.description else None)]
        while cursor.nextset():
            found += results(cursor, await cursor.fetchall() if cursor.description else None)
    return found


def run_libpq_pipeline(side: Side, steps: Sequence[Step], portion: int) -> Transcript:
    """``portion`` statements to each Sync, sent as libpq's pipeline mode does, with no look at the answers in between.

    psycopg's own pipeline reads what is there before it sends more, so what it says of a failing one is a matter of
    time. Here it is not.
    """
    said = Told()
    with psycopg.connect(side.dsn, autocommit=True) as connection:
        said.listen_to(connection)
        wire = connection.pgconn
        wire.enter_pipeline_mode()
        for at in range(0, len(steps), portion):
            for step in steps[at : at + portion]:
                params = [_in_text(value) for value in step.params]
                wire.send_query_params(step.sql.encode(), params, None, None, int(at % 2))
            wire.pipeline_sync()
            said.told += _pipeline_results(wire)
            said.status(connection)
    return said.told


def _in_text(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, list):
        inner = ",".join('"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value)
        return f"{{{inner}}}".encode()
    return str(value).encode()


def _pipeline_results(wire: pq.abc.PGconn) -> Iterator[str]:
    """Up to the answer to the Sync; libpq gives nothing between the results of two statements."""
    while True:
        result = wire.get_result()
        if result is None:
            continue
        status = pq.ExecStatus(result.status)
        if status == pq.ExecStatus.PIPELINE_SYNC:
            return
        yield f"{status.name} {(result.command_status or b'').decode()} {(result.command_tuples)}"
        for field_code in pq.DiagnosticField:
            if (found := result.error_field(field_code)) is not None:
                yield f"  {field_code.name}: {found.decode()}"
        for column in range(result.nfields):
            yield f"  {result.fname(column)!r} {result.ftype(column)} {result.fmod(column)} {result.fformat(column)}"
        yield from lines.rows(
            [result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)
        )


def _case(mode: Mode, steps: Sequence[Step]) -> Case:
    if mode.asynchronous:
        return lambda side: asyncio.run(run_async(side, mode, steps))
    return lambda side: run_sync(side, mode, steps)


def _pipeline_case(portion: int, steps: Sequence[Step]) -> Case:
    return lambda side: run_libpq_pipeline(side, steps, portion)


def suite(modes: Sequence[Mode] = MODES, portions: Sequence[int] = (1, 4)) -> Suite:
    cases = {f"{mode.name}/{name}": _case(mode, steps) for mode in modes for name, steps in CONVERSATIONS.items()}
    cases |= {
        f"libpq-pipeline-of-{portion}/{name}": _pipeline_case(portion, steps)
        for portion in portions
        for name, steps in CONVERSATIONS.items()
    }
    return Suite.of("psycopg", cases)
