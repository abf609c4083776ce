"""Columns and functions: an allow rule must surely fit, a review or deny rule only possibly (INV-2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopd.domain.decision import Outcome
from hoopd.policy import Policy
from hoopd.sql.facts import (
    ColumnName,
    Derivation,
    Effect,
    Facts,
    FunctionUse,
    ObjectAccess,
    ObjectKind,
    OutputColumn,
    Predicate,
)
from tests.unit.server.policy.test_evaluation import access, decide, policy, statement

ALL = "{name: all, then: allow}"
READS = "{name: reads, match: {effects: [read]}, then: allow}"


def allowing(match: str, *more: str) -> Policy:
    return policy(f"{{name: a, match: {match}, then: allow}}", *more)


def denying(match: str) -> Policy:
    return policy(ALL, f"{{name: d, match: {match}, then: deny}}")


def allowed(rules: Policy, facts: Facts) -> bool:
    return decide(rules, facts).outcome is Outcome.allow


def reads(text: str, *columns: str, kind: ObjectKind = ObjectKind.table, known: bool = True) -> ObjectAccess:
    return replace(access(f"read {text}", kind, known), columns=columns)


def calls(schema: str | None, name: str, trusted: bool = False, known: bool = True) -> Facts:
    """As analysis makes it: what is not trusted is an opaque access, too."""
    use = FunctionUse(schema, name, None, trusted)
    made = () if trusted else (ObjectAccess(Effect.opaque, ObjectKind.function, schema, name, known),)
    return statement(*made, functions=(use,))


class TestAllowColumns:
    RULE = "{columns: [public.customers.name, 'public.customers.c*']}"

    def test_every_column_that_is_read_must_be_named(self) -> None:
        rules = allowing(self.RULE)

        assert allowed(rules, statement(reads("public.customers", "name", "city")))
        assert not allowed(rules, statement(reads("public.customers", "name", "email")))

    def test_several_tables_are_each_asked_for(self) -> None:
        both = statement(reads("public.customers", "name"), reads("public.orders", "id"))

        assert not allowed(allowing(self.RULE), both)
        assert allowed(allowing(self.RULE, "{name: o, match: {objects: [public.orders]}, then: allow}"), both)

    def test_columns_of_one_table_are_not_put_together_from_several_rules(self) -> None:
        """Each rule covers the whole access or none of it."""
        other = "{name: e, match: {columns: [public.customers.email]}, then: allow}"

        assert not allowed(allowing(self.RULE, other), statement(reads("public.customers", "name", "email")))

    def test_a_read_of_no_column_asks_for_any_of_its_table(self) -> None:
        assert allowed(allowing(self.RULE), statement(reads("public.customers")))
        assert not allowed(allowing(self.RULE), statement(reads("hr.staff")))

    @pytest.mark.parametrize(
        "one",
        [
            access("read public.customers"),
            reads("public.customers", "name", known=False),
            reads("customers", "name"),
            reads("public.customers", "name", kind=ObjectKind.unknown, known=False),
            replace(access("write public.customers"), columns=("name",)),
            access("write public.customers"),
            access("ddl public", ObjectKind.schema),
            access("session search_path", ObjectKind.setting),
        ],
    )
    def test_what_is_not_sure_or_no_read_is_not_covered(self, one: ObjectAccess) -> None:
        for rule in (self.RULE, "{columns: ['*.*.*']}"):
            assert not allowed(allowing(rule), statement(one))

    @pytest.mark.parametrize("effect", [effect for effect in Effect if effect is not Effect.read])
    def test_an_effect_without_an_access_is_not_covered(self, effect: Effect) -> None:
        facts = statement(reads("public.customers", "name"), effects=[effect])

        assert not allowed(allowing("{columns: ['*.*.*']}"), facts)


class TestDenyColumns:
    RULE = "{columns: [public.customers.email]}"

    @pytest.mark.parametrize(
        "one",
        [
            reads("public.customers", "email", "name"),
            access("read public.customers"),
            access("write public.customers"),
            access("ddl public.customers"),
            access("read customers", ObjectKind.unknown, known=False),
            access("read public.customers", ObjectKind.unknown, known=False),
            access("read public.customers", ObjectKind.view),
            access("ddl public", ObjectKind.schema),
        ],
    )
    def test_it_fits_what_reads_or_writes_it_for_all_that_is_known(self, one: ObjectAccess) -> None:
        assert not allowed(denying(self.RULE), statement("read public.orders", one))

    @pytest.mark.parametrize(
        "one",
        [
            reads("public.customers", "name"),
            reads("public.customers"),
            access("read billing.customers"),
            access("write public.orders"),
            access("session email", ObjectKind.setting),
            access("ddl billing", ObjectKind.schema),
            access("ddl public.customers", ObjectKind.index),
        ],
    )
    def test_it_does_not_fit_what_surely_is_another(self, one: ObjectAccess) -> None:
        assert allowed(denying(self.RULE), statement(one))

    def test_with_stars_it_does_not_fit_what_has_no_columns(self) -> None:
        rules = denying("{columns: ['*.*.ssn']}")

        assert allowed(rules, statement(access("session search_path", ObjectKind.setting)))
        assert allowed(rules, statement())
        assert not allowed(rules, statement("write public.orders")), "a change's columns are not known"

    @pytest.mark.parametrize("effect", sorted(set(Effect) - {Effect.read, Effect.session, Effect.transaction}))
    def test_an_effect_of_which_it_is_not_known_what_it_touches_fits(self, effect: Effect) -> None:
        assert not allowed(denying(self.RULE), statement(effects=[effect]))

    def test_the_whole_pair_must_fit(self) -> None:
        rules = denying("{effects: [write], columns: [public.customers.email]}")

        assert allowed(rules, statement(reads("public.customers", "email"), "write public.orders"))
        assert not allowed(rules, statement("write public.customers"))

    @pytest.mark.parametrize("where", ["output", "inferable", "derived"])
    def test_a_column_of_a_table_that_inherits_counts(self, where: str) -> None:
        """INV-4's rule for masks: what is read from a table may come from those of its family."""
        column = ColumnName("public", "customers", "email")
        found = (OutputColumn("email", (column,), Derivation.column),) if where == "output" else (column,)
        facts = replace(statement(reads("public.customers_eu", "email")), **{where: found})

        assert not allowed(denying(self.RULE), facts)
        assert allowed(denying("{columns: [public.customers.name]}"), facts)
        assert allowed(denying("{effects: [write], columns: [public.customers.email]}"), facts)
        assert not allowed(policy(), facts), "and covers nothing"


