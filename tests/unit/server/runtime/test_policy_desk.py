"""Questions about policies are answered by what decides for sessions, and run nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.errors import InvalidInput, NotFound, Unavailable
from hoopd.domain.ids import PolicyVersion, SessionId
from hoopd.domain.principal import Principal
from hoopd.policy.loading import load, sample_policy_text
from hoopd.policy.problems import PolicyError
from hoopd.recording.ports import SessionRow, StatementRow
from hoopd.runtime.policies import Policies
from hoopd.runtime.policy_desk import MAX_SQL, Place, PolicyDesk, Question, Simulated
from hoopd.session.judgement import PolicyInForce
from hoopd.sql.catalog import Catalog
from tests.fixtures.shop import ReadCatalog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
ALICE = Principal("i", "alice", "alice@example.com", frozenset({"engineering"}), frozenset(), NEVER)
ONLY_WRITES = "version: 1\nrules:\n  - {name: w, match: {effects: [write]}, then: allow}\n"


@dataclass
class Asker:
    session: SessionRow
    groups: frozenset[str]
    search_path: str = ""


async def asker(session: SessionId) -> Asker | None:
    if session == "s-lost":
        return None
    who = ("i", "alice", "alice@example.com", "prod-db", "shop", "r", "psql", "h", "")
    row = SessionRow(session, "g", *who, NOW, None, None, 1, b"", None)
    return Asker(row, frozenset({"engineering"}))


def row(sql: str, decision: str, *, session: str = "s-1", connection: str = "prod-db") -> StatementRow:
    who = (SessionId(session), 1, NOW, "i", "alice", "alice@example.com", connection)
    return StatementRow(*who, sql, (), "k", (), decision, (), None, (), "done", None, None, (), "", 1)


@pytest.fixture
def policies() -> Policies:
    made = Policies()
    made.put(PolicyInForce(load(sample_policy_text(), "sample"), PolicyVersion(3)))
    return made


@pytest.fixture
def desk(policies: Policies, shop_catalog: Catalog) -> PolicyDesk:
    shop = Connection("prod-db", "h", 5432, "shop", {"env": "production"})
    return PolicyDesk(policies, {"prod-db": Place(shop, "app", ReadCatalog(shop_catalog))}, asker)


async def test_a_statement_is_explained_under_the_policy_in_force(desk: PolicyDesk) -> None:
    told = await desk.explain(Question("delete from orders; select 1 from orders", ALICE, "prod-db"))
    assert (told.decision.outcome, told.connect.outcome, told.version) == (Outcome.review, Outcome.allow, 3)
    assert [one.judged.decision.outcome for one in told.statements] == [Outcome.review, Outcome.allow]
    assert [rule.name for rule in told.statements[0].rules if rule.decides] == [
        "production changes need a DBA",
        "mass changes need a DBA and security",
    ]


async def test_a_draft_is_asked_about_without_coming_into_force(desk: PolicyDesk, policies: Policies) -> None:
    question = Question("select 1 from orders", ALICE, "prod-db", policy=desk.draft(ONLY_WRITES, "draft.yaml"))
    told = await desk.explain(question)
    assert (told.decision.outcome, told.version) == (Outcome.deny, 0)
    assert policies.current.version == 3


async def test_what_cannot_be_asked_is_said(desk: PolicyDesk) -> None:
    with pytest.raises(NotFound, match='no connection "other"'):
        await desk.explain(Question("select 1", ALICE, "other"))
    with pytest.raises(InvalidInput, match="characters"):
        await desk.explain(Question("x" * (MAX_SQL + 1), ALICE, "prod-db"))
    with pytest.raises(PolicyError):
        desk.draft("version: 2", "draft.yaml")
    with pytest.raises(Unavailable, match="no policy is loaded"):
        await PolicyDesk(Policies(), {}, asker).explain(Question("select 1", ALICE, "prod-db"))


def test_errors_and_advice_of_a_file(desk: PolicyDesk) -> None:
    assert desk.check(sample_policy_text(), "p.yaml") == ((), ())
    errors, advice = desk.check(
        "version: 1\nrules:\n  - {name: r, match: {connections: [prd-db]}, then: allow}\n", "p.yaml"
    )
    assert [str(each) for each in errors] == ["p.yaml:3:37: no connection is called `prd-db`; did you mean `prod-db`?"]
    assert advice == ()
    errors, advice = desk.check(ONLY_WRITES, "p.yaml")
    assert errors == ()
    assert [each.place.line for each in advice] == [2]


async def test_cases_hold_or_say_what_came_instead(desk: PolicyDesk) -> None:
    cases = """
