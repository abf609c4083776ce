"""Refusals, as transcripts: PostgreSQL's own rules hold (INV-8)."""

from __future__ import annotations

from hoopd.domain.decision import Outcome
from hoopd.sql.facts import Effect
from tests.unit.server.session.play import Play, complete, facts, failure, query, ready, verdict


def test_a_denial_outside_a_transaction_is_answered_here() -> None:
    with Play() as play:
        play.client(query("drop table t")).skip().judged(verdict(facts("drop table t"), outcome=Outcome.deny))
        assert play.said() == [
            "record StatementDecided",
            "record StatementFinished denied",
            "client E 42501 not like this",
            "client Z I",
        ]


def test_a_denial_inside_a_transaction_lets_postgresql_abort_it() -> None:
    """INV-8: a failing message of the gateway's own takes its place; its error is replaced, its state is not."""
    with Play() as play:
        _in_transaction(play)
        play.client(query("drop table t")).skip().judged(verdict(facts("drop table t"), outcome=Outcome.deny))
        assert play.said() == [
            "record StatementDecided",
            "record StatementFinished denied",
            "server Q hoopd refused this statement",
        ]
        play.server(failure("42601", 'syntax error at or near "hoopd"'), ready("E"))
        assert play.said() == ["client E 42501 not like this", "client Z E"]


def _in_transaction(play: Play) -> None:
    play.client(query("begin")).skip()
    begin = facts("begin", "begin", effects=frozenset({Effect.transaction}), names_depend=False)
    play.judged(verdict(begin)).skip().server(complete("BEGIN"), ready("T")).skip()
