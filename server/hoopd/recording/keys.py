"""The key that seals finished sessions: Ed25519 (RFC 8032), one for each gateway, kept in its data directory.

It never leaves the gateway, so that whoever can write to the store cannot cut a record's tail and seal it again. A
public key that is only in the store is never trusted; those of other gateways are trusted by a file in
``record-keys/`` of the data directory (``*.pub``, the public key in hex).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.domain.ids import SessionId

_CONTEXT = b"hoop-seal-1\n"


def key_id(public: Ed25519PublicKey) -> str:
    """The short name of a key: the first 16 hex digits of the SHA-256 of its public half."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


class RecordKeys:
    """This gateway's signing key and the public keys whose seals it believes."""

    def __init__(self, signing: Ed25519PrivateKey, trusted: Iterable[Ed25519PublicKey] = ()) -> None:
        self._signing = signing
        self.id = key_id(signing.public_key())
        self._trusted = {key_id(public): public for public in (signing.public_key(), *trusted)}

    def seal(self, session: SessionId, events: int, head: bytes, ended_us: int) -> bytes:
        """Sign how a session ended: how many events, the last one's hash, and when (microseconds since 1970 UTC)."""
        return self._signing.sign(_sealed(session, events, head, ended_us))

    def sealed_by(self, gateway: str, seal: bytes, session: SessionId, events: int, head: bytes, ended_us: int) -> bool:
        """Whether ``seal`` is what the gateway with the key ``gateway`` made of these. Unknown keys are never right."""
        public = self._trusted.get(gateway)
        if public is None:
            return False
        try:
            public.verify(seal, _sealed(session, events, head, ended_us))
        except InvalidSignature:
            return False
        return True

    def knows(self, gateway: str) -> bool:
        return gateway in self._trusted


def _sealed(session: SessionId, events: int, head: bytes, ended_us: int) -> bytes:
    name = session.encode()
    return b"".join(
        (
            _CONTEXT,
            len(name).to_bytes(4, "big"),
            name,
            events.to_bytes(8, "big"),
            head,
            ended_us.to_bytes(8, "big", signed=True),
        )
    )


def load_keys(data_dir: Path) -> RecordKeys:
    """Read ``record.key`` of the data directory, made there once, and the keys that are trusted besides.

    Raises ``InvalidInput`` for a key that others may read or that is none, ``Unavailable`` when the disk refuses.
    """
    path = data_dir / "record.key"
    try:
        if not path.exists():
            _create(path)
        signing = _read_signing(path)
        trusted = [_read_public(found) for found in sorted((data_dir / "record-keys").glob("*.pub"))]
    except OSError as error:
        raise Unavailable(f"The record's key {path} cannot be read or made: {error.strerror}.") from error
    return RecordKeys(signing, trusted)


def _create(path: Path) -> None:
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        # Unlike rename, link never replaces a key that another process has made meanwhile.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read_signing(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o077:
        raise InvalidInput(f"The record's key {path} may be read by others.", hint=f"Run: chmod 600 {path}")
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text("ascii").strip()))
    except ValueError as error:
        raise InvalidInput(
            f"The record's key {path} is not an Ed25519 key in hex.", hint="Put the original file back from a backup."
        ) from error


def _read_public(path: Path) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text("ascii").strip()))
    except ValueError as error:
        raise InvalidInput(f"{path} is not an Ed25519 public key in hex.", hint="Take it out or mend it.") from error
