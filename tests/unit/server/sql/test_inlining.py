"""Bodies of functions in SQL, written out in place of their calls; test_stored_trees has servers write them out."""

import pytest

from hoopd.sql.inlining import passes_its_arguments_on


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("select $1 + 1", True),
        ("select lower(a)", True),
        ("select f('x', $1)", True),
        ("select f('x') || $1", False),
        ("select lower('X') || $1", True),
        ("select case when true then f(1) else $1 end", False),
        ("select 1; select 2", False),
        ("delete from t", False),
        ("select x from t", False),
        ("not sql", False),
        ("", False),
    ],
)
def test_bodies_that_pass_their_arguments_on(body: str, passes: bool) -> None:
    assert passes_its_arguments_on(body) is passes
