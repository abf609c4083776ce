"""Whatever a requester writes, a reviewer sees: all of it, in their own line, with nothing hidden (THREATS 18)."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hoopctl.output import printable
from hoopctl.requests import Facts, Param
from hoopctl.tui.drawing import COLOUR_LIMIT, body, environment_mark, head, row, safe, statement
from tests.fixtures.inbox import START, request

NASTY = "\x1b[2J\x1b]0;t\x07 \u202eevil\u202c \u200b\u200d\u2066\ufeff\x00\x7f\x9b1m \U000e0041"


def rendered(drawn, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(drawn)
    return console.file.getvalue()


def styles_at(text, fragment):
    start = text.plain.index(fragment)
    return [span.style for span in text.spans if span.start <= start < span.end]


@given(st.text(max_size=300))
def test_no_character_that_a_terminal_would_obey_is_drawn(text):
    for drawn in (statement(text), safe(text)):
        assert printable(drawn.plain) == drawn.plain


@given(st.text(st.sampled_from("ab'\"$-/*;\n 1\u200b\x1b"), max_size=80))
def test_colours_change_no_character(text):
    without_padding = statement(text).plain
    if "⟨" not in without_padding:
        assert without_padding == printable(text)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_long_statement_is_drawn_whole(width):
    words = [f"word{number}" for number in range(3000)]
    drawn = rendered(statement(" ".join(words)), width)
    assert drawn.split() == words


def test_a_statement_over_the_limit_of_colours_is_drawn_whole_without_them():
    sql = "SELECT " + "x" * COLOUR_LIMIT
    drawn = statement(sql)
    assert drawn.plain == sql
    assert not drawn.spans


def test_a_long_word_is_folded_and_not_cut():
    sql = "SELECT '" + "x" * 500 + "'"
    assert "".join(rendered(statement(sql), 40).split()) == sql.replace(" ", "")


def test_hidden_characters_are_drawn_as_marked_escapes():
    drawn = statement("SELECT '\u202e'")
    assert drawn.plain == "SELECT '\\u202e'"
    assert any(getattr(style, "bgcolor", None) for style in styles_at(drawn, "\\u202e"))
    assert not any(getattr(style, "bgcolor", None) for style in styles_at(statement(r"SELECT '\u202e'"), "\\u202e"))


@pytest.mark.parametrize(
    ("tail", "mark"),
    [
        (" " * 5000, "⟨5000 blanks⟩"),
        ("\n" * 500, "⟨499 empty lines⟩"),
        ("\t" * 100, "⟨100 blanks⟩"),
        (" \n" * 100, "⟨99 empty lines⟩"),
    ],
)
def test_a_tail_cannot_be_pushed_out_of_sight(tail, mark):
    drawn = rendered(body(request(sql="DELETE FROM a" + tail + "; DROP TABLE b")))
    assert "DROP TABLE b" in drawn
    assert mark in drawn
    assert drawn.count("\n") < 40


def test_indentation_is_left_as_it_is():
    sql = "SELECT\n        a,\n        b"
    assert statement(sql).plain == sql


def test_the_head_tells_where_what_who_why_how_long_and_who_else():
    drawn = rendered(head(request(), START))
    for told in ("PRODUCTION", "prod-db", "env=production", "DELETE", "read, write", "alice@example.com", "engineering",
                 "psql", "ticket 4711", "4m left", "1 of dba", "nobody yet"):  # fmt: skip
        assert told in drawn


def test_a_change_of_every_row_is_loud():
    everything = replace(request().batch[0], predicate="missing")
    assert "EVERY ROW" in rendered(head(request(batch=(everything,)), START))
    assert "EVERY ROW" not in rendered(head(request(), START))


def test_the_end_is_told_first_and_why():
    drawn = rendered(head(request(state="expired", message="nobody decided in time"), START))
    assert drawn.splitlines()[0].strip() == "EXPIRED  nobody decided in time"


def test_who_cannot_decide_is_told_why():
    drawn = rendered(head(request(can_decide=False, cannot_decide_because="it is yours"), START))
    assert "You cannot approve: it is yours" in drawn


def test_the_body_has_everything_a_reviewer_decides_on():
    facts = (
        Facts("delete", ("write",), ("write public.orders",), ("app.audit(integer)",), "present"),
        Facts("drop_table", ("ddl",), ("ddl public.old",), (), None),
    )
    params = (
        Param("integer", "17", False),
        Param("text", None, False),
        Param("text", "", False),
        Param("text", "*", True),
    )
    drawn = rendered(body(request(batch=facts, params=params)))
    for told in ("DELETE FROM orders WHERE id = $1", "$1 integer = 17", "$2 text = NULL", "$3 text = (empty text)",
                 "$4 text = * (masked)", "production writes need a DBA", "write public.orders", "ddl public.old",
                 "calls app.audit(integer)", "2 statements", 'search path "$user", public', "app in shop",
                 "policy version 3"):  # fmt: skip
        assert told in drawn


def test_what_is_hidden_from_the_reviewer_is_marked_INV_4():
    masked = request(
        sql="select id from customers where card_number = '****'",
        sql_masked=True, masked_columns=("public.customers.card_number",), params=(Param("text", None, True),),
    )  # fmt: skip
    drawn = " ".join(rendered(body(masked)).split())
    assert (
        "Literals and parameters that meet masked columns are hidden from you: public.customers.card_number." in drawn
    )
    assert "$1 text = hidden from you" in drawn
    assert "NULL" not in drawn
    assert "hidden from you" not in rendered(body(request()))


def test_that_a_credential_was_taken_out_is_told_INV_7():
    told = "A credential in it is recorded as a keyed hash."
    assert told in rendered(body(request(redacted=True)))
    assert told not in rendered(body(request()))


def test_nothing_of_a_request_reaches_the_terminal_unescaped():
    nasty = request(
        connection=NASTY, labels={NASTY: NASTY}, reason=NASTY, sql=NASTY, params=(Param(NASTY, NASTY, False),),
        rules=(NASTY,), application=NASTY, role=NASTY, database=NASTY, search_path=NASTY, message=NASTY, state="void",
        batch=(Facts(NASTY, (NASTY,), (NASTY,), (NASTY,), NASTY),), cannot_decide_because=NASTY,
        sql_masked=True, masked_columns=(NASTY,),
    )  # fmt: skip
    for drawn in (head(nasty, START), body(nasty), row(nasty, START), environment_mark(nasty)):
        text = rendered(drawn, 10_000)
        assert printable(text) == text
    assert "HIDDEN CHARACTERS" in rendered(body(nasty), 10_000)


def test_a_requester_cannot_draw_a_field_of_their_own():
    """A line break in a reason must not begin a line that looks like the gateway's."""
    faked = request(reason="x\n PRODUCTION \n4m left · 1 of dba: bob@example.com")
    lines = rendered(head(faked, START), 200).splitlines()
    assert len(lines) == len(rendered(head(request(), START), 200).splitlines())


def test_a_row_says_its_state_in_words_not_in_colours_alone():
    assert row(request(), START).plain == "   4m ● prod-db delete alice@example.com"
    assert row(request(can_decide=False), START).plain.startswith("   4m   prod-db")
    assert row(request(state="rejected"), START).plain.startswith("rejected ")
