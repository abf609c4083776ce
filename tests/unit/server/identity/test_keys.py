"""Which published key may verify which token."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from hoopd.domain.errors import Unavailable
from hoopd.identity.keys import ALGORITHMS, KeySet

RSA_KEY = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
P256 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
P384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
K256 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)
ED25519 = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)


def key_set(*keys: dict[str, Any]) -> KeySet:
    return KeySet.parse({"keys": list(keys)})


def test_only_asymmetric_algorithms_are_accepted() -> None:
    assert "none" not in ALGORITHMS
    assert not [name for name in ALGORITHMS if name.startswith("HS")]
    for name in ALGORITHMS:
        jwt.get_algorithm_by_name(name)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (RSA_KEY, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (P256, {"ES256"}),
        (P384, {"ES384"}),
        (K256, set()),
        (ED25519, {"EdDSA"}),
    ],
)
def test_a_key_fits_algorithms_of_its_own_type_and_curve(key: dict[str, Any], algorithms: set[str]) -> None:
    keys = key_set({**key, "kid": "k"})
    assert {name for name in ALGORITHMS if keys.find("k", name)} == algorithms


def test_a_keys_own_algorithm_is_binding() -> None:
    keys = key_set({**RSA_KEY, "kid": "k", "alg": "PS256"})
    assert keys.find("k", "PS256") is not None
    assert keys.find("k", "RS256") is None


@pytest.mark.parametrize("spoiled", [{"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": "verify"}])
def test_keys_for_other_uses_are_left_out(spoiled: dict[str, Any]) -> None:
    keys = key_set({**P256, "kid": "other", **spoiled}, {**P256, "kid": "k"})
    assert keys.find("other", "ES256") is None
    assert keys.find("k", "ES256") is not None


def test_a_short_rsa_key_verifies_nothing() -> None:
    short = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    assert key_set({**short, "kid": "k"}).find("k", "RS256") is None


def test_a_broken_key_verifies_nothing() -> None:
    assert key_set({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"}).find("k", "ES256") is None


def test_one_kid_twice_is_no_key() -> None:
    assert key_set({**P256, "kid": "k"}, {**P256, "kid": "k"}).find("k", "ES256") is None


def test_no_kid_needs_a_single_fitting_key() -> None:
    assert key_set(P256, RSA_KEY).find(None, "ES256") is not None
    assert key_set(P256, {**P256, "kid": "k"}).find(None, "ES256") is None


def test_a_key_that_is_published_with_its_private_half_verifies_nothing() -> None:
    """Anybody could sign with it."""
    private = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    with pytest.raises(Unavailable, match="no key"):
        key_set({**private, "kid": "k"})
    assert key_set({**private, "kid": "k"}, {**P256, "kid": "k"}).find("k", "ES256") is not None