connection: prod-db
cases:
  - {name: a, as: {groups: [engineering]}, sql: "delete from orders", expect: review, seats: 3}
  - {name: b, as: {groups: [engineering]}, sql: "delete from orders", expect: allow, seats: 1, rules: [x]}
  - {name: c, as: {groups: [interns]}, connect: true, expect: deny, rules: [default]}
  - {name: d, as: {groups: [engineering]}, sql: "select id from public.orders", expect: allow, masked: [public.a.b]}
"""
    a, b, c, d = await desk.test(cases, "cases.yaml")
    assert [each.ok for each in (a, b, c, d)] == [True, False, True, False]
    assert [failure.split(",")[0] for failure in b.failures] == [
        "expected allow", "expected the rules x", "expected 1 seats",
    ]  # fmt: skip
    assert d.failures == ("expected public.a.b masked, and it is nothing",)
    with pytest.raises(NotFound):
        await desk.test(cases.replace("prod-db", "other"), "cases.yaml")


async def test_a_simulation_tells_what_would_change_and_counts_the_rest(desk: PolicyDesk) -> None:
    async def rows() -> AsyncIterator[StatementRow]:
        yield row("select id from orders", "allow")
        yield row("fetch 10 from c", "allow")
        yield row("select id from orders where id = 1", "allow")
        yield row("drop table orders", "deny")
        yield row("insert into orders (customer_id) values (1)", "review")
        yield row("select 1", "allow", session="s-lost")
        yield row("select 1", "allow", connection="gone")

    told = Simulated()
    draft = desk.draft(ONLY_WRITES + "  - {name: c, then: {connect: allow}}\n", "draft.yaml")
    changes = [change async for change in desk.simulate(draft, rows(), told) if change is not None]
    assert [(each.row.decision, str(each.outcome)) for each in changes] == [
        ("allow", "deny"), ("allow", "deny"), ("review", "allow"),
    ]  # fmt: skip
    assert [each.what for each in changes] == [("outcome",), ("outcome",), ("outcome", "reviewers")]
    assert (told.statements, told.changed, told.skipped) == (7, 3, 3)  # a FETCH hangs on what was declared
    assert told.by == {("allow", "deny"): 2, ("review", "allow"): 1}


async def test_a_simulation_tells_of_masks_reviewers_and_connecting_too(desk: PolicyDesk) -> None:
    sample = sample_policy_text()

    async def rows() -> AsyncIterator[StatementRow]:
        yield row("select card_number from customers", "allow")
        yield row("delete from orders where id = 1", "review")

    async def changes(text: str) -> list[tuple[str, ...]]:
        draft = desk.draft(text, "draft.yaml")
        return [change.what for change in [c async for c in desk.simulate(draft, rows(), Simulated())] if change]

    assert await changes(sample) == []
    assert await changes(sample.replace("with: {last: 4}", "with: full")) == [("masks",)]
    assert await changes(
        sample.replace("review: {from: [dba], approvals: 1", "review: {from: [interns], approvals: 1")
    ) == [("reviewers",)]
    nobody = sample.replace(
        "groups: [engineering, dba, security, admin]}\n    then: {connect: allow}",
        "groups: [x]}\n    then: {connect: allow}",
    )
    assert await changes(nobody) == [("connect",), ("connect",)]
