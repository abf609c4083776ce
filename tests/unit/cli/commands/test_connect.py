"""connect, as a process: what it prints, the port it takes, real clients through it, and every way it ends."""

import asyncio
import base64
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from hoopctl.tunnel.ports import listen_on
from hoopctl.tunnel.scram import verifier
from hoopd.dev.postgres import PostgresServer
from tests.fixtures._processes import eventually
from tests.fixtures.scripted_gateway import ScriptedGateway, ScriptedSession
from tests.fixtures.started_hoopctl import Done, RunHoopctl, RunningHoopctl, StartHoopctl


@pytest.fixture
def gateway(signed_in_gateway: ScriptedGateway) -> ScriptedGateway:
    return signed_in_gateway


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def stopped(running: RunningHoopctl, number: signal.Signals = signal.SIGTERM) -> Done:
    running.process.send_signal(number)
    return await running.done()


async def test_one_line_says_where_and_the_bytes_go_through(hoopctl: StartHoopctl, gateway: ScriptedGateway) -> None:
    async with hoopctl("connect", "prod-db", "--json", "--port", "0", "--reason", "a ticket") as running:
        ready = await running.line()
        assert (ready["event"], ready["connection"], ready["host"]) == ("ready", "prod-db", "127.0.0.1")
        assert (ready["user"], ready["database"]) == ("alice", "shop")
        assert ready["dsn"] == (
            f"postgresql://alice:{ready['password']}@127.0.0.1:{ready['port']}/shop?sslmode=disable"
        )
        async with client_of(ready["port"]) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert await running.until("session_started") == {"event": "session_started", "session": "s-1"}
        assert (await running.until("session_ended"))["cause"] == "client"
        done = await stopped(running)
    assert (done.code, done.lines[-1]) == (0, {"event": "stopped"})
    opening = gateway.sessions[0].opening
    assert (opening.connection, opening.reason) == ("prod-db", "a ticket")
    _, head, _ = opening.scram_verifier.split("$")
    iterations, salt = head.split(":")
    expected = verifier(ready["password"], base64.b64decode(salt), int(iterations))
    assert opening.scram_verifier == expected
    assert ready["password"] not in opening.scram_verifier


async def test_what_happens_to_held_statements_is_told(hoopctl: StartHoopctl, gateway: ScriptedGateway) -> None:
    async def held(session: ScriptedSession) -> None:
        await session.opened()
        await session.signal(event="held", request="r-7f3k", sql="DELETE\x1b[2J", waiting_for=["dba"])
        await session.signal(event="approved", request="r-7f3k", message="bob: fine")
        await session.receive()

    gateway.script = held
    async with hoopctl("connect", "prod-db", "--json", "--port", "0") as running:
        ready = await running.line()
        async with client_of(ready["port"]):
            line = await running.until("held")
            assert (line["request"], line["waiting_for"], line["sql"]) == ("r-7f3k", ["dba"], "DELETE\x1b[2J")
            assert (await running.until("approved"))["message"] == "bob: fine"
    async with hoopctl("connect", "prod-db") as running:
        said = await running.stderr_until("In a terminal:")
        assert '"@bytebase/dbhub@' in said
        assert '"sqltools.connections"' in said
        async with client_of(ready["port"]):
            said = await running.stderr_until("approved r-7f3k: bob: fine")
        assert "held as r-7f3k, waiting for dba: DELETE\\x1b[2J" in said
        assert "\x1b[2J" not in said


async def test_port_and_password_stay_from_one_tunnel_to_the_next(
    hoopctl: StartHoopctl, gateway: ScriptedGateway
) -> None:
    # A port of the system's choice: the usual ones are what tests beside this one take in the meantime.
    async with hoopctl("connect", "prod-db", "--port", "0", "--json") as running:
        first = await running.line()
        await stopped(running)
    async with hoopctl("connect", "prod-db", "--json") as running:
        assert await running.line() == first
        async with hoopctl("connect", "prod-db", "--json") as beside:
            second = await beside.line()
            assert second["port"] != first["port"]
            assert second["password"] == first["password"]
            done = await stopped(beside)
        assert f"Port {first['port']}, which prod-db had last, is taken" in done.err
        await stopped(running)


