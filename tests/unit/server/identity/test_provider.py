"""Keys and addresses of the provider: rotation, age, outages, and documents that are not to be believed."""

import asyncio
from typing import Any

import httpx
import jwt
import pytest

from hoopd.dev.oidc import DevProvider
from hoopd.domain.errors import NotSignedIn, Unavailable
from hoopd.identity import Purpose, TokenVerifier
from tests.fixtures.oidc import SteppedClock, sign_in

DISCOVERY = "/.well-known/openid-configuration"


async def session(verifier: TokenVerifier, token: str) -> str:
    return (await verifier.verify(token, Purpose.session)).subject


async def test_keys_are_asked_for_once_while_fresh(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any, clock: SteppedClock
) -> None:
    token = sign_in(stepped_provider, "alice")["id_token"]
    for _ in range(3):
        assert await session(verifier, token) == "dev|alice"
    assert link.asked == [DISCOVERY, "/jwks"]
    clock.step(15 * 60)
    assert await session(verifier, token) == "dev|alice"
    assert link.asked == [DISCOVERY, "/jwks"] * 2


async def test_many_at_once_ask_once(verifier: TokenVerifier, stepped_provider: DevProvider, link: Any) -> None:
    token = sign_in(stepped_provider, "alice")["id_token"]
    assert await asyncio.gather(*(session(verifier, token) for _ in range(20))) == ["dev|alice"] * 20
    assert link.asked == [DISCOVERY, "/jwks"]


async def test_a_new_key_is_found_when_a_token_names_it(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any
) -> None:
    old = sign_in(stepped_provider, "alice")["id_token"]
    assert await session(verifier, old) == "dev|alice"
    stepped_provider.rotate_key()
    assert await session(verifier, sign_in(stepped_provider, "bob")["id_token"]) == "dev|bob"
    assert await session(verifier, old) == "dev|alice"
    assert link.asked.count("/jwks") == 2


