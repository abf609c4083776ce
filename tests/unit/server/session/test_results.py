"""Rows on their way out: masked before anybody sees them, and never in a shape that was not planned (INV-4)."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.masking.plan import MaskPlan
from hoopd.masking.values import MaskContext
from hoopd.pgwire.backend import Field, read_data_row
from hoopd.pgwire.framing import Frame
from hoopd.session.results import KEPT_ROWS, ResultRelay, UnplannedResult
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
