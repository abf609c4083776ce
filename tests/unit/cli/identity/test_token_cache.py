"""One profile's sign-ins and tunnel passwords."""

import dataclasses
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoopctl.errors import HoopctlError, UsageProblem
from hoopctl.identity.token_cache import TokenCache
from hoopctl.identity.tokens import ApprovalToken, Binding, Tokens
from tests.unit.cli.identity.conftest import MemoryKeyring

BINDING = Binding("gateway.example.com:7443", "AB:CD", "https://id.example.com", "hoopctl")
TOKENS = Tokens("id", "refresh", datetime(2026, 3, 2, 11, tzinfo=UTC), "https://id.example.com", "hoopctl")
OFF = {"HOOPCTL_KEYRING": "off"}


def test_tokens_are_kept_for_their_binding_alone(cache: TokenCache) -> None:
    assert cache.load(BINDING) is None
    cache.save(BINDING, TOKENS)
    assert cache.load(BINDING) == TOKENS
    for field in ("server", "ca_fingerprint", "issuer", "client_id"):
        assert cache.load(dataclasses.replace(BINDING, **{field: "another"})) is None


def test_files_are_ours_alone(cache: TokenCache, home: Path) -> None:
    cache.save(BINDING, TOKENS)
    cache.secret_for("prod-db")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home, *home.rglob("*")) if path.is_dir()} == {0o700}


def test_a_cache_that_others_could_read_is_refused(cache: TokenCache, home: Path) -> None:
    cache.save(BINDING, TOKENS)
    [file] = home.rglob("tokens-*.json")
    file.chmod(0o644)
    with pytest.raises(HoopctlError, match="can be read by other users"):
        cache.load(BINDING)
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))
    with pytest.raises(HoopctlError, match="symbolic link"):
        cache.load(BINDING)


def test_profiles_are_apart(home: Path, cache: TokenCache) -> None:
    cache.save(BINDING, TOKENS)
    other = TokenCache(home, "other", environ=OFF)
    assert other.load(BINDING) is None
    assert other.secret_for("prod-db") != cache.secret_for("prod-db")
    assert other.forget_all() == 0
    assert cache.load(BINDING) == TOKENS


@pytest.mark.parametrize("profile", ["", ".", "..", "../x", "a/b", "-x", "a b", "x" * 65, "a\n"])
def test_a_profile_is_a_plain_name(home: Path, profile: str) -> None:
    with pytest.raises(UsageProblem, match="not a name for a profile"):
        TokenCache(home, profile)


def test_forgetting(cache: TokenCache, home: Path) -> None:
    second = dataclasses.replace(BINDING, server="second:7443")
    cache.save(BINDING, TOKENS)
    cache.save(BINDING, TOKENS)
    cache.save(second, TOKENS)
    assert set(cache.bindings()) == {BINDING, second}
    assert cache.forget(BINDING) is True
    assert cache.forget(BINDING) is False
    assert cache.load(BINDING) is None
    password = cache.secret_for("prod-db")
    assert cache.forget_all() == 1
    assert cache.load(second) is None
    assert cache.bindings() == ()
    assert cache.secret_for("prod-db") == password
    assert list(home.rglob("tokens-*.json")) == []


def test_the_same_in_a_keyring(home: Path, memory_keyring: MemoryKeyring) -> None:
    cache = TokenCache(home, "default", environ={})
    cache.save(BINDING, TOKENS)
    assert cache.load(BINDING) == TOKENS
    assert "keyring" in cache.place
    assert not [path for path in home.rglob("*") if path.is_file() and "refresh" in path.read_text()]
    assert cache.forget_all() == 1
    assert memory_keyring.kept == {}


def test_inv_6_an_approval_token_is_not_kept(cache: TokenCache, home: Path) -> None:
    with pytest.raises(TypeError, match="for sessions"):
        cache.save(BINDING, ApprovalToken("id", TOKENS.expires_at))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="issuer and client"):
        cache.save(BINDING, dataclasses.replace(TOKENS, client_id="hoopctl-approve"))
    assert not list(home.rglob("tokens-*"))


def test_a_broken_entry_is_no_sign_in(cache: TokenCache, home: Path) -> None:
    cache.save(BINDING, TOKENS)
    for file in home.rglob("*.json"):
        file.write_text("{")
    assert cache.load(BINDING) is None
    assert cache.bindings() == ()
    cache.save(BINDING, TOKENS)
    assert cache.load(BINDING) == TOKENS


def test_tunnel_passwords_are_long_and_stay(cache: TokenCache, home: Path) -> None:
    password = cache.secret_for("prod-db")
    assert len(password) >= 32
    assert cache.secret_for("prod-db") == password
    assert TokenCache(home, "default", environ=OFF).secret_for("prod-db") == password
    assert cache.secret_for("staging") != password


def test_many_at_once_get_one_tunnel_password(home: Path) -> None:
    caches = [TokenCache(home, "default", environ=OFF) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda cache: cache.secret_for("prod-db"), caches))) == 1
