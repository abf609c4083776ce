"""A gateway with all of its parts in this process, and PostgreSQL clients that are nothing but bytes in memory.

    async with bench(database, POLICY) as gateway:
        async with gateway.client() as client:              # signed in, ReadyForQuery read
            assert await client.query("select 1") == ["T", "D 1", "C SELECT 1", "Z I"]

``database`` is both the target and (in a schema of its own) the store. Nothing sleeps; every wait has a deadline.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from hoopd.approvals.broker import Broker
from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.identity import TokenVerifier
from hoopd.masking.values import MaskContext
from hoopd.pgwire import frontend, startup
from hoopd.pgwire.backend import read_data_row
from hoopd.pgwire.errors import parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.pgwire.scram import MECHANISM, ScramClient
from hoopd.policy.loading import load
from hoopd.recording.keys import load_keys
from hoopd.recording.recorder import Recorder
from hoopd.runtime.gateway import Ended, Gateway, Opening, Services
from hoopd.runtime.pipe import SideBand
from hoopd.runtime.policies import Policies
from hoopd.runtime.target import Target
from hoopd.runtime.visa import Visa
from hoopd.session.judgement import PolicyInForce
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.store.requests import StoredRequests

SECONDS = 20.0
PASSWORD = "the tunnel's own"
NAME = "prod-db"
POLICY = """
version: 1
default: deny
reviewers: {from: [dba], approvals: 1, hold: 4m, expires: 30m}
rules:
  - {name: everybody may connect, match: {}, then: {connect: allow}}
  - {name: reads run, match: {effects: [read, session]}, then: allow}
  - {name: writes need a DBA, match: {effects: [write, lock], objects: ["public.*"]}, then: review}
"""
EVERYTHING = """
version: 1
default: deny
rules:
  - {name: everybody may connect, match: {}, then: {connect: allow}}
  - {name: everything runs, match: {effects: [read, write, lock, session, ddl]}, then: allow}
"""


def now() -> datetime:
    return datetime.now(UTC)


def person(name: str = "alice", *, minutes: float = 60, **changes) -> Principal:
    made = Principal(
        "https://id.example", name, f"{name}@example.com", frozenset(), frozenset(), now() + timedelta(minutes=minutes)
    )
    return replace(made, **changes)


def verifier_text(password: str = PASSWORD) -> str:
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return f"{MECHANISM}$4096:{parts[0]}${parts[1]}:{parts[2]}"


def opening(reason: str = "", connection: str = NAME) -> Opening:
    return Opening(connection, verifier_text(), reason, "test", "here", "t-1")


class Pipe:
    """Both ends of a client connection. ``stalled``: the client reads nothing, and writes of the gateway wait."""

    def __init__(self) -> None:
        self.visa: Visa | None = None
        self.session = ""
        self.told: asyncio.Queue[SideBand] = asyncio.Queue()
        self.to_gateway: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_client: asyncio.Queue[bytes] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.waiting_to_write = asyncio.Event()

    async def read(self) -> bytes:
        data = await self.to_gateway.get()
        if data is None:
            raise ConnectionResetError
        return data

    def break_off(self) -> None:
        """As a stream ends whose process was killed, behind what it sent."""
        self.to_gateway.put_nowait(None)

    async def write(self, data: bytes) -> None:
        if not self.reading.is_set():
            self.waiting_to_write.set()
            await self.reading.wait()
        await self.to_client.put(data)

    async def tell(self, line: SideBand) -> None:
        await self.told.put(line)

    async def opened(self, session: str) -> None:
        self.session = session

    def send(self, data: bytes) -> None:
        self.to_gateway.put_nowait(data)

    async def held(self) -> str:
        async with asyncio.timeout(SECONDS):
            while (line := await self.told.get()).event != "held":
                pass
            return line.request


@dataclass
class Client:
    """One client connection, by hand."""

    pipe: Pipe
    frames: FrameReader = field(default_factory=lambda: FrameReader(1 << 28))
    waiting: list[Frame] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    secret: bytes = b""
    served: asyncio.Task[Ended] | None = None

    def send(self, *data: bytes) -> None:
        self.pipe.send(b"".join(data))

    async def next(self) -> Frame:
        async with asyncio.timeout(SECONDS):
            while not self.waiting:
                self.waiting += self.frames.feed(await self.pipe.to_client.get())
            return self.waiting.pop(0)

    async def until(self, kind: str = "Z") -> list[str]:
        """What comes, as lines, up to the next message of ``kind`` or a FATAL error."""
        lines: list[str] = []
        while True:
            frame = await self.next()
            lines.append(shown(frame))
            if frame.kind == kind or (frame.kind == "E" and parse_error(frame.body).severity == "FATAL"):
                return lines

    async def query(self, sql: str) -> list[str]:
        self.send(frontend.make_query(sql.encode()))
        return await self.until()

    async def sign_in(self, password: str = PASSWORD, **parameters: str) -> list[str]:
        """Send start-up and password; what came after the password, up to ReadyForQuery or the end."""
        given = {"user": "alice", "database": "", **parameters}
        self.send(startup.make_startup(given))
        scram = ScramClient(password, "client-nonce", certificate_hash=None, offered=[MECHANISM])
        while True:
            frame = await self.next()
            if frame.kind == "E":
                return [shown(frame)]
            if frame.kind != "R":
                continue
            match int.from_bytes(frame.body[:4], "big"):
                case 10:
                    first = scram.first()
                    self.send(encode("p", MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first))
                case 11:
                    self.send(encode("p", scram.answer(frame.body[4:])))
                case 0:
                    break
        lines = []
        while True:
            frame = await self.next()
            if frame.kind == "K":
                self.pid, self.secret = int.from_bytes(frame.body[:4], "big"), frame.body[4:]
            if frame.kind in "ZE":
                return [*lines, shown(frame)]
            lines.append(shown(frame))

    async def ended(self) -> Ended:
        assert self.served is not None
        async with asyncio.timeout(SECONDS):
            return await self.served


def shown(frame: Frame) -> str:
    match frame.kind:
        case "E" | "N":
            fields = parse_error(frame.body)
            return f"{frame.kind} {fields.severity} {fields.sqlstate} {fields.message}"
        case "C" | "Z":
            return f"{frame.kind} {frame.body.rstrip(bytes(1)).decode()}"
        case "D":
            return "D " + " ".join("-" if cell is None else cell.decode() for cell in read_data_row(frame.body))
        case _:
            return frame.kind


@dataclass
class Bench:
    gateway: Gateway
    services: Services
    store: Store
    database: str

    @property
    def target(self) -> Target:
        return self.services.targets[NAME]

    def connect(self, principal: Principal | None = None, opening_: Opening | None = None) -> Client:
        """A client connection that has sent nothing yet."""
        client = Client(Pipe())
        who = principal or person()
        client.served = asyncio.get_running_loop().create_task(
            self.gateway.serve(client.pipe, who, opening_ or opening())
        )
        return client

    @contextlib.asynccontextmanager
    async def client(
        self, principal: Principal | None = None, opening_: Opening | None = None, **parameters: str
    ) -> AsyncIterator[Client]:
        """A client that is signed in; its end is awaited."""
        client = self.connect(principal, opening_)
        lines = await client.sign_in(**{"database": self.target.connection.database, **parameters})
        assert lines[-1] == "Z I", lines
        try:
            yield client
        finally:
            client.pipe.reading.set()
            client.send(b"")
            await client.ended()

    async def events(self, session: str) -> list[str]:
        """The kinds of a session's events in the store, in order."""
        from hoop.v1 import record_pb2

        async with asyncio.timeout(SECONDS):
            await self.services.recorder.shipper.drain(SECONDS)
        async with self.store.connection() as connection:
            rows = await (
                await connection.execute("SELECT body FROM hoop.events WHERE session = %s ORDER BY seq", (session,))
            ).fetchall()
        return [str(record_pb2.RecordEvent.FromString(row[0]).WhichOneof("body")) for row in rows]


