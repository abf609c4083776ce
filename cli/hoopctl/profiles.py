"""What ``hoopctl`` keeps between runs: per profile the gateway, its CA, and the ports of its connections.

Everything lies under one directory (``HOOPCTL_HOME``, else the platform's), readable by its owner only. Tokens and
tunnel passwords are not here: see ``hoopctl.identity``. See ``identity.private_files`` for how.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hoopctl.errors import NotSignedIn, UsageProblem
from hoopctl.identity.private_files import read_private, write_private

DEFAULT_PORT = 7443
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a gateway listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the address can only be this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_server(text: str) -> ServerAddress:
    """A gateway's address from ``host``, ``host:port``, ``[v6]:port`` or ``https://host:port``.

    Raises UsageProblem when it is none of these.
    """
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError:
        raise UsageProblem(f"{text!r} is not the address of a gateway.", hint="Give HOST:PORT.") from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in {"https", "grpcs"} or not parts.hostname or extra or port == 0:
        raise UsageProblem(f"{text!r} is not the address of a gateway.", hint="Give HOST:PORT; TLS is always used.")
    return ServerAddress(parts.hostname, DEFAULT_PORT if port is None else port)


@dataclass(frozen=True, slots=True)
class Profile:
    """One identity: its name, its directory, and the gateway it uses now (None: none is known).

    ``chosen`` is the gateway that this run was told to use, which need not be the one that is remembered.
    """

    name: str
    directory: Path
    chosen: ServerAddress | None = None

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(read_private(self.directory / "profile.json") or "{}")
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise UsageProblem(
                f"The file {self.directory / 'profile.json'} cannot be read.", hint="Remove it and sign in again."
            )
        return content

    def _update(self, **changes: object) -> None:
        content = self._read() | changes
        write_private(self.directory / "profile.json", json.dumps(content, indent=2, sort_keys=True) + "\n")

    @property
    def server(self) -> ServerAddress | None:
        """The gateway of this run, else the remembered one."""
        if self.chosen is not None:
            return self.chosen
        remembered = self._read().get("server")
        return parse_server(remembered) if isinstance(remembered, str) else None

    def require_server(self) -> ServerAddress:
        """The gateway to talk to. Raises NotSignedIn when none is known."""
        server = self.server
        if server is None:
            raise NotSignedIn(
                f"No gateway is known for profile {self.name!r}.", hint="Run: hoopctl login --server HOST:PORT"
            )
        return server

    def remember_server(self, server: ServerAddress) -> None:
        """Make ``server`` the gateway of this profile."""
        self._update(server=str(server))

    def ca_path(self, server: ServerAddress) -> Path:
        """Where the CA that this profile trusts for ``server`` is kept, whether pinned or given."""
        return self.directory / "ca" / (re.sub(r"[^A-Za-z0-9.-]", "_", f"{server.host}_{server.port}") + ".pem")

    def trusted_ca(self, server: ServerAddress) -> str | None:
        """The CA (PEM) that this profile trusts for ``server``; None: none is kept, the system's are meant."""
        return read_private(self.ca_path(server))

    def trust_ca(self, server: ServerAddress, pem: str) -> None:
        """Keep ``pem`` as the only CA that is trusted for ``server``."""
        write_private(self.ca_path(server), pem)

    def last_port(self, connection: str) -> int | None:
        """The local port that ``connection`` had last under this profile."""
        ports = self._read().get("ports")
        port = ports.get(connection) if isinstance(ports, dict) else None
        return port if isinstance(port, int) and 0 < port < 65536 else None

    def ports_of_others(self, connection: str) -> frozenset[int]:
        """The local ports that other connections of this profile had last."""
        ports = self._read().get("ports")
        return (
            frozenset(port for name, port in ports.items() if name != connection)
            if isinstance(ports, dict)
            else frozenset()
        )

    def remember_port(self, connection: str, port: int) -> None:
        """Give ``connection`` the local ``port`` next time."""
        ports = self._read().get("ports")
        self._update(ports={**(ports if isinstance(ports, dict) else {}), connection: port})


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of ``hoopctl``'s own files."""

    path: Path

    def profile(self, name: str, server: str | None = None) -> Profile:
        """The profile ``name``, using ``server`` for this run when given.

        Raises UsageProblem for a name that no file can have.
        """
        if not _PROFILE_NAME.fullmatch(name):
            raise UsageProblem(
                f"{name!r} is not a name for a profile.", hint="Use letters, digits, dots, dashes and underscores."
            )
        return Profile(name, self.path / "profiles" / name, parse_server(server) if server else None)


def open_home(environ: Mapping[str, str] = os.environ) -> Home:
    """The home that ``HOOPCTL_HOME`` names, else the platform's directory for settings."""
    named = environ.get("HOOPCTL_HOME")
    if named:
        return Home(Path(named).expanduser().absolute())
    from platformdirs import user_config_path

    return Home(user_config_path("hoopctl", appauthor=False))
