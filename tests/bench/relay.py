"""`hoopd serve` with a gateway that looks at nothing: the baseline (c) of the bench.

Server, TLS, authentication, streams, start-up and the connection to the database are those of the real gateway, by
the same code, so that whatever makes that faster or slower makes this so too. Only what comes after start-up is
other: bytes pass both ways as they are, undecided and unrecorded. It is for measuring and must never guard anything.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from hoopd import wiring
from hoopd.__main__ import main
from hoopd.domain.principal import Principal
from hoopd.pgwire import backend
from hoopd.pgwire.scram import Verifier
from hoopd.runtime import upstream
from hoopd.runtime.entrance import Entry, enter
from hoopd.runtime.gateway import Ended, Gateway, Opening, TunnelPipe


class Relay(Gateway):
    """Signs a client in as the gateway does, then splices it to its database."""

    async def serve(self, pipe: TunnelPipe, principal: Principal, opening: Opening) -> Ended:
        connection = self.may_open(principal, opening.connection)
        limit = self._services.message_limit
        target, verifier = self._services.targets[opening.connection], Verifier.parse(opening.scram_verifier)
        with upstream.Dialing(target) as dialing:
            entry = await enter(pipe, verifier, connection.database, limit, began=dialing.begin)
            if not isinstance(entry, Entry):
                return Ended("client", "the client did not sign in")
            parameters = {**entry.parameters, "client_encoding": "UTF8"}
            database = await upstream.connect(target, parameters, limit, dialing)
        try:
            greeting = [backend.make_parameter_status(*each) for each in database.parameters.items()]
            greeting += [backend.make_backend_key(1, secrets.token_bytes(entry.key_bytes)), backend.make_ready("I")]
            await pipe.write(b"".join(greeting))
            await pipe.opened("relayed")
            await _splice(pipe, database)
        finally:
            database.close()
        return Ended("client", "")


async def _splice(pipe: TunnelPipe, database: upstream.Upstream) -> None:
    async def up() -> None:
        with suppress(OSError):
            while data := await pipe.read():
                await database.write(data)
        database.close()

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(up())
        with suppress(OSError):
            while data := await database.reader.read(upstream.READ_SIZE):
                await pipe.write(data)
        sending.cancel()


if __name__ == "__main__":
    wiring.Gateway = Relay  # type: ignore[misc]
    main()
