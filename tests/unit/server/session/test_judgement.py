"""Verdicts: real analysis, a real policy, a catalog made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.policy.loading import load
from hoopd.policy.matching import Circumstances
from hoopd.session.judgement import PolicyInForce, Verdict, judge
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog, Column, Relation
from hoopd.sql.facts import PreparedText
from hoopd.sql.named import NOTHING_NAMED, Cursor, Named
from tests.unit.server.session.play import STATE

POLICY = """
version: 1
reviewers: {from: [dba]}
rules:
  - {name: reads, match: {effects: [read], objects: ["public.*"]}, then: allow}
  - {name: paths, match: {effects: [session], objects: [search_path]}, then: allow}
  - {name: writes, match: {effects: [write], objects: ["public.*"]}, then: {review: {from: [dba]}}}
masks:
  - {columns: ["public.people.card"], with: {last: 4}}
"""
PEOPLE = Relation(20001, "public", "people", "r", (Column("id", 20), Column("card", 25)))
THINGS = Relation(20002, "public", "things", "r", (Column("id", 20), Column("name", 25)))
CATALOG = Catalog(
    {("public", "people"): PEOPLE, ("public", "things"): THINGS},
    frozenset({"public", "pg_catalog", "information_schema"}),
    fingerprint="one",
)
ALICE = Principal("iss", "alice", "alice@example.com", frozenset(), frozenset(), datetime(2100, 1, 1, tzinfo=UTC))
KEY = b"k" * 32


def verdict(
    sql: str,
    catalog: Catalog = CATALOG,
    policy: str = POLICY,
    named: Named = NOTHING_NAMED,
    now: datetime | None = None,
    **state: object,
) -> Verdict:
    in_force = PolicyInForce(load(policy, "test"), PolicyVersion(1))
    circumstances = Circumstances(ALICE, Connection("db", "h", 5432, "d"), now=now)
    return judge(sql, replace(STATE, **state), catalog, in_force, circumstances, KEY, named)


def test_a_batch_takes_the_strictest_decision() -> None:
    """THREATS 1"""
    assert verdict("select id from things; delete from things").decision.outcome is Outcome.review
    assert verdict("select id from things; drop table things").decision.outcome is Outcome.deny


def test_a_plan_that_cannot_mask_denies_what_rules_allow() -> None:
    """INV-4"""
    made = verdict("select upper(card) from people")
    assert made.decision.outcome is Outcome.deny
    assert "public.people.card" in (made.decision.message or "")


def test_a_masked_column_in_a_predicate_adds_a_review() -> None:
    """THREATS 14"""
    assert verdict("select id from people").decision.outcome is Outcome.allow
    assert verdict("select id from people where card = 'x'").decision.outcome is Outcome.review


def test_what_depends_on_names_after_a_barrier_in_one_query_is_refused() -> None:
    """DESIGN section 4: nothing can be judged in between."""
    made = verdict("set search_path = other; select id from things")
    assert (made.decision.outcome, made.decision.sqlstate) == (Outcome.deny, "0A000")
    assert "send them apart" in (made.decision.message or "")


def test_the_end_of_a_transaction_with_local_settings_is_a_barrier() -> None:
    """THREATS 4: SET LOCAL goes back at COMMIT, and names after it mean something else."""
    assert verdict("commit; select id from things").decision.outcome is Outcome.allow
    assert verdict("commit; select id from things", settings_local=True).decision.outcome is Outcome.deny


def test_objects_that_only_the_session_sees_are_not_judged_while_masks_are_in_force() -> None:
    """THREATS 5: a temporary table that shadows a real one."""
    assert verdict("select id from things", temporary_objects=True).decision.outcome is Outcome.deny


def test_text_that_does_not_parse_is_denied() -> None:
    """INV-2"""
    made = verdict("selec 1")
    assert (made.decision.outcome, made.decision.sqlstate) == (Outcome.deny, "42601")


def test_an_empty_text_is_allowed() -> None:
    assert verdict(" -- nothing").decision.outcome is Outcome.allow


def test_an_approval_is_void_when_what_it_names_has_changed() -> None:
    """INV-5"""
    before = verdict("delete from things where id = 1")
    assert before.same_as(verdict("delete from things where id = 1"))
    moved = replace(CATALOG, relations={**CATALOG.relations, ("public", "things"): replace(THINGS, oid=20009)})
    assert not before.same_as(verdict("delete from things where id = 1", catalog=moved))
    triggered = replace(THINGS, triggers=(("public", "f", "v"),))
    changed = replace(CATALOG, relations={**CATALOG.relations, ("public", "things"): triggered})
    assert not before.same_as(verdict("delete from things where id = 1", catalog=changed))


def test_an_approval_is_void_when_rules_or_quorum_differ() -> None:
    """INV-5"""
    before = verdict("delete from things where id = 1")
    other = POLICY.replace("{from: [dba]}}}", "{from: [dba], approvals: 2}}}")
    assert not before.same_as(verdict("delete from things where id = 1", policy=other))


def test_an_approval_is_void_when_the_time_brings_other_rules() -> None:
    """INV-5: it was given by day, and the statement would run by night."""
    policy = "timezone: UTC\n" + POLICY.replace("rules:", "rules:\n  - {name: night, match: {if: NIGHT}, then: REST}")
    noon, evening = datetime(2026, 11, 28, 12, tzinfo=UTC), datetime(2026, 11, 28, 22, tzinfo=UTC)
    for then in ("deny", "{review: {from: [security]}}"):
        timed = policy.replace("NIGHT", "now.hours > 19").replace("REST", then)
        before = verdict("delete from things where id = 1", policy=timed, now=noon)
        assert before.decision.outcome is Outcome.review
        assert before.same_as(verdict("delete from things where id = 1", policy=timed, now=noon.replace(hour=13)))
        assert not before.same_as(verdict("delete from things where id = 1", policy=timed, now=evening))
        assert not before.same_as(verdict("delete from things where id = 1", policy=timed)), "no time, no answer"


def test_code_that_may_run_binds_an_approval_to_the_whole_catalog() -> None:
    """THREATS 5: a trigger's function redefined between approval and run."""
    triggered = replace(THINGS, triggers=(("public", "f", "v"),))
    catalog = replace(CATALOG, relations={**CATALOG.relations, ("public", "things"): triggered})
    policy = POLICY[: POLICY.index("masks:")]
    before = verdict("delete from things", catalog=catalog, policy=policy)
    assert not before.same_as(verdict("delete from things", catalog=replace(catalog, fingerprint="two"), policy=policy))


