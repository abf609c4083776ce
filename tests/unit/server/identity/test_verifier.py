"""Tokens against the verifier: real ones from the development provider, and forged ones (THREATS 20)."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from hoopd.dev.oidc.tokens import Lifetimes
from hoopd.domain.errors import NotSignedIn, Unavailable
from hoopd.domain.principal import Principal, Role
from hoopd.identity import Bearer, GroupsFrom, OidcSettings, Purpose, TokenVerifier, client_factory
from hoopd.identity.verifier import MAX_TOKEN
from tests.fixtures.oidc import SteppedClock, get, post, sign_in


async def session(verifier: TokenVerifier, token: str) -> Principal:
    return await verifier.verify(token, Purpose.session)


async def refused(verifier: TokenVerifier, token: str, why: str, purpose: Purpose = Purpose.session) -> None:
    """``token`` is not taken, for the right reason, and none of it is in what is said (INV-7)."""
    with pytest.raises(NotSignedIn, match=why) as caught:
        await verifier.verify(token, purpose)
    said = f"{caught.value.message} {caught.value.hint}"
    assert not [part for part in token.split(".") if len(part) > 8 and part in said]


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_sign_in_makes_a_principal(algorithm: str, clock: SteppedClock) -> None:
    with DevProvider(algorithm=algorithm, clock=clock) as provider:
        settings = OidcSettings(provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT, roles={Role.admin: frozenset({"dba"})})
        verifier = TokenVerifier(settings, client_factory(settings), clock)
        await verifier.check_provider()
        principal = await session(verifier, sign_in(provider, "carol")["id_token"])
    assert principal == Principal(
        issuer=provider.issuer,
        subject="dev|carol",
        email="carol@example.com",
        groups=frozenset({"dba", "security"}),
        roles=frozenset({Role.admin}),
        expires=clock() + timedelta(hours=1),
    )


async def test_groups_give_roles(verifier: TokenVerifier, stepped_provider: DevProvider) -> None:
    roles = {
        user: (await session(verifier, sign_in(stepped_provider, user)["id_token"])).roles
        for user in ("alice", "carol", "erin")
    }
    assert roles == {"alice": frozenset(), "carol": {Role.auditor}, "erin": {Role.admin}}


async def test_inv_6_a_login_token_cannot_approve(verifier: TokenVerifier, stepped_provider: DevProvider) -> None:
    """INV-6."""
    token = sign_in(stepped_provider, "bob")["id_token"]
    assert (await session(verifier, token)).subject == "dev|bob"
    await refused(verifier, token, "not one for approvals", Purpose.approval)


async def test_inv_6_an_approval_token_opens_no_session(verifier: TokenVerifier, stepped_provider: DevProvider) -> None:
    """INV-6."""
    token = sign_in(stepped_provider, "bob", client_id=APPROVAL_CLIENT)["id_token"]
    assert (await verifier.verify(token, Purpose.approval)).subject == "dev|bob"
    await refused(verifier, token, "issued to another client")


async def test_inv_6_a_token_for_both_clients_serves_only_the_one_that_asked(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    """INV-6."""
    both = {**good_claims, "aud": [LOGIN_CLIENT, APPROVAL_CLIENT]}
    token = stepped_provider.mint({**both, "azp": LOGIN_CLIENT})
    assert (await session(verifier, token)).subject == "dev|alice"
    await refused(verifier, token, "azp", Purpose.approval)
    await refused(verifier, stepped_provider.mint(both), "azp")
    await refused(verifier, stepped_provider.mint(both), "azp", Purpose.approval)


async def test_inv_6_an_approval_sign_in_ages(
    verifier: TokenVerifier, stepped_provider: DevProvider, settings: OidcSettings, clock: SteppedClock
) -> None:
    """INV-6."""
    with DevProvider(clock=clock, lifetimes=Lifetimes(approval=timedelta(hours=8))) as provider:
        settings = OidcSettings(provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT, approval_max_age=timedelta(minutes=5))
        verifier = TokenVerifier(settings, client_factory(settings), clock)
        token = sign_in(provider, "bob", client_id=APPROVAL_CLIENT)["id_token"]
        clock.step(300)
        assert (await verifier.verify(token, Purpose.approval)).subject == "dev|bob"
        clock.step(1)
        await refused(verifier, token, "older than 5 minutes", Purpose.approval)


async def test_inv_6_renewing_does_not_make_a_sign_in_fresh(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], clock: SteppedClock
) -> None:
    """INV-6."""
    now = int(clock().timestamp())
    claims = {**good_claims, "aud": APPROVAL_CLIENT, "iat": now, "auth_time": now - 3600}
    await refused(verifier, stepped_provider.mint(claims), "older than 15 minutes", Purpose.approval)


async def test_inv_6_without_auth_time_the_token_itself_must_be_fresh(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], clock: SteppedClock
) -> None:
    """INV-6."""
    del good_claims["auth_time"]
    token = stepped_provider.mint({**good_claims, "aud": APPROVAL_CLIENT})
    assert (await verifier.verify(token, Purpose.approval)).subject == "dev|alice"
    clock.step(901)
    await refused(verifier, token, "older than 15 minutes", Purpose.approval)


@pytest.mark.parametrize("auth_time", ["now", None, True, -1, 1e300])
async def test_inv_6_an_auth_time_that_cannot_be_read_is_not_passed_over(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], auth_time: object
) -> None:
    """INV-6."""
    token = stepped_provider.mint({**good_claims, "aud": APPROVAL_CLIENT, "auth_time": auth_time})
    await refused(verifier, token, "auth_time", Purpose.approval)


async def test_an_auth_time_in_the_future_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], clock: SteppedClock
) -> None:
    ahead = int(clock().timestamp()) + 61
    token = stepped_provider.mint({**good_claims, "aud": APPROVAL_CLIENT, "auth_time": ahead})
    await refused(verifier, token, "future", Purpose.approval)


async def test_inv_10_a_token_ends_at_its_second(
    verifier: TokenVerifier, stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    """INV-10."""
    token = sign_in(stepped_provider, "alice")["id_token"]
    clock.step(3599)
    assert (await session(verifier, token)).expires == clock() + timedelta(seconds=1)
    clock.step(1)
    await refused(verifier, token, "expired")


async def test_inv_10_groups_are_those_of_the_newest_token(
    verifier: TokenVerifier, stepped_provider: DevProvider
) -> None:
    """INV-10."""
    first = sign_in(stepped_provider, "erin")
    assert (await session(verifier, first["id_token"])).roles == {Role.admin}
    stepped_provider.accounts["erin"] = type(stepped_provider.accounts["erin"])("erin", ())
    renewed = post(
        f"{stepped_provider.issuer}/token",
        client_id=LOGIN_CLIENT,
        grant_type="refresh_token",
        refresh_token=first["refresh_token"],
    ).json()
    principal = await session(verifier, renewed["id_token"])
    assert (principal.groups, principal.roles) == (frozenset(), frozenset())


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp"])
@pytest.mark.parametrize("spoiled", ["absent", None, "", 7.5e300, ["x"], {}, True])
async def test_claims_that_must_be_there_and_right(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], claim: str, spoiled: object
) -> None:
    good_claims[claim] = spoiled
    if spoiled == "absent":
        del good_claims[claim]
    # PyJWT will not write some of these, so they are signed as plain JSON.
    await refused(verifier, signed(stepped_provider, good_claims), "the token|the sign-in")


async def test_another_issuer_is_refused_even_with_the_right_key(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    for issuer in (f"{good_claims['iss']}/", "https://id.example.com", good_claims["iss"].upper()):
        token = stepped_provider.mint({**good_claims, "iss": issuer})
        await refused(verifier, token, "another identity provider")


async def test_another_audience_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    for audience in ("another", ["another"], [], [LOGIN_CLIENT, 7], "hoopctl "):
        token = signed(stepped_provider, {**good_claims, "aud": audience})
        await refused(verifier, token, "another client|aud")


async def test_a_single_audience_with_another_party_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    await refused(verifier, stepped_provider.mint({**good_claims, "azp": "another"}), "azp")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_clocks_may_differ_by_a_minute_and_no_more(
    verifier: TokenVerifier,
    stepped_provider: DevProvider,
    good_claims: dict[str, Any],
    clock: SteppedClock,
    claim: str,
) -> None:
    now = int(clock().timestamp())
    assert await session(verifier, stepped_provider.mint({**good_claims, claim: now + 60}))
    await refused(verifier, stepped_provider.mint({**good_claims, claim: now + 61}), "future")


async def test_a_token_that_ends_before_it_begins_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], clock: SteppedClock
) -> None:
    now = int(clock().timestamp())
    token = stepped_provider.mint({**good_claims, "iat": now + 30, "exp": now + 20})
    await refused(verifier, token, "ends before it begins")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
async def test_no_signature_is_no_token(verifier: TokenVerifier, good_claims: dict[str, Any], name: str) -> None:
    unsigned = f"{encoded({'alg': name, 'typ': 'JWT'})}.{encoded(good_claims)}."
    await refused(verifier, unsigned, "not a signed token")
    await refused(verifier, unsigned + "AAAA", "not signed in a way")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_shared_secret(
    clock: SteppedClock, good_claims: dict[str, Any], algorithm: str
) -> None:
    """Key confusion: the published key, in every form that an attacker may guess, as the secret of an HMAC."""
    with DevProvider(clock=clock, algorithm="RS256") as provider:
        settings = OidcSettings(provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT)
        verifier = TokenVerifier(settings, client_factory(settings), clock)
        [jwk] = get(f"{provider.issuer}/jwks").json()["keys"]
        claims = {**good_claims, "iss": provider.issuer}
        body = f"{encoded({'alg': algorithm, 'kid': jwk['kid']})}.{encoded(claims)}"
        for secret in (json.dumps(jwk), jwk["n"], ""):
            mac = hmac.new(secret.encode(), body.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
            forged = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
            await refused(verifier, forged, "not signed in a way")


async def test_an_attackers_key_is_not_taken_from_the_header(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    """jwk, jku and x5u in a header are ignored: with them the token is judged as without."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    [published] = get(f"{stepped_provider.issuer}/jwks").json()["keys"]
    own = {"jwk": public, "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/x5u"}
    for kid in ("mine", published["kid"]):
        forged = jwt.encode(good_claims, key, "ES256", headers={"kid": kid, **own})
        await refused(verifier, forged, "does not publish|does not verify")
    honest = stepped_provider.mint(good_claims, {**own, "jwk": public})
    assert (await session(verifier, honest)).subject == "dev|alice"


