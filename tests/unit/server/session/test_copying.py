"""COPY over the client's connection, as transcripts (PostgreSQL documentation, 54.2.6)."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.request import RequestState
from hoopd.masking.plan import MaskPlan
from hoopd.session import events
from hoopd.session.copy_data import APPROVED_BYTES, APPROVED_ROWS
from hoopd.session.copying import BINARY_PIECE
from hoopd.session.state import Phase
from hoopd.sql.facts import Copying, Effect
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    FLUSH,
    NO_DATA,
    PARSE_COMPLETE,
    SYNC,
    Play,
    bind,
    complete,
    encode,
    execute,
    facts,
    failure,
    parameters,
    parse,
    query,
    ready,
    verdict,
)

IN, OUT = "copy t from stdin", "copy t to stdout"
COPY_IN, COPY_OUT = encode("G", b"\0\0\1\0\0"), encode("H", b"\0\0\1\0\0")
BINARY_IN = encode("G", b"\1\0\1\0\1")
DONE = encode("c")


def copies(sql: str, outcome: Outcome = Outcome.allow, plan: MaskPlan | None = None, also: str = ""):
    way = Copying.from_client if "from" in sql else Copying.to_client
    first = facts(sql, "copy", effects=frozenset({Effect.write}), copies=way)
    return verdict(first, *([facts(also)] if also else []), outcome=outcome, plan=plan)


def data(text: str) -> bytes:
    return encode("d", text.encode())


def begun() -> Play:
    """A Query that copies in, as far as the server's CopyInResponse."""
    play = Play()
    play.client(query(IN)).judged(copies(IN)).skip()
    play.server(COPY_IN)
    assert play.said() == ["client G"]
    return play


def test_copy_in() -> None:
    with begun() as play:
        play.client(data("1\n"), data("2\n"), DONE)
        assert play.said() == ["server d", "server d", "server c"]
        play.server(complete("COPY 2"), ready())
        assert play.said() == [
            "record DataCopied",
            "record StatementFinished done",
            "client C COPY 2",
            "client Z I",
        ]


def test_copy_out_is_passed_on_and_kept() -> None:
    with Play() as play:
        play.client(query(OUT)).judged(copies(OUT)).skip()
        play.server(COPY_OUT, data("1\n"), DONE, complete("COPY 1"), ready())
        assert play.said() == [
            "client H",
            "client d",
            "client c",
            "record RowsReturned",
            "record DataCopied",
            "record StatementFinished done",
            "client C COPY 1",
            "client Z I",
        ]


def test_data_before_the_server_asks_for_it_waits() -> None:
    """INV-1: no copy data goes to a server that has not begun the COPY that was decided."""
    with Play() as play:
        play.client(query(IN), data("1\n"), DONE).judged(copies(IN)).skip()
        assert play.said() == []
        play.server(COPY_IN)
        assert play.said() == ["client G", "server d", "server c"]


def test_data_that_nobody_asked_for_is_passed_over() -> None:
    """INV-1, THREATS 10"""
    with Play() as play:
        play.client(data("1\n"), DONE, encode("f", b"no\0"))
        assert play.said() == []


def test_data_for_a_copy_that_is_denied_is_passed_over() -> None:
    """INV-1"""
    with Play() as play:
        play.client(query(IN), data("1\n"), DONE).judged(copies(IN, Outcome.deny)).skip()
        assert play.machine.phase is Phase.ready
        play.client(query("select 1"))
        assert play.said() == ["judge select 1"]


@pytest.mark.parametrize("frame", [COPY_IN, COPY_OUT, encode("W", b"\0\0\0"), data("x"), DONE])
def test_a_copy_that_the_analysis_did_not_see_ends_the_session(frame: bytes) -> None:
    """INV-4, THREATS 10: CopyBoth too."""
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        play.server(frame)
        said = play.said()
        assert said[0].startswith("client E 08P01 the database sent a message of type")
        assert said[-1] == "end database"


