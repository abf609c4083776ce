"""The first minute of a client connection."""

from __future__ import annotations

import asyncio
import struct

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from hoopd.dev.postgres import PostgresServer
from hoopd.pgwire import startup
from hoopd.pgwire.errors import WireError, parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.pgwire.scram import Verifier
from hoopd.runtime.entrance import JUDGED, CancelAttempt, Entry, check_parameters, enter
from hoopd.sql.session_settings import HARMLESS
from tests.unit.server.runtime.bench import Client, Pipe, verifier_text

VERIFIER = Verifier.parse(verifier_text())
GIVEN = {"user": "alice", "database": "shop"}


async def outcome(*sent: bytes, seconds: float = 20) -> tuple[object, bytes]:
    """What ``enter`` gives for a client that sends this and leaves, and what it was told."""
    pipe = Pipe()
    for data in (*sent, b""):
        pipe.send(data)
    found = await enter(pipe, VERIFIER, "shop", 4096, seconds=seconds)
    told = b""
    while not pipe.to_client.empty():
        told += pipe.to_client.get_nowait()
    return found, told


def fatal(told: bytes) -> str:
    *_, last = FrameReader(4096).feed(told.lstrip(b"N"))
    fields = parse_error(last.body)
    return f"{fields.severity} {fields.sqlstate} {fields.message}"


async def test_a_client_that_knows_the_password_and_one_byte_at_a_time() -> None:
    """Wherever the conversation is cut."""

    class Slow(Pipe):
        def send(self, data: bytes) -> None:
            for index in range(len(data)):
                super().send(data[index : index + 1])

    for pipe in (Pipe(), Slow()):
        client = Client(pipe)
        async with asyncio.TaskGroup() as tasks:
            entering = tasks.create_task(enter(pipe, VERIFIER, "shop", 4096))
            signing = tasks.create_task(
                client.sign_in(**GIVEN, application_name="psql", options="-c DateStyle=ISO,\\ MDY")
            )
            entry = await entering
            signing.cancel()
        assert isinstance(entry, Entry)
        assert entry.application == "psql"
        assert entry.parameters == {"application_name": "psql", "datestyle": "ISO, MDY"}


async def test_encryption_is_refused_and_the_client_goes_on() -> None:
    ssl, gss = startup.make_ssl_request(), struct.pack("!II", 8, startup.GSSENC)
    for sent in ([ssl, gss], [ssl + gss]):
        found, told = await outcome(*sent)
        assert (found, told) == (None, b"NN")


async def test_too_many_encryption_requests() -> None:
    _, told = await outcome(startup.make_ssl_request() * 4)
    assert fatal(told) == "FATAL 08P01 too many encryption requests"


async def test_a_tls_hello_is_closed_without_an_answer() -> None:
    assert await outcome(bytes.fromhex("160301020001")) == (None, b"")


async def test_a_cancel_request_needs_no_password() -> None:
    found, told = await outcome(startup.make_cancel(7, b"abcd"))
    assert (found, told) == (CancelAttempt(7, b"abcd"), b"")
    found, told = await outcome(startup.make_ssl_request(), startup.make_cancel(7, b"x" * 256))
    assert (found, told) == (CancelAttempt(7, b"x" * 256), b"N")


async def test_a_start_that_takes_too_long() -> None:
    """INV-9: slow-loris."""
    pipe = Pipe()
    pipe.send(startup.make_startup(GIVEN)[:9])
    assert await enter(pipe, VERIFIER, "shop", 4096, seconds=0.01) is None
    assert fatal(pipe.to_client.get_nowait()) == "FATAL 08006 start-up took more than 0.01 s"


async def test_a_client_that_leaves_at_any_byte_is_nothing() -> None:
    packet = startup.make_startup(GIVEN)
    for cut in range(len(packet)):
        assert await outcome(packet[:cut]) == (None, b"")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (encode("Q", b"select 1\0"), "FATAL 08P01 expected a password message, got 'Q'"),
        (encode("p", b"SCRAM-SHA-256"), "FATAL 08P01 malformed SASL message"),
        (encode("p", b"SCRAM-SHA-256\0\xff\xff\xff\xff"), "FATAL 08P01 malformed SASL message"),
        (encode("p", b"PLAIN\0\0\0\0\1x"), "FATAL 08P01 client selected an invalid SASL authentication mechanism"),
        (b"p\0\0\0\0", "FATAL 08P01 invalid message length 0"),
        (b"p\xff\xff\xff\xff", "FATAL 54000 a message of 4294967291 bytes is over the limit of 4096 bytes"),
    ],
)
async def test_what_is_no_password(sent: bytes, said: str) -> None:
    for pieces in ([startup.make_startup(GIVEN), sent], [startup.make_startup(GIVEN) + sent]):
        found, told = await outcome(*pieces)
        assert found is None
        assert fatal(told) == said


