"""What may be kept, what may not, and what is shown of either."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hoopctl.errors import HoopctlError
from hoopctl.identity.tokens import ApprovalToken, Binding, Tokens, expiry, name_of, read, written

SOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
BINDING = Binding("gateway.example.com:7443", "AB:CD", "https://id.example.com", "hoopctl")
TOKENS = Tokens("secret-id", "secret-refresh", SOON, "https://id.example.com", "hoopctl")


def test_tokens_are_read_as_they_were_written() -> None:
    assert read(written(TOKENS, BINDING), BINDING) == TOKENS
    bare = dataclasses.replace(TOKENS, refresh_token=None)
    assert read(written(bare, BINDING), BINDING) == bare


@pytest.mark.parametrize("field", ["server", "ca_fingerprint", "issuer", "client_id"])
def test_a_token_goes_only_where_it_was_got_for(field: str) -> None:
    other = dataclasses.replace(BINDING, **{field: "another"})
    assert read(written(TOKENS, BINDING), other) is None
    assert name_of("default", other) != name_of("default", BINDING)


def test_names_do_not_run_into_each_other() -> None:
    assert name_of("a", Binding("b", "c", "d", "e")) != name_of("ab", Binding("", "c", "d", "e"))
    assert name_of("a", BINDING) != name_of("b", BINDING)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"bound_to": []}', "[" * 10_000, "\x00"])
def test_text_of_others_is_no_tokens(text: str) -> None:
    assert read(text, BINDING) is None


def test_tokens_of_another_client_are_not_kept_under_this_one() -> None:
    """INV-6: a token of the approval client has no place under the login client."""
    with pytest.raises(ValueError, match="issuer and client"):
        written(dataclasses.replace(TOKENS, client_id="hoopctl-approve"), BINDING)


def test_inv_6_an_approval_token_has_no_form_but_itself() -> None:
    token = ApprovalToken("secret-id", SOON)
    assert token.reveal() == "secret-id"
    attempts: tuple[Callable[[Any], object], ...] = (
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        dataclasses.asdict,
        vars,
    )
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt(token)
    with pytest.raises(TypeError, match="for sessions"):
        written(token, BINDING)  # type: ignore[arg-type]


def test_inv_7_nothing_secret_is_printed() -> None:
    for shown in (
        repr(TOKENS),
        str(TOKENS),
        repr(ApprovalToken("secret-id", SOON)),
        f"{ApprovalToken('secret-id', SOON)}",
    ):
        assert "secret" not in shown


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.e30.c", "a.bnVsbA.c", "a.eyJleHAiOiAieCJ9.c", "a.eyJleHAiOiAxZTMwMH0.c"]
)
def test_an_expiry_that_cannot_be_read(token: str) -> None:
    with pytest.raises(HoopctlError, match="cannot be read"):
        expiry(token)