def test_copy_out_under_a_mask_that_was_not_foreseen_ends_the_session() -> None:
    """INV-4"""
    with Play() as play:
        play.client(query(OUT)).judged(copies(OUT, plan=MaskPlan(Outcome.allow, in_force=True))).skip()
        play.server(COPY_OUT)
        assert play.said()[0] == "client E XX000 COPY would carry values that are masked: it was withheld"


def test_a_client_that_fails_its_copy() -> None:
    with begun() as play:
        play.client(encode("f", b"enough\0"))
        assert play.said() == ["server f"]
        play.server(failure("57014", "COPY from stdin failed: enough"), ready())
        assert play.said() == [
            "client E 57014 COPY from stdin failed: enough",
            "record DataCopied",
            "record StatementFinished cancelled",
            "client Z I",
        ]


def test_data_behind_an_error_of_the_server_is_passed_over() -> None:
    """What the server refuses while more comes: PostgreSQL passes the rest over, and here it is not sent at all."""
    with begun() as play:
        play.client(data("x\n")).skip()
        play.server(failure("22P02", "invalid input syntax")).skip()
        play.client(data("y\n"), DONE, query("select 1"))
        assert play.said() == []
        play.server(ready())
        assert play.said() == ["client Z I", "judge select 1"]


def test_another_message_in_the_midst_of_the_data() -> None:
    """As PostgreSQL, which takes it for the end of the COPY and does not run it (INV-1)."""
    with begun() as play:
        play.client(query("drop table t"))
        assert play.said() == ["server f"]
        play.server(failure("57014", "COPY from stdin failed"), ready()).client(query("select 1"))
        assert play.said() == [
            "client E 08P01 unexpected message type 0x51 during COPY from stdin",
            "record DataCopied",
            "record StatementFinished cancelled",
            "client Z I",
            "judge select 1",
        ]


def test_terminate_in_the_midst_of_the_data() -> None:
    with begun() as play:
        play.client(encode("X"))
        assert play.said() == ["record DataCopied", "record StatementFinished unknown", "end client"]


def test_a_batch_with_a_copy_in_its_middle() -> None:
    with Play() as play:
        play.client(query(f"{IN}; select 1")).judged(copies(IN, also="select 1")).skip()
        play.server(COPY_IN).client(DONE)
        assert play.said() == ["client G", "server c"]
        play.server(complete("COPY 0"), complete("SELECT 0"), ready())
        assert play.said()[-1] == "client Z I"


