"""The provider's public keys, and which of them may verify which token. No I/O.

A token's header only chooses among these keys by ``kid`` and ``alg``; keys or addresses in a header (``jwk``, ``jku``,
``x5u``) are never looked at, and a key is never used with an algorithm of another type (RFC 8725 sections 3.1, 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from hoopd.domain.errors import Unavailable

_RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
_EC = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_OKP = {"Ed25519", "Ed448"}

ALGORITHMS = frozenset(_RSA | _EC.keys() | {"EdDSA"})
"""The signatures that are accepted: asymmetric ones only. ``none`` and HS* are never among them."""

_MIN_RSA_BITS = 2048
_MAX_KEYS = 100


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one JWKS document (RFC 7517 section 5) that verify signatures."""

    keys: tuple[Mapping[str, Any], ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> KeySet:
        """Keys of other kinds are left out, as section 5 of the RFC says. Raises Unavailable when none remains."""
        listed = document.get("keys")
        if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
            raise Unavailable(f"the identity provider's keys are not a list of at most {_MAX_KEYS}")
        keys = tuple(key for key in listed if isinstance(key, dict) and _verifies(key))
        if not keys:
            raise Unavailable("the identity provider publishes no key that verifies signatures")
        return cls(keys)

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key for a token with this ``kid`` and ``algorithm``; None when there is none, or no single one.

        A token may leave out ``kid`` only when one key alone fits (OpenID Connect Core 1.0, section 10.1).
        """
        fitting = [key for key in self.keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)]
        if len(fitting) != 1:
            return None
        try:
            key = jwt.PyJWK(dict(fitting[0]), algorithm=algorithm)
        except jwt.PyJWTError:
            return None
        weak = isinstance(key.key, rsa.RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS
        return None if weak else key


def _verifies(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    return (
        key.get("kty") in ("RSA", "EC", "OKP")
        and key.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in key
    )


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    if key.get("alg", algorithm) != algorithm:
        return False
    kind, curve = str(key.get("kty")), key.get("crv")
    if algorithm in _RSA:
        return kind == "RSA"
    if algorithm in _EC:
        return kind == "EC" and curve == _EC[algorithm]
    return algorithm == "EdDSA" and kind == "OKP" and curve in _OKP
