"""The provider's routes over HTTP."""

import pytest

from hoopd.dev.oidc import ACCOUNTS, APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from tests.fixtures.oidc import get, post, refresh, sign_in


def test_discovery_names_the_issuer_exactly(oidc_provider: DevProvider) -> None:
    document = get(f"{oidc_provider.issuer}/.well-known/openid-configuration").json()
    assert document["issuer"] == oidc_provider.issuer
    for endpoint in ("jwks_uri", "token_endpoint", "userinfo_endpoint", "device_authorization_endpoint"):
        assert document[endpoint].startswith(oidc_provider.issuer + "/")


def test_refresh_is_for_the_client_that_got_it_and_for_accounts_that_are(oidc_provider: DevProvider) -> None:
    token = sign_in(oidc_provider, "alice")["refresh_token"]
    assert refresh(oidc_provider, token, APPROVAL_CLIENT).json()["error"] == "invalid_grant"
    del oidc_provider.accounts["alice"]
    assert refresh(oidc_provider, token).json()["error"] == "invalid_grant"


def test_userinfo_takes_the_access_token_only(oidc_provider: DevProvider) -> None:
    answer = sign_in(oidc_provider, "carol", scope="openid email groups")
    told = get(f"{oidc_provider.issuer}/userinfo", Authorization=f"Bearer {answer['access_token']}")
    assert told.json() == {
        "sub": ACCOUNTS["carol"].subject,
        "email": "carol@example.com",
        "email_verified": True,
        "groups": ["dba", "security"],
    }
    refused = get(f"{oidc_provider.issuer}/userinfo", Authorization=f"Bearer {answer['id_token']}")
    assert refused.status_code == 401
    assert get(f"{oidc_provider.issuer}/userinfo").status_code == 401


@pytest.mark.parametrize(
    ("path", "form", "error"),
    [
        ("/device/authorize", {"client_id": "another", "scope": "openid"}, "invalid_client"),
        ("/device/authorize", {"client_id": LOGIN_CLIENT, "scope": "email"}, "invalid_scope"),
        ("/device/authorize", {"client_id": LOGIN_CLIENT, "scope": "openid admin"}, "invalid_scope"),
        ("/device/authorize", {"client_id": LOGIN_CLIENT, "scope": "openid", "nonce": "n" * 300}, "invalid_request"),
        ("/token", {"client_id": LOGIN_CLIENT, "grant_type": "password"}, "unsupported_grant_type"),
        ("/token", {"client_id": LOGIN_CLIENT, "grant_type": "refresh_token"}, "invalid_grant"),
        ("/token", {"grant_type": "refresh_token"}, "invalid_client"),
    ],
)
def test_wrong_requests_get_the_errors_of_the_rfc(
    oidc_provider: DevProvider, path: str, form: dict[str, str], error: str
) -> None:
    answer = post(f"{oidc_provider.issuer}{path}", **form)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"] == error


def test_unknown_paths_and_methods_have_pages(oidc_provider: DevProvider) -> None:
    assert get(f"{oidc_provider.issuer}/favicon.ico").status_code == 404
    assert get(f"{oidc_provider.issuer}/token").status_code == 405
