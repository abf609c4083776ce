"""One session's interpreter: what it does when the record, the client or the database fails it."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import psycopg
import pytest

from hoopd.domain.errors import LimitExceeded, Unavailable
from hoopd.domain.events import Event, StatementFinished, StatementStarted
from hoopd.domain.ids import SessionId
from hoopd.pgwire.framing import encode
from hoopd.pgwire.frontend import SYNC, make_bind, make_execute, make_parse, make_query
from hoopd.recording.recorder import Recorder
from hoopd.recording.session import SessionRecord
from hoopd.runtime import runner as runner_module
from hoopd.runtime import upstream
from hoopd.runtime.judging import Judging
from hoopd.session.client import MAX_INBOX_BYTES
from tests.fixtures.postgres import running
from tests.unit.server.runtime.bench import EVERYTHING, bench

OPAQUE = EVERYTHING.replace("[read", "[opaque, read")


@pytest.fixture
def things(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.things (id int primary key, name text)")
    return database


@pytest.mark.parametrize(
    "problem", [Unavailable("the disk is full"), LimitExceeded("too large")], ids=["full", "large"]
)
async def test_what_cannot_be_recorded_does_not_run_nor_anything_behind_it(
    tmp_path: Path, database: str, problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-3: held against PostgreSQL's own log, which shows every statement that reached it."""
    note = SessionRecord.note

    def failing(record: SessionRecord, event: Event) -> None:
        if isinstance(event, StatementStarted):
            raise problem
        note(record, event)

    with running(tmp_path / "postgres", settings={"log_statement": "all"}) as server:
        async with bench(server.dsn("postgres"), EVERYTHING, store=database) as gateway, gateway.client() as client:
            monkeypatch.setattr(SessionRecord, "note", failing)
            client.send(make_query(b"create table marked_one (id int)"), make_query(b"select 'marked two'"))
            lines = await client.until("E")
            assert lines == [f"E FATAL 58030 the session cannot be recorded and was ended: {problem}"]
            assert (await client.ended()).cause == "gateway"
            monkeypatch.undo()
            session = client.pipe.session
            assert (await gateway.events(session))[-1] == "session_ended"
        assert "marked" not in server.log.read_text()


