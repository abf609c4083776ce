"""The table of phases and moves."""

from __future__ import annotations

import pytest

from hoopd.session.state import MOVES, IllegalMove, Move, Phase, move


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("by", list(Move))
def test_a_move_is_in_the_table_or_an_error_that_names_both(phase: Phase, by: Move) -> None:
    if (phase, by) in MOVES:
        assert move(phase, by) is MOVES[phase, by]
        return
    with pytest.raises(IllegalMove, match=rf"cannot {by.name} while {phase.name}"):
        move(phase, by)


def test_nothing_leads_out_of_the_end() -> None:
    assert {after for (phase, _), after in MOVES.items() if phase is Phase.ended} == {Phase.ended}


def test_a_message_goes_to_the_database_only_from_phases_that_have_decided() -> None:
    """INV-1: a Query is sent from judging or consuming, or from ready (a Sync, a failing message of the gateway's)."""
    sending = {phase for (phase, by) in MOVES if by is Move.send_query}
    assert sending == {Phase.ready, Phase.judging, Phase.consuming}
