"""THREATS 24: whatever is done to a record in the store, verification finds it and names the first bad event."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoop.v1 import record_pb2 as pb
from hoopd.domain.ids import SessionId
from hoopd.recording import chain
from hoopd.recording.codec import decode
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import EventRow, SessionRow, StatementRow
from hoopd.recording.verification import VerifyOutcome, verify


@dataclass
class Stored:
    """What the store has of one session; a test tampers with it and asks again."""

    keys: RecordKeys
    session: SessionRow
    events: list[EventRow]
    statements: dict[int, StatementRow]

    def verify(self, *, held: bool = False, keys: RecordKeys | None = None) -> VerifyOutcome:
        return verify(self.events, self.session, self.statements, keys or self.keys, held=held)

    def edit(self, seq: int, change: Callable[[pb.RecordEvent], None]) -> None:
        """Change the body of an event and leave its hash."""
        message = decode(self.events[seq - 1].body)
        change(message)
        self.events[seq - 1] = replace(self.events[seq - 1], body=message.SerializeToString(deterministic=True))

    def chain_again(self) -> None:
        """Number the events and rebuild the chain and the head, as one would who can write to the store."""
        head = chain.origin(self.session.id)
        for index, event in enumerate(self.events):
            head = chain.link(head, event.body)
            self.events[index] = EventRow(index + 1, event.body, head)
        self.session = replace(self.session, events=len(self.events), head=head)


@pytest.fixture
async def stored(recorder, memory_store, keys, story) -> Stored:
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(event)
    await recorder.shipper.drain(10)
    rows = {row.statement: row for batch in memory_store.batches for row in batch.statements}
    events = [event for batch in memory_store.batches for event in batch.events]
    return Stored(keys, memory_store.batches[-1].session, events, rows)


def drop_sql(message: pb.RecordEvent) -> None:
    message.decided.sql = "SELECT 1"


def bad(outcome: VerifyOutcome) -> int:
    assert not outcome.ok
    return outcome.bad_event


def test_what_was_not_touched_verifies(stored: Stored) -> None:
    assert stored.verify() == VerifyOutcome(stored.session.id, True, 13, 0, "13 events, sealed", False)


@pytest.mark.parametrize("seq", range(1, 14))
def test_any_bit_of_any_event_counts(stored: Stored, seq: int) -> None:
    event = stored.events[seq - 1]
    stored.events[seq - 1] = replace(event, body=event.body[:-1] + bytes([event.body[-1] ^ 1]))
    assert bad(stored.verify()) == seq


@pytest.mark.parametrize("seq", range(1, 14))
def test_any_bit_of_any_hash_counts(stored: Stored, seq: int) -> None:
    event = stored.events[seq - 1]
    stored.events[seq - 1] = replace(event, hash=bytes([event.hash[0] ^ 1]) + event.hash[1:])
    assert bad(stored.verify()) == seq


def test_an_edited_event_whose_own_hash_was_made_again(stored: Stored) -> None:
    stored.edit(6, drop_sql)
    event = stored.events[5]
    stored.events[5] = replace(event, hash=chain.link(stored.events[4].hash, event.body))
    assert bad(stored.verify()) == 7


def test_an_edited_event_whose_whole_chain_was_made_again(stored: Stored) -> None:
    """The seal covers the head, and the key is not in the store."""
    stored.edit(6, drop_sql)
    stored.chain_again()
    stored.statements[2] = replace(stored.statements[2], sql="SELECT 1")
    outcome = stored.verify()
    assert bad(outcome) == 13
    assert "seal does not fit" in outcome.message


@pytest.mark.parametrize("seq", range(1, 14))
def test_an_event_taken_out(stored: Stored, seq: int) -> None:
    del stored.events[seq - 1]
    assert bad(stored.verify()) == seq


def test_an_event_taken_out_and_the_rest_numbered_again(stored: Stored) -> None:
    del stored.events[3]
    stored.events = [replace(event, seq=number) for number, event in enumerate(stored.events, start=1)]
    assert bad(stored.verify()) == 4
    stored.chain_again()
    outcome = stored.verify()
    assert bad(outcome) == 4
    assert "recorded as event 5" in outcome.message


def test_two_events_swapped(stored: Stored) -> None:
    third, fifth = stored.events[2], stored.events[4]
    stored.events[2], stored.events[4] = replace(fifth, seq=3), replace(third, seq=5)
    assert bad(stored.verify()) == 3


def test_an_event_put_in_between(stored: Stored) -> None:
    again = stored.events[3:]
    stored.events = [*stored.events[:3], stored.events[2], *again]
    stored.chain_again()
    assert bad(stored.verify()) == 4


def test_an_event_put_behind_the_end(stored: Stored) -> None:
    body = stored.events[3].body
    stored.events.append(EventRow(14, body, chain.link(stored.events[-1].hash, body)))
    assert bad(stored.verify()) == 14
    stored.chain_again()
    assert bad(stored.verify()) == 14


@pytest.mark.parametrize("left", [0, 1, 5, 12])
def test_a_cut_tail(stored: Stored, left: int) -> None:
    del stored.events[left:]
    assert bad(stored.verify()) == left + 1


def test_a_cut_tail_with_count_and_head_changed(stored: Stored) -> None:
    del stored.events[9:]
    stored.chain_again()
    del stored.statements[3]
    assert bad(stored.verify()) == 10


def test_a_cut_tail_of_a_session_that_is_made_to_look_open(stored: Stored) -> None:
    del stored.events[10:]
    stored.chain_again()
    del stored.statements[3]
    stored.session = replace(stored.session, ended=None, ended_because=None, seal=None)
    outcome = stored.verify()
    assert bad(outcome) == 11
    assert "neither runs the session nor has a journal" in outcome.message
    assert stored.verify(held=True).ok, "a session that is really open does verify"


def test_an_ended_session_without_its_seal(stored: Stored) -> None:
    stored.session = replace(stored.session, seal=None)
    assert bad(stored.verify()) == 13


def test_a_seal_of_another_key(stored: Stored) -> None:
    other = RecordKeys(Ed25519PrivateKey.generate())
    outcome = stored.verify(keys=other)
    assert bad(outcome) == 13
    assert "does not know" in outcome.message


def test_sealed_again_by_a_forger(stored: Stored) -> None:
    """A key whose name is changed to the gateway's seals nothing."""
    forger = RecordKeys(Ed25519PrivateKey.generate())
    ended_us = decode(stored.events[-1].body).time_us
    seal = forger.seal(stored.session.id, 13, stored.session.head, ended_us)
    stored.session = replace(stored.session, seal=seal)
    assert bad(stored.verify()) == 13


