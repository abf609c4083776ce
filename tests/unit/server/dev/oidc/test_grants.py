"""Codes and families of refresh tokens: every outcome of RFC 8628, and bounds."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider, grants
from hoopd.dev.oidc.grants import OAuthError, RefreshFamilies
from tests.fixtures.oidc import SteppedClock, begin, claims_of, confirm, get, post, redeem, refresh, sign_in


def test_polls_before_the_answer_are_pending_and_fast_ones_are_slowed(
    stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    code = begin(stepped_provider)["device_code"]

    def poll() -> str:
        answer = redeem(stepped_provider, code)
        assert answer.status_code == 400
        return str(answer.json()["error"])

    assert poll() == "authorization_pending"
    clock.step(0.5)
    assert poll() == "slow_down"
    clock.step(1)
    assert poll() == "slow_down", "the interval has grown by 5 s"
    clock.step(11)
    assert poll() == "authorization_pending"


def test_a_denied_code_gives_access_denied(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    page = post(oidc_provider.verification_uri, user_code=started["user_code"], action="deny")
    assert page.status_code == 200
    assert "Denied" in page.text
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "access_denied"


def test_an_expired_code_gives_expired_token_and_cannot_be_confirmed(
    stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    started = begin(stepped_provider)
    clock.step(started["expires_in"])
    page = post(stepped_provider.verification_uri, user_code=started["user_code"], user="alice")
    assert page.status_code == 404
    assert redeem(stepped_provider, started["device_code"]).json()["error"] == "expired_token"


def test_a_device_code_is_good_once_and_for_its_client_only(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    confirm(oidc_provider, started["user_code"], "alice")
    stolen = redeem(oidc_provider, started["device_code"], APPROVAL_CLIENT)
    assert stolen.json()["error"] == "invalid_grant"
    assert redeem(oidc_provider, started["device_code"]).status_code == 200
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "invalid_grant"


def test_a_user_code_is_good_once(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    confirm(oidc_provider, started["user_code"], "alice")
    again = post(oidc_provider.verification_uri, user_code=started["user_code"], user="erin")
    assert again.status_code == 404
    answer = redeem(oidc_provider, started["device_code"]).json()
    assert claims_of(oidc_provider, answer["id_token"])["email"] == "alice@example.com"


def test_a_code_may_be_typed_in_any_case_and_spacing(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    typed = f" {started['user_code'].lower().replace('-', ' ')} "
    assert get(f"{oidc_provider.verification_uri}?user_code={typed}").status_code == 200


def test_refresh_rotates_and_keeps_the_time_of_the_sign_in(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    first = sign_in(stepped_provider, "alice")
    clock.step(1800)
    second = refresh(stepped_provider, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    before = claims_of(stepped_provider, first["id_token"])
    after = claims_of(stepped_provider, second["id_token"])
    assert after["auth_time"] == before["auth_time"]
    assert after["exp"] - before["exp"] == 1800  # type: ignore[operator]


def test_a_spent_refresh_token_ends_its_family(oidc_provider: DevProvider) -> None:
    first = sign_in(oidc_provider, "alice")
    second = refresh(oidc_provider, first["refresh_token"]).json()
    assert refresh(oidc_provider, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(oidc_provider, second["refresh_token"]).json()["error"] == "invalid_grant"


def test_two_refreshes_at_once_leave_one_winner(oidc_provider: DevProvider) -> None:
    token = sign_in(oidc_provider, "alice")["refresh_token"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: refresh(oidc_provider, token).status_code, range(2)))
    assert sorted(answers) == [200, 400]


def test_outstanding_codes_are_bounded_and_expired_ones_make_room(clock: SteppedClock) -> None:
    """INV-9."""
    with DevProvider(clock=clock, max_codes=3) as provider:
        for _ in range(3):
            begin(provider)
        refused = post(f"{provider.issuer}/device/authorize", client_id=LOGIN_CLIENT, scope="openid")
        assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
        clock.step(600)
        assert "device_code" in begin(provider)


def test_families_are_taken_at_their_word_once_and_ended_for_good() -> None:
    families = RefreshFamilies()
    assert families.rotate("f", 7) == 8, "after a restart the provider has not heard of it"
    with pytest.raises(OAuthError, match="used already"):
        families.rotate("f", 7)
    with pytest.raises(OAuthError, match="used already"):
        families.rotate("f", 8)
    assert families.rotate("g", 0) == 1


def test_families_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9."""
    monkeypatch.setattr(grants, "_MAX_FAMILIES", 3)
    families = RefreshFamilies()
    for number in range(10):
        families.rotate(f"f{number}", 0)
    assert len(families._newest) == 3


def test_expired_codes_are_dropped_in_the_end(clock: SteppedClock) -> None:
    """INV-9."""
    with DevProvider(clock=clock) as provider:
        code = begin(provider)["device_code"]
        clock.step(1200)
        begin(provider)
        assert redeem(provider, code).json()["error"] == "invalid_grant"
