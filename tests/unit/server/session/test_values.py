"""Errors, notices and notifications while masks are in force (INV-4, THREATS 15)."""

from __future__ import annotations

from hoopd.pgwire import backend
from hoopd.pgwire.errors import ErrorFields
from hoopd.pgwire.framing import Frame
from hoopd.session import events
from hoopd.sql.facts import Effect, Opened
from tests.unit.server.session.play import (
    SYNC,
    Play,
    complete,
    encode,
    facts,
    failure,
    query,
    ready,
    replace,
    verdict,
)
from tests.unit.server.session.test_results import MASKED, SQL


def test_detail_and_words_of_an_error_are_withheld() -> None:
    """THREATS 15: the SQLSTATE stays, what may quote values does not."""
    with Play() as play:
        _running(play)
        play.server(failure("22P02", 'invalid input syntax for type integer: "4111111111111111"', "Key (4111…)"))
        said = play.said()
        assert "22P02" in said[0]
        assert not [line for line in said if "4111" in line]
        play.server(ready()).skip()


def test_the_payload_of_a_notification_is_emptied_while_masks_are_in_force() -> None:
    """THREATS 15: ``pg_notify(row_to_json(NEW))`` reaching a LISTEN."""
    with Play() as play:
        _running(play)
        play.server(encode("A", b"\0\0\0\x01channel\0secret\0"))
        (line,) = [command for command in play.said() if command.startswith("client A")]
        assert line
        assert play.machine._core.masking


def test_without_masks_an_error_passes_byte_for_byte() -> None:
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        play.server(failure("22P02", "invalid input: x", "why"), ready())
        assert play.said()[0] == "client E 22P02 invalid input: x"


def test_the_words_of_a_notice_are_withheld_where_masked_columns_are_in_reach() -> None:
    with Play() as play:
        _running(play)
        play.server(backend.make_notice(ErrorFields("NOTICE", "00000", "card 4111111111111111")))
        said = play.said()
        assert said[-1] == "record NoticeSeen"
        assert not [line for line in said if "4111" in line]


def test_the_record_keeps_no_words_of_a_notice_that_the_client_may_not_see() -> None:
    with Play() as play:
        _running(play)
        notice = Frame("N", ErrorFields("NOTICE", "00000", "card 4111111111111111").encode())
        assert "4111" not in str(play.machine.receive(events.ServerSent(notice)))


def test_what_a_cursor_with_hold_says_when_it_is_run_by_commit_is_withheld() -> None:
    """PostgreSQL runs it to its end there, and the error then is COMMIT's."""
    with Play() as play:
        _declared(play)
        play.client(query("commit")).skip().judged(verdict(facts("commit", "commit", effects=TRANSACTION))).skip()
        play.server(failure("22P02", 'invalid input syntax for type integer: "4111111111111111"'), ready())
        said = play.said()
        assert said[0].startswith("client E 22P02")
        assert not [line for line in said if "4111" in line]


def test_what_a_cursor_with_hold_says_when_it_is_run_by_sync_is_withheld() -> None:
    with Play() as play:
        _declared(play)
        play.client(SYNC).skip()
        play.server(failure("22P02", 'invalid input syntax for type integer: "4111111111111111"'), ready())
        said = play.said()
        assert said[0].startswith("client E 22P02")
        assert not [line for line in said if "4111" in line]


TRANSACTION = frozenset({Effect.transaction})


def _declared(play: Play) -> None:
    made = facts("declare c", "declare", opens=Opened("c", True))
    play.client(query("declare c")).judged(verdict(made, plan=replace(MASKED, columns=()))).skip()
    play.server(complete("DECLARE CURSOR"), ready("T")).skip()


def _running(play: Play) -> None:
    play.client(query(SQL)).skip().judged(verdict(facts(SQL), plan=MASKED)).skip()