async def test_a_changed_token_does_not_verify(verifier: TokenVerifier, stepped_provider: DevProvider) -> None:
    header, payload, signature = sign_in(stepped_provider, "alice")["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    promoted = encoded({**claims, "groups": ["admin"]})
    await refused(verifier, f"{header}.{promoted}.{signature}", "does not verify")
    await refused(verifier, f"{header}.{payload}.{signature[:-4]}AAAA", "does not verify")


async def test_an_algorithm_that_the_key_is_not_for_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    [published] = get(f"{stepped_provider.issuer}/jwks").json()["keys"]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(good_claims, key, "RS256", headers={"kid": published["kid"]})
    await refused(verifier, forged, "does not publish")


@pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": True}, {"crit": ["exp"]}, {"b64": True}])
async def test_unknown_extensions_are_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], header: dict[str, Any]
) -> None:
    await refused(verifier, signed(stepped_provider, good_claims, header), "asks for an extension|cannot be read")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_other_kinds_of_token_are_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, kind: str
) -> None:
    """The provider's access tokens name the same audience; only their type tells them apart."""
    await refused(verifier, sign_in(stepped_provider, "alice")[kind], "another kind of token")


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", 7, ["JWT"]])
async def test_other_types_are_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], typ: object
) -> None:
    await refused(verifier, signed(stepped_provider, good_claims, {"typ": typ}), "another kind of token")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "....",
        "aa..cc",
        "é.é.é",
        "a b.c.d",
        "eyJhbGciOiJFUzI1NiJ9.e30.AA\n",
        "[" * 9000 + ".e30.AA",
        f"{base64.urlsafe_b64encode(b'[' * 9000).rstrip(b'=').decode()}.e30.AA",
        f"{base64.urlsafe_b64encode(b'[]').rstrip(b'=').decode()}.e30.AA",
        f"{base64.urlsafe_b64encode(b'{}').rstrip(b'=').decode()}.e30.AA",
    ],
)
async def test_rubbish_is_refused(verifier: TokenVerifier, token: str) -> None:
    await refused(verifier, token, "bearer is not|cannot be read|not signed in a way")


