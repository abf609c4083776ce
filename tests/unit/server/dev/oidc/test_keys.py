"""Signing keys: published, kept over restarts, rotated."""

import json
from pathlib import Path

import pytest

from hoopd.dev.oidc import DevProvider
from hoopd.domain.errors import InvalidInput
from tests.fixtures.oidc import get


def test_a_key_file_with_something_else_is_refused(tmp_path: Path) -> None:
    key_file = tmp_path / "signing-key.pem"
    key_file.write_text("not a key")
    with pytest.raises(InvalidInput, match="is not a private key"):
        DevProvider(key_file=key_file)


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
