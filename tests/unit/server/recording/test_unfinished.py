"""Which statements have no end, and which end they are given (INV-3: not seen is unknown)."""

from datetime import UTC, datetime

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.events import SessionEnded
from hoopd.recording.codec import message_of
from hoopd.recording.unfinished import Unfinished

END = SessionEnded("gateway lost", "")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["read", "noted"])
def unfinished(story, request) -> Unfinished:
    """Finished, running, decided only, denied."""
    seen = Unfinished()
    events = [
        story.start(),
        story.decided(1, "SELECT 1"),
        story.started(1),
        story.finished(1),
        story.decided(3, "SELECT 3"),
        story.decided(2, "SELECT 2"),
        story.started(2),
        story.decided(4, "DROP TABLE t", Outcome.deny),
    ]
    for seq, event in enumerate(events, start=1):
        if request.param == "read":
            seen.see(message_of(story.session, seq, AT, event))
        else:
            seen.note(event, AT)
    return seen


@pytest.mark.parametrize(("lost", "third"), [(True, "unknown"), (False, "cancelled")])
def test_each_gets_its_end_in_order(unfinished: Unfinished, lost: bool, third: str) -> None:
    """One that is known not to have started is cancelled; after a loss that is not known."""
    *ends, last = unfinished.closing(END, lost=lost)
    assert [(end.statement, end.outcome) for end in ends] == [(2, "unknown"), (3, third), (4, "denied")]
    assert last == END


def test_what_has_its_end_gets_no_other(unfinished: Unfinished, story) -> None:
    unfinished.see(message_of(story.session, 9, AT, END))
    assert unfinished.closing(END, lost=True) == []
    assert unfinished.ended
    assert unfinished.last == AT


def test_an_end_that_happens_is_an_end(unfinished: Unfinished) -> None:
    unfinished.note(END, AT)
    assert unfinished.ended
    assert unfinished.closing(END, lost=True) == []
