"""What stands behind names: PREPARE and EXECUTE, DECLARE and FETCH (THREATS 9)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopd.domain.statement import SessionState
from hoopd.sql import named
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Effect, Facts, PreparedText
from hoopd.sql.named import Cursor
from hoopd.sql.parser import MAX_BYTES
from tests.unit.server.sql.conftest import Sample

STATE = SessionState("public", "app", "app", "I", 180000)


class Entries:
    """A session's names, made by hand."""

    def __init__(self, *texts: str, certain: bool = True, **cursors: Facts) -> None:
        self.certain = certain
        made = [facts.prepares for text in texts for facts in analyse(text, STATE, Catalog.builtin())]
        self._statements = {one.name: one for one in made if one is not None}
        self._cursors = {name: Cursor(facts) for name, facts in cursors.items()}

    def statement(self, name: str) -> PreparedText | None:
        return self._statements.get(name)

    def cursor(self, name: str) -> Cursor | None:
        return self._cursors.get(name)


def facts(text: str, entries: named.Named = named.NOTHING_NAMED) -> Facts:
    return analyse(text, STATE, Catalog.builtin(), entries)[-1]


def test_prepare_has_the_facts_of_what_it_prepares_and_its_text() -> None:
    found = facts("PREPARE p (int, text) AS DELETE FROM t WHERE id = $1 -- AS it is")
    assert (found.kind, found.kinds) == ("prepare", ("prepare", "delete"))
    assert Effect.write in found.effects
    assert found.prepares is not None
    assert found.prepares.sql == "DELETE FROM t WHERE id = $1 -- AS it is"
    assert found.prepares.shown == found.sql


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ('PREPARE "AS" AS SELECT 1', "SELECT 1"),
        ("PREPARE p(numeric(4, 2)) AS SELECT 1 AS a", "SELECT 1 AS a"),
        ("PREPARE p /* AS SELECT 2 */ AS /* c */ SELECT 1", "/* c */ SELECT 1"),
        (
            "select 1; PREPARE p AS WITH q AS (SELECT 1) SELECT * FROM q; select 2",
            "WITH q AS (SELECT 1) SELECT * FROM q",
        ),
    ],
)
def test_the_text_inside_is_cut_by_postgresqls_own_tokens(text: str, inner: str) -> None:
    (made,) = [one.prepares for one in analyse(text, STATE, Catalog.builtin()) if one.prepares]
    assert made.sql == inner


def test_execute_does_what_is_prepared_and_what_its_arguments_do() -> None:
    entries = Entries("PREPARE p(int) AS UPDATE t SET a = $1")
    found = facts("EXECUTE p(nextval('s'))", entries)
    assert (found.kind, found.kinds[:2], found.predicate) == ("execute", ("execute", "update"), "missing")
    assert {str(a) for a in found.accesses} >= {"write public.t", "write public.s"}
    assert found.executes == ("p",)
    assert found.expands == ("PREPARE p(int) AS UPDATE t SET a = $1",)
    assert Effect.opaque not in found.effects


def test_rows_of_execute_and_of_cursors_are_those_of_what_they_stand_for(sample: Sample) -> None:
    """INV-4"""
    made = analyse("PREPARE p AS SELECT card FROM customers", sample.state, sample.catalog)[0].prepares
    entries = Entries()
    assert made is not None
    entries._statements["p"] = made
    run = analyse("EXECUTE p", sample.state, sample.catalog, entries)[0]
    plain = analyse("SELECT card FROM customers", sample.state, sample.catalog)[0]
    assert plain.output is not None
    assert run.output == plain.output
    declared = analyse("DECLARE c CURSOR FOR SELECT card FROM customers", sample.state, sample.catalog)[0]
    fetched = facts("FETCH ALL FROM c", Entries(c=declared))
    assert fetched.output == plain.output
    assert fetched.accesses == plain.accesses
    assert facts("MOVE ALL FROM c", Entries(c=declared)).output is None


