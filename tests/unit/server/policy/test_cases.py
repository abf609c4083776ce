"""Files of a policy's own test cases: what they may hold, and what is said of what they may not."""

import pytest

from hoopd.domain.decision import Outcome
from hoopd.policy.cases import load_cases
from hoopd.policy.problems import PolicyError

GOOD = """
connection: prod-db
cases:
  - name: reads
    as: {user: a@example.com, groups: [engineering]}
    sql: select 1
    expect: allow
  - name: interns stay out
    as: {groups: [interns]}
    on: other-db
    connect: true
    expect: deny
    rules: [default]
"""


def test_a_file_of_cases() -> None:
    first, second = load_cases(GOOD, "cases.yaml").cases
    assert (first.name, first.asker.principal.name, first.asker.principal.groups) == (
        "reads", "a@example.com", {"engineering"},
    )  # fmt: skip
    assert (first.connection, first.expect, first.rules, first.connect) == (None, Outcome.allow, None, None)
    assert (second.connection, second.connect, second.rules) == ("other-db", True, ("default",))
    assert not first.asker.principal.roles


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("cases: []", 1, "`cases` is empty"),
        ("connection: a\ncases:\n  - {name: x, expect: allow}", 3, "needs either `sql` or `connect: true`"),
        ("connection: a\ncases:\n  - {name: x, sql: s, connect: true, expect: allow}", 3, "needs either"),
        ("cases:\n  - {name: x, sql: select 1, expect: allow}", 2, "says on no connection"),
        ("connection: a\ncases:\n  - {name: x, sql: select 1, expect: alow}", 3, "`alow` is not known here"),
        ("connection: a\ncases:\n  - {name: x, sql: select 1, expct: allow}", 3, "expct"),
        ("cases: ]", 1, "this is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_cases(text, "cases.yaml")
    (first, *_) = caught.value.problems
    assert first.place.line == line
    assert sentence in "; ".join(problem.message for problem in caught.value.problems)