class TestAllowFunctions:
    RULE = "{functions: [app.f, 'pricing.*']}"

    def test_it_covers_calls_and_nothing_else(self) -> None:
        facts = replace(calls("app", "f"), accesses=(*calls("app", "f").accesses, access("read public.orders")))

        assert allowed(allowing(self.RULE), calls("app", "f"))
        assert allowed(allowing(self.RULE), calls("pricing", "vat"))
        assert not allowed(allowing(self.RULE), facts)
        assert allowed(allowing(self.RULE, READS), facts)
        assert not allowed(allowing(self.RULE), statement())

    @pytest.mark.parametrize(
        "facts",
        [
            calls("app", "g"),
            calls(None, "f", known=False),
            calls("app", "f", known=False),
            calls(None, "cast of app.t"),
            statement(access("opaque p", ObjectKind.function, known=False)),
            statement(access("opaque app.f", ObjectKind.type)),
            statement(access("opaque app.f")),
            statement(access("ddl app.f", ObjectKind.function), kind="drop_function"),
            statement(access("privilege app.f", ObjectKind.function), kind="grant"),
            statement(effects=[Effect.opaque], kind="do"),
            replace(calls("app", "f"), effects=frozenset({Effect.opaque, Effect.external})),
        ],
    )
    def test_what_is_not_surely_a_call_of_it_is_not_covered(self, facts: Facts) -> None:
        """THREATS 6"""
        assert not allowed(allowing(self.RULE), facts)
        if facts != calls("app", "g"):
            assert not allowed(allowing("{functions: ['*.*']}"), facts)

    def test_a_function_that_runs_unseen_is_covered_too(self) -> None:
        """A trigger is a use, not an access."""
        facts = statement("write public.orders", functions=(FunctionUse("app", "f", None, False),))
        writes = "{name: w, match: {effects: [write]}, then: allow}"

        assert allowed(allowing(self.RULE, writes), facts)
        assert not allowed(policy(writes), facts)

    def test_other_selectors_narrow_it(self) -> None:
        assert allowed(allowing("{functions: [app.f], effects: [opaque], objects: ['app.*']}"), calls("app", "f"))
        assert not allowed(allowing("{functions: [app.f], objects: ['other.*']}"), calls("app", "f"))


