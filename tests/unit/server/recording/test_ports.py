"""The store is what the record needs of one, and rows name people as everything does."""

from dataclasses import replace

from hoopd.domain.errors import Unavailable
from hoopd.recording.ports import RecordReader, RecordStore, StoreRefused
from hoopd.store.pool import Store
from hoopd.store.records import Records


def test_records_of_the_store_fit_both_ports() -> None:
    records = Records(Store("dbname=unused"))
    store: RecordStore = records
    reader: RecordReader = records
    assert {"write", "check", "snapshot"} <= set(dir(store)) & set(dir(reader))


def test_a_refused_write_is_fail_closed_too() -> None:
    """INV-2."""
    assert issubclass(StoreRefused, Unavailable)


async def test_a_session_is_named_by_its_email_else_by_its_subject(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    record.append(story.start())
    record.close()
    await recorder.shipper.drain(10)
    row = memory_store.batches[0].session
    assert (row.email, row.principal) == ("alice@example.com", "alice@example.com")
    assert replace(row, email=None).principal == "alice"