async def test_another_connection_gets_a_port_and_password_of_its_own(
    hoopctl: StartHoopctl, gateway: ScriptedGateway
) -> None:
    found = []
    for name in ("prod-db", "audit-db"):
        async with hoopctl("connect", name, "--json") as running:
            found.append(await running.line())
            await stopped(running)
    assert found[0]["port"] != found[1]["port"]
    assert found[0]["password"] != found[1]["password"]


async def test_a_taken_port_that_was_asked_for_is_an_error(run_hoopctl: RunHoopctl, gateway: ScriptedGateway) -> None:
    with listen_on(0) as taken:
        port = taken.getsockname()[1]
        done = await run_hoopctl("connect", "prod-db", "--json", "--port", str(port))
    assert (done.code, done.lines) == (
        1,
        [
            {
                "event": "error",
                "code": "failed",
                "message": f"Port {port} of 127.0.0.1 is taken.",
                "hint": "Choose another with --port; 0 is any free one.",
                "request": None,
            }
        ],
    )


@pytest.mark.parametrize(
    ("name", "code", "hint"), [("prod-bd", 1, "Did you mean prod-db"), ("x", 1, "hoopctl connections")]
)
async def test_an_unknown_connection_says_what_is_near(
    run_hoopctl: RunHoopctl, gateway: ScriptedGateway, name: str, code: int, hint: str
) -> None:
    done = await run_hoopctl("connect", name, "--json")
    assert (done.code, done.lines[0]["message"]) == (code, f"There is no connection {name!r}.")
    assert hint in done.lines[0]["hint"]


async def test_a_connection_that_is_denied_exits_4(run_hoopctl: RunHoopctl, gateway: ScriptedGateway) -> None:
    gateway.connections["hr-db"] = "deny"
    done = await run_hoopctl("connect", "hr-db", "--json")
    assert (done.code, done.lines[0]["message"]) == (4, "You may not open 'hr-db'.")


async def test_without_a_sign_in_it_exits_3(run_hoopctl: RunHoopctl, scripted_gateway: ScriptedGateway) -> None:
    done = await run_hoopctl("connect", "prod-db", "--json", HOOPCTL_SERVER=scripted_gateway.address)
    assert (done.code, done.lines[0]["code"]) == (3, "not_signed_in")


async def test_ctrl_c_exits_130_and_frees_the_port(hoopctl: StartHoopctl, gateway: ScriptedGateway) -> None:
    async with hoopctl("connect", "prod-db", "--json", "--port", "0") as running:
        ready = await running.line()
        async with client_of(ready["port"]) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            done = await stopped(running, signal.SIGINT)
    assert (done.code, done.lines[-1]["code"], done.err) == (130, "interrupted", "")
    listen_on(ready["port"]).close()


async def test_a_command_gets_the_environment_and_gives_the_exit_code(
    run_hoopctl: RunHoopctl, gateway: ScriptedGateway
) -> None:
    program = (
        "import os, socket, sys\n"
        "names = ['PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE', 'PGSSLMODE']\n"
        "print([os.environ[name] for name in names if name != 'PGPORT'], len(os.environ['PGPASSWORD']) > 20)\n"
        "peer = socket.create_connection((os.environ['PGHOST'], int(os.environ['PGPORT'])))\n"
        "peer.sendall(b'through')\n"
        "print(peer.recv(7).decode())\n"
        "sys.exit(42)\n"
    )
    done = await run_hoopctl("connect", "prod-db", "--", sys.executable, "-c", program)
    assert (done.code, done.err) == (42, "")
    assert done.out == "['127.0.0.1', 'alice', 'shop', 'disable'] True\nthrough\n"


async def test_a_command_and_json_do_not_go_together(run_hoopctl: RunHoopctl, gateway: ScriptedGateway) -> None:
    done = await run_hoopctl("connect", "prod-db", "--json", "--", "psql")
    assert (done.code, done.lines[0]["code"]) == (2, "usage")


async def test_a_command_that_is_not_there_is_one_sentence(run_hoopctl: RunHoopctl, gateway: ScriptedGateway) -> None:
    done = await run_hoopctl("connect", "prod-db", "--", "no-such-command")
    assert (done.code, done.err) == (
        1,
        "error: There is no command 'no-such-command' on this machine.\nhint: Is it installed, and on PATH?\n",
    )


