"""The verifier is the one PostgreSQL would store."""

import base64
import hashlib
import hmac

import pytest

from hoopctl.tunnel.scram import ITERATIONS, verifier


def test_it_is_the_verifier_of_the_specifications_example() -> None:
    """RFC 7677 section 3: user "user", password "pencil", 4096 iterations. The exchange there is checked against it."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    head, keys = verifier("pencil", salt).rsplit("$", 1)
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored, server = (base64.b64decode(part) for part in keys.split(":"))
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored, message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored
    assert hmac.digest(server, message, "sha256") == base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_it_never_holds_the_password_inv_7() -> None:
    assert "hunter2hunter2" not in verifier("hunter2hunter2", b"0" * 16)


def test_the_work_is_at_least_what_postgresql_asks() -> None:
    assert ITERATIONS >= 4096


def test_a_password_that_needs_saslprep_is_not_guessed_at() -> None:
    with pytest.raises(UnicodeEncodeError):
        verifier("pässword", b"0" * 16)
