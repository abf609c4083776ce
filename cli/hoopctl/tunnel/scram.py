"""The stored form of a tunnel's password, which is all that the gateway gets of it."""

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 4096
SALT_BYTES = 16


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>``, in base 64, as PostgreSQL stores it.

    ``password`` is printable ASCII (SASLprep leaves that as it is; it raises UnicodeEncodeError for anything else).
    Source: RFC 5802 section 3 with SHA-256 (RFC 7677), RFC 5803 for the shape.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode("ascii") for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *parts)
