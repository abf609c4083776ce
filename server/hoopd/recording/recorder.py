"""The recorder of a gateway: opens the records of sessions, and closes those that an earlier gateway left.

What was acknowledged is in a journal until the store has it. One data directory belongs to one gateway at a time.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import SessionId
from hoopd.recording.journal import JournalWriter, Sync, journals, probe_journal
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import RecordStore
from hoopd.recording.recovery import Recovered, recover
from hoopd.recording.session import SessionRecord
from hoopd.recording.shipper import Shipment, Shipper
from hoopd.recording.tail import Tail

GATEWAY_LOST = "gateway lost"

log = logging.getLogger("hoopd.recording")


class Recorder:
    """``clock`` gives UTC. ``max_lag`` is how long statements may run while the store is away; 0: not at all.

    Use: ``start()``, then ``shipper.run()`` in a task for as long as sessions are open, ``open`` for each session; at
    the end ``shipper.drain(seconds)``, then ``close()``.
    """

    def __init__(
        self,
        data_dir: Path,
        store: RecordStore,
        keys: RecordKeys,
        clock: Callable[[], datetime],
        *,
        max_lag: timedelta = timedelta(0),
        sync: Sync = Sync.process,
    ) -> None:
        self._directory = data_dir / "journal"
        self._keys = keys
        self._clock = clock
        self._sync = sync
        self._lock: int | None = None
        self.shipper = Shipper(store, clock, max_lag)

    def start(self) -> tuple[Recovered, ...]:
        """Take the data directory and close the journals that an earlier gateway left; tells what was found.

        Raises ``Unavailable`` when another gateway has the directory, or when the disk refuses.
        """
        self._take_directory()
        found = []
        for session, path in journals(self._directory):
            recovered = recover(path, session, self._clock, GATEWAY_LOST)
            found.append(recovered)
            if recovered.events:
                self.shipper.add(Shipment(Tail(path, session, self._keys, size=recovered.size), None))
            log.warning(
                "session %s was left in the journal: %d events, %d statements of unknown end, %d bytes cut off",
                session,
                recovered.events,
                recovered.unknown,
                recovered.cut,
            )
        return tuple(found)

    def close(self) -> None:
        """Give the data directory back. Sessions that are open stay as a killed gateway leaves them."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def open(self, session: SessionId) -> SessionRecord:
        """Start the record of a session. Raises ``Unavailable`` when it cannot be recorded: then it must not begin."""
        self.check_ready()
        writer = JournalWriter.create(self._directory, session, self._sync)
        shipment = Shipment(Tail(writer.path, session, self._keys, size=writer.size), writer)
        self.shipper.add(shipment)

        def ready() -> None:
            self.check_ready()
            if shipment.stuck is not None:
                raise Unavailable(shipment.stuck)

        def written() -> None:
            shipment.tail.size = writer.size
            self.shipper.wake()

        return SessionRecord(session, writer, self._clock, self._sync, ready=ready, written=written)

    def holds(self, session: SessionId) -> bool:
        """Whether the session is open here, or its journal is not yet wholly in the store."""
        return self.shipper.holds(session)

    @property
    def lagging(self) -> bool:
        """Whether statements are refused for want of the store."""
        return self.shipper.lagging

    def check_ready(self) -> None:
        """Raises ``Unavailable`` when nothing may run for want of the store (INV-2)."""
        self.shipper.check_ready()

    def check_journal(self) -> None:
        """Try whether the journal's disk takes a file. Waits for the disk. Raises ``JournalFailed``."""
        probe_journal(self._directory)

    def _take_directory(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise Unavailable(
                f"Another gateway uses {self._directory.parent}.", hint="Stop it, or give this one its own data_dir."
            ) from error
        except OSError as error:
            self.close()
            raise Unavailable(f"The journal's directory {self._directory} cannot be used: {error.strerror}.") from error
