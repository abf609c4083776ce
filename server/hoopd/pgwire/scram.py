"""SCRAM-SHA-256 (RFC 5802, RFC 7677; PostgreSQL documentation 54.3), both sides, sans-I/O.

The server side knows a verifier and never the password. The client side checks the server's signature, and binds the
channel (SCRAM-SHA-256-PLUS, RFC 5929 tls-server-end-point) when it is given the certificate's hash. Nonces are given
by the caller: nothing here is random.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from hoopd.pgwire.errors import WireError

MECHANISM = "SCRAM-SHA-256"
MECHANISM_PLUS = "SCRAM-SHA-256-PLUS"
MIN_ITERATIONS = 4096
MAX_ITERATIONS = 1_000_000
MAX_MESSAGE = 4096


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


@lru_cache(maxsize=32)
def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    """What takes all the work, and is the same each time that the same role signs in at the same server."""
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WireError("08P01", "malformed SCRAM message") from None


def _attributes(message: bytes) -> dict[str, str]:
    if len(message) > MAX_MESSAGE:
        raise WireError("08P01", "malformed SCRAM message: too long")
    try:
        parts = message.decode("utf-8").split(",")
    except UnicodeDecodeError:
        raise WireError("08P01", "malformed SCRAM message") from None
    return {part[0]: part[2:] for part in parts if len(part) > 1 and part[1] == "="}


_PROHIBITED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
    stringprep.in_table_c9, stringprep.in_table_a1,
)  # fmt: skip


def prepared(password: str) -> bytes:
    """The password as both sides hash it: SASLprep (RFC 4013), or as it is where that forbids it, as in PostgreSQL."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    made = unicodedata.normalize("NFKC", mapped)
    forbidden = any(table(letter) for letter in made for table in _PROHIBITED)
    return (password if forbidden or not made or not _direction_is_clear(made) else made).encode()


def _direction_is_clear(text: str) -> bool:
    """RFC 3454 section 6: right-to-left text begins and ends so, and holds no other."""
    if not any(stringprep.in_table_d1(letter) for letter in text):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(stringprep.in_table_d2(letter) for letter in text)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a server keeps in place of a password (RFC 5803)."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """From ``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``.

        Raises:
            WireError: not of that form, or with an iteration count out of bounds.
        """
        try:
            mechanism, count_salt, keys = text.split("$")
            count, salt = count_salt.split(":")
            stored, server = keys.split(":")
            if not _is_count(count):
                raise ValueError
            made = cls(int(count), _unbase64(salt), _unbase64(stored), _unbase64(server))
        except (ValueError, WireError):
            raise WireError("28P01", "the tunnel's password verifier is not of the form of RFC 5803") from None
        if mechanism != MECHANISM or not MIN_ITERATIONS <= made.iterations <= MAX_ITERATIONS:
            raise WireError("28P01", "the tunnel's password verifier is not SCRAM-SHA-256 within bounds")
        if len(made.stored_key) != 32 or len(made.server_key) != 32 or not 8 <= len(made.salt) <= 64:
            raise WireError("28P01", "the tunnel's password verifier has keys of the wrong size")
        return made


class ScramServer:
    """The gateway's side of a client's sign-in to the tunnel: first(), then final()."""

    def __init__(self, verifier: Verifier, nonce: str) -> None:
        self._verifier = verifier
        self._nonce = nonce
        self._client_first_bare = ""
        self._server_first = ""

    def first(self, mechanism: str, message: bytes) -> bytes:
        """The server-first-message for a client-first-message.

        Raises:
            WireError: another mechanism, channel binding asked for, or malformed.
        """
        if mechanism != MECHANISM:
            raise WireError("08P01", "client selected an invalid SASL authentication mechanism")
        text = message.decode("utf-8", "replace")
        header, _, bare = text.partition(",,")
        found = _attributes(bare.encode())
        if header not in ("n", "y") or "r" not in found or "m" in found:
            raise WireError("08P01", "malformed SCRAM message")
        self._header = header + ",,"
        self._client_first_bare = bare
        self._nonce = found["r"] + self._nonce
        salt = base64.b64encode(self._verifier.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        return self._server_first.encode()

    def final(self, message: bytes) -> bytes:
        """The server-final-message for a client-final-message.

        Raises:
            WireError: the proof is wrong (28P01) or the message malformed.
        """
        found = _attributes(message)
        without_proof, _, proof = message.decode("utf-8", "replace").rpartition(",p=")
        binding = base64.b64encode(self._header.encode()).decode()
        if found.get("c") != binding or found.get("r") != self._nonce or not proof:
            raise WireError("08P01", "malformed SCRAM message")
        auth = f"{self._client_first_bare},{self._server_first},{without_proof}".encode()
        signature = _hmac(self._verifier.stored_key, auth)
        given = _unbase64(proof)
        if len(given) != len(signature):
            raise WireError("08P01", "malformed SCRAM message")
        client_key = bytes(a ^ b for a, b in zip(given, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            raise WireError("28P01", "wrong password: use the one that hoopctl connect printed for this tunnel")
        return b"v=" + base64.b64encode(_hmac(self._verifier.server_key, auth))


class ScramClient:
    """The gateway's side of its own sign-in to a database: first(), answer(), check()."""

    def __init__(self, password: str, nonce: str, *, certificate_hash: bytes | None, offered: list[str]) -> None:
        """``certificate_hash``: of the server's certificate on a TLS leg (tls-server-end-point), else None."""
        self._password = prepared(password)
        self._nonce = nonce
        plus = certificate_hash is not None and MECHANISM_PLUS in offered
        if not plus and MECHANISM not in offered:
            raise WireError("28000", "the database offers no SASL mechanism that the gateway speaks")
        self.mechanism = MECHANISM_PLUS if plus else MECHANISM
        if plus:
            self._header = b"p=tls-server-end-point,,"
            self._binding = self._header + (certificate_hash or b"")
        else:
            self._header = b"y,," if certificate_hash is not None else b"n,,"
            self._binding = self._header
        self._server_signature = b""

    def first(self) -> bytes:
        """The client-first-message. The user name is empty: PostgreSQL takes the one of the start-up packet."""
        self._first_bare = f"n=,r={self._nonce}"
        return self._header + self._first_bare.encode()

    def answer(self, server_first: bytes) -> bytes:
        """The client-final-message.

        Raises:
            WireError: the server's message is malformed, does not extend our nonce, or has a count out of bounds.
        """
        found = _attributes(server_first)
        nonce, salt, count = found.get("r", ""), found.get("s", ""), found.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not _is_count(count) or "m" in found:
            raise WireError("08P01", "the database sent a malformed SCRAM message")
        if not 1 <= int(count) <= MAX_ITERATIONS:
            raise WireError("08P01", f"the database asks for {count} SCRAM iterations, which is out of bounds")
        salted = _salted(self._password, _unbase64(salt), int(count))
        client_key = _hmac(salted, b"Client Key")
        binding = base64.b64encode(self._binding).decode()
        without_proof = f"c={binding},r={nonce}"
        auth = f"{self._first_bare},{server_first.decode()},{without_proof}".encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), auth)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check(self, server_final: bytes) -> None:
        """The server proves that it knows the verifier.

        Raises:
            WireError: it does not.
        """
        given = _unbase64(_attributes(server_final).get("v", ""))
        if not self._server_signature or not hmac.compare_digest(given, self._server_signature):
            raise WireError("28000", "the database could not prove that it knows the password: it is not the one meant")
