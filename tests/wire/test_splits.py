"""Conversations of real clients, cut at every byte: wherever they are parted on the way, the answers are the same.

Each is recorded between its client and the database itself, then sent again to a gateway in this process, whole and in
two parts for every place to part it, and byte by byte. The answers have to be the database's own, byte for byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from hoopd.dev.binaries import Binaries
from hoopd.pgwire.framing import Frame, FrameReader
from hoopd.pgwire.frontend import make_query
from tests.unit.server.runtime.bench import EVERYTHING, Client, bench

SECONDS = 30.0
LIMIT = 1 << 24
TABLE = "create table things (id int primary key, note text); insert into things values (1, 'a'), (2, 'ü')"
CLEAN = make_query(b"discard all")


@dataclass
class Recorded:
    """What a client sent after it was signed in, but for its Terminate, and what the database answered."""

    sent: bytearray = field(default_factory=bytearray)
    answers: list[Frame] = field(default_factory=list)
    signed_in: bool = False

    @property
    def conversation(self) -> bytes:
        return bytes(self.sent).removesuffix(b"X\x00\x00\x00\x04")

    def answered(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self.signed_in:
                self.answers.append(frame)
            self.signed_in = self.signed_in or frame.kind == "Z"


@contextlib.asynccontextmanager
async def recording(dsn: str) -> AsyncIterator[tuple[Recorded, int]]:
    """A relay to the database that records one client; gives its port."""
    parts = conninfo_to_dict(dsn)
    recorded = Recorded()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(str(parts["host"]), int(str(parts["port"])))

        async def answers() -> None:
            frames = FrameReader(LIMIT)
            while data := await server.read(65536):
                recorded.answered([*frames.feed(data)])
                writer.write(data)
            writer.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answers())
            while data := await reader.read(65536):
                if recorded.signed_in:
                    recorded.sent += data
                to_server.write(data)
            to_server.close()
        for one in (to_server, writer):
            one.close()
            with contextlib.suppress(OSError):
                await one.wait_closed()
        over.set()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield recorded, int(listener.sockets[0].getsockname()[1])
        async with asyncio.timeout(SECONDS):
            await over.wait()


async def by_psql(dsn: str) -> None:
    script = (
        "select id, note from things order by id;\nselect 1/0;\n"
        "begin; savepoint a; select nothing; rollback to a; end;\n"
        "copy things from stdin;\n7\tseven\n8\t\\N\n\\.\ncopy things to stdout;\ndelete from things where id > 6;\n"
        "select $1::int + 1 as sum \\bind 4 \\g\n"
    )
    psql = str(Binaries.find().program("psql"))
    process = await asyncio.create_subprocess_exec(
        psql, "--no-psqlrc", "--quiet", f"--dbname={dsn}&gssencmode=disable", stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        await process.communicate(script.encode())


async def by_psycopg(dsn: str) -> None:
    connecting = psycopg.AsyncConnection.connect(f"{dsn}&gssencmode=disable", autocommit=True, prepare_threshold=0)
    async with await connecting as connection:
        async with connection.pipeline():
            for number in (1, 2):
                await connection.execute("select note from things where id = %s", (number,), binary=True)
        async with connection.transaction(force_rollback=True):
            await connection.execute("insert into things values (%s, %s)", (9, "neun €"))
        with contextlib.suppress(psycopg.Error):
            await connection.execute("select %s::int / 0", (1,))
        async with connection.cursor() as cursor, cursor.copy("copy things to stdout (format binary)") as copy:
            async for _ in copy:
                pass


async def by_asyncpg(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # No arrays: asyncpg would look them up by a query of 7 KB.
        await connection.fetch("select id, note from things where id in ($1, $2) order by id", 1, 2)
        async with connection.transaction():
            async for _ in connection.cursor("select n from generate_series(1, 5) n", prefetch=2):
                pass
        with contextlib.suppress(asyncpg.PostgresError):
            await connection.execute("insert into things values (1, 'again')")
        await connection.executemany("update things set note = $2 where id = $1", [(1, "a"), (2, "ü")])
    finally:
        await connection.close()


Talk = Callable[[str], Awaitable[None]]
TALKS: dict[str, Talk] = {"psql": by_psql, "psycopg": by_psycopg, "asyncpg": by_asyncpg}


async def answers(client: Client, *parts: bytes) -> list[Frame]:
    """What comes for a conversation sent in these parts, and nothing of it left over for the next."""
    for part in (*parts, CLEAN):
        client.send(part)
    awaited = sum(frame.kind in "QSF" for frame in FrameReader(LIMIT).feed(b"".join(parts)))
    found: list[Frame] = []
    while awaited:
        found.append(await client.next())
        awaited -= found[-1].kind == "Z"
    while (await client.next()).kind != "Z":
        pass
    return found


def cuts(length: int) -> Sequence[int]:
    """Every place where HOOP_EVERY_CUT is set, as `scripts/transparency` does; else about thirty, evenly."""
    return range(1, length, 1 if os.environ.get("HOOP_EVERY_CUT") else max(1, length // 30))


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
async def test_a_conversation_is_answered_alike_wherever_it_is_cut(database: str, talk: Talk) -> None:
    """INV-8, THREATS 1: what is judged and sent hangs on messages, never on how the network cut them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLE.encode())
    parts = conninfo_to_dict(database)
    async with recording(database) as (recorded, port):
        user, password = quote(str(parts["user"])), quote(str(parts["password"]), safe="")
        await talk(f"postgresql://{user}:{password}@127.0.0.1:{port}/{parts['dbname']}?sslmode=disable")
    whole = recorded.conversation
    assert len(whole) > 300
    async with bench(database, EVERYTHING) as gateway, gateway.client() as client:
        assert await answers(client, whole) == recorded.answers
        assert await answers(client, *(whole[at : at + 1] for at in range(len(whole)))) == recorded.answers
        for cut in cuts(len(whole)):
            assert await answers(client, whole[:cut], whole[cut:]) == recorded.answers, f"cut at {cut}"
