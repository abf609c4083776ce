"""Whether a WHERE chooses rows."""

import pytest

from hoopd.sql.facts import Predicate
from hoopd.sql.parser import parse
from hoopd.sql.predicates import judge, worst

CASES = {
    "delete from t": "missing",
    "delete from t where true": "constant",
    "delete from t where 1 = 1": "constant",
    "delete from t where 'a' = 'a' and 1 < 2": "constant",
    "delete from t where id = 5 or 1 = 1": "constant",
    "delete from t where id = id": "constant",
    "delete from t where t.id = t . id": "constant",
    "delete from t where not false": "constant",
    "delete from t where $1": "constant",
    "delete from t where now() > '2020-01-01'": "constant",
    "delete from t where length('x') = 1": "constant",
    "delete from t where id = 5": "present",
    "delete from t where id = 5 and 1 = 1": "present",
    "delete from t where exists (select 1 from u where u.id = t.id)": "present",
    "delete from t where current of c": "present",
    "update t set a = 1 where id in (1, 2)": "present",
}


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=CASES.keys())
def test_predicates(text: str, expected: str) -> None:
    assert judge(parse(text)[0].node.get("whereClause")) is Predicate(expected)


def test_the_worst_counts() -> None:
    assert worst(Predicate.present, Predicate.missing) is Predicate.missing
    assert worst(None, Predicate.constant) is Predicate.constant
    assert worst(None, None) is None
