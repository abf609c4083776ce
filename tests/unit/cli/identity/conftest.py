"""A home of its own, files in place of keyrings unless a test registers one, and a binding to a running provider."""

from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from hoopctl.identity.token_cache import TokenCache
from hoopctl.identity.tokens import Binding
from hoopd.dev.oidc import LOGIN_CLIENT, DevProvider

SCOPES = ("openid", "email", "profile", "groups", "offline_access")


class MemoryKeyring(KeyringBackend):
    """A keyring like the system's, gone with the test."""

    priority = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.refuses: set[str] = set()

    def get_password(self, service: str, username: str) -> str | None:
        self._refuse("get")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._refuse("set")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._refuse("delete")
        del self.kept[service, username]

    def _refuse(self, what: str) -> None:
        if what in self.refuses:
            raise RuntimeError(f"this keyring does not {what}")


@pytest.fixture
def memory_keyring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    """A keyring that is usable, as keyring's own way to choose a backend has it."""
    backend = MemoryKeyring()
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
    monkeypatch.delenv("HOOPCTL_KEYRING", raising=False)
    return backend


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", NoKeyring())
    monkeypatch.delenv("HOOPCTL_KEYRING", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def cache(home: Path) -> TokenCache:
    """A cache in files."""
    return TokenCache(home, "default", environ={"HOOPCTL_KEYRING": "off"})


@pytest.fixture
def binding(stepped_provider: DevProvider) -> Binding:
    return Binding("127.0.0.1:7443", "AB:CD", stepped_provider.issuer, LOGIN_CLIENT)