def target_of(dsn: str, **changes) -> Target:
    parts = conninfo_to_dict(dsn)
    # The password goes by the environment of this process: no file of it is left behind.
    variable = f"HOOP_TEST_PASSWORD_{hashlib.sha256(dsn.encode()).hexdigest()[:16]}"
    os.environ[variable] = str(parts["password"])
    connection = Connection(NAME, str(parts["host"]), int(str(parts["port"])), str(parts["dbname"]), {"env": "test"})
    made = Target(connection, str(parts["user"]), password_env=variable, tls=TlsMode.disable)
    return replace(made, **changes)


@contextlib.asynccontextmanager
async def bench(
    database: str,
    policy: str = POLICY,
    *,
    store: str | None = None,
    verify: TokenVerifier | None = None,
    target: Callable[[Target], Target] = lambda made: made,
    changes: Mapping[str, object] | None = None,
) -> AsyncIterator[Bench]:
    home = Path(tempfile.mkdtemp(prefix="hoop-bench-"))
    dsn = store or database
    await migrate(dsn)
    kept = Store(dsn, max_size=4)
    await kept.open()
    made = target(target_of(database))
    keys = load_keys(home)
    recorder = Recorder(home, Records(kept), keys, now)
    listener = Listener(dsn, ["hoop_requests"], on_lost=recorder.shipper.suspect)
    broker = Broker(StoredRequests(kept), listener, now, keys.id)
    policies = Policies()
    policies.put(PolicyInForce(load(policy, "test"), PolicyVersion(1)))
    services = Services(
        targets={NAME: made},
        verifier=verify,  # type: ignore[arg-type]
        policies=policies,
        recorder=recorder,
        broker=broker,
        mask_context=MaskContext(b"m" * 32),
        redaction_key=b"r" * 32,
        message_limit=1 << 24,
        **(changes or {}),  # type: ignore[arg-type]
    )
    gateway = Gateway(services)
    recorder.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part()) for part in (listener.run, recorder.shipper.run, broker.run)]
            async with asyncio.timeout(SECONDS):
                await recorder.shipper.reached.wait()
                await broker.until_ready()
            yield Bench(gateway, services, kept, database)
            await gateway.stop("the test is over")
            await gateway.close()
            for task in running:
                task.cancel()
    finally:
        recorder.close()
        await kept.close()
        shutil.rmtree(home)
