"""The provider as a whole: loopback only, and the same after a restart."""

import stat
from pathlib import Path

import httpx
import pytest

from hoopd.dev.oidc import DevProvider
from hoopd.domain.errors import InvalidInput, Unavailable
from tests.fixtures.oidc import claims_of, get, refresh, sign_in


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "localhost", "example.com", "", "127.0.0.1.nip.io"])
def test_any_address_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="loopback only"):
        DevProvider(host=host)


def test_a_restart_with_the_same_key_file_is_the_same_provider(tmp_path: Path) -> None:
    key_file = tmp_path / "signing-key.pem"
    with DevProvider(key_file=key_file) as before:
        answer = sign_in(before, "alice")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with DevProvider(port=before.port, key_file=key_file) as after:
        assert after.issuer == before.issuer
        assert claims_of(after, answer["id_token"])["email"] == "alice@example.com"
        assert refresh(after, answer["refresh_token"]).status_code == 200


def test_a_taken_port_is_one_sentence(oidc_provider: DevProvider) -> None:
    with pytest.raises(Unavailable, match=f"port {oidc_provider.port} on 127.0.0.1 cannot be had"):
        DevProvider(port=oidc_provider.port).start()


def test_stopping_and_starting_keeps_the_address(oidc_provider: DevProvider) -> None:
    issuer = oidc_provider.issuer
    oidc_provider.stop()
    with pytest.raises(httpx.ConnectError):
        get(f"{issuer}/jwks")
    oidc_provider.start()
    assert oidc_provider.issuer == issuer
    assert get(f"{issuer}/jwks").status_code == 200
