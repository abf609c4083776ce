"""What the provider signs, for whom, and for how long."""

from datetime import timedelta

import jwt
import pytest

from hoopd.dev.oidc import ACCOUNTS, APPROVAL_CLIENT, DevProvider
from hoopd.dev.oidc.tokens import Lifetimes
from tests.fixtures.oidc import SteppedClock, begin, claims_of, confirm, redeem, refresh, sign_in


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_sign_in_gives_a_signed_id_token(algorithm: str, clock: SteppedClock) -> None:
    with DevProvider(clock=clock, algorithm=algorithm) as provider:
        started = begin(provider, nonce="n-1")
        clock.step(42)
        confirm(provider, started["user_code"], "carol")
        clock.step(3)
        answer = redeem(provider, started["device_code"]).json()
        claims = claims_of(provider, answer["id_token"])
        assert jwt.get_unverified_header(answer["id_token"])["alg"] == algorithm
    now = int(clock().timestamp())
    assert claims == {
        "iss": provider.issuer,
        "aud": "hoopctl",
        "sub": ACCOUNTS["carol"].subject,
        "email": "carol@example.com",
        "email_verified": True,
        "name": "Carol",
        "preferred_username": "carol",
        "groups": ["dba", "security"],
        "iat": now,
        "exp": now + 3600,
        "auth_time": now - 3,
        "nonce": "n-1",
    }


def test_scopes_say_what_is_told(oidc_provider: DevProvider) -> None:
    answer = sign_in(oidc_provider, "alice", scope="openid")
    assert "refresh_token" not in answer
    assert not {"email", "groups", "name"} & claims_of(oidc_provider, answer["id_token"]).keys()


def test_an_approval_sign_in_is_short_and_cannot_be_renewed(oidc_provider: DevProvider) -> None:
    """INV-6: nothing that the approval client is given outlives one sitting."""
    answer = sign_in(oidc_provider, "bob", client_id=APPROVAL_CLIENT)
    claims = claims_of(oidc_provider, answer["id_token"], APPROVAL_CLIENT)
    assert claims["exp"] - claims["iat"] == 15 * 60  # type: ignore[operator]
    assert "refresh_token" not in answer


@pytest.mark.parametrize("kind", ["id_token", "access_token"])
def test_other_tokens_are_no_refresh_tokens(oidc_provider: DevProvider, kind: str) -> None:
    token = sign_in(oidc_provider, "alice")[kind]
    assert refresh(oidc_provider, token).json()["error"] == "invalid_grant"


def test_an_old_refresh_token_expires(clock: SteppedClock) -> None:
    with DevProvider(clock=clock, lifetimes=Lifetimes(refresh=timedelta(hours=2))) as provider:
        token = sign_in(provider, "alice")["refresh_token"]
        clock.step(2 * 3600)
        assert refresh(provider, token).json()["error"] == "invalid_grant"
