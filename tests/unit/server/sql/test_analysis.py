"""The whole of analysis: never fewer effects than a statement has, on any text, within its limits."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopd.domain.statement import SessionState
from hoopd.sql import analysis
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Effect, Facts
from hoopd.sql.parser import Statement
from tests.unit.server.sql.conftest import Sample
from tests.unit.server.sql.test_lineage import FOLLOWED, INFERABLE

Alone = Callable[..., tuple[Facts, ...]]
STATE = SessionState('"$user", public', "app", "app", "I", 180000)
BUILTIN = Catalog.builtin()

WRAPPERS = [
    "select * from ({}) x",
    "select (select count(*) from ({}) x)",
    "select 1 where exists ({})",
    "({}) union all (select 1)",
    "(select 1) except ({})",
    "with a as ({}) select * from a",
    "with recursive a as (select 1 union all ({})) select * from a",
    "select * from t, lateral ({}) x",
    "select * from t left join ({}) x on true",
    "select array({})",
    "select case when 1 = any ({}) then 2 end",
    "select f.* from t, unnest(array({})) f",
    "select coalesce((select max(1) from ({}) x), 1) from t group by 1 order by ({}) limit ({})",
    "select count(*) filter (where exists ({})) over (order by ({})) from t",
    "values (({}))",
    "select json_value('[]', '$' default ({}) on empty)",
]
CHANGES = [
    "with d as (delete from t returning 1) select * from d",
    "with d as (insert into t values (1) returning 1) select 1",
    "with d as (update t set a = 1 returning a) select a from d",
    "with d as (merge into t using s on true when matched then delete returning 1) select 1",
]
ENDS = ["{}", "explain analyze {}", "create table x as {}", "insert into u {}", "/* select */ {} -- ;"]


@given(st.lists(st.sampled_from(WRAPPERS), max_size=7), st.sampled_from(CHANGES), st.sampled_from(ENDS))
@settings(max_examples=300, deadline=None)
def test_no_nesting_hides_a_change(wrappers: list[str], change: str, end: str) -> None:
    """THREATS 2: whatever is wrapped round it, a change is never a plain read."""
    text = change
    for wrapper in wrappers:
        text = wrapper.replace("{}", text)
        if len(text) > 20_000:
            break
    (facts,) = analyse(end.replace("{}", text), STATE, BUILTIN)
    assert facts.error is not None or Effect.write in facts.effects
    assert not facts.harmless


@given(st.lists(st.sampled_from(WRAPPERS), max_size=7), st.sampled_from(["select app.f()", "select 'x'::mydomain"]))
@settings(max_examples=200, deadline=None)
def test_no_nesting_hides_code(wrappers: list[str], code: str) -> None:
    """THREATS 7."""
    text = code
    for wrapper in wrappers:
        text = wrapper.replace("{}", text)
        if len(text) > 20_000:
            break
    (facts,) = analyse(text, STATE, BUILTIN)
    assert facts.error is not None or Effect.opaque in facts.effects


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_facts(text: str) -> None:
    """INV-2: nothing but facts comes out, and what does not parse is no read."""
    for facts in analyse(text, STATE, BUILTIN):
        assert facts.error is None or (facts.effects == {Effect.opaque} and not facts.harmless)


WORDS = st.sampled_from(
    """select from where ( ) , ; 'a' "a" $$ 1 t a . * = + :: int with as delete update insert into values returning
    set case when then end union all join on using over partition by explain analyze is null not and or array [ ] row
    { } : ? @ # \\ ` ! ~ $1 E'\\'' U&"a" -- /* */""".split()  # noqa: SIM905
)


@given(st.lists(WORDS, max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_words_give_facts(words: list[str]) -> None:
    text = " ".join(words)
    for facts in analyse(text, STATE, BUILTIN):
        quoted = any(mark in text for mark in ("$$", "--", "/*", "E'"))
        if "delete from" in facts.sql and facts.error is None and facts.kind != "explain" and not quoted:
            assert Effect.write in facts.effects


def test_a_tree_of_another_shape_is_not_understood(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-2."""
    broken = Statement("select 1", "SelectStmt", {"targetList": [{"ResTarget": {"val": {"FuncCall": {}}}}]})
    monkeypatch.setattr(analysis, "parse", lambda _: (broken,))
    (facts,) = alone("select 1")
    assert facts.error is not None
    assert facts.effects == {Effect.opaque}


def test_an_empty_text_has_no_facts(alone: Alone) -> None:
    assert alone("") == ()
    assert alone("; -- nothing") == ()


def test_an_error_has_its_place_and_no_effect_but_opaque(alone: Alone) -> None:
    (facts,) = alone("select 'ü' ; selec")
    assert facts.error is not None
    assert facts.error.position == 14
    assert facts.effects == {Effect.opaque}
    assert facts.barrier


LARGE = {
    "operators": "select " + " || ".join(["a"] * 401) + " from t",
    "unions": " union ".join(["select a, b from c join d on e = f"] * 201),
    "joins": "select 1 from a" + " join b on a.x = b.y" * 101,
    "subselects": "select * from " + "(select * from " * 41 + "t" + ") x" * 41,
    "sublinks": "select " + "(select " * 41 + "a" + ")" * 41 + " from t",
    "exists": "select 1 from t where " + "exists (select 1 from t where " * 41 + "true" + ")" * 41,
    "functions": "select " + "lower(" * 200 + "a" + ")" * 200 + " from t",
    "ctes": "".join("with a as (" * 41) + "select 1" + ") select * from a" * 41,
    "or": "select 1 from t where " + " or ".join(["a = 5"] * 5000),
    "case": "select " + "case when a then " * 150 + "1" + " end" * 150 + " from t",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
async def test_large_statements_are_judged_deep_in_an_event_loop(alone: Alone, text: str) -> None:
    """DESIGN.md, section 7: 400 operators, 200 unions, 100 joins, 40 subselects."""

    def down(levels: int) -> Facts:
        return down(levels - 1) if levels else alone(text)[0]

    async def inside() -> Facts:
        await asyncio.sleep(0)
        return down(300)

    facts = await inside()
    assert facts.error is None
    assert facts.kind == "select"
    assert Effect.opaque not in facts.effects


READS = [
    *(text for text in (*FOLLOWED, *INFERABLE) if not text.startswith(("update", "delete", "insert", "merge"))),
    "select * from customer_cards",
    "select * from cards",
    "select * from nested_view",
    "select 'fine'::mood, m from typed",
    "select * from pg_class, pg_stats limit 1",
    "select pg_table_size('customers'), pg_get_viewdef('cards'::regclass), obj_description(1, 'pg_class')",
    "select currval('numbers')",
    "select nextval('numbers')",
    "select app.charge(1)",
    "select set_config('work_mem', '1MB', true)",
    "explain delete from customers",
    "explain analyze delete from customers",
    "show search_path",
]


@pytest.mark.parametrize("text", READS)
def test_what_is_called_a_read_runs_in_a_read_only_transaction(sample: Sample, text: str) -> None:
    """The server's own word: 25006 for anything that writes."""
    facts = sample.facts(text)
    if not facts.effects <= {Effect.read}:
        return
    with psycopg.connect(sample.dsn) as connection:
        connection.read_only = True
        try:
            connection.execute(text.encode())
        except psycopg.errors.ReadOnlySqlTransaction:
            pytest.fail("the server calls it a write")
        except (psycopg.ProgrammingError, psycopg.errors.ObjectNotInPrerequisiteState):
            return  # an ambiguous name, a sequence not yet used
        finally:
            connection.rollback()
