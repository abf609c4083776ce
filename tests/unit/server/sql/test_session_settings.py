"""Which settings are harmless, pinned, or to be decided on (THREATS 3 and 4)."""

import pytest

from hoopd.sql.session_settings import judge


@pytest.mark.parametrize("value", ["utf8", "UTF8", "UTF-8", "utf_8", "unicode"])
def test_the_encoding_may_stay(value: str) -> None:
    assert judge("Client_Encoding", value).harmless


@pytest.mark.parametrize("value", ["latin1", "SQL_ASCII", "GBK", "SJIS", "utf8x", "", None])
def test_another_encoding_is_forbidden(value: str | None) -> None:
    """THREATS 3: GBK and SJIS eat a quote."""
    change = judge("client_encoding", value)
    assert "client_encoding" in (change.forbidden or "")
    assert not change.harmless


@pytest.mark.parametrize("value", ["on", "ON", "true", "tr", "yes", "1"])
def test_standard_strings_may_stay(value: str) -> None:
    assert judge("standard_conforming_strings", value).harmless


@pytest.mark.parametrize("value", ["off", "false", "0", "no", "", "on\n", None])
def test_other_strings_are_forbidden(value: str | None) -> None:
    change = judge("STANDARD_CONFORMING_STRINGS", value)
    assert (change.forbidden is not None) is (value != "on\n")


@pytest.mark.parametrize("name", ["search_path", "role", "session_authorization", "session_replication_role"])
def test_what_changes_names_or_identity_is_decided_on(name: str) -> None:
    change = judge(name, "x")
    assert not change.harmless
    assert change.barrier
    assert change.forbidden is None
    assert judge(name, None, reset=True).harmless
    assert judge(name, None, reset=True).barrier


@pytest.mark.parametrize("name", ["hoop.session", "hoop.principal", "HOOP.anything"])
def test_the_gateways_own_settings_are_its_own(name: str) -> None:
    assert judge(name, "x").forbidden
    assert judge(name, None, reset=True).forbidden
    assert judge("hoop.reason", "because").harmless


def test_harmless_settings_hold_nothing_up() -> None:
    change = judge("Application_Name", "psql")
    assert change.harmless
    assert not change.barrier
    assert not judge("dynamic_library_path", "/tmp").harmless