async def test_inv_9_long_tokens_are_not_looked_at(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    token = stepped_provider.mint({**good_claims, "padding": "x" * MAX_TOKEN})
    await refused(verifier, token, "longer than 16384 characters")


async def test_claims_that_are_there_twice_are_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any]
) -> None:
    text = json.dumps(good_claims)[:-1] + ', "groups": ["admin"]}'
    await refused(verifier, signed_text(stepped_provider, text), "does not verify")


@pytest.mark.parametrize("text", ["[]", "7", '"x"', "null", "not json", "[" * 5000])
async def test_a_payload_that_is_no_object_is_refused(
    verifier: TokenVerifier, stepped_provider: DevProvider, text: str
) -> None:
    await refused(verifier, signed_text(stepped_provider, text), "does not verify|holds no claims")


async def test_groups_from_userinfo(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    settings = OidcSettings(
        stepped_provider.issuer,
        LOGIN_CLIENT,
        APPROVAL_CLIENT,
        bearer=Bearer.access_token,
        groups_from=GroupsFrom.userinfo,
    )
    verifier = TokenVerifier(settings, client_factory(settings), clock)
    token = sign_in(stepped_provider, "carol")["access_token"]
    principal = await session(verifier, token)
    assert (principal.email, principal.groups) == ("carol@example.com", frozenset({"dba", "security"}))
    stepped_provider.accounts["carol"] = type(stepped_provider.accounts["carol"])("carol", ())
    clock.step(60)
    assert (await session(verifier, token)).groups == frozenset(), "asked again after a minute"
    del stepped_provider.accounts["carol"]
    clock.step(60)
    await refused(verifier, token, "does not accept this token")


async def test_userinfo_about_somebody_else_is_refused(
    stepped_provider: DevProvider, clock: SteppedClock, link: Any
) -> None:
    settings = OidcSettings(
        stepped_provider.issuer,
        LOGIN_CLIENT,
        APPROVAL_CLIENT,
        bearer=Bearer.access_token,
        groups_from=GroupsFrom.userinfo,
    )
    link.instead["/userinfo"] = lambda _: httpx.Response(200, json={"sub": "dev|erin", "groups": ["admin"]})
    verifier = TokenVerifier(settings, link.client, clock)
    await refused(verifier, sign_in(stepped_provider, "alice")["access_token"], "somebody else")


async def test_a_provider_that_is_away_lets_nobody_in(clock: SteppedClock) -> None:
    """INV-2."""
    with DevProvider(clock=clock) as provider:
        token = sign_in(provider, "alice")["id_token"]
    settings = OidcSettings(provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT)
    with pytest.raises(Unavailable, match="does not answer at http://127"):
        await session(TokenVerifier(settings, client_factory(settings), clock), token)


async def test_a_provider_on_the_real_clock(oidc_provider: DevProvider) -> None:
    settings = OidcSettings(oidc_provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT)
    verifier = TokenVerifier(settings, client_factory(settings), lambda: datetime.now(UTC))
    assert (await session(verifier, sign_in(oidc_provider, "dave")["id_token"])).name == "dave@example.com"


def signed(provider: DevProvider, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
    return signed_text(provider, json.dumps(claims), headers)


def signed_text(provider: DevProvider, payload: str, headers: dict[str, Any] | None = None) -> str:
    """``payload`` signed by the provider as it stands, well-formed or not."""
    key = provider._started().key
    body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=").decode()
    signing_input = f"{encoded({'alg': key.algorithm, 'kid': key.kid, **(headers or {})})}.{body}"
    signature = jwt.get_algorithm_by_name(key.algorithm).sign(signing_input.encode(), key._private)
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
