"""SCRAM-SHA-256: RFC 7677's own example, both sides against each other, and every way of cheating."""

from __future__ import annotations

import base64
import hashlib
import hmac

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import sql

from hoopd.pgwire.errors import WireError
from hoopd.pgwire.scram import MECHANISM, MECHANISM_PLUS, ScramClient, ScramServer, Verifier, prepared

# RFC 7677 section 3.
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = f"n,,n=user,r={CLIENT_NONCE}".encode()
SERVER_FIRST = f"r={CLIENT_NONCE}{SERVER_NONCE},s={SALT},i=4096".encode()
CLIENT_FINAL = (f"c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").encode()
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def verifier(password: str = "pencil", salt: bytes = base64.b64decode(SALT), iterations: int = 4096) -> Verifier:
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))
    text = [base64.b64encode(part).decode() for part in parts]
    return Verifier.parse(f"{MECHANISM}${iterations}:{text[0]}${text[1]}:{text[2]}")


def client(password: str = "pencil", **more) -> ScramClient:
    return ScramClient(password, CLIENT_NONCE, **{"certificate_hash": None, "offered": [MECHANISM], **more})


def test_the_rfcs_example_as_a_server() -> None:
    server = ScramServer(verifier(), SERVER_NONCE)
    assert server.first(MECHANISM, CLIENT_FIRST) == SERVER_FIRST
    assert server.final(CLIENT_FINAL) == SERVER_FINAL


def test_the_rfcs_example_as_a_client() -> None:
    signing = client()
    assert signing.first() == f"n,,n=,r={CLIENT_NONCE}".encode()
    signing._first_bare = f"n=user,r={CLIENT_NONCE}"  # PostgreSQL leaves the name out, the RFC does not
    assert signing.answer(SERVER_FIRST) == CLIENT_FINAL
    signing.check(SERVER_FINAL)


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text and text.encode("utf-8", "ignore")))
@example("a\u00ad\u00a0ﬁ")
def test_both_sides_agree_on_any_password(password: str) -> None:
    signing, server = client(password), ScramServer(verifier(password), SERVER_NONCE)
    signing.check(server.final(signing.answer(server.first(signing.mechanism, signing.first()))))


def test_a_wrong_password_is_28p01_and_says_what_to_do() -> None:
    signing, server = client("pencils"), ScramServer(verifier(), SERVER_NONCE)
    answer = signing.answer(server.first(MECHANISM, signing.first()))
    with pytest.raises(WireError, match="wrong password: use the one that hoopctl connect printed") as caught:
        server.final(answer)
    assert caught.value.sqlstate == "28P01"


def test_a_final_message_with_any_byte_changed_is_refused() -> None:
    for index in range(len(CLIENT_FINAL)):
        server = ScramServer(verifier(), SERVER_NONCE)
        server.first(MECHANISM, CLIENT_FIRST)
        changed = bytearray(CLIENT_FINAL)
        changed[index] ^= 1
        with pytest.raises(WireError):
            server.final(bytes(changed))


def test_a_final_message_cut_at_any_byte_is_refused() -> None:
    for cut in range(len(CLIENT_FINAL)):
        server = ScramServer(verifier(), SERVER_NONCE)
        server.first(MECHANISM, CLIENT_FIRST)
        with pytest.raises(WireError):
            server.final(CLIENT_FINAL[:cut])


def test_a_proof_is_good_for_its_own_nonce_only() -> None:
    """A recorded sign-in cannot be played again."""
    server = ScramServer(verifier(), "another")
    server.first(MECHANISM, CLIENT_FIRST)
    with pytest.raises(WireError):
        server.final(CLIENT_FINAL)


@pytest.mark.parametrize(
    "first",
    [
        b"p=tls-server-end-point,,n=,r=abc",  # channel binding is not offered without TLS
        b"n,a=root,n=,r=abc",  # somebody else's authority
        b"n,,m=x,n=,r=abc",  # an extension that must be understood
        b"n,,n=",
        b"n,n=,r=abc",
        b"",
        b"\xff\xff",
        b"n,,n=,r=" + b"a" * 5000,
    ],
)
def test_a_first_message_that_is_refused(first: bytes) -> None:
    with pytest.raises(WireError, match="malformed SCRAM message"):
        ScramServer(verifier(), SERVER_NONCE).first(MECHANISM, first)


def test_another_mechanism_is_refused() -> None:
    with pytest.raises(WireError, match="invalid SASL authentication mechanism"):
        ScramServer(verifier(), SERVER_NONCE).first(MECHANISM_PLUS, CLIENT_FIRST)


