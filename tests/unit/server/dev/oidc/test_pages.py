"""The verification page: what a person reads before they say yes."""

import httpx

from hoopd.dev.oidc import APPROVAL_CLIENT, DevProvider
from tests.fixtures.oidc import begin, get, post, redeem


def test_the_page_says_who_asks_for_what_from_where(oidc_provider: DevProvider) -> None:
    """THREATS 20: a person who was sent somebody else's code can see it."""
    with httpx.Client(trust_env=False, headers={"User-Agent": "<b>evil</b>"}) as client:
        started = client.post(
            f"{oidc_provider.issuer}/device/authorize", data={"client_id": APPROVAL_CLIENT, "scope": "openid"}
        ).json()
    page = get(started["verification_uri_complete"]).text
    assert "hoopctl-approve asks to approve statements" in page
    assert started["user_code"] in page
    assert "127.0.0.1" in page
    assert "&lt;b&gt;evil&lt;/b&gt;" in page
    assert "<b>evil" not in page
    login = get(begin(oidc_provider)["verification_uri_complete"]).text
    assert "hoopctl asks to sign in" in login


def test_opening_the_complete_link_confirms_nothing(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    get(started["verification_uri_complete"] + "&user=alice&action=approve")
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "authorization_pending"


def test_the_form_asks_again_for_what_is_wrong(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    unknown_code = post(oidc_provider.verification_uri, user_code="AAAA-AAAA", user="alice")
    unknown_user = post(oidc_provider.verification_uri, user_code=started["user_code"], user="mallory")
    assert (unknown_code.status_code, unknown_user.status_code) == (404, 400)
    assert "not known, has been used, or has expired" in unknown_code.text
    assert "Choose one of the accounts (alice, bob, carol, dave, erin)" in unknown_user.text
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "authorization_pending"