def test_credentials_are_taken_out_of_what_is_shown() -> None:
    """INV-7"""
    made = verdict("alter role x password 'hunter2-secret'")
    assert "hunter2" not in made.sql
    assert "hunter2" not in made.statements[0].sql


def met(made: Verdict) -> dict[str, tuple[str, ...]]:
    """Of each literal that is kept with a request, the columns that it meets."""
    return {
        made.sql[start:end]: tuple(".".join(names) for names in meeting.columns)
        for meeting in made.meets
        for start, end in meeting.spans
    }


def test_a_review_says_what_its_literals_meet() -> None:
    """INV-4: whoever is under a mask, so that a mask that is made later, or for others, still hides them."""
    made = verdict("update people set card = '4111' where id = 3")
    assert met(made) == {"'4111'": ("public.people.card",), "3": ("public.people.id",)}
    unmasked = POLICY[: POLICY.index("masks:")]
    assert met(verdict("update people set card = '4111' where id = 3", policy=unmasked)) == met(made)


def test_what_nobody_is_asked_about_is_not_looked_at_for_literals() -> None:
    assert verdict("select id from people where id = 3").meets == ()
    assert verdict("drop table people").meets == ()


def test_literals_are_found_in_the_text_that_is_kept() -> None:
    """INV-4, INV-7: a credential in front of them moves their places."""
    made = verdict(
        "update things set name = 'host=h password=long-hunter2-secret' where id = 12345; delete from people"
    )
    assert made.decision.outcome is Outcome.review
    assert made.redacted
    assert "hunter2" not in made.sql
    assert met(made)["12345"] == ("public.things.id",)


def test_a_text_without_credentials_is_not_called_redacted() -> None:
    """INV-7"""
    assert not verdict("update things set name = 'x' where id = 1").redacted
    assert verdict("alter role x password 'hunter2-secret'").redacted


class Open:
    """A session with one cursor, opened on ``made``, and the prepared statement ``p``."""

    certain = True

    def __init__(self, made: Verdict | None = None, prepared: str = "") -> None:
        self._made = made
        self._prepared = prepared

    def statement(self, name: str) -> PreparedText | None:
        if name != "p" or not self._prepared:
            return None
        (made,) = analyse(f"PREPARE {name} AS {self._prepared}", STATE, CATALOG)
        return made.prepares

    def cursor(self, name: str) -> Cursor | None:
        if name != "c" or self._made is None:
            return None
        return Cursor(self._made.statements[0].facts, self._made.statements[0].decision)


READS = 'name: reads, match: {effects: [read], objects: ["public.*"]}, then: '
STRICTER = POLICY.replace(f"{READS}allow", f"{READS}{{review: {{from: [dba]}}}}")
NOTHING = POLICY.replace("name: reads, match: {effects: [read]", "name: reads, match: {effects: [lock]")


def test_a_prepare_is_denied_only_where_what_it_prepares_is() -> None:
    """Nothing runs yet, so that nobody has to approve it (DESIGN.md section 4, Parse)."""
    assert verdict("prepare p as delete from things").decision.outcome is Outcome.allow
    assert verdict("prepare p as delete from hidden.things").decision.outcome is Outcome.deny
    assert verdict("prepare p as select upper(card) from people").decision.outcome is Outcome.deny
    code = POLICY.split("masks:")[0] + "  - {name: code, match: {effects: [opaque]}, then: {review: {from: [dba]}}}\n"
    checked = verdict("prepare p as insert into things values ('(x)'::checked)", policy=code)
    assert (checked.decision.outcome, checked.decision.sqlstate) == (Outcome.deny, "0A000")