async def test_an_end_that_cannot_be_recorded_ends_the_session(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-3: and the client learns of it instead of the result's end."""
    note = SessionRecord.note

    def failing(record: SessionRecord, event: Event) -> None:
        if isinstance(event, StatementFinished):
            raise Unavailable("the disk is full")
        note(record, event)

    async with bench(things, EVERYTHING) as gateway, gateway.client() as client:
        monkeypatch.setattr(SessionRecord, "note", failing)
        lines = await client.query("insert into things values (1, 'a')")
        monkeypatch.undo()
        assert lines == ["E FATAL 58030 the session cannot be recorded and was ended: the disk is full"]


async def test_a_journal_that_takes_nothing_lets_nothing_out(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-3: what was noted of a statement is not there, so it does not run, and its client sees no result."""

    def failing(record: SessionRecord) -> None:
        raise Unavailable("the disk is full")

    with running(tmp_path / "postgres", settings={"log_statement": "all"}) as server:
        async with bench(server.dsn("postgres"), EVERYTHING, store=database) as gateway, gateway.client() as client:
            monkeypatch.setattr(SessionRecord, "commit", failing)
            client.send(make_query(b"create table marked_one (id int)"), make_query(b"select 'marked two'"))
            lines = await client.until("E")
            assert lines == ["E FATAL 58030 the session cannot be recorded and was ended: the disk is full"]
            assert (await client.ended()).cause == "gateway"
            monkeypatch.undo()
        assert "marked" not in server.log.read_text()


async def test_nothing_goes_out_before_what_was_noted_is_written(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-3: at each byte to the database, and each to the client."""
    waiting: list[int] = []
    records: list[SessionRecord] = []
    opened, send = Recorder.open, upstream.Upstream.send

    def remembered(recorder: Recorder, session: SessionId) -> SessionRecord:
        records.append(opened(recorder, session))
        return records[-1]

    def watched(database: upstream.Upstream, data: bytes) -> None:
        waiting.extend(record._writer.added for record in records)
        send(database, data)

    monkeypatch.setattr(Recorder, "open", remembered)
    async with bench(things, EVERYTHING) as gateway, gateway.client() as client:
        written = client.pipe.write

        async def write(data: bytes) -> None:
            waiting.extend(record._writer.added for record in records)
            await written(data)

        client.pipe.write = write  # type: ignore[method-assign]
        monkeypatch.setattr(upstream.Upstream, "send", watched)
        await client.query("insert into things select n, repeat('x', 500) from generate_series(1, 1000) n")
        await client.query("select * from things; select 1 / 0")
        client.send(make_parse("s", b"select * from things where id = 1"), SYNC)
        await client.until()
        client.send(encode("B", b"\0s\0" + bytes(6)), make_execute(""), SYNC)
        await client.until()
    assert len(waiting) > 8
    assert not any(waiting)


async def test_a_slow_client_stops_its_own_database_connection_and_nothing_else(things: str) -> None:
    """INV-9: what is kept for it does not grow, however much there is to read; others go on."""
    opened: list[upstream.Upstream] = []
    connect = upstream.connect

    async def remembered(*arguments):
        opened.append(await connect(*arguments))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upstream, "connect", remembered)
        async with bench(things) as gateway, gateway.client() as slow, gateway.client() as other:
            slow.pipe.reading.clear()
            slow.send(make_query(b"select repeat('x', 1000) from generate_series(1, 200000)"))
            async with asyncio.timeout(20):
                await slow.pipe.waiting_to_write.wait()
                while not opened[0].reader._paused:  # type: ignore[attr-defined]
                    await asyncio.sleep(0)
            for _ in range(20):
                assert (await other.query("select 1"))[-2] == "C SELECT 1"
            kept = len(opened[0].reader._buffer) + opened[0].frames.buffered  # type: ignore[attr-defined]
            assert kept < 8 * upstream.READ_SIZE
            slow.pipe.reading.set()
            assert (await slow.until())[-2:] == ["C SELECT 200000", "Z I"]


async def test_a_client_that_sends_far_ahead_is_not_read(things: str) -> None:
    """INV-9: behind a held statement the read-ahead is bounded."""
    from tests.unit.server.runtime.bench import POLICY

    async with bench(things, POLICY) as gateway, gateway.client() as client:
        client.send(make_query(b"delete from things"))
        await client.pipe.held()
        pieces = 100
        for _ in range(pieces):
            client.send(make_query(b"select " + b"1" * 65536))
        while client.pipe.to_gateway.qsize() > pieces - MAX_INBOX_BYTES // 65536:
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
        assert client.pipe.to_gateway.qsize() >= pieces - MAX_INBOX_BYTES // 65536 - 4
        await gateway.gateway.stop("enough")


async def test_neither_side_of_a_long_pipeline_waits_for_the_other(things: str) -> None:
    """INV-9: large parameters go out while large results come in; who waits for each side in turn stands still."""
    large = b"p" * (1 << 20)
    bind = encode("B", b"\0s\0" + struct.pack("!HHi", 0, 1, len(large)) + large + struct.pack("!H", 0))
    async with bench(things, EVERYTHING) as gateway, gateway.client() as client:
        client.send(make_parse("s", b"select $1::text from generate_series(1, 4)"), SYNC)
        await client.until()
        number = 12
        for _ in range(number):
            client.send(bind, make_execute(""))
        client.send(SYNC)
        done = rows = 0
        while (frame := await client.next()).kind != "Z":
            done += frame.kind == "C"
            rows += frame.kind == "D"
        assert (done, rows) == (number, 4 * number)


async def test_a_client_that_goes_away_in_a_hold_withdraws_its_request(things: str) -> None:
    from tests.unit.server.runtime.bench import POLICY, person

    async with bench(things, POLICY) as gateway:
        async with gateway.client() as client:
            client.send(make_query(b"delete from things"))
            request = await client.pipe.held()
        assert (await gateway.services.broker.show(request, person())).state == "cancelled"


async def test_a_client_that_closes_its_sending_side_is_answered_first(things: str) -> None:
    """As PostgreSQL does: the end of the input is taken in its turn."""
    async with bench(things, EVERYTHING) as gateway:
        client = gateway.connect()
        await client.sign_in(database=gateway.target.connection.database)
        client.send(make_query(b"insert into things select 1, 'a' from generate_series(1, 300000) having count(*) > 0"))
        client.send(make_parse("", b"select name from things"), make_bind("", ""), make_execute(""), SYNC)
        client.send(b"")
        assert await client.until() == ["C INSERT 0 1", "Z I"]
        assert await client.until() == ["1", "2", "D a", "C SELECT 1", "Z I"]
        ended = await client.ended()
        assert (ended.cause, ended.message) == ("client", "the client ended the session")
        assert (await gateway.events(client.pipe.session))[-2:] == ["finished", "session_ended"]


async def test_a_stream_that_breaks_does_not_wait_for_what_runs(things: str) -> None:
    """Not even when the client had closed its side before."""
    async with bench(things, EVERYTHING) as gateway:
        for before in ((), (b"",)):
            client = gateway.connect()
            await client.sign_in(database=gateway.target.connection.database)
            with psycopg.connect(things) as other:
                other.execute("lock table things")
                client.send(make_query(b"insert into things values (9, 'z')"))
                for data in before:
                    client.send(data)
                client.pipe.break_off()
                ended = await client.ended()
            assert (ended.cause, ended.message) == ("client", "the client went away")


async def test_a_stream_that_breaks_ends_the_record_too(things: str) -> None:
    async with bench(things) as gateway, gateway.client() as client:

        async def broken(data: bytes) -> None:
            raise ConnectionResetError

        client.pipe.write = broken  # type: ignore[method-assign]
        client.send(make_query(b"select 1"))
        ended = await client.ended()
        assert (ended.cause, ended.message) == ("client", "the client went away")
        assert (await gateway.events(client.pipe.session))[-1] == "session_ended"


async def test_a_database_that_dies_is_told(things: str) -> None:
    async with bench(things, OPAQUE) as gateway, gateway.client() as client:
        with psycopg.connect(things, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tried' "
                "or current_setting('hoop.session', true) is not null or query like 'SHOW role%'"
            )
        lines = await client.until("E")
        assert lines == ["E FATAL 57P01 terminating connection due to administrator command"]
        assert (await client.ended()).cause == "database"


async def test_a_message_over_the_limit_ends_the_session_with_a_word(things: str) -> None:
    """INV-9"""
    async with bench(things) as gateway, gateway.client() as client:
        client.send(b"Q" + struct.pack("!I", (1 << 24) + 5))
        assert await client.until("E") == [
            f"E FATAL 54000 a message of {(1 << 24) + 1} bytes is over the limit of {1 << 24} bytes"
        ]


async def test_a_defect_of_ours_ends_the_session_with_a_word_and_without_its_text(
    things: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-2, INV-7"""

    def broken(self: Judging, asked: object) -> None:
        raise RuntimeError("4111 1111 1111 1111")

    monkeypatch.setattr(Judging, "now", broken)
    async with bench(things) as gateway:
        client = gateway.connect()
        await client.sign_in(database=gateway.target.connection.database)
        client.send(make_query(b"select 1"))
        assert await client.until("E") == ["E FATAL XX000 the gateway failed inside; its log has more"]
        with pytest.raises(ExceptionGroup):
            await client.ended()
        assert (await gateway.events(client.pipe.session))[-1] == "session_ended"


async def test_a_flood_of_cancels_opens_one_connection_at_a_time(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9"""
    under_way, most = 0, 0
    go_on = asyncio.Event()

    async def cancel(*arguments: object) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await go_on.wait()
        under_way -= 1

    monkeypatch.setattr(runner_module.upstream, "cancel", cancel)
    async with bench(things, OPAQUE) as gateway, gateway.client() as client:
        client.send(make_query(b"select pg_sleep(0.2)"))
        for _ in range(50):
            gateway.gateway.registry.cancel(("https://id.example", "alice"), client.pid, client.secret)
            await asyncio.sleep(0)
        go_on.set()
        await client.until()
    assert most <= 1


async def test_nothing_is_sent_to_the_database_until_a_cancel_is_over(
    things: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 11: a cancel that is late hits neither the client's next statement nor the gateway's own."""
    under_way, go_on = asyncio.Event(), asyncio.Event()
    really = runner_module.upstream.cancel

    async def late(*arguments: object) -> None:
        under_way.set()
        await go_on.wait()
        await really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runner_module.upstream, "cancel", late)
    async with bench(things, OPAQUE) as gateway, gateway.client() as client:
        client.send(make_query(b"select pg_sleep(0.5)"))
        async with asyncio.timeout(20):
            while "started" not in await gateway.events(client.pipe.session):
                await asyncio.sleep(0)
            assert gateway.gateway.registry.cancel(("https://id.example", "alice"), client.pid, client.secret)
            await under_way.wait()
        assert (await client.until("C"))[-1] == "C SELECT 1"
        client.send(make_query(b"select pg_sleep(0.5)"))
        for _ in range(30):
            assert (await gateway.events(client.pipe.session)).count("started") == 1
        go_on.set()
        assert (await client.until())[-1] == "Z I"
        assert (await client.until())[-2:] == ["C SELECT 1", "Z I"]
