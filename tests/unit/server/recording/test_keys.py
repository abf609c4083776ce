"""The record's key: made once, for its owner alone, and a seal covers all that it says."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.recording.keys import key_id, load_keys

HEAD = b"h" * 32


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    assert (tmp_path / "record.key").stat().st_mode & 0o777 == 0o600
    again = load_keys(tmp_path)
    assert again.id == keys.id
    assert again.sealed_by(keys.id, keys.seal("s-1", 3, HEAD, 7), "s-1", 3, HEAD, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["record.key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """INV-7."""
    load_keys(tmp_path)
    (tmp_path / "record.key").chmod(0o640)
    with pytest.raises(InvalidInput, match="may be read by others") as caught:
        load_keys(tmp_path)
    assert (tmp_path / "record.key").read_text().strip() not in caught.value.message


def test_a_damaged_key_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    load_keys(tmp_path)
    (tmp_path / "record.key").write_text("zz")
    with pytest.raises(InvalidInput, match="not an Ed25519 key"):
        load_keys(tmp_path)
    assert (tmp_path / "record.key").read_text() == "zz"


def test_a_directory_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file or directory"):
        load_keys(tmp_path / "missing")


@pytest.mark.parametrize(
    "other", [("s-2", 3, HEAD, 7), ("s-1", 4, HEAD, 7), ("s-1", 3, b"i" * 32, 7), ("s-1", 3, HEAD, 8)]
)
def test_a_seal_covers_session_count_head_and_end(tmp_path: Path, other: tuple[str, int, bytes, int]) -> None:
    keys = load_keys(tmp_path)
    seal = keys.seal("s-1", 3, HEAD, 7)
    assert not keys.sealed_by(keys.id, seal, *other)


def test_other_gateways_are_trusted_by_a_file(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate()
    load_keys(tmp_path)
    (tmp_path / "record-keys").mkdir()
    (tmp_path / "record-keys" / "b.pub").write_text(other.public_key().public_bytes_raw().hex() + "\n")
    assert load_keys(tmp_path).knows(key_id(other.public_key()))
    (tmp_path / "record-keys" / "c.pub").write_text("not hex")
    with pytest.raises(InvalidInput, match=r"c\.pub"):
        load_keys(tmp_path)
