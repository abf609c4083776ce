"""The development provider: real HTTP, every outcome of RFC 8628, loopback only."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from hoopd.dev.oidc import ACCOUNTS, APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from hoopd.dev.oidc.tokens import Lifetimes
from hoopd.domain.errors import InvalidInput, Unavailable
from tests.fixtures.oidc import SteppedClock, begin, confirm, get, post, redeem, sign_in


def claims_of(provider: DevProvider, token: str, audience: str = LOGIN_CLIENT) -> dict[str, object]:
    """The claims, with the signature checked against the keys that the provider publishes."""
    keys = jwt.PyJWKSet.from_dict(get(f"{provider.issuer}/jwks").json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256", "RS256"], audience=audience, options={"verify_exp": False})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "localhost", "example.com", "", "127.0.0.1.nip.io"])
def test_any_address_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="loopback only"):
        DevProvider(host=host)


def test_discovery_names_the_issuer_exactly(oidc_provider: DevProvider) -> None:
    document = get(f"{oidc_provider.issuer}/.well-known/openid-configuration").json()
    assert document["issuer"] == oidc_provider.issuer
    for endpoint in ("jwks_uri", "token_endpoint", "userinfo_endpoint", "device_authorization_endpoint"):
        assert document[endpoint].startswith(oidc_provider.issuer + "/")


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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 421),
        ({"Host": "127.0.0.1.nip.io"}, 421),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_page_cannot_confirm_a_code(oidc_provider: DevProvider, headers: dict[str, str], status: int) -> None:
    started = begin(oidc_provider)
    with httpx.Client(trust_env=False, headers=headers) as client:
        page = client.post(oidc_provider.verification_uri, data={"user_code": started["user_code"], "user": "alice"})
    assert page.status_code == status
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "authorization_pending"


def test_the_providers_own_form_is_taken(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    with httpx.Client(trust_env=False, headers={"Origin": oidc_provider.issuer}) as client:
        page = client.post(oidc_provider.verification_uri, data={"user_code": started["user_code"], "user": "alice"})
    assert page.status_code == 200


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


def test_refresh_is_for_the_client_that_got_it_and_for_accounts_that_are(oidc_provider: DevProvider) -> None:
    token = sign_in(oidc_provider, "alice")["refresh_token"]
    assert refresh(oidc_provider, token, APPROVAL_CLIENT).json()["error"] == "invalid_grant"
    del oidc_provider.accounts["alice"]
    assert refresh(oidc_provider, token).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["id_token", "access_token"])
def test_other_tokens_are_no_refresh_tokens(oidc_provider: DevProvider, kind: str) -> None:
    token = sign_in(oidc_provider, "alice")[kind]
    assert refresh(oidc_provider, token).json()["error"] == "invalid_grant"


def test_an_old_refresh_token_expires(clock: SteppedClock) -> None:
    with DevProvider(clock=clock, lifetimes=Lifetimes(refresh=timedelta(hours=2))) as provider:
        token = sign_in(provider, "alice")["refresh_token"]
        clock.step(2 * 3600)
        assert refresh(provider, token).json()["error"] == "invalid_grant"


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


def test_a_restart_with_the_same_key_file_is_the_same_provider(tmp_path: Path) -> None:
    key_file = tmp_path / "signing-key.pem"
    with DevProvider(key_file=key_file) as before:
        answer = sign_in(before, "alice")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with DevProvider(port=before.port, key_file=key_file) as after:
        assert after.issuer == before.issuer
        assert claims_of(after, answer["id_token"])["email"] == "alice@example.com"
        assert refresh(after, answer["refresh_token"]).status_code == 200


def test_a_key_file_with_something_else_is_refused(tmp_path: Path) -> None:
    key_file = tmp_path / "signing-key.pem"
    key_file.write_text("not a key")
    with pytest.raises(InvalidInput, match="is not a private key"):
        DevProvider(key_file=key_file)


def test_a_taken_port_is_one_sentence(oidc_provider: DevProvider) -> None:
    with pytest.raises(Unavailable, match=f"port {oidc_provider.port} on 127.0.0.1 cannot be had"):
        DevProvider(port=oidc_provider.port).start()


def test_outstanding_codes_are_bounded_and_expired_ones_make_room(clock: SteppedClock) -> None:
    """INV-9."""
    with DevProvider(clock=clock, max_codes=3) as provider:
        for _ in range(3):
            begin(provider)
        refused = post(f"{provider.issuer}/device/authorize", client_id=LOGIN_CLIENT, scope="openid")
        assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
        clock.step(600)
        assert "device_code" in begin(provider)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"user_code=" + b"A" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"user_code=AAAA&user_code=BBBB", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"f%d=1" % n for n in range(100)), "application/x-www-form-urlencoded", 400),
        (b"user_code=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b'{"user_code": "AAAA"}', "application/json", 415),
    ],
)
def test_forms_are_bounded_and_plain(oidc_provider: DevProvider, content: bytes, kind: str, status: int) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.post(oidc_provider.verification_uri, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status


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


def test_answers_are_not_kept_or_framed(oidc_provider: DevProvider) -> None:
    headers = get(oidc_provider.verification_uri).headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_rotated_keys_are_published_beside_the_old_ones_or_alone(oidc_provider: DevProvider) -> None:
    def kids() -> list[str]:
        return [key["kid"] for key in get(f"{oidc_provider.issuer}/jwks").json()["keys"]]

    [first] = kids()
    oidc_provider.rotate_key()
    assert kids()[0] == first
    assert len(kids()) == 2
    oidc_provider.rotate_key(keep_old=False)
    assert first not in kids()
    assert len(kids()) == 1


def test_published_keys_are_public(oidc_provider: DevProvider) -> None:
    """INV-7."""
    published = json.dumps(get(f"{oidc_provider.issuer}/jwks").json())
    assert '"d"' not in published


def test_stopping_and_starting_keeps_the_address(oidc_provider: DevProvider) -> None:
    issuer = oidc_provider.issuer
    oidc_provider.stop()
    with pytest.raises(httpx.ConnectError):
        get(f"{issuer}/jwks")
    oidc_provider.start()
    assert oidc_provider.issuer == issuer
    assert get(f"{issuer}/jwks").status_code == 200


def refresh(provider: DevProvider, token: str, client_id: str = LOGIN_CLIENT) -> httpx.Response:
    return post(f"{provider.issuer}/token", client_id=client_id, grant_type="refresh_token", refresh_token=token)
