"""Silent renewal against the development provider."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from hoopctl.errors import ExitCode, HoopctlError, NotSignedIn, Unreachable
from hoopctl.identity.device_flow import DeviceFlow
from hoopctl.identity.token_cache import TokenCache
from hoopctl.identity.token_source import TokenSource
from hoopctl.identity.tokens import Binding, Tokens
from hoopd.dev.oidc import LOGIN_CLIENT, DevProvider
from tests.fixtures.oidc import SteppedClock, confirm
from tests.unit.cli.identity.conftest import SCOPES


def sign_in(provider: DevProvider, clock: SteppedClock, scopes: tuple[str, ...] = SCOPES) -> Tokens:
    flow = DeviceFlow(provider.issuer, LOGIN_CLIENT, scopes, clock=clock, sleep=clock.sleep)
    confirm(provider, flow.start().user_code, "alice")
    return flow.poll()


@pytest.fixture
def kept(stepped_provider: DevProvider, clock: SteppedClock, cache: TokenCache, binding: Binding) -> Tokens:
    tokens = sign_in(stepped_provider, clock)
    cache.save(binding, tokens)
    return tokens


@pytest.fixture
def source(cache: TokenCache, binding: Binding, clock: SteppedClock) -> TokenSource:
    return TokenSource(cache, binding, clock=clock)


def test_nobody_is_signed_in(source: TokenSource) -> None:
    with pytest.raises(NotSignedIn, match=r"Nobody is signed in at 127\.0\.0\.1:7443") as caught:
        source.current()
    assert caught.value.exit_code is ExitCode.not_signed_in


def test_a_token_that_lives_is_handed_out_as_it_is(
    source: TokenSource, kept: Tokens, stepped_provider: DevProvider
) -> None:
    stepped_provider.stop()
    assert source.current() == kept


def test_a_token_near_its_end_is_renewed_and_kept(
    source: TokenSource, kept: Tokens, clock: SteppedClock, cache: TokenCache, binding: Binding
) -> None:
    clock.step(3600 - 120)
    renewed = source.current()
    assert renewed.expires_at == clock() + timedelta(hours=1)
    assert renewed.refresh_token != kept.refresh_token
    assert cache.load(binding) == renewed
    clock.step(7200)
    assert source.current().expires_at == clock() + timedelta(hours=1)


def test_two_that_renew_at_once_spend_the_refresh_token_once(
    kept: Tokens, clock: SteppedClock, home: Path, binding: Binding
) -> None:
    """The provider would end the sign-in at the second use."""
    clock.step(3600)
    sources = [
        TokenSource(TokenCache(home, "default", environ={"HOOPCTL_KEYRING": "off"}), binding, clock=clock)
        for _ in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        renewed = list(pool.map(lambda source: source.current(), sources))
    assert len({tokens.id_token for tokens in renewed}) == 1
    clock.step(3600)
    assert sources[0].current().id_token != renewed[0].id_token


def test_a_sign_in_that_the_provider_ended(
    source: TokenSource,
    kept: Tokens,
    stepped_provider: DevProvider,
    clock: SteppedClock,
    cache: TokenCache,
    binding: Binding,
) -> None:
    del stepped_provider.accounts["alice"]
    clock.step(3600)
    with pytest.raises(NotSignedIn, match="has ended the sign-in"):
        source.current()
    assert cache.load(binding) is None


def test_without_a_refresh_token_the_sign_in_ends_with_the_token(
    source: TokenSource, stepped_provider: DevProvider, clock: SteppedClock, cache: TokenCache, binding: Binding
) -> None:
    tokens = sign_in(stepped_provider, clock, ("openid",))
    cache.save(binding, tokens)
    clock.step(3599)
    assert source.current() == tokens
    clock.step(1)
    with pytest.raises(NotSignedIn, match="has expired"):
        source.current()


def test_an_outage_costs_nothing_while_the_token_lives(
    source: TokenSource, kept: Tokens, stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    stepped_provider.stop()
    clock.step(3599)
    assert source.current() == kept
    clock.step(1)
    with pytest.raises(Unreachable, match="does not answer"):
        source.current()
    stepped_provider.start()
    assert source.current().expires_at == clock() + timedelta(hours=1), "and nothing is lost by it"


def test_a_restart_of_the_provider_keeps_the_sign_in(clock: SteppedClock, cache: TokenCache, tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    with DevProvider(clock=clock, key_file=key_file) as first:
        binding = Binding("127.0.0.1:7443", "AB", first.issuer, LOGIN_CLIENT)
        cache.save(binding, sign_in(first, clock))
    clock.step(3600)
    with DevProvider(port=first.port, clock=clock, key_file=key_file):
        assert TokenSource(cache, binding, clock=clock).current().expires_at == clock() + timedelta(hours=1)


def answers(token: httpx.Response, issuer: str) -> Iterator[httpx.Response]:
    discovery = {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
    yield httpx.Response(200, json=discovery)
    yield token


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (httpx.Response(503, text="busy"), "answers 503", ExitCode.unreachable),
        (httpx.Response(400, json={"error": "invalid_client"}), "does not renew", ExitCode.failed),
        (httpx.Response(200, json={"access_token": "a"}), "does not renew", ExitCode.failed),
        (httpx.Response(200, json={"id_token": "a"}), "cannot be read", ExitCode.failed),
    ],
)
def test_answers_that_renew_nothing_lose_nothing(
    kept: Tokens,
    clock: SteppedClock,
    cache: TokenCache,
    binding: Binding,
    answer: httpx.Response,
    message: str,
    code: ExitCode,
) -> None:
    script = answers(answer, binding.issuer)

    def scripted(_request: httpx.Request) -> httpx.Response:
        given = next(script)
        return httpx.Response(given.status_code, headers=given.headers, stream=given.stream)

    source = TokenSource(
        cache, binding, clock=clock, http=lambda: httpx.Client(transport=httpx.MockTransport(scripted))
    )
    clock.step(3600)
    with pytest.raises(HoopctlError, match=message) as caught:
        source.current()
    assert caught.value.exit_code is code
    assert cache.load(binding) == kept
