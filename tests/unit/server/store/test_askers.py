"""Who asked is read out of the record's own first event."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg

from hoopd.domain.events import SessionEnded, SessionStarted
from hoopd.domain.ids import SessionId
from hoopd.recording.keys import load_keys
from hoopd.recording.recorder import Recorder
from hoopd.store.askers import Askers
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_groups_and_path_are_those_of_the_beginning(database: str, tmp_path: Path) -> None:
    await migrate(database)
    store = Store(database)
    await store.open()
    recorder = Recorder(tmp_path, Records(store), load_keys(tmp_path), lambda: NOON)
    recorder.start()
    try:
        await recorder.shipper.ship()
        session = SessionId("s-1")
        record = recorder.open(session)
        groups = frozenset({"dba", "security"})
        who = ("issuer", "subject", "a@example.com", groups, "prod-db", "shop", "role", "psql", "host")
        record.append(SessionStarted(session, NOON, *who, "", "", "", "t", "app, public"))
        record.append(SessionEnded("client", ""))
        assert await recorder.shipper.drain(60)
        found = await Askers(store).of(session)
        assert found is not None
        assert (found.groups, found.search_path, found.session.principal) == (groups, "app, public", "a@example.com")
        assert await Askers(store).of(SessionId("s-none")) is None
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("update hoop.events set body = 'x' where seq = 1")
        assert await Askers(store).of(session) is None
    finally:
        recorder.close()
        await store.close()
