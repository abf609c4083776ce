"""The gateway's end of one client connection, as the session's runner sees it; gRPC is on the other side of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SideBand:
    """A line for `hoopctl connect` (DESIGN.md section 3)."""

    event: str
    request: str
    message: str
    sql: str = ""
    waiting_for: tuple[str, ...] = ()
    until: datetime | None = None


class ClientPipe(Protocol):
    """Bytes both ways, with back-pressure both ways."""

    async def read(self) -> bytes:
        """The next bytes; empty when the client has closed its sending side, which may still read its answers.

        What is read after that only tells of the end of the whole.

        Raises:
            ConnectionResetError: the connection is broken, or the client has left it.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Returns when the transport has taken them."""
        ...

    async def tell(self, line: SideBand) -> None: ...
