"""What the gateway may be told of its identity provider."""

from datetime import timedelta

import pytest

from hoopd.domain.errors import InvalidInput
from hoopd.identity import GroupsFrom, OidcSettings, Purpose
from hoopd.identity.settings import check_endpoint

GOOD = OidcSettings(issuer="https://id.example.com", client_id="hoopctl", approval_client_id="hoopctl-approve")


def changed(**changes: object) -> OidcSettings:
    given = {"issuer": GOOD.issuer, "client_id": GOOD.client_id, "approval_client_id": GOOD.approval_client_id}
    return OidcSettings(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example.com",
        "https://example.okta.com/oauth2/default",
        "https://login.microsoftonline.com/0000/v2.0",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://localhost:8080/realms/hoop",
    ],
)
def test_issuers_that_are_taken(issuer: str) -> None:
    assert changed(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "id.example.com",
        "http://id.example.com",
        "http://127.0.0.1.nip.io",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://id.example.com?tenant=1",
        "https://id.example.com#x",
        "https://user@id.example.com",
        "https://id.example.com:port",
        "https://id.example.com/\x1b[2J",
    ],
)
def test_issuers_that_are_refused(issuer: str) -> None:
    with pytest.raises(InvalidInput, match=r"oidc\.issuer"):
        changed(issuer=issuer)


def test_both_clients_must_be_there_and_differ() -> None:
    """INV-6: with one client for both, a token of `login` could approve."""
    with pytest.raises(InvalidInput, match="any sign-in could approve"):
        changed(approval_client_id="hoopctl")
    with pytest.raises(InvalidInput, match="must both be given"):
        changed(approval_client_id="")


def test_other_settings_that_cannot_be_meant() -> None:
    with pytest.raises(InvalidInput, match="lacks openid"):
        changed(scopes=("email",))
    with pytest.raises(InvalidInput, match="approval_max_age"):
        changed(approval_max_age=timedelta(0))
    with pytest.raises(InvalidInput, match="userinfo takes no ID tokens"):
        changed(groups_from=GroupsFrom.userinfo)


def test_each_purpose_has_its_audience() -> None:
    assert GOOD.audience(Purpose.session) == "hoopctl"
    assert GOOD.audience(Purpose.approval) == "hoopctl-approve"


@pytest.mark.parametrize(
    ("url", "issuer", "may"),
    [
        ("https://keys.example.net/jwks", "https://id.example.com", True),
        ("http://id.example.com/jwks", "https://id.example.com", False),
        ("https://127.0.0.1/jwks", "https://id.example.com", False),
        ("file:///etc/passwd", "https://id.example.com", False),
        ("http://127.0.0.1:1/jwks", "http://127.0.0.1:1", True),
        ("http://id.example.com/jwks", "http://127.0.0.1:1", False),
        ("https://id.example.com/jwks", "http://127.0.0.1:1", False),
    ],
)
def test_what_a_provider_may_have_the_gateway_call(url: str, issuer: str, may: bool) -> None:
    assert check_endpoint(url, issuer) is may