@pytest.mark.parametrize("options", [(), ("_pq_.odd", "_pq_.even")])
@pytest.mark.parametrize("minor", [0, 1, 2, 3, 9999])
async def test_protocols_are_negotiated_as_postgresql_does(
    postgres_server: PostgresServer, minor: int, options: tuple[str, ...]
) -> None:
    """Held against PostgreSQL itself: what it sends before it asks for the password."""
    given = {**GIVEN, "user": "postgres", **dict.fromkeys(options, "x")}
    packet = startup.make_startup(given, minor)
    _, told = await outcome(packet)
    parts = conninfo_to_dict(postgres_server.dsn())
    reader, writer = await asyncio.open_connection(str(parts["host"]), int(str(parts["port"])))
    writer.write(packet)
    expected: list[Frame] = []
    frames = FrameReader(4096)
    while not expected or expected[-1].kind == "v":
        expected += frames.feed(await reader.read(4096))
    writer.close()
    assert [frame.kind for frame in expected] == ([*"vR"] if minor > 2 or options else ["R"])
    assert [frame for frame in FrameReader(4096).feed(told) if frame.kind == "v"] == expected[:-1]


async def test_a_refusal_comes_behind_the_negotiation() -> None:
    _, told = await outcome(startup.make_startup({**GIVEN, "role": "x"}, 9999))
    first, second = FrameReader(4096).feed(told)
    assert (first.data, second.kind) == (startup.make_negotiate_version(2, ()), "E")


def test_a_protocol_option_is_none_of_the_databases() -> None:
    assert check_parameters({**GIVEN, "_pq_.odd": "x"}, "shop") == {}
    for given in ({"_PQ_.odd": "x"}, {"options": "-c _pq_.odd=x"}):
        with pytest.raises(WireError, match="is refused by the gateway"):
            check_parameters({**GIVEN, **given}, "shop")


