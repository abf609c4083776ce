"""How the gateway itself signs in to a connection's database. The only holder of the credential (INV-7)."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.errors import Unavailable


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
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.tls is TlsMode.verify_full
        if self.tls is TlsMode.require and self.ca is None:
            context.verify_mode = ssl.CERT_NONE
            return context
        try:
            if self.ca is None:
                context.load_default_certs()
            else:
                context.load_verify_locations(cafile=str(self.ca))
        except (OSError, ssl.SSLError):
            raise Unavailable(f"the CA file of {self.connection.name} cannot be loaded: {self.ca}") from None
        return context

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
