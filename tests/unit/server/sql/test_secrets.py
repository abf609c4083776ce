"""INV-7: credentials inside SQL."""

import pytest

from hoopd.sql.secrets import redact

KEY = b"key of a test"
WITH_SECRETS = [
    "create role x password 'hunter2'",
    "alter user x with encrypted password /* ' */ E'hunter2'",
    "create role é login password U&'hunter2'",
    "alter role x password $$hunter2$$",
    "create user mapping for x server y options (user 'a', password 'hunter2')",
    "alter user mapping for x server y options (set password 'hunter2')",
    "create server s foreign data wrapper f options (host 'h', sslpassword 'hunter2')",
    "create subscription s connection 'host=x password=hunter2' publication p",
    "alter subscription s connection 'host=x password=hunter2'",
    "select dblink('host=x password=hunter2', 'select 1')",
    "select * from dblink('postgresql://u:hunter2@h/d', 'select 1') as t(a int)",
    "alter system set primary_conninfo to 'host=x password=hunter2'",
    "set my.secret = 'hunter2'",
    "select set_config('app.api_key', 'hunter2', true)",
    "do $$ begin alter role x password 'hunter2'; end $$",
    "do 'begin alter role x password ''hunter2''; end'",
    "alter role x password 'hunter2",
    "select 1; create role x password 'hunter2'; select 2",
]


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_credentials_are_replaced(text: str) -> None:
    shown, replaced = redact(text, KEY)
    assert replaced
    assert "hunter2" not in shown
    assert "hidden:" in shown


@pytest.mark.parametrize(
    "text",
    [
        "select * from users where password = 'x'",
        "select 'password'",
        "insert into notes values ('the password is wrong')",
        "alter role x password null",
        "select 'it''s', $$ ; $$, E'\\''",
    ],
)
def test_other_text_stays_byte_for_byte(text: str) -> None:
    assert redact(text, KEY) == (text, False)


def test_the_rest_of_the_text_stays() -> None:
    shown, _ = redact("create role é password 'a' valid until '2030-01-01' -- ü", KEY)
    assert shown.startswith("create role é password 'hidden:")
    assert shown.endswith("' valid until '2030-01-01' -- ü")


def test_equal_secrets_are_equal_under_one_key_only() -> None:
    text = "create role x password 'a'"
    assert redact(text, KEY) == redact(text, KEY)
    assert redact(text, KEY) != redact(text, b"another")
    assert redact(text, KEY) != redact(text.replace("'a'", "'b'"), KEY)


@pytest.mark.parametrize(
    "text",
    [
        "select '" + "a://b:" * 170_000 + "'",
        "select ' " + "a://b:" * 170_000,
        "select 1 where " + "a = 'x' and " * 80_000 + "true",
    ],
    ids=["addresses in a literal", "addresses in text that does not scan", "comparisons"],
)
def test_work_grows_with_the_text_and_no_faster(text: str) -> None:
    """INV-9: where each literal or address looks at all of the text again, this does not end within an hour."""
    assert redact(text, KEY) == (text, False)


def test_an_address_with_a_password_is_found_behind_others() -> None:
    shown, replaced = redact("select 'x://y: a://b: postgres://u:hunter2@h/d'", KEY)
    assert replaced
    assert "hunter2" not in shown
