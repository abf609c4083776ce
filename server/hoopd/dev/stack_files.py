"""The directory of a development stack: where each file is, its secrets, and the ports that it had last.

A directory that is kept makes the same stack again: same data, authority, keys, passwords and, where they are free, the
same ports. Every file that holds a secret has mode 0600.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from hoopd.dev.files import PRIVATE, make_directory, write_private
from hoopd.domain.errors import InvalidInput, Unavailable

MARK = "stack.json"
SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of loopback that a stack listens on; 0 is any free one."""

    gateway: int = 0
    provider: int = 0
    database: int = 0


@dataclass(frozen=True, slots=True)
class StackFiles:
    """The files of one stack, all below ``directory``."""

    directory: Path

    @classmethod
    def prepare(cls, directory: Path) -> StackFiles:
        """Make ``directory``, or take one that a stack made before.

        Raises ``InvalidInput`` for a directory that holds something else.
        """
        directory = directory.absolute()
        known = (directory / MARK).is_file()
        if directory.is_dir() and not known and any(directory.iterdir()):
            raise InvalidInput(
                f"the directory {directory} holds files that are not a development stack's",
                hint="name an empty directory, or one that does not exist yet",
            )
        make_directory(directory)
        files = cls(directory)
        if not known:
            files.remember(Ports())
        for each in (files.secrets, files.tls, files.data):
            each.mkdir(mode=PRIVATE, exist_ok=True)
        return files

    @property
    def settings(self) -> Path:
        """The gateway's settings."""
        return self.directory / "hoopd.yaml"

    @property
    def policy(self) -> Path:
        """The policy, where none of one's own is given."""
        return self.directory / "policy.yaml"

    @property
    def postgres(self) -> Path:
        """The files of the PostgreSQL server."""
        return self.directory / "postgres"

    @property
    def data(self) -> Path:
        """The gateway's own files, its journal among them."""
        return self.directory / "gateway"

    @property
    def tls(self) -> Path:
        """Certificates and their keys."""
        return self.directory / "tls"

    @property
    def secrets(self) -> Path:
        """Passwords, one a file."""
        return self.directory / "secrets"

    @property
    def log(self) -> Path:
        """What the gateway says on stderr."""
        return self.directory / "gateway.log"

    def secret_file(self, name: str, value: str | None = None) -> Path:
        """The file with the secret ``name``: set to ``value``, else left as it is or made by chance."""
        path = self.secrets / name
        if value is not None:
            write_private(path, value)
        elif not path.exists():
            write_private(path, secrets.token_urlsafe(SECRET_BYTES))
        return path

    def secret(self, name: str) -> str:
        """The secret ``name``, made by chance where there is none."""
        return self.secret_file(name).read_text(encoding="utf-8")

    def remembered(self) -> Ports:
        """The ports that this stack had when it ran last; raises ``Unavailable`` where its file cannot be read."""
        path = self.directory / MARK
        try:
            ports = json.loads(path.read_text(encoding="utf-8"))["ports"]
            return Ports(int(ports["gateway"]), int(ports["provider"]), int(ports["database"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{path} cannot be read: it is not what hoopd dev wrote", hint="remove it") from error

    def remember(self, ports: Ports) -> None:
        """Keep the ports for the next start."""
        content = {"gateway": ports.gateway, "provider": ports.provider, "database": ports.database}
        write_private(self.directory / MARK, json.dumps({"version": 1, "ports": content}) + "\n")
