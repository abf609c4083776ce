"""Rows on their way out: masked before anybody sees them, and never in a shape that was not planned (INV-4)."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.masking.plan import MaskPlan
from hoopd.masking.values import MaskContext
from hoopd.pgwire.backend import Field, read_data_row
from hoopd.pgwire.framing import Frame, FrameReader, Rows
from hoopd.session.results import KEPT_BYTES, KEPT_ROWS, ResultRelay, UnplannedResult
from hoopd.sql.facts import ColumnName
from tests.unit.server.session.play import Play, columns, complete, facts, query, ready, row, verdict

LAST4 = ColumnMask(MaskKind.last, keep=4)
CARD = ColumnName("public", "customers", "card_number")
MASKED = MaskPlan(Outcome.allow, columns=(None, LAST4), masked=(CARD,), in_force=True, withhold_errors=True)
SQL = "select name, card_number from customers"


def test_a_masked_value_reaches_neither_client_nor_record() -> None:
    """INV-4"""
    with Play() as play:
        _running(play)
        play.server(columns("name", "card"), row("Ann", "4111111111111111"), row("Bob", None))
        said = play.said()
        assert said == ["client T", "client D ['Ann', '****1111']", "client D ['Bob', None]"]
        play.server(complete("SELECT 2"), ready()).skip()


@pytest.mark.parametrize("names", [("name",), ("name", "card", "more"), ()])
def test_another_shape_than_planned_ends_the_session(names: tuple[str, ...]) -> None:
    """INV-2, INV-4: whatever the analysis missed does not come out."""
    with Play() as play:
        _running(play)
        play.server(columns(*names))
        said = play.said()
        assert said[-1] == "end gateway"
        assert "client T" not in said


def test_without_masks_rows_pass_byte_for_byte() -> None:
    relay = _relay(MaskPlan(Outcome.allow, columns=(None,)))
    relay.describe((_field("x"),))
    frame = Frame("D", b"\x00\x01\x00\x00\x00\x01a")
    assert relay.row(frame) == frame.data


def test_only_so_many_rows_are_kept_for_the_record() -> None:
    """INV-9"""
    relay = _relay(MaskPlan(Outcome.allow, columns=(None,)))
    relay.describe((_field("x"),))
    for _ in range(KEPT_ROWS + 5):
        relay.row(Frame("D", b"\x00\x01\x00\x00\x00\x01a"))
    chunk = relay.take_chunk(last=True)
    assert chunk is not None
    assert (len(chunk[1]), chunk[2]) == (KEPT_ROWS, 5)


def test_a_row_over_the_limit_is_masked_all_the_same() -> None:
    relay = _relay(MASKED)
    relay.describe((_field("name"), _field("card")))
    relay.kept_rows = KEPT_ROWS
    body = row("Ann", "4111111111111111")[5:]
    assert read_data_row(relay.row(Frame("D", body))[5:]) == [b"Ann", b"****1111"]


@pytest.mark.parametrize("plan", [MaskPlan(Outcome.allow), MASKED], ids=["plain", "masked"])
@pytest.mark.parametrize("before", [0, KEPT_ROWS - 3, KEPT_ROWS, KEPT_ROWS + 7])
def test_rows_that_come_together_are_as_rows_that_come_apart(plan: MaskPlan, before: int) -> None:
    """INV-4: masked, kept, counted and recorded alike, whether they are looked into or not."""
    stream = columns("name", "card") + row("Ann", "4111111111111111") * (before + 250) + complete("SELECT 1") + ready()
    said, counts = [], []
    for together in (False, True):
        with Play() as play:
            play.client(query(SQL)).judged(verdict(facts(SQL), plan=plan)).skip()
            running = play.machine._core.under_way()[0]
            reader = FrameReader(1 << 20, rows=together)
            for at in range(0, len(stream), 3_000):
                play._take(play.machine.server_sent(list(reader.feed(stream[at : at + 3_000]))))
            counts.append((running.relay.rows, running.relay.kept_rows, running.relay.kept_bytes, running.ended))
            said.append(play.said())
    assert said[0] == said[1]
    assert counts[0] == counts[1]
    assert counts[0][:2] == (before + 250, min(KEPT_ROWS, before + 250))
    assert any("4111" in line for line in said[0]) == (not plan.in_force)


def test_rows_without_their_columns_are_refused_together_too() -> None:
    """INV-2"""
    with Play() as play:
        _running(play)
        reader = FrameReader(1 << 20, rows=True)
        play._take(play.machine.server_sent(list(reader.feed(row("Ann", "4111") * 3))))
        assert play.said()[-1] == "end gateway"
        assert _relay(MASKED).full is False
        with pytest.raises(UnplannedResult):
            _relay(MASKED).pass_over(Rows(row("a") * 2, 2))


def test_rows_that_nobody_asked_for_end_the_session() -> None:
    """INV-2"""
    with Play() as play:
        play._take(play.machine.server_sent([Rows(row("a") * 2, 2)]))
        said = play.said()
        assert said[-1] == "end database"
        assert not any(line.startswith("client D") for line in said)


def test_once_a_row_is_not_kept_no_later_one_is() -> None:
    """The record has the first rows, and no others between which some are missing."""
    relay = _relay(MaskPlan(Outcome.allow))
    relay.describe((_field("x"),))
    for size in (KEPT_BYTES - 10, 100, 1):
        relay.row(Frame("D", row("x" * (size - 6))[5:]))
    chunk = relay.take_chunk(last=True)
    assert chunk is not None
    assert (len(chunk[1]), chunk[2]) == (1, 2)


@pytest.mark.parametrize("body", [b"", b"\x00\x02\x00\x00\x00\x01a", b"\x00\x01\x00\x00\x00\x09a"])
def test_a_broken_row_is_refused(body: bytes) -> None:
    from hoopd.pgwire.errors import WireError

    relay = _relay(MaskPlan(Outcome.allow, columns=(None,)))
    relay.describe((_field("x"),))
    with pytest.raises((WireError, UnplannedResult)):
        relay.row(Frame("D", body))


def _running(play: Play) -> None:
    play.client(query(SQL)).skip().judged(verdict(facts(SQL), plan=MASKED)).skip()


def _relay(plan: MaskPlan) -> ResultRelay:
    return ResultRelay(plan, "select", MaskContext(b"k" * 32))


def _field(name: str) -> Field:
    return Field(name, 0, 0, 25, -1, -1, 0)