@pytest.mark.parametrize(
    "text",
    [
        "", "md5abc", "SCRAM-SHA-256$4096:x$y", "SCRAM-SHA-256$4096:!!!$AAAA:AAAA",
        "SCRAM-SHA-256$²:c2FsdHNhbHQ=$AAAA:AAAA",
        f"SCRAM-SHA-256${'9' * 5000}:c2FsdHNhbHQ=$AAAA:AAAA", "SCRAM-SHA-256$4096:c2FsdHNhbHQ=$AAAA:AAAA",
        f"SCRAM-SHA-256$4095:{SALT}${'A' * 43}=:{'A' * 43}=", f"SCRAM-SHA-1$4096:{SALT}${'A' * 43}=:{'A' * 43}=",
        f"SCRAM-SHA-256$1000001:{SALT}${'A' * 43}=:{'A' * 43}=", f"SCRAM-SHA-256$4096:AAAA${'A' * 43}=:{'A' * 43}=",
    ],
)  # fmt: skip
def test_verifiers_that_are_not_taken(text: str) -> None:
    """The tunnel sends them, so a modified one sends anything."""
    with pytest.raises(WireError, match="the tunnel's password verifier"):
        Verifier.parse(text)


@pytest.mark.parametrize(
    "first",
    [
        SERVER_FIRST.replace(CLIENT_NONCE.encode(), b"other"),  # not an answer to what was sent
        f"r={CLIENT_NONCE},s={SALT},i=4096".encode(),  # adds no nonce of its own
        SERVER_FIRST.replace(b"4096", b"0"),
        SERVER_FIRST.replace(b"4096", b"1000001"),
        SERVER_FIRST.replace(b"4096", b"-1"),
        SERVER_FIRST.replace(b"4096", "²".encode()),
        SERVER_FIRST.replace(SALT.encode(), b"!!"),
        b"m=x," + SERVER_FIRST,
        b"\xff",
        b"",
    ],
)
def test_a_server_that_says_nonsense(first: bytes) -> None:
    signing = client()
    signing.first()
    with pytest.raises(WireError):
        signing.answer(first)


@pytest.mark.parametrize(
    "final", [b"", b"e=other-error", b"v=", b"v=AAAA", SERVER_FINAL[:-3], b"v=" + b"A" * 43 + b"="]
)
def test_a_server_that_does_not_know_the_password(final: bytes) -> None:
    signing = client()
    signing.first()
    signing.answer(SERVER_FIRST)
    with pytest.raises(WireError):
        signing.check(final)
    with pytest.raises(WireError):
        client().check(SERVER_FINAL)  # nothing was asked yet


def test_the_channel_is_bound_where_that_is_offered() -> None:
    """RFC 5802 section 6: and where it is not, the client says that it could have, so a server sees a downgrade."""
    both = client(certificate_hash=b"h" * 32, offered=[MECHANISM, MECHANISM_PLUS])
    assert both.mechanism == MECHANISM_PLUS
    assert both.first().startswith(b"p=tls-server-end-point,,")
    assert base64.b64decode(both.answer(SERVER_FIRST).split(b",")[0][2:]) == b"p=tls-server-end-point,," + b"h" * 32
    assert client(certificate_hash=b"h" * 32).first().startswith(b"y,,")
    assert client(offered=[MECHANISM_PLUS, MECHANISM]).mechanism == MECHANISM


def test_no_mechanism_that_is_known() -> None:
    with pytest.raises(WireError, match="no SASL mechanism"):
        client(offered=["OAUTHBEARER", MECHANISM_PLUS])


@pytest.mark.parametrize(
    "password",
    ["plain", "ünit", "a\u00adb", "a\u00a0b\u3000c", "ﬁle ²", "\u0628\u0631", "\u0628a", "a\u0007é", "\u0378x"],
)
def test_postgresql_prepares_passwords_the_same_way(database: str, password: str) -> None:
    """RFC 4013, with PostgreSQL's rule for what that forbids: PostgreSQL's own verifier takes our client's proof."""
    with psycopg.connect(database) as connection:
        name = sql.Identifier("prepared_by_postgresql")
        connection.execute(sql.SQL("CREATE ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
        row = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = 'prepared_by_postgresql'"
        ).fetchone()
        connection.rollback()
    assert row is not None
    signing, server = client(password), ScramServer(Verifier.parse(row[0]), SERVER_NONCE)
    signing.check(server.final(signing.answer(server.first(MECHANISM, signing.first()))))
