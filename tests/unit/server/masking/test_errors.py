"""Errors of the database do not quote masked values (THREATS 15, INV-4), and keep what helps."""

from __future__ import annotations

import psycopg
import pytest

from hoopd.domain.decision import Outcome
from hoopd.masking import MaskPlan
from hoopd.masking.errors import message
from hoopd.pgwire.errors import ErrorFields

REACHED = MaskPlan(Outcome.allow, in_force=True, withhold_errors=True)
SECRET = "4000001234567899"
TABLE = f"""
CREATE TABLE t (id int PRIMARY KEY, card text UNIQUE CHECK (card <> 'x'), tag text);
INSERT INTO t VALUES (1, '{SECRET}', 'a');
"""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT card::int FROM t",
        "SELECT card::date FROM t",
        "SELECT card::regclass FROM t",
        "SELECT card::regprocedure FROM t",
        "SELECT card::regtype FROM t",
        "SELECT card::regrole FROM t",
        "SELECT to_tsquery(card || ' & ! (') FROM t",
        "SELECT has_table_privilege(card, 'select') FROM t",
        "SELECT has_column_privilege('t', card, 'select') FROM t",
        "SELECT (card || 'x')::json FROM t",
        "SELECT ('{' || card)::int[] FROM t",
        "SELECT xmlparse(document card) FROM t",
        "SELECT jsonb_path_query('{}', ('$.' || card || '[')::jsonpath) FROM t",
        "SELECT 'a' ~ ('(' || card) FROM t",
        "SELECT to_number(card, '0') / 0 FROM t",
        "SELECT current_setting(card) FROM t",
        "SELECT nextval(card) FROM t",
        "SELECT make_date(card::bigint::int, 1, 1) FROM t",
        "INSERT INTO t SELECT 2, card FROM t",
        "UPDATE t SET tag = NULL, id = NULL",
        "UPDATE t SET card = 'x'",
        "SELECT set_config('datestyle', card, true) FROM t",
        "SELECT enum_first(NULL::information_schema.sql_identifier), card::uuid FROM t",
        "SELECT encode(card::bytea, card) FROM t",
        "SELECT now() AT TIME ZONE card FROM t",
        "SELECT card COLLATE nowhere FROM t",
        "SELECT format(card || '%s', 1)::int FROM t",
        "SELECT cards FROM t",
        "SELECT card FROM nowhere",
        "SELECT card + 1 FROM t",
        "SELECT nofunction(card) FROM t",
    ],
)
def test_no_error_of_the_server_gives_a_value_away(database: str, statement: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TABLE)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    found = caught.value.diag
    state, words = found.sqlstate or "", found.message_primary or ""
    rest = {
        "W": found.context,
        "q": found.internal_query,
        "s": found.schema_name,
        "t": found.table_name,
        "c": found.column_name,
        "d": found.datatype_name,
        "n": found.constraint_name,
    }
    whole = ErrorFields(
        "ERROR", state, words, found.message_detail, found.message_hint, {k: v for k, v in rest.items() if v}
    )
    shown = whole.without_values(message=message(REACHED, state, words, found.statement_position))
    assert SECRET.encode() not in shown.encode()
    assert state.encode() in shown.encode()


def test_a_misspelt_column_is_still_called_by_its_name() -> None:
    text = 'column "emial" does not exist'

    assert message(REACHED, "42703", text, "8") == text
    assert message(REACHED, "42703", text, None) == (
        "the database gave SQLSTATE 42703; its words are withheld, since they can quote masked columns"
    )
    assert message(REACHED, "22P02", "invalid input", "8") != "invalid input"


def test_far_from_masked_columns_messages_stay() -> None:
    assert message(MaskPlan(Outcome.allow, in_force=True), "22P02", "invalid input", None) == "invalid input"