async def test_a_withdrawn_key_verifies_nothing_once_that_is_known(
    verifier: TokenVerifier, stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    old = sign_in(stepped_provider, "alice")["id_token"]
    assert await session(verifier, old) == "dev|alice"
    stepped_provider.rotate_key(keep_old=False)
    clock.step(15 * 60)
    with pytest.raises(NotSignedIn, match="does not publish"):
        await session(verifier, old)


async def test_unknown_keys_cannot_make_the_gateway_ask_without_end(
    verifier: TokenVerifier,
    stepped_provider: DevProvider,
    link: Any,
    clock: SteppedClock,
    good_claims: dict[str, Any],
) -> None:
    """INV-9: `kid` is free text of whoever sends a token."""
    assert await session(verifier, stepped_provider.mint(good_claims)) == "dev|alice"
    for attempt in range(50):
        with pytest.raises(NotSignedIn, match="does not publish"):
            await session(verifier, stepped_provider.mint(good_claims, {"kid": f"k{attempt}"}))
    assert link.asked.count("/jwks") == 2
    clock.step(10)
    with pytest.raises(NotSignedIn):
        await session(verifier, stepped_provider.mint(good_claims, {"kid": "again"}))
    assert link.asked.count("/jwks") == 3


async def test_a_token_without_kid_needs_a_single_key(
    verifier: TokenVerifier, stepped_provider: DevProvider, good_claims: dict[str, Any], clock: SteppedClock
) -> None:
    key = stepped_provider._started().key
    token = jwt.encode(good_claims, key._private, key.algorithm)
    assert await session(verifier, token) == "dev|alice"
    stepped_provider.rotate_key()
    clock.step(15 * 60)
    with pytest.raises(NotSignedIn, match="does not publish"):
        await session(verifier, token)


async def test_an_outage_is_borne_for_an_hour_and_no_longer(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any, clock: SteppedClock, good_claims: dict[str, Any]
) -> None:
    """INV-2."""
    token = stepped_provider.mint({**good_claims, "exp": good_claims["exp"] + 7200})
    assert await session(verifier, token) == "dev|alice"
    link.cut = True
    clock.step(3599)
    assert await session(verifier, token) == "dev|alice"
    clock.step(1)
    with pytest.raises(Unavailable, match="does not answer"):
        await session(verifier, token)
    link.cut = False
    clock.step(2)
    assert await session(verifier, token) == "dev|alice"


async def test_an_unknown_key_during_an_outage_is_unavailable_not_a_pass(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any
) -> None:
    assert await session(verifier, sign_in(stepped_provider, "alice")["id_token"]) == "dev|alice"
    stepped_provider.rotate_key()
    link.cut = True
    with pytest.raises(Unavailable):
        await session(verifier, sign_in(stepped_provider, "alice")["id_token"])


async def test_a_failed_attempt_answers_for_the_next_seconds(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any, clock: SteppedClock
) -> None:
    link.cut = True
    token = sign_in(stepped_provider, "alice")["id_token"]
    for _ in range(5):
        with pytest.raises(Unavailable):
            await session(verifier, token)
    assert link.asked == [DISCOVERY]
    link.cut = False
    clock.step(2)
    assert await session(verifier, token) == "dev|alice"


async def test_a_clock_set_back_makes_keys_old(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any, clock: SteppedClock, good_claims: dict[str, Any]
) -> None:
    token = stepped_provider.mint({**good_claims, "iat": good_claims["iat"] - 90_000})
    assert await session(verifier, token) == "dev|alice"
    clock.step(-86_400)
    assert await session(verifier, token) == "dev|alice"
    assert link.asked.count("/jwks") == 2


def discovery_with(provider: DevProvider, **changes: object) -> httpx.Response:
    document = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/jwks", **changes}
    return httpx.Response(200, json={name: value for name, value in document.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": "https://attacker.example"}, "calls itself 'https://attacker.example'"),
        ({"issuer": None}, "calls itself None"),
        ({"jwks_uri": None}, "names no jwks_uri"),
        ({"jwks_uri": 7}, "names no jwks_uri"),
        ({"jwks_uri": "http://attacker.example/jwks"}, "names no jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "names no jwks_uri"),
        ({"userinfo_endpoint": "https://attacker.example/"}, "names no userinfo_endpoint"),
    ],
)
async def test_a_discovery_document_that_is_not_to_be_believed(
    verifier: TokenVerifier, stepped_provider: DevProvider, link: Any, changes: dict[str, object], why: str
) -> None:
    link.instead[DISCOVERY] = lambda _: discovery_with(stepped_provider, **changes)
    with pytest.raises(Unavailable, match=why):
        await verifier.check_provider()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(302, headers={"Location": "http://127.0.0.1:9/"}), "answers 302"),
        (httpx.Response(500), "answers 500"),
        (httpx.Response(200, text="<html>"), "not JSON"),
        (httpx.Response(200, text="[]"), "not a JSON object"),
        (httpx.Response(200, text="[" * 100_000), "not JSON"),
        (httpx.Response(200, content=b"x" * (1024 * 1024 + 1)), "more than 1048576 bytes"),
        (httpx.Response(200, stream=httpx.ByteStream(b"x"), headers={"Content-Encoding": "gzip"}), "compressed"),
    ],
)
@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
async def test_answers_that_are_not_taken(
    verifier: TokenVerifier, link: Any, path: str, answer: httpx.Response, why: str
) -> None:
    link.instead[path] = lambda _: answer
    with pytest.raises(Unavailable, match=why):
        await verifier.check_provider()


@pytest.mark.parametrize(
    "keys",
    [
        None,
        {},
        [],
        [{"kty": "oct", "k": "AAAA"}],
        [{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}],
        [{"kty": "EC"}] * 101,
    ],
)
async def test_keys_that_verify_nothing(verifier: TokenVerifier, link: Any, keys: object) -> None:
    link.instead["/jwks"] = lambda _: httpx.Response(200, json={"keys": keys})
    with pytest.raises(Unavailable, match=r"no key|keys are not"):
        await verifier.check_provider()