async def test_libpq_takes_the_negotiation(database: str) -> None:
    """libpq itself, asking for the newest protocol that it knows."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def up() -> None:
            while data := await reader.read(4096):
                pipe.send(data)
            pipe.send(b"")

        async def down() -> None:
            while True:
                writer.write(await pipe.to_client.get())
                await writer.drain()

        pipe = Pipe()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(up()), tasks.create_task(down())]
                entry = await enter(pipe, VERIFIER, "shop", 4096)
                await pipe.write(encode("E", b"SFATAL\0C57P03\0M" + (b"welcome" if entry else b"no") + b"\0\0"))
                await running[0]
                running[1].cancel()
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for oldest, newest in (("3.0", "3.0"), ("3.0", "latest"), ("3.2", "3.2"), ("3.2", "latest")):
            with pytest.raises(psycopg.OperationalError, match="welcome"):
                await psycopg.AsyncConnection.connect(
                    host="127.0.0.1", port=port, dbname="shop", user="alice", password="the tunnel's own",
                    min_protocol_version=oldest, max_protocol_version=newest,
                    sslmode="prefer", gssencmode="prefer", require_auth="scram-sha-256",
                )  # fmt: skip


# Parameters


@pytest.mark.parametrize("name", sorted({*HARMLESS, *JUDGED}))
def test_parameters_that_reach_the_database(name: str) -> None:
    assert check_parameters({**GIVEN, name.upper(): "x"}, "shop") == {name: "x"}
    assert check_parameters({**GIVEN, "options": f"-c {name}=x"}, "shop") == {name: "x"}
    assert check_parameters({**GIVEN, "options": f"--{name.replace('_', '-')}=x"}, "shop") == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "role", "session_authorization", "session_replication_role", "hoop.principal",
        "hoop.session", "local_preload_libraries", "session_preload_libraries", "backslash_quote", "log_statement",
        "default_tablespace", "lo_compat_privileges", "transform_null_equals", "is_superuser", "",
    ],
)  # fmt: skip
def test_parameters_that_do_not(name: str) -> None:
    """THREATS 4: identity and lexing are not changed at the start, and no code is loaded."""
    for given in ({name: "x"}, {"options": f"-c {name}=x"}, {"options": f"-c{name}=x"}, {"options": f"--{name}=x"}):
        with pytest.raises(WireError, match="is refused by the gateway: use SET after connecting") as caught:
            check_parameters({**GIVEN, **given}, "shop")
        assert caught.value.sqlstate == "0A000"


def test_what_the_policy_is_asked_about() -> None:
    parameters = check_parameters({**GIVEN, "Search_Path": "other", "options": "-c jit=on"}, "shop")
    entry = Entry("", parameters, FrameReader(64), 4)
    assert entry.judged == {"search_path": "other"}


@pytest.mark.parametrize("value", ["UTF8", "utf-8", "'UTF-8'", "UNICODE", "auto"])
def test_the_encoding_that_is_spoken(value: str) -> None:
    assert check_parameters({**GIVEN, "client_encoding": value}, "shop") == {}


@pytest.mark.parametrize("value", ["latin1", "SQL_ASCII", "GBK", "SJIS", "UTF16", ""])
def test_other_encodings_are_refused(value: str) -> None:
    """THREATS 3"""
    for given in ({"client_encoding": value}, {"Client_Encoding": value}, {"options": f"-c client_encoding={value}"}):
        with pytest.raises(WireError, match="is refused: the gateway reads UTF8 only"):
            check_parameters({**GIVEN, **given}, "shop")


def test_the_lexer_is_pinned() -> None:
    """THREATS 3"""
    assert check_parameters({**GIVEN, "standard_conforming_strings": "on"}, "shop") == {}
    for value in ("off", "false", "0", "no", "f", ""):
        with pytest.raises(WireError, match="pinned to on"):
            check_parameters({**GIVEN, "options": f"-c Standard_Conforming_Strings={value}"}, "shop")


@pytest.mark.parametrize("value", ["database", "true", "on", "1", "yes", "garbage", ""])
def test_replication_is_refused(value: str) -> None:
    """THREATS 10"""
    with pytest.raises(WireError, match="replication is refused"):
        check_parameters({**GIVEN, "replication": value}, "shop")


def test_replication_that_is_off_is_not() -> None:
    assert check_parameters({**GIVEN, "replication": "false"}, "shop") == {}


def test_another_database_and_nobody() -> None:
    with pytest.raises(WireError, match='this tunnel is for the database "shop", not "postgres"') as caught:
        check_parameters({"user": "alice", "database": "postgres"}, "shop")
    assert caught.value.sqlstate == "3D000"
    with pytest.raises(WireError, match='not "alice"'):
        check_parameters({"user": "alice"}, "shop")
    assert check_parameters({"user": "shop"}, "shop") == {}
    with pytest.raises(WireError, match="no PostgreSQL user name") as caught:
        check_parameters({"database": "shop"}, "shop")
    assert caught.value.sqlstate == "28000"


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ("", {}),
        ("   ", {}),
        ("-c timezone=UTC -c  jit=off", {"timezone": "UTC", "jit": "off"}),
        ("-ctimezone=UTC", {"timezone": "UTC"}),
        (r"-c datestyle=ISO,\ MDY", {"datestyle": "ISO, MDY"}),
        (r"-c application_name=a\\b", {"application_name": r"a\b"}),
        (r"-c application_name=\ ", {"application_name": " "}),
        ("--statement-timeout=5", {"statement_timeout": "5"}),
        ("-c timezone=a=b", {"timezone": "a=b"}),
        ("-c timezone=", {"timezone": ""}),
        ("-c jit=on --jit=off", {"jit": "off"}),
        ("\t-c\njit=on", {"jit": "on"}),
        ("-c user=root", {}),
        ("-c replication=database -c database=other -c options=-c\\ role=x", {}),
    ],
)
def test_options_are_read_as_postgresql_reads_them(options: str, passed: dict[str, str]) -> None:
    assert check_parameters({**GIVEN, "options": options}, "shop") == passed


@pytest.mark.parametrize("options", ["-c", "-c jit", "--jit", "-e", "-B 1000", "jit=on", "--", "-c -c"])
def test_options_that_are_refused(options: str) -> None:
    with pytest.raises(WireError, match="start-up option"):
        check_parameters({**GIVEN, "options": options}, "shop")


def test_a_parameter_counts_for_more_than_the_same_in_options_as_in_postgresql(postgres_server: PostgresServer) -> None:
    """INV-8"""
    given = {"options": "-c application_name=first -c datestyle=German", "application_name": "second"}
    with psycopg.connect(postgres_server.dsn(), **given) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("application_name", "datestyle")
        }
    assert shown == {"application_name": ("second",), "datestyle": ("German, DMY",)}
    passed = check_parameters({**GIVEN, **given, "DateStyle": "ISO"}, "shop")
    assert passed == {"application_name": "second", "datestyle": "ISO"}
