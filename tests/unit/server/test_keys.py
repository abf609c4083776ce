"""The gateway's own secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.keys import SIZE, derive, load_secret


def test_it_is_made_once_for_the_gateway_alone(tmp_path: Path) -> None:
    secret = load_secret(tmp_path)
    assert len(secret) == SIZE
    assert load_secret(tmp_path) == secret
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(Unavailable, match="can be read by others: make it 0600"):
        load_secret(tmp_path)


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_one_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    """INV-2: hashes under half a key would be weak, and nobody would see it."""
    (tmp_path / "secret.key").write_bytes(bytes(size))
    (tmp_path / "secret.key").chmod(0o600)
    with pytest.raises(Unavailable, match="is not a key of 32 bytes"):
        load_secret(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be made"):
        load_secret(tmp_path / "nowhere")


def test_each_purpose_has_its_own_key() -> None:
    keys = {derive(b"s" * SIZE, "mask"), derive(b"s" * SIZE, "redaction"), derive(b"t" * SIZE, "mask"), b"s" * SIZE}
    assert len(keys) == 4
    assert derive(b"s" * SIZE, "mask") == derive(b"s" * SIZE, "mask")
