"""What one profile keeps: its sign-ins, each bound to a gateway, and the passwords of its tunnels.

A list beside the secrets, of what they are bound to and without any secret, is what ``logout`` goes through when no
gateway answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from hoopctl.errors import UsageProblem
from hoopctl.identity.private_files import locked, read_private, write_private
from hoopctl.identity.secret_store import SecretStore, open_store
from hoopctl.identity.tokens import Binding, Tokens, name_of, read, written

_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_SECRET_BYTES = 32


class TokenCache:
    """The sign-ins and tunnel passwords of ``profile`` under ``home``. Safe among threads and processes.

    Raises UsageProblem for a profile that no file can be named after. What lies in unsafe files raises HoopctlError.
    """

    def __init__(self, home: Path, profile: str, *, environ: Mapping[str, str] = os.environ) -> None:
        if not _PROFILE_NAME.fullmatch(profile):
            raise UsageProblem(
                f"{profile!r} is not a name for a profile.", hint="Use letters, digits, dots, dashes and underscores."
            )
        self._profile = profile
        self._directory = home / "profiles" / profile / "secrets"
        self._environ = environ

    @cached_property
    def _store(self) -> SecretStore:
        return open_store(self._directory, self._environ)

    @property
    def place(self) -> str:
        """Where secrets are kept, in words that follow "kept in"."""
        return self._store.place

    def load(self, binding: Binding) -> Tokens | None:
        """The tokens that were got for just this ``binding``."""
        text = self._store.read(name_of(self._profile, binding))
        return None if text is None else read(text, binding)

    def save(self, binding: Binding, tokens: Tokens) -> None:
        """Keep ``tokens`` for ``binding``, in place of any before.

        Raises TypeError for anything but ``Tokens``, ValueError for tokens of another issuer or client.
        """
        text = written(tokens, binding)
        with self._listing():
            self._write_list({*self.bindings(), binding})
            self._store.write(name_of(self._profile, binding), text)

    def forget(self, binding: Binding) -> bool:
        """Remove the tokens of ``binding``. False when there were none."""
        with self._listing():
            removed = self._store.remove(name_of(self._profile, binding))
            self._write_list({one for one in self.bindings() if one != binding})
        return removed

    def forget_all(self) -> int:
        """Remove all tokens of the profile, for whatever gateway, and count them. Tunnel passwords stay."""
        return sum(self.forget(binding) for binding in self.bindings())

    def bindings(self) -> tuple[Binding, ...]:
        """What the profile has tokens for."""
        text = read_private(self._list_path)
        try:
            return tuple(Binding(**entry) for entry in json.loads(text or "[]"))
        except (ValueError, TypeError):
            return ()

    def secret_for(self, connection: str) -> str:
        """The password of this profile's tunnels to ``connection``: made at the first call, the same ever after.

        It has 43 characters of the URL-safe alphabet.
        """
        name = "tunnel-" + hashlib.sha256(json.dumps([self._profile, connection]).encode()).hexdigest()[:40]
        with locked(self._directory / "tunnels.lock"):
            known = self._store.read(name)
            if known:
                return known
            made = secrets.token_urlsafe(_SECRET_BYTES)
            self._store.write(name, made)
            return made

    @contextmanager
    def renewing(self, binding: Binding) -> Iterator[None]:
        """Hold off every other process that would renew the tokens of ``binding``."""
        with locked(self._directory / f"{name_of(self._profile, binding)}.lock"):
            yield

    @contextmanager
    def _listing(self) -> Iterator[None]:
        with locked(self._directory / "bindings.lock"):
            yield

    @property
    def _list_path(self) -> Path:
        return self._directory / "bindings.json"

    def _write_list(self, bindings: set[Binding]) -> None:
        entries = sorted((asdict(binding) for binding in bindings), key=lambda entry: sorted(entry.values()))
        write_private(self._list_path, json.dumps(entries, indent=2) + "\n")
