"""How the gateway itself signs in to a connection's database. The only holder of the credential (INV-7)."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.errors import Unavailable


def _state_of(ca: Path | None) -> tuple[tuple[int, ...], ...]:
    """What changes when the file, or the system's own where there is none, is replaced or written to. Raises OSError
    where ``ca`` is not there."""
    if ca is not None:
        return (_stamp(ca),)
    paths = ssl.get_default_verify_paths()
    given = map(Path, filter(None, (paths.cafile, paths.capath)))
    return tuple(_stamp(path) for path in given if path.exists())


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=32)
def _context(mode: TlsMode, ca: Path | None, state: tuple[tuple[int, ...], ...]) -> ssl.SSLContext:
    """Kept for the sessions that follow: to read certificates takes longer than to shake hands. ``state``: of their
    files, so that a rotated authority is taken up. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = mode is TlsMode.verify_full
    if mode is TlsMode.require and ca is None:
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=str(ca))
    return context


@dataclass(frozen=True, slots=True)
class Target:
    """A connection and its service credential.

    ``allow_auth`` names weaker methods that this connection allows: ``md5``, ``cleartext`` and ``trust`` (the database
    asks for nothing, so that without a verified certificate it proves nothing); SCRAM always is allowed.
    The password is read when it is needed and never printed.
    """

    connection: Connection
    user: str
    password_file: Path | None = None
    password_env: str | None = None
    tls: TlsMode = TlsMode.verify_full
    ca: Path | None = None
    allow_auth: frozenset[str] = field(default_factory=frozenset)

    def password(self) -> str:
        """The credential, read now, so that a rotated one is taken up.

        Raises:
            Unavailable: the file or variable cannot be read.
        """
        if self.password_env is not None:
            value = os.environ.get(self.password_env)
            if value is None:
                raise Unavailable(
                    f"the credential of {self.connection.name} is missing: {self.password_env} is not set"
                )
            return value
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise Unavailable(f"the credential file of {self.connection.name} is not UTF-8 text") from None
        except OSError as problem:
            reason = problem.strerror or "cannot be read"
            raise Unavailable(f"the credential file of {self.connection.name} cannot be read: {reason}") from None

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings of the database leg, or None where TLS is disabled.

        ``require`` with a CA checks the certificate as ``verify-ca`` does, as libpq does.

        Raises:
            Unavailable: the CA file cannot be loaded.
        """
        if self.tls is TlsMode.disable:
            return None
        try:
            return _context(self.tls, self.ca, _state_of(self.ca))
        except (OSError, ssl.SSLError):
            raise Unavailable(f"the CA file of {self.connection.name} cannot be loaded: {self.ca}") from None

    def conninfo(self) -> dict[str, str | int]:
        """The same for libpq, for the gateway's own catalog connection."""
        info: dict[str, str | int] = {
            "host": self.connection.host,
            "port": self.connection.port,
            "dbname": self.connection.database,
            "user": self.user,
            "password": self.password(),
            "sslmode": self.tls.value,
            "require_auth": ",".join(self._libpq_methods()),
            "gssencmode": "disable",
            "channel_binding": "disable" if self.tls is TlsMode.disable else "prefer",
        }
        if self.ca is not None:
            info["sslrootcert"] = str(self.ca)
        elif self.tls in (TlsMode.verify_ca, TlsMode.verify_full):
            info["sslrootcert"] = "system"
        return info

    def _libpq_methods(self) -> list[str]:
        names = {"md5": "md5", "cleartext": "password", "trust": "none"}
        known = ["none"] if self.tls in (TlsMode.verify_ca, TlsMode.verify_full) else []
        return ["scram-sha-256", *known, *(names[name] for name in sorted(self.allow_auth))]