class TestStrictFunctions:
    RULE = "{functions: [app.f]}"

    @pytest.mark.parametrize(
        "facts",
        [
            calls("app", "f"),
            calls("app", "f", trusted=True),
            calls(None, "f", known=False),
            calls(None, "cast of app.t"),
            statement("write public.orders", functions=(FunctionUse("app", "f", None, False),)),
            statement(effects=[Effect.opaque], kind="do"),
            statement("read public.orders", access("opaque app.t", ObjectKind.type)),
            statement("write public.ruled", access("opaque public.ruled")),
            statement(access("opaque p", ObjectKind.function, known=False), kind="execute"),
        ],
    )
    def test_any_function_that_possibly_runs_is_enough(self, facts: Facts) -> None:
        assert not allowed(denying(self.RULE), facts)

    @pytest.mark.parametrize(
        "facts",
        [
            statement("read public.f"),
            calls("app", "g"),
            calls("other", "f"),
            calls(None, "g", known=False),
            statement(access("ddl app.f", ObjectKind.function), kind="drop_function"),
        ],
    )
    def test_what_surely_is_another_does_not_fit(self, facts: Facts) -> None:
        assert allowed(denying(self.RULE), facts)

    def test_a_name_without_a_schema_fits_in_every_schema(self) -> None:
        rules = denying("{functions: [pg_sleep]}")

        assert not allowed(rules, calls("pg_catalog", "pg_sleep"))
        assert not allowed(rules, calls("app", "pg_sleep"))

    def test_the_function_and_the_effect_need_not_be_one_thing(self) -> None:
        """Like `kinds`, it speaks of the statement: what changes rows and calls it is denied."""
        rules = denying("{effects: [write], functions: [app.f]}")

        assert not allowed(rules, replace(calls("app", "f"), accesses=(access("write public.orders"),)))
        assert allowed(rules, calls("app", "f"))

    def test_a_review_covers_the_call_and_not_what_is_beside_it(self) -> None:
        review = "{name: r, match: {functions: [app.f]}, then: {review: {from: [dba]}}}"
        beside = statement("read public.orders", *calls("app", "f").accesses, functions=calls("app", "f").functions)

        assert decide(policy(review), calls("app", "f")).rules == ("r",)
        assert decide(policy(review), beside).message == "no rule allows read public.orders"
        assert decide(policy(review, READS), beside).outcome is Outcome.review

    def test_a_rule_s_limits_hold_where_it_possibly_fits(self) -> None:
        limited = "{name: l, match: {functions: [app.f]}, then: allow, limits: {rows: 5}}"
        columns = "{name: c, match: {columns: [public.o.secret]}, then: allow, limits: {rows: 4}}"

        assert decide(policy(ALL, limited), calls(None, "f", known=False)).limits.rows == 5
        assert decide(policy(ALL, columns), statement("read public.o", predicate=Predicate.present)).limits.rows == 4
        assert decide(policy(ALL, limited, columns), statement("read public.x")).limits.rows is None
