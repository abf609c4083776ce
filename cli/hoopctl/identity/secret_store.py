"""Where secrets lie on this machine: the system's keyring, or files of mode 0600 where there is none.

``keyring`` is imported only when a secret is asked for. Its backends are plugins that may raise anything; all of that
ends here and means that there is no keyring.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hoopctl.errors import HoopctlError
from hoopctl.identity.private_files import read_private, remove_private, write_private

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "hoopctl"
"""The service name of everything that is in a keyring."""

_OFF = frozenset({"off", "0", "no", "false", "none"})
_NO_KEYRING = ("keyring.backends.fail", "keyring.backends.null")


class SecretStore(Protocol):
    """Keeps texts by name."""

    @property
    def place(self) -> str:
        """Where that is, for a person."""

    def read(self, name: str) -> str | None:
        """The text, or None when there is none."""

    def write(self, name: str, text: str) -> None:
        """Keep ``text``. Raises HoopctlError when it cannot be kept."""

    def remove(self, name: str) -> bool:
        """Forget it. False when there was none."""


class FileStore:
    """One file for each secret, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def place(self) -> str:
        return f"files in {self._directory} that only you can read (no system keyring is usable)"

    def read(self, name: str) -> str | None:
        return read_private(self._path(name))

    def write(self, name: str, text: str) -> None:
        write_private(self._path(name), text)

    def remove(self, name: str) -> bool:
        return remove_private(self._path(name))

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"


class KeyringStore:
    """The system's keyring, and ``files`` for what it will not take (some bound the length of a secret).

    A file is there only for a secret that the keyring refused, so it is newer than what the keyring has.
    """

    def __init__(self, backend: KeyringBackend, files: FileStore) -> None:
        self._backend = backend
        self._files = files
        self._refused = False

    @property
    def place(self) -> str:
        return self._files.place if self._refused else f"the system keyring ({self._backend.name})"

    def read(self, name: str) -> str | None:
        kept = self._files.read(name)
        if kept is not None:
            return kept
        try:
            return self._backend.get_password(SERVICE, name)
        except Exception:  # noqa: BLE001 - see the module's docstring
            return None

    def write(self, name: str, text: str) -> None:
        try:
            self._backend.set_password(SERVICE, name, text)
        except Exception:  # noqa: BLE001 - see the module's docstring
            self._refused = True
            self._files.write(name, text)
        else:
            self._files.remove(name)

    def remove(self, name: str) -> bool:
        in_keyring = self._remove_from_keyring(name)
        return self._files.remove(name) or in_keyring

    def _remove_from_keyring(self, name: str) -> bool:
        try:
            if self._backend.get_password(SERVICE, name) is None:
                return False
            self._backend.delete_password(SERVICE, name)
        except Exception:  # noqa: BLE001 - see the module's docstring
            raise HoopctlError(
                f"The system keyring ({self._backend.name}) does not let go of a secret of hoopctl.",
                hint=f"Remove the entries of the service {SERVICE!r} with the keyring's own program.",
            ) from None
        return True


def open_store(directory: Path, environ: Mapping[str, str] = os.environ) -> SecretStore:
    """The keyring where a usable one answers and HOOPCTL_KEYRING is not ``off``, else files in ``directory``."""
    files = FileStore(directory)
    if environ.get("HOOPCTL_KEYRING", "").lower() in _OFF:
        return files
    backend = _usable_keyring()
    return files if backend is None else KeyringStore(backend, files)


def _usable_keyring() -> KeyringBackend | None:
    try:
        import keyring

        backend = keyring.get_keyring()
        # Below 1 a backend does not recommend itself: such ones keep plain text in a file.
        if type(backend).__module__.startswith(_NO_KEYRING) or backend.priority < 1:
            return None
        backend.get_password(SERVICE, "probe")
    except Exception:  # noqa: BLE001 - see the module's docstring
        return None
    return backend
