"""The development provider's signing keys, in memory or kept in a file of ours.

The private half never leaves this process but for the file, which only its owner can read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from hoopd.domain.errors import InvalidInput

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_RSA_BITS = 2048


class SigningKey:
    """One key pair, for ES256 or RS256. ``kid`` is its RFC 7638 thumbprint."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        if isinstance(private, ec.EllipticCurvePrivateKey):
            self.algorithm = "ES256"
            jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
            members = ["crv", "kty", "x", "y"]
        else:
            self.algorithm = "RS256"
            jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
            members = ["e", "kty", "n"]
        self.kid = _thumbprint({name: jwk[name] for name in members})
        self.public_jwk: dict[str, Any] = {
            **{name: jwk[name] for name in members},
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
        }

    @classmethod
    def generate(cls, algorithm: str) -> SigningKey:
        """A new key for ``algorithm`` (``ES256`` or ``RS256``)."""
        if algorithm == "ES256":
            return cls(ec.generate_private_key(ec.SECP256R1()))
        if algorithm == "RS256":
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
        raise InvalidInput(f"the development provider signs with ES256 or RS256, not {algorithm}")

    @classmethod
    def kept_in(cls, path: Path, algorithm: str) -> SigningKey:
        """The key in the PEM file ``path``; when there is none, a new one is made and put there, mode 0600.

        Raises InvalidInput when the file holds something else.
        """
        if path.exists():
            return cls._read(path)
        key = cls.generate(algorithm)
        pem = key.as_pem()
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        beside.replace(path)
        return key

    @classmethod
    def _read(cls, path: Path) -> SigningKey:
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInput(f"{path} is not a private key of the development provider; remove it") from error
        if isinstance(private, rsa.RSAPrivateKey) or (
            isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)
        ):
            return cls(private)
        raise InvalidInput(f"{path} holds a key that is neither RSA nor P-256; remove it")

    def as_pem(self) -> bytes:
        """The private key, PKCS #8, not encrypted."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
        """A compact JWS of ``claims``. ``headers`` are added to ``alg`` and ``kid``."""
        return jwt.encode(dict(claims), self._private, self.algorithm, headers={"kid": self.kid, **headers})

    def verified(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key has signed, else None. Only the signature is checked."""
        try:
            signed = jwt.PyJWS(algorithms=[self.algorithm]).decode_complete(
                token, self._private.public_key(), algorithms=[self.algorithm]
            )
            claims = json.loads(signed["payload"])
        except (jwt.InvalidTokenError, ValueError):
            return None
        return {**claims, "typ": signed["header"].get("typ")} if isinstance(claims, dict) else None


def _thumbprint(members: Mapping[str, str]) -> str:
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
