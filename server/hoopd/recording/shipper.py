"""Carries journals into the store, in order, and knows whether the store can be relied on.

Statements are refused while the store is known to be away for longer than ``max_lag`` (INV-2). With ``max_lag`` 0 that
is as soon as the shipper knows: when a write or a check fails, and when idle it checks twice a second. Memory does not
grow with what is not shipped: the shipper reads the journals, there is no queue (INV-9).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import SessionId
from hoopd.recording.journal import JournalFailed, JournalWriter
from hoopd.recording.ports import RecordStore, StoreRefused
from hoopd.recording.recovery import recover
from hoopd.recording.tail import BATCH_BYTES, Tail

CHECK_SECONDS = 0.5
REST_SECONDS = 0.1
REST_ROUNDS = 20
"""After a round that wrote something: how long it rests at least, and how many times as long as the round took, up to
``CHECK_SECONDS``. A batch for each statement would cost the gateway and its store more than the statement does."""
RETRY_SECONDS = 0.1
WRITE_SECONDS = 5.0
_RETRY_ENDING = timedelta(seconds=5)
UNENDED = "record lost"
"""The cause of an end that the session could not write itself."""

log = logging.getLogger("hoopd.recording")


class Shipment:
    """A journal that is not wholly in the store yet. ``writer`` is None for one that was recovered."""

    def __init__(self, tail: Tail, writer: JournalWriter | None) -> None:
        self.tail = tail
        self.writer = writer
        self.retry_at: datetime | None = None
        self.stuck: str | None = None
        """Why nothing of this session gets into the store, where that is not the store's being away."""

    @property
    def unended(self) -> bool:
        """Its writer is gone and it has no end: a write has failed, or the session gave it up."""
        return self.writer is not None and self.writer.closed and not self.tail.behind and not self.tail.done


class Shipper:
    """``clock`` gives UTC; ``max_lag`` is how long statements may run while the store is away."""

    def __init__(self, store: RecordStore, clock: Callable[[], datetime], max_lag: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._max_lag = max_lag
        self._shipments: dict[SessionId, Shipment] = {}
        self._away: datetime | None = clock()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._shipping = asyncio.Lock()
        self._wrote = False
        self.reached = asyncio.Event()
        """Set while the store answers and ``run`` runs."""

    def add(self, shipment: Shipment) -> None:
        self._shipments[shipment.tail.session] = shipment
        self._wake.set()

    def wake(self) -> None:
        """There is something to ship."""
        self._wake.set()

    def holds(self, session: SessionId) -> bool:
        return session in self._shipments

    def suspect(self) -> None:
        """Something else has lost the store: look at once instead of at the next check."""
        self._hurry.set()
        self._wake.set()

    @property
    def lagging(self) -> bool:
        """Whether the store has been away for ``max_lag`` or longer; true until it has been reached once."""
        return self._away is not None and self._clock() - self._away >= self._max_lag

    @property
    def away_seconds(self) -> float:
        """For how long the store has been away; 0 while it answers."""
        return (self._clock() - self._away).total_seconds() if self._away is not None else 0.0

    @property
    def lag(self) -> int:
        """Bytes of all journals that the store does not have."""
        return sum(shipment.tail.lag for shipment in self._shipments.values())

    def check_ready(self) -> None:
        """Raises ``Unavailable`` when nothing may run for want of the store (INV-2)."""
        if self.lagging:
            raise Unavailable(
                "The gateway's store does not answer, so this could not be recorded for audit and was not run.",
                hint="Try again when the store is back; journal.max_lag sets how long to go on without it.",
            )

    async def run(self) -> None:
        """Ship until cancelled. While this does not run the store counts as away."""
        try:
            while True:
                self._wake.clear()
                self._hurry.clear()
                began = asyncio.get_running_loop().time()
                try:
                    while await self.ship() and self._far_behind:
                        pass
                except Unavailable:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if self._wrote:
                    await _at_most(_rest(asyncio.get_running_loop().time() - began), self._hurry)
                if not (self._wrote and self._behind):
                    await _at_most(CHECK_SECONDS, self._wake)
        finally:
            self.reached.clear()
            self._away = self._away or self._clock()

    async def drain(self, seconds: float) -> bool:
        """Ship what there is, for at most ``seconds``; returns whether the store has all of it. Never raises."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(seconds):
                while self._behind and await self.ship():
                    pass
        return not self._behind

    @property
    def _behind(self) -> bool:
        return any(each.tail.behind for each in self._shipments.values())

    @property
    def _far_behind(self) -> bool:
        """There is a whole batch to write: what sessions add while a round is written is left for after the rest."""
        return any(each.tail.lag >= BATCH_BYTES and each.stuck is None for each in self._shipments.values())

    async def ship(self) -> bool:
        """One round: a batch of each journal that has something, or a check of the store when none was written.

        Returns whether there is more. Raises ``Unavailable`` when the store is away.
        """
        async with self._shipping:
            try:
                written = [await self._advance(each) for each in list(self._shipments.values())]
                self._wrote = any(written)
                if not any(written):
                    with _in_time():
                        async with asyncio.timeout(WRITE_SECONDS):
                            await self._store.check()
            except Unavailable as error:
                self._lost(error.message)
                raise
            self._found()
            return any(written) and self._behind

    async def _advance(self, shipment: Shipment) -> bool:
        """Write one batch of it; returns whether one was written. Raises ``Unavailable`` for the store alone."""
        tail = shipment.tail
        written = False
        try:
            if shipment.unended:
                self._end(shipment)
            if tail.behind:
                with _in_time():
                    async with asyncio.timeout(WRITE_SECONDS):
                        written = await self._write(shipment)
            if tail.done:
                with suppress(OSError):  # the next start finds it again, and nothing new in it
                    tail.path.unlink()
                del self._shipments[tail.session]
        except (StoreRefused, JournalFailed) as error:
            if shipment.stuck is None:
                log.error("the record of session %s cannot be put into the store: %s", tail.session, error.message)
            shipment.stuck = error.message
        return written

    async def _write(self, shipment: Shipment) -> bool:
        tail = shipment.tail
        batch = tail.batch()
        if batch is None:
            return False
        await self._store.write(batch)
        tail.acknowledge()
        shipment.stuck = None
        return True

    def _end(self, shipment: Shipment) -> None:
        now = self._clock()
        if shipment.retry_at is not None and now < shipment.retry_at:
            return
        shipment.retry_at = now + _RETRY_ENDING
        tail = shipment.tail
        found = recover(tail.path, tail.session, self._clock, UNENDED)
        shipment.writer = None
        tail.size = found.size
        if not found.events:
            del self._shipments[tail.session]

    def _lost(self, why: str) -> None:
        self.reached.clear()
        if self._away is None:
            self._away = self._clock()
            log.warning("the store is away: %s", why)

    def _found(self) -> None:
        if self._away is not None:
            self._away = None
            log.info("the store answers")
        self.reached.set()


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(f"The gateway's store did not answer within {WRITE_SECONDS:.0f} seconds.") from error


async def _at_most(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _rest(took: float) -> float:
    return min(CHECK_SECONDS, max(REST_SECONDS, REST_ROUNDS * took))