def to_postgresql(server: PostgresServer) -> Callable[[ScriptedSession], Awaitable[None]]:
    """A session that is carried to a real server, where the tunnel's verifier is the password of alice."""

    async def carry(session: ScriptedSession) -> None:
        await asyncio.to_thread(_set_verifier, server, session.opening.scram_verifier)
        await session.opened()
        async with client_of(server.port) as (reader, writer):

            async def forth() -> None:
                while data := await session.receive():
                    writer.write(data)
                    await writer.drain()
                writer.write_eof()

            async with asyncio.TaskGroup() as tasks:
                forwarding = tasks.create_task(forth())
                while data := await reader.read(65_536):
                    await session.send(data)
                forwarding.cancel()
        await session.ended("database")

    return carry


def _set_verifier(server: PostgresServer, stored: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE alice PASSWORD {}").format(sql.Literal(stored)))


@pytest.fixture
def shop(gateway: ScriptedGateway, postgres_server: PostgresServer) -> Iterator[ScriptedGateway]:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE alice LOGIN")
        connection.execute("CREATE DATABASE shop OWNER alice")
    gateway.script = to_postgresql(postgres_server)
    yield gateway
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE shop WITH (FORCE)")
        connection.execute("DROP ROLE alice")


async def test_postgresql_itself_takes_the_verifier_and_the_password(
    hoopctl: StartHoopctl, shop: ScriptedGateway
) -> None:
    async with hoopctl("connect", "prod-db", "--json", "--port", "0") as running:
        ready = await running.line()
        async with await psycopg.AsyncConnection.connect(ready["dsn"]) as connection:
            rows = await (await connection.execute("SELECT current_user, repeat('x', 3000000)")).fetchone()
            assert rows is not None
            assert (rows[0], len(rows[1])) == ("alice", 3_000_000)
            async with connection.cursor() as cursor, connection.pipeline():
                await cursor.execute("CREATE TEMP TABLE t AS SELECT generate_series(1, 10000) AS n")
                await cursor.execute("SELECT sum(n) FROM t")
                assert await cursor.fetchone() == (50_005_000,)
        wrong = ready["dsn"].replace(ready["password"], "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await psycopg.AsyncConnection.connect(wrong)
        await stopped(running)


def wait_until_asleep(server: PostgresServer) -> None:
    """Wait until alice's statement runs: a cancel that comes before it would cancel nothing."""
    running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice' AND wait_event = 'PgSleep'"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert eventually(lambda: connection.execute(running).fetchone() == (1,), 20)


async def test_a_cancel_request_goes_its_own_way(
    hoopctl: StartHoopctl, shop: ScriptedGateway, postgres_server: PostgresServer
) -> None:
    async with hoopctl("connect", "prod-db", "--json", "--port", "0") as running:
        ready = await running.line()
        async with await psycopg.AsyncConnection.connect(ready["dsn"], autocommit=True) as connection:

            async def cancel() -> None:
                await asyncio.to_thread(wait_until_asleep, postgres_server)
                await connection.cancel_safe()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(cancel())
                with pytest.raises(psycopg.errors.QueryCanceled):
                    await connection.execute("SELECT pg_sleep(60)")
        await stopped(running)
    assert len(shop.sessions) == 2


async def test_psql_inside_a_tunnel(run_hoopctl: RunHoopctl, shop: ScriptedGateway) -> None:
    done = await run_hoopctl("connect", "prod-db", "--", "psql", "-XAtc", "SELECT 6 * 7, current_user")
    assert (done.code, done.out, done.err) == (0, "42|alice\n", "")
    done = await run_hoopctl("connect", "prod-db", "--", "psql", "-Xc", "nonsense")
    assert done.code == 1


async def test_the_password_is_in_no_argument_list_inv_7(run_hoopctl: RunHoopctl, shop: ScriptedGateway) -> None:
    program = (
        "import os, pathlib, sys\n"
        "found = []\n"
        "for one in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    try: found += [one] if os.environ['PGPASSWORD'].encode() in one.read_bytes() else []\n"
        "    except OSError: pass\n"
        "sys.exit(len(found))\n"
    )
    done = await run_hoopctl("connect", "prod-db", "--", sys.executable, "-c", program)
    assert (done.code, done.err) == (0, "")
