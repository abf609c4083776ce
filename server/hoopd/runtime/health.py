"""Whether a gateway could run a statement now: the parts that it needs, each looked at when somebody asks.

Whoever asks learns which part fails and why in a line, nothing of what the part holds (INV-7). Asking often costs
nothing: an answer counts for ``FRESH_SECONDS``, and each part is looked at by one task at a time (INV-9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from hoopd.domain.errors import HoopError
from hoopd.runtime import clock

FRESH_SECONDS = 1.0
WAIT_SECONDS = 5.0
"""A part that takes longer to look at counts as failing."""

Check = Callable[[], Awaitable[None]]
"""Raises HoopError when the part fails."""


@dataclass(slots=True)
class _Part:
    check: Check
    looking: asyncio.Task[None] | None = None
    looked: float | None = None
    fault: str | None = None


class Readiness:
    """``checks`` by the name of the part, such as ``store`` or ``catalog prod-db``."""

    def __init__(self, checks: Mapping[str, Check], *, wait: float = WAIT_SECONDS) -> None:
        self._parts = {name: _Part(check) for name, check in checks.items()}
        self._wait = wait

    async def faults(self, excluding: Collection[str] = ()) -> list[str]:
        """A line for each part that fails; ``excluding``: first words of parts that are not looked at."""
        asked = {name: part for name, part in self._parts.items() if name.split()[0] not in excluding}
        found = await asyncio.gather(*(self._look(part) for part in asked.values()))
        return [f"{name}: {fault}" for name, fault in zip(asked, found, strict=True) if fault is not None]

    async def close(self) -> None:
        """Look no further."""
        under_way = [part.looking for part in self._parts.values() if part.looking is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _look(self, part: _Part) -> str | None:
        if part.looking is None:
            if part.looked is not None and clock.monotonic() - part.looked < FRESH_SECONDS:
                return part.fault
            # A task of its own: who asked may go away, and what a check has begun it must be able to end.
            part.looking = asyncio.create_task(_carried_out(part))
        done, _ = await asyncio.wait([part.looking], timeout=self._wait)
        return part.fault if done else f"it did not answer in {self._wait:.0f} s"


async def _carried_out(part: _Part) -> None:
    fault: str | None = "looking at it failed; the gateway's log has more"
    try:
        await part.check()
        fault = None
    except HoopError as problem:
        fault = " ".join(problem.message.split())
    finally:
        part.fault, part.looked, part.looking = fault, clock.monotonic(), None