def test_a_trusted_key_of_another_gateway_verifies(stored: Stored) -> None:
    signing = Ed25519PrivateKey.generate()
    other = RecordKeys(signing)
    seal = other.seal(stored.session.id, 13, stored.session.head, decode(stored.events[-1].body).time_us)
    stored.session = replace(stored.session, gateway=other.id, seal=seal)
    assert bad(stored.verify()) == 13
    assert stored.verify(keys=RecordKeys(Ed25519PrivateKey.generate(), [signing.public_key()])).ok


def test_a_record_carried_to_another_session(stored: Stored) -> None:
    stored.session = replace(stored.session, id=SessionId("s-another"))
    assert bad(stored.verify()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "bob"},
        {"email": "bob@example.com"},
        {"connection": "staging"},
        {"application": "else"},
        {"reason": "none"},
        {"host": "10.0.0.8"},
    ],
)
def test_the_sessions_row_is_compared_with_its_first_event(stored: Stored, change: dict[str, str]) -> None:
    stored.session = replace(stored.session, **change)
    assert bad(stored.verify()) == 1


def test_the_sessions_end_is_compared_with_its_last_event(stored: Stored) -> None:
    stored.session = replace(stored.session, ended_because="all is well")
    assert bad(stored.verify()) == 13


@pytest.mark.parametrize(
    ("statement", "change", "event"),
    [
        (1, {"sql": "SELECT 1"}, 2),
        (2, {"decision": "allow"}, 6),
        (3, {"outcome": "done"}, 12),
        (2, {"outcome": "error"}, 10),
        (1, {"principal": "bob@example.com"}, 2),
        (2, {"approvals": ()}, 6),
        (1, {"masked": ()}, 2),
        (1, {"params": ()}, 2),
        (2, {"request": None}, 6),
    ],
)
def test_an_edited_row_of_the_search(stored: Stored, statement: int, change: dict[str, object], event: int) -> None:
    stored.statements[statement] = replace(stored.statements[statement], **change)
    outcome = stored.verify()
    assert bad(outcome) == event
    assert f"{stored.session.id}/{statement}" in outcome.message


def test_a_row_of_the_search_taken_out(stored: Stored) -> None:
    del stored.statements[2]
    assert bad(stored.verify()) == 6


def test_a_row_of_the_search_that_nothing_recorded(stored: Stored) -> None:
    stored.statements[9] = replace(stored.statements[1], statement=9)
    outcome = stored.verify()
    assert not outcome.ok
    assert "4 statements of a session that recorded 3" in outcome.message


def test_bytes_that_are_no_event(stored: Stored) -> None:
    stored.events[4] = replace(stored.events[4], body=b"\xff\xff")
    stored.chain_again()
    outcome = stored.verify()
    assert bad(outcome) == 5
    assert "cannot be read" in outcome.message


def test_a_clock_that_was_set_back_in_the_record(stored: Stored) -> None:
    def earlier(message: pb.RecordEvent) -> None:
        message.time_us -= 3_600_000_000

    stored.edit(7, earlier)
    stored.chain_again()
    outcome = stored.verify()
    assert bad(outcome) == 7
    assert "older" in outcome.message


async def test_an_open_session_verifies_as_far_as_it_goes(recorder, memory_store, keys, story) -> None:
    record = recorder.open(story.session)
    for event in story.whole()[:7]:
        record.append(event)
    await recorder.shipper.drain(10)
    batch = memory_store.batches[-1]
    rows = {row.statement: row for each in memory_store.batches for row in each.statements}
    stored = Stored(keys, batch.session, [event for each in memory_store.batches for event in each.events], rows)
    outcome = stored.verify(held=True)
    assert (outcome.ok, outcome.open, outcome.events) == (True, True, 7)
    assert "still open" in outcome.message
    stored.statements[2] = replace(stored.statements[2], sql="SELECT 1")
    assert bad(stored.verify(held=True)) == 6
    record.close()