def test_an_execute_is_decided_on_and_shown_as_what_it_runs() -> None:
    """INV-5: the text of the prepared statement is part of what is approved."""
    made = verdict("execute p", named=Open(prepared="delete from things"))
    assert made.decision.outcome is Outcome.review
    assert made.sql == made.statements[0].sql == "PREPARE p AS delete from things;\nexecute p"
    assert made.statements[0].summary.notes == ("EXECUTE runs by name what stands in front of it: DELETE.",)
    other = verdict("execute p", named=Open(prepared="delete from  things"))
    assert not made.same_as(other)


def test_credentials_in_what_runs_by_name_are_not_shown() -> None:
    """INV-7"""
    made = verdict("execute p", named=Open(prepared="delete from things where name = 'postgres://a:geheim@h/d'"))
    assert "geheim" not in made.sql + made.statements[0].sql
    assert made.redacted


def test_a_fetch_goes_on_with_what_was_decided_when_the_cursor_was_opened() -> None:
    opened = verdict("declare c cursor for select id from things", policy=STRICTER)
    assert opened.decision.outcome is Outcome.review
    assert verdict("fetch c", policy=STRICTER, named=Open(opened)).decision.outcome is Outcome.allow


def test_a_fetch_under_a_policy_that_says_more_by_now_is_denied() -> None:
    opened = verdict("declare c cursor for select id from things")
    assert opened.decision.outcome is Outcome.allow
    for policy in (STRICTER, NOTHING):
        assert verdict("fetch c", policy=policy, named=Open(opened)).decision.outcome is Outcome.deny
    reviewed = verdict("declare c cursor for select id from things", policy=STRICTER)
    renamed = STRICTER.replace("name: reads", "name: other reads")
    found = verdict("fetch c", policy=renamed, named=Open(reviewed)).decision
    assert found.outcome is Outcome.deny
    assert found.message == "the policy has changed since this cursor was opened: open it again"


def test_rows_of_a_fetch_are_masked_by_the_masks_of_now() -> None:
    """INV-4"""
    unmasked = POLICY.split("masks:")[0]
    opened = verdict("declare c cursor for select card, id from people", policy=unmasked)
    plan = verdict("fetch c", named=Open(opened)).statements[0].plan
    assert [mask is not None for mask in plan.columns] == [True, False]
    derived = verdict("declare c cursor for select upper(card) from people", policy=unmasked)
    assert verdict("fetch c", named=Open(derived)).decision.outcome is Outcome.deny


def test_what_makes_a_cursor_or_prepares_gives_no_rows_itself() -> None:
    for text in ("declare c cursor for select card from people", "prepare p as select card from people"):
        assert verdict(text).statements[0].plan.columns == ()


def test_a_reviewer_is_told_what_a_definition_locks() -> None:
    policy = POLICY.replace("rules:\n", "rules:\n  - {name: ddl, match: {effects: [ddl, maintenance]}, then: review}\n")

    def notes(sql: str) -> tuple[str, ...]:
        return verdict(sql, policy=policy).statements[0].summary.notes

    meanwhile = "nobody reads or writes it meanwhile, and all of it is, or may be, written anew."
    assert notes("alter table things alter id type bigint") == (f"Locks public.things (ACCESS EXCLUSIVE): {meanwhile}",)
    assert notes("create index concurrently on things (id)") == (
        "Locks public.things (SHARE UPDATE EXCLUSIVE): reading and writing go on, other maintenance waits.",
        "It cannot be rolled back.",
    )
    many = ", ".join(f"t{number}" for number in range(12))
    assert notes(f"drop table {many}")[-1] == "Locks 2 more tables."
    assert notes("select id from things") == ()


def test_after_definitions_of_ones_own_transaction_what_names_something_counts_as_code() -> None:
    """INV-2: no catalog shows yet what the name may mean to this session."""
    assert verdict("select id from things").decision.outcome is Outcome.allow
    for sql in (
        "select id from things",
        "select lower(relname) from pg_class",  # built in as allowed, where names mean what the catalog says
        "select case 1 when '2' then 3 end",
        "select 1 where (1, 'a') in (select 1, name from things)",
        "fetch 1 from c",
    ):
        policy = POLICY.split("masks:")[0]
        assert verdict(sql, policy=policy, catalog_changed=True).decision.outcome is Outcome.deny, sql
    for sql in ("commit", "rollback", "select 1", "show work_mem"):
        assert verdict(sql, policy=POLICY.split("masks:")[0], catalog_changed=True).decision.outcome is Outcome.allow, (
            sql
        )


def test_what_stands_in_definitions_of_others_is_looked_up_anew() -> None:
    """A view or a function may have been replaced a moment ago, and reading through it would run the new one."""
    view = replace(THINGS, oid=20003, name="seen", relkind="v", reads=(20002,))
    catalog = Catalog(
        {("public", "things"): THINGS, ("public", "seen"): view}, frozenset({"public"}), fingerprint="one"
    )
    policy = POLICY.split("masks:")[0]
    assert verdict("select id from things", catalog, policy).plain
    assert not verdict("select id from seen", catalog, policy).plain
