"""A layout is shown only where it means the same."""

import pytest

from hoopd.sql.layout import layout
from hoopd.sql.parser import same_tree


def test_clauses_stand_on_lines_of_their_own() -> None:
    assert layout("select a, b from t where a = 1") == "SELECT a,\n       b\nFROM t\nWHERE a = 1"


@pytest.mark.parametrize(
    "text",
    [
        "select 'a\\'; delete from t; --'",
        "/* /* */ ; delete from t */ select 1",
        "select $a$ ; $$ $a$",
        "selec",
        'select "SELECT" from "from"',
        "select 1 -- ; comment\n+ 1",
        "select e'\\'' || u&'\\0041'",
        "select " + "(" * 5000 + "1" + ")" * 5000,
        "select " + ", ".join(["1"] * 5000),
        "x" * 100_000,
    ],
)
def test_a_layout_never_changes_what_is_meant(text: str) -> None:
    shown = layout(text)
    assert shown == text or same_tree(shown, text)
