"""The gateway's own secret, kept in its data directory, and the keys that are derived from it."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from hoopd.domain.errors import Unavailable

SIZE = 32


def load_secret(data_dir: Path) -> bytes:
    """Read ``secret.key``, making it (0600) where there is none.

    Raises:
        Unavailable: it cannot be read or made, or others can read it.
    """
    path = data_dir / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as problem:
        raise Unavailable(f"{path} cannot be made: {problem.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_bytes(SIZE)
        file.write(secret)
    return secret


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable(f"{path} can be read by others: make it 0600")
        secret = path.read_bytes()
    except OSError as problem:
        raise Unavailable(f"{path} cannot be read: {problem.strerror}") from None
    if len(secret) != SIZE:
        raise Unavailable(f"{path} is not a key of {SIZE} bytes")
    return secret


def derive(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose (HMAC-SHA-256 as a PRF, NIST SP 800-108)."""
    return hmac.digest(secret, f"hoopd {purpose}".encode(), "sha256")
