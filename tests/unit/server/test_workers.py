"""What workers share, and what each leaves behind."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.events import SessionStarted
from hoopd.domain.ids import SessionId
from hoopd.keys import load_secret
from hoopd.recording.keys import load_keys
from hoopd.recording.recorder import Recorder
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.workers import carry_over, directory, existing, prepare


def now() -> datetime:
    return datetime.now(UTC)


def test_workers_share_the_secret_and_believe_each_others_seals(tmp_path: Path) -> None:
    (tmp_path / "record-keys").mkdir()
    prepare(tmp_path, 2)
    prepare(tmp_path, 3)
    assert existing(tmp_path) == [directory(tmp_path, number) for number in (1, 2, 3)]
    homes = [tmp_path, *existing(tmp_path)]
    keys = [load_keys(home) for home in homes]
    assert len({each.id for each in keys}) == 4
    assert all(one.knows(other.id) for one in keys for other in keys)
    assert len({load_secret(home) for home in homes}) == 1
    for path in tmp_path.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert not list(tmp_path.rglob("*.new"))


def test_keys_of_other_gateways_are_believed_by_every_worker(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    prepare(stranger, 1)
    public = (stranger / "record-keys" / "gateway.pub").read_text()
    home = tmp_path / "home"
    (home / "record-keys").mkdir(parents=True)
    (home / "record-keys" / "berlin.pub").write_text(public)
    prepare(home, 1)
    assert load_keys(directory(home, 1)).knows(load_keys(stranger).id)


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be made"):
        prepare(tmp_path, 1)


async def test_what_a_worker_left_is_carried_into_the_store_inv_3(tmp_path: Path, database: str) -> None:
    prepare(tmp_path, 2)
    await migrate(database)
    store = Store(database, max_size=2)
    await store.open()
    records = Records(store)
    home = directory(tmp_path, 2)
    lost = Recorder(home, records, load_keys(home), now)
    lost.start()
    await lost.shipper.ship()
    record = lost.open(SessionId("s-aaaaaaaaaaaa"))
    record.append(started())
    with pytest.raises(Unavailable, match="Another gateway uses"):
        await carry_over(existing(tmp_path), records, now)
    lost.close()  # as one that was killed: nothing of it is in the store
    await carry_over([tmp_path, *existing(tmp_path)], records, now)
    await carry_over([tmp_path, *existing(tmp_path)], records, now)
    await store.close()
    with psycopg.connect(database) as connection:
        (count,) = connection.execute("select count(*) from hoop.events").fetchone() or (0,)
    assert count == 2, "the start, and the end that it never had"


def started() -> SessionStarted:
    return SessionStarted(
        session=SessionId("s-aaaaaaaaaaaa"),
        at=now(),
        issuer="https://id.example",
        subject="alice",
        email=None,
        groups=frozenset(),
        connection="prod-db",
        database="shop",
        role="svc",
        application="",
        host="here",
        client_version="1",
        server_version="18",
        reason="",
        tunnel="t-1",
    )
