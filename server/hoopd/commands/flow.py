"""``hoopd check --flow``: one harmless statement, all the way: held, approved by a person, run, recorded, verified.

The statement goes through the gateway's own session machine, store and journal, as any client's; only the policy is
another for it, one that sends it to review. A reviewer approves it as they would any request, with `hoopctl`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal, Role
from hoopd.pgwire import frontend, startup
from hoopd.pgwire.errors import parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.pgwire.scram import MECHANISM, ScramClient
from hoopd.policy.loading import load
from hoopd.policy.model import Policy
from hoopd.runtime import clock
from hoopd.runtime.gateway import Gateway, Opening
from hoopd.runtime.pipe import SideBand
from hoopd.runtime.policies import Policies
from hoopd.runtime.visa import Visa
from hoopd.session.judgement import PolicyInForce
from hoopd.wiring import Serving

STATEMENT = "select 1 as hoopd_check"
_ITERATIONS = 4096
_POLICY = """
version: 1
rules:
  - {name: hoopd check may connect, then: {connect: allow}}
  - name: hoopd check
    match: {effects: [read]}
    then: {review: {from: [%s], approvals: 1, hold: 4m, expires: 5m}}
"""

Say = Callable[[str, str], None]
"""Called with a step's name and what came of it."""


async def flow(served: Serving, connection: str, policy: Policy, say: Say) -> None:
    """Send the statement through; raises HoopError at the first step that does not do what it should."""
    groups = reviewing_groups(policy)
    policies = Policies()
    listed = ", ".join(f'"{group}"' for group in groups)
    policies.put(PolicyInForce(load(_POLICY % listed, "hoopd check"), PolicyVersion(0)))
    gateway = Gateway(replace(served.services, policies=policies))
    pipe = _Pipe(lambda line: say(line.event, line.message))
    password = secrets.token_urlsafe(24)
    opening = Opening(connection, _verifier(password), "hoopd check --flow", "hoopd check", "this gateway", "check")

    async def serve() -> None:
        try:
            await gateway.serve(pipe, _principal(), opening)
        finally:
            await pipe.write(b"")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve())
            await _Client(pipe).run(password, gateway.may_open(_principal(), connection).database)
    finally:
        await gateway.close()
    say("ran", STATEMENT)
    await _verified(served, pipe.session, say)


def reviewing_groups(policy: Policy) -> list[str]:
    """The groups that review statements under the policy, by name.

    Raises:
        InvalidInput: no rule sends anything to review.
    """
    reviews = [rule.review for rule in policy.rules if rule.review is not None]
    found = {group for review in reviews for group in review.groups or ()}
    found |= {group for review in reviews for seat in review.all or () for group in seat.groups}
    if not found:
        raise InvalidInput("the policy sends nothing to review, so there is no flow to try")
    return sorted(found)


async def _verified(served: Serving, session: str, say: Say) -> None:
    await served.services.recorder.shipper.drain(15)
    auditor = replace(_principal(), roles=frozenset({Role.auditor}))
    detail = await served.audit.show(session, auditor)
    for row in detail.statements:
        words = ", ".join(f"{word.verdict}d by {word.by}" for word in row.approvals)
        say("record", f"{row.sql}: {row.decision}, {words or 'no approval'}, {row.outcome}")
    async for outcome in served.audit.verify(session, auditor):
        if not outcome.ok:
            raise Unavailable(f"the record of {session} does not verify: {outcome.message}")
        say("verified", f"{outcome.events} events of {session}, chained and sealed")


def _principal() -> Principal:
    expires = clock.now() + timedelta(minutes=15)
    return Principal("hoopd", "hoopd check", None, frozenset(), frozenset(), expires)


def _verifier(password: str) -> str:
    """The SCRAM verifier of a password (RFC 5803)."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = (base64.b64encode(part).decode() for part in (salt, stored, server))
    salt_text, stored_text, server_text = encoded
    return f"{MECHANISM}${_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


class _Pipe:
    """Both ends of a client connection that never leaves this process."""

    def __init__(self, on_line: Callable[[SideBand], None]) -> None:
        self.visa: Visa | None = None
        self.session = ""
        self._on_line = on_line
        self.to_gateway: asyncio.Queue[bytes] = asyncio.Queue(64)
        self.to_client: asyncio.Queue[bytes] = asyncio.Queue(64)

    async def read(self) -> bytes:
        return await self.to_gateway.get()

    async def write(self, data: bytes) -> None:
        await self.to_client.put(data)

    async def tell(self, line: SideBand) -> None:
        self._on_line(line)

    async def opened(self, session: str) -> None:
        self.session = session


class _Client:
    """The least of a PostgreSQL client: signs in, sends one query, reads to its end."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._reader = FrameReader(1 << 20)

    async def run(self, password: str, database: str) -> None:
        async with self._frames() as frames:
            await self._send(startup.make_startup({"user": "hoopd", "database": database}))
            await self._sign_in(frames, password)
            await self._until_ready(frames)
            await self._send(frontend.make_query(STATEMENT.encode()))
            await self._until_ready(frames)
            await self._send(frontend.TERMINATE)

    async def _sign_in(self, frames: AsyncIterator[Frame], password: str) -> None:
        scram = ScramClient(password, secrets.token_urlsafe(18), certificate_hash=None, offered=[MECHANISM])
        async for frame in frames:
            self._check(frame)
            code = int.from_bytes(frame.body[:4], "big")
            if code == 10:
                first = scram.first()
                await self._send(encode("p", MECHANISM.encode() + b"\0" + len(first).to_bytes(4, "big") + first))
            elif code == 11:
                await self._send(encode("p", scram.answer(frame.body[4:])))
            elif code == 12:
                scram.check(frame.body[4:])
            elif code == 0:
                return

    async def _until_ready(self, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            self._check(frame)
            if frame.kind == "Z":
                return

    def _check(self, frame: Frame) -> None:
        if frame.kind == "E":
            raise Unavailable(f"the statement did not go through: {parse_error(frame.body).message}")

    async def _send(self, data: bytes) -> None:
        await self._pipe.to_gateway.put(data)

    @asynccontextmanager
    async def _frames(self) -> AsyncIterator[AsyncIterator[Frame]]:
        async def each() -> AsyncGenerator[Frame, None]:
            while True:
                data = await self._pipe.to_client.get()
                if not data:
                    raise Unavailable("the session ended before the statement was through")
                for frame in self._reader.feed(data):
                    yield frame

        frames = each()
        try:
            yield frames
        finally:
            await frames.aclose()
            self._pipe.to_gateway.put_nowait(b"")
