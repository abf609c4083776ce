"""Groups and e-mail as providers write them, and as attackers might."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hoopd.domain.errors import NotSignedIn
from hoopd.identity.claims import principal
from hoopd.identity.settings import OidcSettings

SETTINGS = OidcSettings(issuer="https://id.example.com", client_id="hoopctl", approval_client_id="hoopctl-approve")
TOKEN = {"sub": "00u1", "exp": 1_800_000_000}


def groups(person: dict[str, Any], path: str = "groups") -> frozenset[str]:
    return principal(TOKEN, person, replace(SETTINGS, groups_claim=path)).groups


def email(person: dict[str, Any], path: str = "email") -> str | None:
    return principal(TOKEN, person, replace(SETTINGS, email_claim=path)).email


def test_the_person_is_issuer_and_subject_until_the_token_ends() -> None:
    made = principal(TOKEN, {}, SETTINGS)
    assert made.key == ("https://id.example.com", "00u1")
    assert made.expires == datetime.fromtimestamp(1_800_000_000, UTC)
    assert (made.email, made.groups, made.roles, made.name) == (None, frozenset(), frozenset(), "00u1")


@pytest.mark.parametrize(
    ("person", "path"),
    [
        ({"groups": ["dba", "dba"]}, "groups"),
        ({"groups": "dba"}, "groups"),
        ({"realm_access": {"roles": ["dba"]}}, "realm_access.roles"),
        ({"https://example.com/groups": ["dba"]}, "https://example.com/groups"),
        ({"resource_access": {"hoop.client": {"roles": ["dba"]}}}, "resource_access.hoop.client.roles"),
        ({"a.b": ["dba"], "a": {"b": ["other"]}}, "a.b"),
    ],
)
def test_groups_are_found(person: dict[str, Any], path: str) -> None:
    assert groups(person, path) == {"dba"}


@pytest.mark.parametrize("person", [{}, {"groups": None}, {"groups": []}, {"realm_access": {}}, {"realm_access": "x"}])
def test_no_groups_is_no_groups(person: dict[str, Any]) -> None:
    assert groups(person) == frozenset()
    assert groups(person, "realm_access.roles") == frozenset()


@pytest.mark.parametrize(
    "value",
    [
        7,
        {"dba": True},
        ["dba", 7],
        ["dba", None],
        [""],
        ["dba\n"],
        ["d\u202eba"],
        ["x" * 257],
        [f"g{n}" for n in range(1001)],
    ],
)
def test_groups_that_cannot_be_read_are_refused(value: object) -> None:
    """A deny rule may rest on a group, so unreadable groups are not the same as none."""
    with pytest.raises(NotSignedIn, match="groups in the token"):
        groups({"groups": value})


@pytest.mark.parametrize(
    "person",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example.com"}}},
        {"hasgroups": True},
    ],
)
def test_groups_left_out_by_the_provider_are_refused(person: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn, match="left the groups out"):
        groups(person)


@pytest.mark.parametrize(
    "person",
    [
        {"email": "a@example.com"},
        {"email": "a@example.com", "email_verified": True},
        {"email": "a@example.com", "email_verified": "true"},
    ],
)
def test_an_email_is_told(person: dict[str, Any]) -> None:
    assert email(person) == "a@example.com"


@pytest.mark.parametrize("verified", [False, "false", None, 0, "yes", 1.5])
def test_an_email_that_is_not_verified_is_nobodys(verified: object) -> None:
    assert email({"email": "erin@example.com", "email_verified": verified}) is None


@pytest.mark.parametrize(
    "value", [7, "", ["a@example.com"], "a\x1b[2J@example.com", "a b@example.com", "a@example.com\n", "x" * 321]
)
def test_an_email_that_cannot_be_shown_is_left_out(value: object) -> None:
    assert email({"email": value}) is None


def test_another_claim_may_be_the_email() -> None:
    assert email({"upn": "a@corp.example.com"}, "upn") == "a@corp.example.com"
