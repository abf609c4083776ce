"""Deny beats review beats allow; what no rule covers gets the default (INV-2, DESIGN.md section 8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome, ReviewTerms, Seats
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.policy import (
    Circumstances,
    Policy,
    connect_decision,
    evaluate,
    load,
    mask_decision,
    masks_in_force,
    sample_policy_text,
    strictest,
)
from hoopd.sql.facts import Effect, Facts, FunctionUse, ObjectAccess, ObjectKind, Predicate, SqlError

VERSION = PolicyVersion(7)
PRODUCTION = Connection("prod-db", "h", 5432, "shop", {"env": "production", "team": "shop"})
STAGING = Connection("staging", "h", 5432, "shop", {"env": "staging"})


def person(*groups: str, email: str | None = "alice@example.com", subject: str = "u1") -> Principal:
    return Principal("https://idp", subject, email, frozenset(groups), frozenset(), datetime(2030, 1, 1, tzinfo=UTC))


def circumstances(
    *groups: str, connection: Connection = PRODUCTION, email: str | None = "alice@example.com"
) -> Circumstances:
    return Circumstances(person(*groups, email=email), connection)


def policy(*rules: str, default: str = "deny", more: str = "") -> Policy:
    lines = "".join(f"  - {rule}\n" for rule in rules) or "  []\n"
    return load(f"version: 1\ndefault: {default}\n{more}rules:\n{lines}", "p.yaml")


def access(text: str, kind: ObjectKind = ObjectKind.table, known: bool = True) -> ObjectAccess:
    effect, _, name = text.partition(" ")
    schema, _, table = name.rpartition(".")
    return ObjectAccess(Effect(effect), kind, schema or None, table, known)


def statement(
    *accesses: str | ObjectAccess,
    kind: str = "select",
    effects: Iterable[Effect] = (),
    predicate: Predicate | None = None,
    **more: object,
) -> Facts:
    found = tuple(access(one) if isinstance(one, str) else one for one in accesses)
    every = frozenset(one.effect for one in found) | frozenset(effects)
    return Facts("…", kind, every, found, predicate=predicate, **more)  # type: ignore[arg-type]


def decide(rules: Policy, facts: Facts, around: Circumstances | None = None) -> Decision:
    (decision,) = evaluate(rules, VERSION, [facts], around or circumstances("engineering"))
    return decision


READ = "{name: reads, match: {effects: [read], objects: ['public.*']}, then: allow}"
WRITE_REVIEW = "{name: writes, match: {effects: [write], objects: ['public.*']}, then: {review: {from: [dba]}}}"


class TestAllow:
    def test_it_covers_the_whole_pair(self) -> None:
        assert decide(policy(READ), statement("read public.orders")) == Decision(Outcome.allow, ("reads",), VERSION)

    @pytest.mark.parametrize("then", ["deny", "{review: {from: [dba]}}"])
    def test_other_rules_do_not_cover_a_read_of_nothing(self, then: str) -> None:
        rules = policy(f"{{name: d, match: {{effects: [read], objects: [hr.a]}}, then: {then}}}")

        assert decide(rules, statement()).rules == ("default",)

    def test_each_access_must_be_covered(self) -> None:
        decision = decide(policy(READ), statement("read public.orders", "read hr.salaries", "write public.orders"))

        assert decision.outcome is Outcome.deny
        assert decision.rules == ("default",)
        assert decision.sqlstate == "42501"
        assert decision.message == "no rule allows read hr.salaries, write public.orders"

    def test_several_rules_share_the_work(self) -> None:
        other = "{name: billing, match: {effects: [read], objects: [billing.invoices]}, then: allow}"

        decision = decide(policy(READ, other), statement("read public.orders", "read billing.invoices"))

        assert (decision.outcome, decision.rules) == (Outcome.allow, ("billing", "reads"))

    def test_many_uncovered_are_counted(self) -> None:
        decision = decide(policy(), statement(*(f"read s.t{n}" for n in range(6))))

        assert decision.message == "no rule allows read s.t0, read s.t1, read s.t2 and 3 more"

    def test_a_read_of_nothing_needs_one_allow_for_reads(self) -> None:
        assert decide(policy(READ), statement()).outcome is Outcome.allow
        assert decide(policy(READ), statement(effects=[Effect.read])).outcome is Outcome.allow
        denied = decide(policy("{name: w, match: {effects: [write]}, then: allow}"), statement())
        assert denied.message == "no rule allows reading"

    @pytest.mark.parametrize("effect", [effect for effect in Effect if effect is not Effect.read])
    def test_an_effect_without_an_access_must_be_covered_too(self, effect: Effect) -> None:
        """THREATS 7: what is opaque is not let through by rules on tables."""
        facts = statement("read public.orders", effects=[effect])
        named = f"{{name: n, match: {{effects: [{effect}], objects: ['public.*']}}, then: allow}}"
        unnamed = f"{{name: n, match: {{effects: [{effect}]}}, then: allow}}"

        assert decide(policy(READ), facts).message == f"no rule allows the effect {effect}"
        assert decide(policy(READ, named), facts).outcome is Outcome.deny
        assert decide(policy(READ, unnamed), facts).outcome is Outcome.allow

    def test_a_function_that_is_not_trusted_is_opaque(self) -> None:
        """THREATS 6: whatever the effects say."""
        facts = statement("read public.orders", functions=(FunctionUse("app", "f", "v", False),))
        by_name = "{name: f, match: {effects: [opaque], objects: [app.f]}, then: allow}"

        assert decide(policy(READ), facts).message == "no rule allows opaque app.f"
        assert decide(policy(READ, by_name), facts).outcome is Outcome.allow

    def test_an_unknown_object_is_not_covered_by_its_schema(self) -> None:
        facts = statement(access("read public.ordrs", known=False))

        assert decide(policy(READ), facts).message == (
            "no rule allows read public.ordrs (which the database's catalog does not have)"
        )
        for rule in ("{effects: [read], objects: ['*']}", "{effects: [read], objects: ['*.*']}", "{effects: [read]}"):
            assert decide(policy(f"{{name: a, match: {rule}, then: allow}}"), facts).outcome is Outcome.allow

    def test_a_table_that_is_not_there_has_postgresql_s_own_code(self) -> None:
        missing = access("read ordrs", ObjectKind.unknown, known=False)

        assert decide(policy(READ), statement(missing)).sqlstate == "42P01"
        assert decide(policy(READ), statement(missing, "read hr.salaries")).sqlstate == "42501"

    def test_a_pattern_of_one_part_allows_only_what_has_no_schema(self) -> None:
        rules = policy("{name: a, match: {objects: [search_path]}, then: allow}")
        setting = access("session search_path", ObjectKind.setting)

        assert decide(rules, statement(setting, kind="set")).outcome is Outcome.allow
        assert decide(rules, statement("session public.search_path", kind="set")).outcome is Outcome.deny

    def test_names_fold_as_postgresql_folds_them(self) -> None:
        rules = policy("{name: a, match: {objects: [Public.Orders, 'public.\"Orders\"']}, then: allow}")

        assert decide(rules, statement("read public.orders")).outcome is Outcome.allow
        assert decide(rules, statement("read public.Orders")).outcome is Outcome.allow
        assert decide(rules, statement("read public.ORDERS")).outcome is Outcome.deny


class TestDeny:
    def test_any_access_is_enough(self) -> None:
        deny = "{name: d, match: {objects: ['hr.*']}, then: {deny: no salaries}}"

        decision = decide(policy("{name: all, then: allow}", deny), statement("read public.a", "read hr.b"))

        assert (decision.outcome, decision.rules, decision.message) == (Outcome.deny, ("d",), "no salaries")

    def test_it_beats_review_and_allow_in_any_order(self) -> None:
        rules = ["{name: all, then: allow}", WRITE_REVIEW, "{name: d, match: {kinds: [update]}, then: deny}"]

        for order in (rules, rules[::-1]):
            decision = decide(policy(*order), statement("write public.a", kind="update"))
            assert (decision.outcome, decision.rules) == (Outcome.deny, ("d",))
            assert decision.message == "the policy denies this statement by the rule `d`"

    def test_several_say_all_they_have_to_say(self) -> None:
        rules = policy("{name: b, then: {deny: second}}", "{name: a, then: {deny: first}}", "{name: c, then: deny}")

        decision = decide(rules, statement("read public.a"))

        assert (decision.rules, decision.message) == (("a", "b", "c"), "first; second")

    @pytest.mark.parametrize(
        "one",
        [
            access("read orders", ObjectKind.unknown, known=False),
            access("read hr.orders", ObjectKind.unknown, known=False),
            access("ddl hr", ObjectKind.schema),
        ],
    )
    def test_doubt_counts_against_the_statement(self, one: ObjectAccess) -> None:
        rules = policy("{name: all, then: allow}", "{name: d, match: {objects: [hr.orders]}, then: deny}")

        assert decide(rules, statement(one)).outcome is Outcome.deny

    def test_a_pattern_of_one_part_denies_that_name_in_every_schema(self) -> None:
        rules = policy("{name: all, then: allow}", "{name: d, match: {objects: [salaries]}, then: deny}")

        assert decide(rules, statement("read hr.salaries")).outcome is Outcome.deny

    @pytest.mark.parametrize(
        ("effect", "outcome"),
        [
            (Effect.opaque, Outcome.deny),
            (Effect.external, Outcome.deny),
            (Effect.maintenance, Outcome.deny),
            (Effect.transaction, Outcome.allow),
            (Effect.session, Outcome.allow),
        ],
    )
    def test_what_touches_things_unseen_may_touch_these(self, effect: Effect, outcome: Outcome) -> None:
        rules = policy("{name: all, then: allow}", "{name: d, match: {objects: ['hr.*']}, then: deny}")

        assert decide(rules, statement(effects=[effect], kind="do")).outcome is outcome

    def test_text_that_does_not_parse_is_denied_with_its_own_code(self) -> None:
        """INV-2: whatever the rules say."""
        facts = Facts("selec", "unknown", error=SqlError('syntax error at or near "selec"', 1, hint="Look there."))

        decision = decide(policy("{name: all, then: allow}", default="allow"), facts)

        assert (decision.outcome, decision.sqlstate) == (Outcome.deny, "42601")
        assert (decision.message, decision.hint) == ('syntax error at or near "selec"', "Look there.")

    def test_what_is_forbidden_is_denied_always(self) -> None:
        facts = statement(forbidden="COPY FROM PROGRAM runs programs on the server", harmless=True)

        decision = decide(policy("{name: all, then: allow}", default="allow"), facts)

        assert (decision.outcome, decision.rules) == (Outcome.deny, ("built-in: never allowed",))
        assert decision.message == "COPY FROM PROGRAM runs programs on the server"


class TestReview:
    def test_its_terms(self) -> None:
        rule = (
            "{name: r, match: {effects: [write]}, then: {review: {all: [{from: [dba], approvals: 2},"
            " {from: [sec, ops]}], hold: 90s, expires: 1h, reason: required}}}"
        )

        assert decide(policy(rule), statement("write public.a")).review == ReviewTerms(
            (Seats("r", frozenset({"dba"}), 2), Seats("r", frozenset({"sec", "ops"}), 1)),
            timedelta(seconds=90),
            timedelta(hours=1),
            True,
        )

    def test_it_covers_what_it_fits_and_no_more(self) -> None:
        """A rule that sends writes of one table to review does not open the reading of another."""
        facts = statement("write public.orders", "read hr.salaries", kind="insert")

        decision = decide(policy(READ, WRITE_REVIEW), facts)

        assert (decision.outcome, decision.message) == (Outcome.deny, "no rule allows read hr.salaries")

    def test_every_one_that_matches_must_be_met(self) -> None:
        other = (
            "{name: mass, match: {kinds: [update], predicate: missing},"
            " then: {review: {from: [security], hold: 1m, expires: 1h, reason: required}}}"
        )
        facts = statement("write public.orders", kind="update", predicate=Predicate.missing)

        decision = decide(policy(WRITE_REVIEW, other), facts)

        assert decision.rules == ("mass", "writes")
        assert decision.review == ReviewTerms(
            (Seats("mass", frozenset({"security"}), 1), Seats("writes", frozenset({"dba"}), 1)),
            timedelta(minutes=1),
            timedelta(minutes=30),
            True,
        )

    def test_a_bare_review_takes_the_policy_s_reviewers(self) -> None:
        rules = policy("{name: r, then: review}", more="reviewers: {from: [dba], approvals: 2}\n")

        decision = decide(rules, statement("write public.a"))

        assert decision.review is not None
        assert decision.review.seats == (Seats("r", frozenset({"dba"}), 2),)

    def test_by_default(self) -> None:
        rules = policy(READ, default="review", more="reviewers: {from: [dba]}\n")

        decision = decide(rules, statement("write public.a"))

        assert (decision.outcome, decision.rules) == (Outcome.review, ("default",))
        assert decide(rules, statement("read public.a")).outcome is Outcome.allow

    def test_a_policy_made_without_its_checks_releases_nothing(self) -> None:
        made = Policy.model_validate_json('{"version": 1, "rules": [{"name": "r", "then": "review"}]}')

        with pytest.raises(ValueError, match="on no terms"):
            decide(made, statement("write public.a"))


class TestSelectors:
    def test_kinds_take_a_star(self) -> None:
        rules = policy("{name: all, then: allow}", "{name: d, match: {kinds: ['drop_*', truncate]}, then: deny}")

        for kind, outcome in (("drop_table", "deny"), ("truncate", "deny"), ("select", "allow"), ("drop", "allow")):
            assert decide(rules, statement("ddl public.a", kind=kind)).outcome == outcome

    def test_a_statement_inside_another_counts(self) -> None:
        """THREATS 2: a DELETE in a CTE is not a SELECT to an allow rule, and is a DELETE to a deny rule."""
        hidden = statement("read public.a", "write public.a", kinds=("select", "delete"))
        plain = statement("read public.a")
        allow = "{name: a, match: {kinds: [select]}, then: allow}"

        assert decide(policy(allow), plain).outcome is Outcome.allow
        assert decide(policy(allow), hidden).rules == ("default",)
        assert decide(
            policy("{name: all, then: allow}", "{name: d, match: {kinds: [delete]}, then: deny}"), hidden
        ).rules == ("d",)

    @pytest.mark.parametrize(
        ("wanted", "given", "outcome"),
        [
            ("missing", Predicate.missing, "deny"),
            ("missing", Predicate.constant, "allow"),
            ("[missing, constant]", Predicate.constant, "deny"),
            ("[missing, constant]", Predicate.present, "allow"),
            ("present", None, "allow"),
        ],
    )
    def test_predicate(self, wanted: str, given: Predicate | None, outcome: str) -> None:
        rules = policy("{name: all, then: allow}", f"{{name: d, match: {{predicate: {wanted}}}, then: deny}}")

        assert decide(rules, statement("write public.a", predicate=given)).outcome == outcome

    @pytest.mark.parametrize(
        ("selector", "fits"),
        [
            ("{groups: [dba]}", True),
            ("{groups: [sec]}", False),
            ("{users: [ALICE@example.com]}", True),
            ("{users: [u1]}", True),
            ("{users: [U1]}", False),
            ("{users: [bob@example.com], groups: [dba]}", True),
            ("{users: [bob@example.com], groups: [sec]}", False),
        ],
    )
    def test_principals(self, selector: str, fits: bool) -> None:
        rules = policy(f"{{name: a, match: {{principals: {selector}}}, then: allow}}")

        assert (decide(rules, statement(), circumstances("dba")).outcome is Outcome.allow) is fits

    def test_a_principal_without_an_e_mail_is_nobody_s_e_mail(self) -> None:
        rules = policy("{name: a, match: {principals: {users: [None, none]}}, then: allow}")

        assert decide(rules, statement(), circumstances(email=None)).outcome is Outcome.deny

    @pytest.mark.parametrize(
        ("selector", "fits"),
        [
            ("[prod-db]", True),
            ("[other]", False),
            ("{labels: {env: production}}", True),
            ("{labels: {env: production, team: shop}}", True),
            ("{labels: {env: production, team: x}}", False),
            ("{labels: {nope: production}}", False),
        ],
    )
    def test_connections(self, selector: str, fits: bool) -> None:
        rules = policy(f"{{name: a, match: {{connections: {selector}}}, then: allow}}")

        assert (decide(rules, statement()).outcome is Outcome.allow) is fits


class TestBuiltIn:
    @pytest.mark.parametrize(
        ("facts", "rule"),
        [
            (statement(kind="begin", effects=[Effect.transaction], harmless=True), "built-in: transaction control"),
            (
                statement("session application_name", kind="set", harmless=True),
                "built-in: harmless settings, SHOW, DEALLOCATE and CLOSE",
            ),
            (statement("read pg_catalog.pg_class", harmless=True), "built-in: catalogs that carry no data"),
        ],
    )
    def test_what_clients_need_works_under_default_deny(self, facts: Facts, rule: str) -> None:
        assert decide(policy(), facts) == Decision(Outcome.allow, (rule,), VERSION)

    def test_a_plain_catalog_may_stand_beside_other_reads(self) -> None:
        catalog = access("read pg_catalog.pg_class", ObjectKind.catalog)

        assert decide(policy(READ), statement(catalog, "read public.a")).rules == ("reads",)
        unseen = access("read pg_catalog.pg_class", ObjectKind.catalog, known=False)
        assert decide(policy(), statement(unseen)).outcome is Outcome.deny
        assert decide(policy(), statement(catalog)).rules == ("built-in: catalogs that carry no data",)
        assert decide(policy(READ), statement("read pg_catalog.pg_authid")).outcome is Outcome.deny
        assert (
            decide(policy(READ), statement(access("write pg_catalog.pg_class", ObjectKind.catalog))).outcome
            is Outcome.deny
        )

    def test_it_can_be_tightened(self) -> None:
        facts = statement("read pg_catalog.pg_class", harmless=True)

        assert decide(policy("{name: d, match: {objects: ['pg_catalog.*']}, then: deny}"), facts).rules == ("d",)
        held = decide(policy("{name: r, match: {effects: [read]}, then: {review: {from: [dba]}}}"), facts)
        assert (held.outcome, held.rules) == (Outcome.review, ("r",))


class TestConnect:
    RULES = policy(
        "{name: c, match: {principals: {groups: [engineering]}}, then: {connect: allow}}",
        "{name: n, match: {connections: [staging]}, then: {connect: {deny: staging is closed}}}",
        "{name: r, match: {principals: {groups: [guest]}}, then: {connect: {review: {from: [admin]}}}}",
        "{name: all, then: allow}",
    )

    def test_a_rule_allows_it(self) -> None:
        decision = connect_decision(self.RULES, VERSION, circumstances("engineering"))

        assert decision == Decision(Outcome.allow, ("c",), VERSION)

    def test_no_rule_is_the_default(self) -> None:
        """A rule on statements does not open the door."""
        decision = connect_decision(self.RULES, VERSION, circumstances("auditor"))

        assert (decision.outcome, decision.rules) == (Outcome.deny, ("default",))
        assert decision.message == "no rule allows alice@example.com to connect to prod-db"

    def test_deny_and_review_come_first(self) -> None:
        denied = connect_decision(self.RULES, VERSION, circumstances("engineering", connection=STAGING))
        held = connect_decision(self.RULES, VERSION, circumstances("engineering", "guest"))

        assert (denied.outcome, denied.message) == (Outcome.deny, "staging is closed")
        assert (held.outcome, held.review and held.review.seats[0].groups) == (Outcome.review, {"admin"})

    def test_a_connect_rule_allows_no_statement(self) -> None:
        assert decide(policy("{name: c, then: {connect: allow}}"), statement()).outcome is Outcome.deny


class TestStrictest:
    def test_of_a_batch(self) -> None:
        """THREATS 1: the batch takes the strictest."""
        rules = policy(READ, WRITE_REVIEW, "{name: d, match: {kinds: [drop_table]}, then: {deny: no}}")
        read, write = statement("read public.a"), statement("write public.a")
        drop = statement("ddl public.a", kind="drop_table")
        around = circumstances("engineering")

        def of(*batch: Facts) -> Decision:
            return strictest(evaluate(rules, VERSION, batch, around))

        assert of(read, read) == Decision(Outcome.allow, ("reads",), VERSION)
        assert of(read, write).rules == ("writes",)
        assert of(write, drop, read).message == "no"

    def test_of_the_same_review_twice_asks_once(self) -> None:
        rules = policy(WRITE_REVIEW)
        decision = strictest(evaluate(rules, VERSION, [statement("write public.a")] * 3, circumstances()))

        assert decision.review is not None
        assert decision.review.seats == (Seats("writes", frozenset({"dba"}), 1),)

    def test_of_nothing_there_is_none(self) -> None:
        with pytest.raises(ValueError, match="no decision"):
            strictest([])


class TestMasks:
    MASKS = load(
        "version: 1\nreviewers: {from: [dba]}\nmasks:\n"
        "  - {columns: [a.b.c], with: {last: 4}, except: {groups: [fraud], users: [x@y]}, predicates: allow}\n"
        "  - {name: second, columns: [a.b.c], with: full, connections: [prod-db]}\n",
        "p.yaml",
    )

    def names(self, around: Circumstances) -> list[str]:
        return [rule.name for rule in masks_in_force(self.MASKS, around)]

    def test_in_force(self) -> None:
        assert self.names(circumstances("engineering")) == ["mask: a.b.c", "mask: second"]
        assert self.names(circumstances("engineering", connection=STAGING)) == ["mask: a.b.c"]

    def test_an_exception_lifts_its_own_mask_only(self) -> None:
        assert self.names(circumstances("fraud")) == ["mask: second"]
        assert self.names(circumstances(email="X@Y")) == ["mask: second"]

    def test_a_plan_s_review_is_on_the_policy_s_reviewers(self) -> None:
        decision = mask_decision(self.MASKS, VERSION, Outcome.review, ("mask: a", "mask: b"), "why")

        assert decision.review is not None
        assert [(seats.rule, seats.groups) for seats in decision.review.seats] == [
            ("mask: a", {"dba"}),
            ("mask: b", {"dba"}),
        ]

    def test_a_plan_s_review_that_nobody_could_do_is_a_denial(self) -> None:
        decision = mask_decision(policy(), VERSION, Outcome.review, ("mask: a",), "why")

        assert (decision.outcome, decision.message) == (Outcome.deny, "why")

    def test_a_plan_s_denial_keeps_its_code(self) -> None:
        decision = mask_decision(self.MASKS, VERSION, Outcome.deny, ("mask: a",), "why", "42P01")

        assert (decision.outcome, decision.sqlstate) == (Outcome.deny, "42P01")


class TestSample:
    """What the sample policy makes of the statements that the product is shown with."""

    SAMPLE = load(sample_policy_text(), "sample.yaml")

    @pytest.mark.parametrize(
        ("facts", "outcome", "seats"),
        [
            (statement("read public.customers"), "allow", []),
            (statement("read support.notes", "read public.orders"), "allow", []),
            (statement(), "allow", []),
            (statement("read hr.x"), "deny", []),
            (statement("write public.orders", "read public.orders", kind="delete", predicate=Predicate.present),
             "review", [{"dba"}]),
            (statement("write public.orders", kind="insert"), "review", [{"dba"}]),
            (statement("write public.orders", "read public.orders", kind="delete", predicate=Predicate.missing),
             "review", [{"dba"}, {"security"}, {"dba"}]),
            (statement("write public.orders", kind="update", predicate=Predicate.constant),
             "review", [{"dba"}, {"security"}, {"dba"}]),
            (statement("ddl public.orders", kind="drop_table"), "deny", []),
            (statement("write public.orders", kind="truncate"), "deny", []),
            (statement("ddl public.orders", kind="alter_table"), "deny", []),
            (statement("lock public.orders", "read public.orders"), "review", [{"dba"}]),
            (statement(access("session search_path", ObjectKind.setting), kind="set"), "allow", []),
            (statement(access("session role", ObjectKind.setting), kind="set_role"), "deny", []),
            (statement("read public.a", functions=(FunctionUse("app", "f", "v", False),)), "review", [{"dba"}]),
            (statement(effects=[Effect.external], kind="copy"), "deny", []),
        ],
    )  # fmt: skip
    def test_an_engineer(self, facts: Facts, outcome: str, seats: list[set[str]]) -> None:
        decision = decide(self.SAMPLE, facts)

        assert decision.outcome == outcome
        assert [one.groups for one in (decision.review.seats if decision.review else ())] == seats
        assert decision.review is None or not decision.review.reason_required

    @pytest.mark.parametrize(
        ("groups", "outcome"),
        [
            (["engineering"], "allow"),
            (["dba", "security"], "allow"),
            (["admin"], "allow"),
            (["auditor"], "deny"),
            ([], "deny"),
        ],
    )
    def test_who_may_connect(self, groups: list[str], outcome: str) -> None:
        assert connect_decision(self.SAMPLE, VERSION, circumstances(*groups)).outcome == outcome

    def test_an_auditor_reads_nothing(self) -> None:
        assert decide(self.SAMPLE, statement("read public.orders"), circumstances("auditor")).outcome is Outcome.deny

    def test_masks_hold_for_everybody(self) -> None:
        assert len(masks_in_force(self.SAMPLE, circumstances("dba", "admin", "fraud"))) == len(self.SAMPLE.masks) > 0