@pytest.mark.parametrize("text", ["EXPLAIN EXECUTE p", "EXPLAIN ANALYZE EXECUTE p", "CREATE TABLE x AS EXECUTE p"])
def test_an_execute_inside_another_statement_is_seen_through_as_well(text: str) -> None:
    found = facts(text, Entries("PREPARE p AS SELECT * FROM secrets"))
    assert "read public.secrets" in {str(a) for a in found.accesses}
    assert found.by_name
    assert Effect.opaque not in found.effects


def test_arguments_of_explain_execute_are_evaluated() -> None:
    found = facts("EXPLAIN EXECUTE p(nextval('s'))", Entries("PREPARE p(int) AS SELECT $1"))
    assert "write public.s" in {str(a) for a in found.accesses}


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [("EXECUTE p", "26000"), ("EXPLAIN EXECUTE p", "26000"), ("FETCH c", "34000"), ("MOVE c", "34000")],
)
def test_a_name_that_nothing_has_is_an_error_or_when_code_has_run_opaque(text: str, sqlstate: str) -> None:
    """INV-2"""
    known = facts(text)
    assert known.error is not None
    assert known.error.sqlstate == sqlstate
    doubted = facts(text, Entries(certain=False))
    assert doubted.error is None
    assert Effect.opaque in doubted.effects
    assert doubted.barrier
    assert doubted.names_depend


def test_what_the_protocol_prepared_and_sql_cannot_is_opaque() -> None:
    entries = Entries()
    entries._statements["p"] = PreparedText("p", "SET ROLE admin", "PREPARE p AS SET ROLE admin")
    entries._statements["q"] = PreparedText("q", "EXECUTE q", "PREPARE q AS EXECUTE q")
    for name in "pq":
        assert Effect.opaque in facts(f"EXECUTE {name}", entries).effects


def test_types_of_parameters_stay_what_they_were_when_it_was_prepared() -> None:
    """A path that is set later does not make a checked type a plain one (THREATS 8)."""
    domain = "CREATE_TEST_DOMAIN"
    declared = facts(f"PREPARE p({domain}) AS SELECT $1")
    assert declared.prepares is not None
    assert {access.name for access in declared.prepares.code} == {domain.lower()}
    entries = Entries()
    entries._statements["p"] = declared.prepares
    assert Effect.opaque in facts("EXECUTE p('x')", entries).effects
    entries._statements["p"] = replace(declared.prepares, code=())
    assert Effect.opaque not in facts("EXECUTE p('x')", entries).effects
    entries._statements["p"] = replace(declared.prepares, code=(), meant=None)
    assert Effect.opaque in facts("EXECUTE p('x')", entries).effects, "what is not known is not taken for known"


# Within one text


def test_a_batch_is_followed_from_statement_to_statement() -> None:
    text = "PREPARE p AS SELECT * FROM a; EXECUTE p; DEALLOCATE p; PREPARE p AS DELETE FROM b; EXECUTE p"
    batch = analyse(text, STATE, Catalog.builtin())
    assert {str(a) for a in batch[1].accesses} == {"read public.a"}
    assert {str(a) for a in batch[4].accesses} == {"write public.b"}
    assert batch[4].expands == ()
    cursors = "BEGIN; DECLARE c CURSOR FOR SELECT * FROM a; FETCH c; CLOSE ALL; FETCH c"
    batch = analyse(cursors, STATE, Catalog.builtin())
    assert {str(a) for a in batch[2].accesses} == {"read public.a"}
    assert batch[4].error is not None


@pytest.mark.parametrize("end", ["DEALLOCATE p", "DEALLOCATE ALL"])
def test_what_a_batch_has_dropped_is_gone_in_it(end: str) -> None:
    entries = Entries("PREPARE p AS SELECT 1")
    assert facts(f"{end}; EXECUTE p", entries).error is not None


def test_behind_code_no_name_of_a_batch_is_known() -> None:
    """INV-1"""
    entries = Entries("PREPARE p AS SELECT 1")
    found = facts("DO $$ BEGIN EXECUTE 'DEALLOCATE p'; END $$; EXECUTE p", entries)
    assert Effect.opaque in found.effects


