"""Which texts count as alike, and which of their numbers may differ (INV-1, THREATS 3 and 6)."""

from __future__ import annotations

import pytest

from hoopd.sql.alike import LONGEST, MOST, free, shape
from hoopd.sql.parser import tokens

READ = "SELECT abalance FROM accounts WHERE aid = 12;"


def test_texts_that_differ_in_numbers_have_one_shape() -> None:
    one, other = shape(READ), shape(READ.replace("12", "999999999"))
    assert one is not None
    assert other is not None
    assert one[0] == other[0]
    assert (one[1], other[1]) == (("12",), ("999999999",))
    assert free(READ) == (True,)


@pytest.mark.parametrize(
    "text",
    [
        "select 'aid = 12'",
        'select "12" from t where a = 1',
        "select $1 + 1",
        "select $$12$$",
        "select 1 -- 12",
        "select 1 /* 12 */",
        "select 1 from t where a = 5::regclass",
        "select E'\\x31' = 1",
        "select 1 from tä where a = 1",
        "select 1 from t where a = 1\x0b",
        "select 1 from t where a = 1\x00",
        "select a[1] from t",
        "select 1 from t where a @> 1",
        "select a from t",
        "select 1e5",
        "select 1.5 from t where a = 0x1F",
        "select a1 from t where b_2 = 1_000",
        "select 1234567890 from t",
        "select " + ", ".join(["1"] * (MOST + 1)),
        "select 1" + " " * LONGEST,
    ],
)
def test_what_has_no_shape(text: str) -> None:
    assert shape(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "select 1,2 from t where a=1 or(b<2)and 3>c;",
        "select a1 , 22 , b_3 , 1.5 , 4e4 , 0x1F , 5_5 , 1234567890 , -7 , 8.",
    ],
)
def test_every_number_of_a_shape_is_one_of_postgresqls_integers(text: str) -> None:
    """THREATS 3: what this module takes for a number is one token to PostgreSQL, of that very text."""
    shaped = shape(text)
    assert shaped is not None
    data = text.encode()
    integers = [data[t.start : t.end].decode() for t in tokens(text) if t.name == "ICONST"]
    assert set(shaped[1]) <= set(integers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select a from t where 7 < b and not (c <> 8 or t.d >= 9)", (True, True, True)),
        ("select 1 from t where a = 2 group by 3 order by 4 limit 5 offset 6", (False, True, *[False] * 4)),
        ("select a from t where a = 2 fetch first 3 rows only", (True, False)),
        ("select a from t where b = -2", (False,)),
        ("select a from t where b = 1 + 2", (False, False)),
        ("select a from t where b + 1 = 2", (False, False)),
        ("select a from t where 1 = 1", (False, False)),
        ("select a from t where f(1) = 2 and b = f(3)", (False, False, False)),
        ("select a from t where b in (1, 2) and c between 3 and 4", (False,) * 4),
        ("select a from t where b = (select 1 from u where c = 2)", (False, False)),
        ("select a from t where exists (select 1 from u where c = 2) and d = 3", (False, False, True)),
        ("select a from (select b from u where c = 1) v where d = 2", (False, True)),
        ("with v as (select b from u where c = 1) select a from v where d = 2", (False, True)),
        ("select a from t join u on t.b = 1 where c = 2", (False, True)),
        ("select a, c = 1 from t where c = 2 group by a, c = 1 having max(c) > 3", (False, True, False, False)),
        ("select a from t where cast(b as varchar(1)) = 2 and c = cast(3 as int)", (False, False, False)),
        ("select a from t where b = 1 union select a from t where b = 2", (False, False)),
        ("select a from t where b % 1 and c = any(array(select 2))", (False, False)),
        ("select a from t where case when b = 1 then c = 2 end", (False, False)),
        ("select a from t where (b, c) = (1, 2)", (False, False)),
        ("select a from t where b is distinct from 1", (False,)),
        ("select a from t where b operator(pg_catalog.=) 1", (False,)),
        ("values (1)", (False,)),
    ],
)
def test_only_what_is_compared_with_a_column_in_where_is_free(text: str, expected: tuple[bool, ...]) -> None:
    assert shape(text) is not None
    assert free(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "update t set a = 1 where b = 2",
        "delete from t where b = 2",
        "select a from t where b = 1; select a from t where b = 2",
        "insert into t select a from u where b = 1",
        "explain select a from t where b = 1",
        "select a from where b = 1",
    ],
)
def test_nothing_else_than_one_select_has_free_numbers(text: str) -> None:
    assert free(text) == ()
