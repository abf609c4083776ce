"""A policy file is loaded whole or not at all, and what is wrong with it is said with its place (THREATS 22)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.limits import Limits
from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.policy import PolicyError, load, sample_policy_text, schema, schema_text
from hoopd.policy.model import Policy


def problems(text: str, connections: list[str] | None = None) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(text, "p.yaml", connections)
    return [str(problem) for problem in caught.value.problems]


def rule(body: str) -> str:
    return f"version: 1\nrules:\n  - name: a\n    {body}\n"


def test_the_sample_loads() -> None:
    policy = load(sample_policy_text(), "sample.yaml", ["prod-db"])

    assert policy.default is Outcome.deny
    assert ColumnMask(MaskKind.last, keep=4) in [mask.mask for mask in policy.masks]
    assert ColumnMask(MaskKind.null) in [mask.mask for mask in policy.masks]


def test_a_policy_says_deny_by_default() -> None:
    assert load("version: 1\n", "p.yaml").default is Outcome.deny


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nrulez: []\n", "p.yaml:2:1: a policy has no `rulez`; did you mean `rules`?"),
        (rule("then: alow"), "p.yaml:4:11: `alow` is not known here; did you mean `allow`?"),
        (rule("then: {reveiw: {from: [a]}}"), "p.yaml:4:12: `then` has no `reveiw`; did you mean `review`?"),
        (rule("then: {connect: {dney: x}}"), "p.yaml:4:22: `connect` has no `dney`; did you mean `deny`?"),
        (
            "version: 1\nrules:\n  - name: a\n    then: allow\n    match:\n      effects: [read, wirte]\n",
            "p.yaml:6:23: `wirte` is not known here; did you mean `write`?",
        ),
        (
            "version: 1\nrules:\n  - name: a\n    then: allow\n    match: {kinds: [drop_tabel]}\n",
            "p.yaml:5:21: `drop_tabel` is not known here; did you mean `drop_table`?",
        ),
        (
            "version: 1\nrules:\n  - name: a\n    then: deny\n    match: {predicate: misisng}\n",
            "p.yaml:5:24: `misisng` is not known here; did you mean `missing`?",
        ),
        (
            "version: 1\nmasks:\n  - columns: [a.b.c]\n    predicates: deny\n    with: {lsat: 4}\n",
            "p.yaml:5:12: `with` has no `lsat`; did you mean `last`?",
        ),
        ("version: 1\nrules:\n  - then: allow\n", "p.yaml:3:5: a rule needs `name`"),
        ("version: 1\nrules:\n  - name: a\n", "p.yaml:3:5: a rule needs `then`"),
        ("rules: []\n", "p.yaml:1:1: a policy needs `version`"),
        ("[]\n", "p.yaml:1:1: a policy is a mapping"),
        (rule("then:"), "p.yaml:4:5: this must be one of `allow`, `deny`, `review`, `connect`"),
    ],
)
def test_an_error_has_its_place_and_the_nearest_word(text: str, expected: str) -> None:
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: '1'\n", "`version` must be the number 1"),
        ("version: 2\n", "`version` must be the number 1"),
        (rule("then: {review: {from: [dba], approvals: '2'}}"), "`approvals` must be a whole number, and is text"),
        (
            rule("then: {review: {from: [dba], approvals: 0}}"),
            "`approvals`: input should be greater than or equal to 1",
        ),
        (rule("then: {review: {from: [dba], approvals: true}}"), "`approvals` must be a whole number"),
        (rule("then: {review: {from: dba}}"), "`from` must be a list, and is text"),
        (rule("then: {review: {from: [dba], hold: 4:30}}"), "a duration is written such as"),
        (rule("then: {review: {from: [dba], hold: 0s}}"), "at least 1s and at most 7d"),
        (rule("then: {review: {from: [dba], expires: 8d}}"), "at least 1s and at most 7d"),
        (rule("then: {review: {from: [dba], hold: 5m, expires: 1m}}"), "`hold` is longer than `expires`"),
        (rule("then: {review: {}}"), "needs either `from` with groups, or `all`"),
        (rule("then: {review: {from: [a], all: [{from: [b]}]}}"), "needs either `from` with groups, or `all`"),
        (rule("then: {review: {approvals: 2, all: [{from: [b]}]}}"), "`approvals` belongs inside"),
        (rule("then: review"), "a bare `review` needs `reviewers`"),
        (rule("then: {connect: review}"), "a bare `review` needs `reviewers`"),
        (rule('then: {deny: "a\\u202Eb"}'), "hidden or control character U+202E"),
        (rule('then: {deny: "   "}'), "the text is blank"),
        (rule("match: {objects: [a.b.c]}\n    then: deny"), "that is for `columns`"),
        (rule("match: {functions: ['app.f(int)']}\n    then: deny"), "`app.f(int)` is no function"),
        (rule("match: {functions: [a.b.c]}\n    then: deny"), "`a.b.c` is no function"),
        (rule("match: {columns: [a.b]}\n    then: deny"), "`a.b` is no column"),
        (rule("match: {functions: [f]}\n    then: allow"), "names no schema"),
        (rule("match: {functions: [a.f], effects: [read]}\n    then: allow"), "whose effect is `opaque`"),
        (rule("match: {columns: [a.b.c], effects: [write]}\n    then: allow"), "covers reads only"),
        (rule("match: {columns: [a.b.c], functions: [a.f]}\n    then: allow"), "are two rules"),
        (rule("match: {columns: [a.b.c]}\n    then: {connect: deny}"), "`columns` is of statements"),
        (rule("match: {functions: [a.f]}\n    then: {connect: deny}"), "`functions` is of statements"),
        (rule("match: {objects: }\n    then: allow"), "`objects` is empty, and would fit everything"),
        (rule("match: {if: }\n    then: allow"), "`if` is empty, and would fit everything"),
        (rule("if: 'true'\n    then: allow"), "`if` is a selector: it belongs under `match`"),
        (rule("match: {if: 'now.hours < 7'}\n    then: deny"), "p.yaml:4:13: `now` needs `timezone`"),
        (rule("match: {if: 'now.hourz < 7'}\n    then: deny"), "p.yaml:4:17: a condition has no `now.hourz`"),
        (rule("match: {if: \"application == 'x'\"}\n    then: allow"), "`application` is the client's own word"),
        (rule("match: {if: \"application == 'x'\"}\n    then: {connect: deny}"), "`application` is not known yet"),
        (rule("match: {if: \"statement.kind == 'x'\"}\n    then: {connect: deny}"), "`statement` is not known yet"),
        (rule("match: {if: [1]}\n    then: deny"), "a condition is text"),
        (rule('match: {if: "true\\u202E"}\n    then: deny'), "hidden or control character U+202E"),
        ("version: 1\ntimezone: Europe/Berln\n", "did you mean `Europe/Berlin`?"),
        ("version: 1\ntimezone: ../../etc/passwd\n", "is no name of the IANA time zone database"),
        ("version: 1\ntimezone: localtime\n", "is no name of the IANA time zone database"),
        ("version: 1\ntimezone: 2\n", "is no name of the IANA time zone database"),
        (rule("match: {client: agent}\n    then: allow"), "`client` is the client's own word"),
        (rule("match: {application: [psql]}\n    then: allow"), "`application` is the client's own word"),
        (rule("match: {client: person}\n    then: {connect: allow}"), "`client` is of statements"),
        (rule("match: {application: [psql]}\n    then: {connect: deny}"), "`application` is of statements"),
        (rule("match: {application: ['']}\n    then: deny"), "a pattern of applications has 1 to 200 characters"),
        (rule("match: {application: [1]}\n    then: deny"), "a pattern of applications is text"),
        (rule("match: {client: robot}\n    then: deny"), "`robot` is not known here"),
        (rule("match: {principals: {client: agent}}\n    then: deny"), "`principals` names people"),
        (
            "version: 1\nmasks:\n  - {columns: [a.b.c], with: full, predicates: deny, except: {application: [psql]}}\n",
            "`application` is the client's own word, which anybody can choose: `except` names people",
        ),
        (rule('match: {objects: ["a..b"]}\n    then: deny'), "`a..b` is not a name pattern"),
        (rule("match: {objects: []}\n    then: deny"), "`objects` is empty"),
        (rule("match: {principals: {}}\n    then: deny"), "`principals` is empty"),
        (rule("match: {effects: [read]}\n    then: {connect: allow}"), "`connect` speaks of opening a session"),
        (rule("then: allow\n  - name: a\n    then: deny"), "another rule is called `a`"),
        ("version: 1\nrules:\n  - name: 'built-in: x'\n    then: allow\n", "begins like a name of the gateway's own"),
        (f"version: 1\nrules:\n  - name: {'n' * 101}\n    then: allow\n", "at most 100 characters"),
        ("version: 1\nlimits: {}\n", "`limits` is empty"),
        ("version: 1\nlimits: {rows: 0}\n", "`rows`: input should be greater than or equal to 1"),
        ("version: 1\nlimits: {changed_rows: '10'}\n", "`changed_rows` must be a whole number, and is text"),
        ("version: 1\nlimits: {bytes: 64MB}\n", "a size is a number of bytes, or written such as"),
        ("version: 1\nlimits: {bytes: 0}\n", "a size is a number of bytes"),
        ("version: 1\nlimits: {bytes: 0KiB}\n", "a size is a number of bytes"),
        ("version: 1\nlimits: {statement_timeout: 60}\n", "a duration is written such as"),
        ("version: 1\nlimits: {row: 5}\n", "`limits` has no `row`; did you mean `rows`?"),
        (rule("then: deny\n    limits: {rows: 1}"), "by this rule none does"),
        (rule("then: {connect: allow}\n    limits: {rows: 1}"), "by this rule none does"),
        (rule("then: allow\n    limits: {}"), "`limits` is empty"),
        ("version: 1\ndefault: review\n", "`default: review` needs `reviewers`"),
        ("version: 1\nmasks:\n  - columns: [a.b.c]\n    with: full\n", "nobody is named for it"),
        ("version: 1\nmasks:\n  - columns: [a.b]\n    with: full\n    predicates: deny\n", "`a.b` is no column"),
        (
            "version: 1\nmasks:\n  - columns: [a.b.c]\n    with: full\n    predicates: deny\n    except: {}\n",
            "`except` is empty",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, expected: str) -> None:
    found = problems(text)

    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(("size", "number"), [("65536", 65536), ("1KiB", 1024), ("64MiB", 2**26), ("1GiB", 2**30)])
def test_limits_are_read(size: str, number: int) -> None:
    policy = load(
        f"version: 1\nlimits: {{rows: 10, bytes: {size}, changed_rows: 5, statement_timeout: 1m30s}}\n"
        "rules:\n  - {name: a, then: allow, limits: {changed_rows: 2}}\n",
        "p.yaml",
    )

    assert policy.bounds == Limits(10, number, 5, timedelta(seconds=90))
    assert policy.rules[0].bounds == Limits(changed_rows=2)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (rule("match: {rows: {over: 1000}}\n    then: deny"), "rows"),
        (rule("then: {review: {from: [dba], detach: true}}"), "detach"),
        (rule("then: {review: {from: [dba], scope: session}}"), "scope"),
        ("version: 1\nmasks:\n  - columns: [a.b.c]\n    predicates: deny\n    with: {range: 10}\n", "range"),
        ("version: 1\nmasks:\n  - columns: [a.b.c]\n    predicates: deny\n    with: range\n", "range"),
    ],
)
def test_what_is_not_built_yet_is_refused_by_name(text: str, word: str) -> None:
    """A selector that would be passed over in silence would widen its rule."""
    assert [problem for problem in problems(text) if f"`{word}` is not supported yet" in problem]


def test_every_problem_is_found_at_once() -> None:
    found = problems("version: 1\nrules:\n  - name: a\n    match: {effects: [raed]}\n    then: alow\n")

    assert [line.split(": ")[0] for line in found] == ["p.yaml:4:23", "p.yaml:5:11"]


def test_the_error_is_one_sentence_with_the_count_of_others() -> None:
    with pytest.raises(PolicyError, match=r"^p\.yaml:4:23: `raed` .*\(1 more like it\)$") as caught:
        load("version: 1\nrules:\n  - name: a\n    match: {effects: [raed]}\n    then: alow\n", "p.yaml")

    assert caught.value.grpc_status == "INVALID_ARGUMENT"


def test_a_connection_that_does_not_exist_is_refused() -> None:
    """A deny rule for a misspelt connection would protect nothing."""
    text = "version: 1\nrules:\n  - name: a\n    then: deny\n    match: {connections: [prdo-db]}\n"

    assert problems(text, ["prod-db"]) == ["p.yaml:5:27: no connection is called `prdo-db`; did you mean `prod-db`?"]
    assert load(text, "p.yaml").rules[0].name == "a"


@pytest.mark.parametrize("how", ["null", "'null'", "~"])
def test_null_is_a_mask_however_it_is_written(how: str) -> None:
    policy = load(f"version: 1\nmasks:\n  - columns: [a.b.c]\n    predicates: deny\n    with: {how}\n", "p.yaml")

    assert policy.masks[0].mask == ColumnMask(MaskKind.null)


def test_the_committed_schema_is_the_model_s() -> None:
    committed = files("hoop").joinpath("policy", "schema.json").read_text(encoding="utf-8")

    assert committed == schema_text()
    assert json.loads(committed) == schema()


def test_every_model_of_the_file_can_suggest_its_words() -> None:
    """The table of words by section knows each key whose value is a mapping."""
    from hoopd.policy.problems import _MODELS, _SECTIONS

    definitions = schema()["$defs"]
    objects = {name for name, body in definitions.items() if body.get("type") == "object"}
    reached = {model.__name__ for model in _MODELS.values()}
    alternatives = {"DenyWith", "ReviewBy", "Connect", "KeepLast", "KeepFirst", "Replace"}

    assert objects - reached == alternatives
    assert {"then", "connect", "with"} == set(_SECTIONS)


@pytest.fixture
def frozen() -> Callable[[], Policy]:
    return lambda: load(sample_policy_text(), "sample.yaml")


def test_a_loaded_policy_cannot_be_changed(frozen: Callable[[], Policy]) -> None:
    with pytest.raises(ValueError, match="frozen"):
        frozen().default = Outcome.allow  # type: ignore[misc]