def test_a_prepared_write_does_not_make_the_rest_of_the_batch_doubtful() -> None:
    text = "PREPARE w AS DELETE FROM t; EXECUTE p"
    assert Effect.opaque not in facts(text, Entries("PREPARE p AS SELECT 1")).effects


def test_the_text_that_one_batch_executes_by_name_is_bounded() -> None:
    """INV-9"""
    entries = Entries(f"PREPARE p AS SELECT '{'x' * (MAX_BYTES // 4)}'")
    assert facts("EXECUTE p; EXECUTE p; EXECUTE p", entries).error is None
    found = facts("EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p", entries)
    assert found.error is not None
    assert found.error.sqlstate == "54000"


def test_a_text_executed_twice_is_shown_once() -> None:
    batch = analyse("EXECUTE p; EXECUTE p", STATE, Catalog.builtin(), Entries("PREPARE p AS SELECT 1"))
    assert [one.expands for one in batch] == [("PREPARE p AS SELECT 1",), ()]


def test_with_hold_is_told_from_the_options() -> None:
    for text, holds in (("", False), (" WITH HOLD", True), (" WITHOUT HOLD", False)):
        opens = facts(f"DECLARE c SCROLL CURSOR{text} FOR SELECT 1").opens
        assert opens is not None
        assert opens.holds is holds


@pytest.mark.parametrize("options", ["ANALYZE", "(ANALYZE, COSTS off)", "(ANALYZE off)"])
def test_an_explained_declare_opens_nothing(options: str) -> None:
    """INV-4: a FETCH from the cursor of that name would pass by the plan of this statement."""
    assert facts(f"EXPLAIN {options} DECLARE c CURSOR FOR SELECT 1").opens is None
    found = analyse(
        f"DECLARE c CURSOR FOR SELECT oid FROM pg_class; EXPLAIN {options} DECLARE c CURSOR FOR SELECT 1; FETCH c",
        STATE,
        Catalog.builtin(),
    )[-1]
    assert [column.name for column in found.output or ()] == ["oid"]


@pytest.mark.parametrize("text", ["{}", "EXPLAIN {}", "EXPLAIN ANALYZE {}", "CREATE TABLE x AS {}"])
def test_no_argument_of_execute_may_change_what_is_executed(text: str) -> None:
    """INV-1, THREATS 4: the server evaluates them first, and then analyses anew under the path that there is."""
    entries = Entries("PREPARE p AS SELECT * FROM t WHERE $1 = 'x'")
    changes = "EXECUTE p(set_config('search_path', 'other', false))"
    assert facts(text.format(changes), entries).forbidden is not None
    assert facts(text.format("EXECUTE p(current_setting('search_path'))"), entries).forbidden is None


# What names mean by then


def test_an_execute_on_other_objects_than_were_prepared_for_is_opaque(sample: Sample) -> None:
    """INV-1, THREATS 5: the server may go on with what it made of the statement before the path led elsewhere."""
    made = analyse("PREPARE p AS SELECT id FROM orders", sample.state, sample.catalog)[0].prepares
    assert made is not None
    entries = Entries()
    entries._statements["p"] = made
    same = analyse("EXECUTE p", sample.state, sample.catalog, entries)[0]
    assert Effect.opaque not in same.effects
    moved = replace(sample.state, search_path="pg_temp, elsewhere")
    assert Effect.opaque in analyse("EXECUTE p", moved, sample.catalog, entries)[0].effects


def test_an_execute_however_deep_hangs_on_its_name() -> None:
    found = facts("EXPLAIN CREATE TABLE x AS EXECUTE p", Entries("PREPARE p AS SELECT 1"))
    assert found.by_name


def test_types_of_parameters_that_are_not_known_to_be_enums_are_code() -> None:
    """INV-1"""
    (found,) = analyse("SELECT $1", STATE, Catalog.builtin(), types=(20_000,))
    assert Effect.opaque in found.effects
    assert found.runs_at_parse