class TestExtended:
    def executed(self, *after: bytes) -> Play:
        """A COPY FROM by Parse, Bind and Execute, and what the client sends behind them."""
        play = Play()
        play.client(parse(IN, "s")).judged(copies(IN)).server(PARSE_COMPLETE, parameters(), NO_DATA)
        play.client(bind("", "s")).judged(copies(IN)).skip()
        play.client(execute(""), *after)
        assert play.said() == ["server E"]
        return play

    def test_a_sync_behind_the_execute_belongs_to_the_copy(self) -> None:
        """libpq and others send it at once; PostgreSQL passes it over, and answers only that behind the data."""
        with self.executed(SYNC) as play:
            play.server(BIND_COMPLETE, COPY_IN)
            assert play.said() == ["client 2", "client G"]
            play.client(FLUSH, data("1\n"), DONE)
            assert play.said() == ["server d", "server c", "server H"]
            play.server(complete("COPY 1"))
            assert play.said() == ["record DataCopied", "record StatementFinished done", "client C COPY 1"]
            play.client(SYNC)
            assert play.said() == ["server S"]
            play.server(ready())
            assert play.said() == ["client Z I"]

    def test_a_sync_behind_an_execute_that_fails_is_answered(self) -> None:
        with self.executed(SYNC, data("1\n"), DONE, SYNC) as play:
            play.server(BIND_COMPLETE, failure("42501", "permission denied"))
            said = play.said()
            assert said[1] == "client E 42501 permission denied"
            assert said[-1] == "server S"
            play.server(ready())
            assert play.said() == ["client Z I", "server S"]
            play.server(ready())
            assert play.said() == ["client Z I"]

    def test_a_sync_that_came_before_the_data_is_answered_when_the_copy_fails_before_it(self) -> None:
        """INV-8: a trigger for each statement can fail it behind the CopyInResponse."""
        with self.executed(SYNC) as play:
            play.server(BIND_COMPLETE, COPY_IN).skip()
            play.server(failure("P0001", "raised by a trigger"))
            said = play.said()
            assert said[0] == "client E P0001 raised by a trigger"
            assert said[-1] == "server S"
            play.server(ready())
            assert play.said() == ["client Z I"]

    def test_a_sync_between_the_data_belongs_to_the_copy(self) -> None:
        with self.executed() as play:
            play.server(BIND_COMPLETE, COPY_IN).client(data("x\n"), SYNC).skip()
            play.server(failure("22P02", "invalid input syntax")).skip()
            play.client(DONE)
            assert play.said() == []
            play.client(SYNC)
            assert play.said() == ["server S"]
            play.server(ready()).skip()

    def test_data_that_fails_skips_to_sync(self) -> None:
        with self.executed() as play:
            play.server(BIND_COMPLETE, COPY_IN).client(data("x\n")).skip()
            play.server(failure("22P02", "invalid input syntax")).skip()
            play.client(data("y\n"), DONE, bind("", "s"))
            assert play.said() == []
            play.client(SYNC)
            assert play.said() == ["server S"]
            play.server(ready()).skip()


class TestApproved:
    """A COPY that people approved without having seen its data (INV-5)."""

    def approved(self, response: bytes = COPY_IN) -> Play:
        review = copies(IN, Outcome.review)
        play = Play()
        play.client(query(IN)).judged(review).raised().settled(RequestState.approved).judged(review)
        play.event(events.Consumed(play.ticket, ok=True)).server(response).skip()
        return play

    def over(self, play: Play) -> None:
        assert play.said()[-1] == "server f"
        play.server(failure("57014", "COPY from stdin failed"), ready())
        assert play.said()[0].startswith("client E 54000 COPY brings more than was approved")

    def test_rows_are_bounded(self) -> None:
        with self.approved() as play:
            play.client(data("1\n" * APPROVED_ROWS))
            assert play.said() == ["server d"]
            play.client(data("1\n"))
            self.over(play)

    def test_rows_that_a_carriage_return_ends_are_bounded_too(self) -> None:
        with self.approved() as play:
            play.client(data("1\r" * APPROVED_ROWS))
            assert play.said() == ["server d"]
            play.client(data("1"))
            self.over(play)

    def test_binary_rows_are_bounded(self) -> None:
        with self.approved(BINARY_IN) as play:
            head, one = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\0\1\xff\xff\xff\xff"
            play.client(encode("d", head + one * APPROVED_ROWS))
            assert play.said() == ["server d"]
            play.client(encode("d", one))
            self.over(play)

    def test_a_piece_that_would_take_long_to_count_is_refused(self) -> None:
        """INV-9"""
        with self.approved(BINARY_IN) as play:
            play.client(encode("d", bytes(BINARY_PIECE + 1)))
            assert play.said() == ["server f"]
            play.server(failure("57014", "COPY from stdin failed"), ready())
            assert play.said()[0].startswith("client E 54000 a piece of a binary COPY")

    def test_bytes_are_bounded(self) -> None:
        with self.approved() as play:
            play.client(data("x" * APPROVED_BYTES))
            assert play.said() == ["server d"]
            play.client(data("x"))
            self.over(play)

    def test_what_a_rule_allows_is_not(self) -> None:
        with begun() as play:
            play.client(data("1\n" * (APPROVED_ROWS + 1)))
            assert play.said() == ["server d"]
