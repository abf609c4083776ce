"""Keyring or files: which, and what happens when a keyring changes its mind."""

import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backends.null import Keyring as NullKeyring

from hoopctl.errors import HoopctlError
from hoopctl.identity.secret_store import SERVICE, FileStore, KeyringStore, open_store
from tests.unit.cli.identity.conftest import MemoryKeyring


def test_the_keyring_is_used_where_there_is_one(tmp_path: Path, memory_keyring: MemoryKeyring) -> None:
    store = open_store(tmp_path)
    store.write("a", "secret")
    assert memory_keyring.kept == {(SERVICE, "a"): "secret"}
    assert store.read("a") == "secret"
    assert "system keyring" in store.place
    assert list(tmp_path.iterdir()) == []
    assert store.remove("a") is True
    assert memory_keyring.kept == {}
    assert store.remove("a") is False


@pytest.mark.usefixtures("no_keyring")
def test_files_where_there_is_none(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("a", "secret")
    assert store.read("a") == "secret"
    assert (tmp_path / "a.json").read_text() == "secret"
    assert str(tmp_path) in store.place
    assert "no system keyring" in store.place


def test_a_keyring_that_forgets_everything_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", NullKeyring())
    assert isinstance(open_store(tmp_path, {}), FileStore)


def test_a_keyring_that_does_not_recommend_itself_is_none(
    tmp_path: Path, memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryKeyring, "priority", 0.5)
    assert isinstance(open_store(tmp_path, {}), FileStore)


def test_a_keyring_that_cannot_be_asked_is_none(tmp_path: Path, memory_keyring: MemoryKeyring) -> None:
    memory_keyring.refuses = {"get"}
    assert isinstance(open_store(tmp_path, {}), FileStore)


@pytest.mark.parametrize("word", ["off", "OFF", "0", "no"])
def test_files_on_request(tmp_path: Path, memory_keyring: MemoryKeyring, word: str) -> None:
    assert isinstance(open_store(tmp_path, {"HOOPCTL_KEYRING": word}), FileStore)
    assert isinstance(open_store(tmp_path, {"HOOPCTL_KEYRING": "on"}), KeyringStore)


def test_what_a_keyring_will_not_take_goes_to_a_file_and_is_the_newest(
    tmp_path: Path, memory_keyring: MemoryKeyring
) -> None:
    store = open_store(tmp_path)
    store.write("a", "old")
    memory_keyring.refuses = {"set"}
    store.write("a", "new")
    assert store.read("a") == "new"
    assert "no system keyring" in store.place
    memory_keyring.refuses = set()
    store.write("a", "newest")
    assert store.read("a") == "newest"
    assert list(tmp_path.iterdir()) == [], "the file goes when the keyring takes secrets again"


def test_a_keyring_that_breaks_later_holds_nothing(tmp_path: Path, memory_keyring: MemoryKeyring) -> None:
    store = open_store(tmp_path)
    store.write("a", "secret")
    memory_keyring.refuses = {"get"}
    assert store.read("a") is None


def test_a_secret_that_stays_in_the_keyring_is_told(tmp_path: Path, memory_keyring: MemoryKeyring) -> None:
    store = open_store(tmp_path)
    store.write("a", "secret")
    memory_keyring.refuses = {"delete"}
    with pytest.raises(HoopctlError, match="does not let go"):
        store.remove("a")


def test_keyring_is_not_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; import hoopctl.identity.token_cache, hoopctl.identity.device_flow, hoopctl.identity.token_source;"
        "sys.exit('keyring' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
