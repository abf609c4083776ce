"""Exit codes are a contract with scripts."""

import pytest

from hoopctl import errors


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {code.name: code.value for code in errors.ExitCode} == {
        "done": 0,
        "failed": 1,
        "usage": 2,
        "not_signed_in": 3,
        "denied": 4,
        "timed_out": 5,
        "unreachable": 6,
        "verification_failed": 7,
        "interrupted": 130,
    }


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.HoopctlError, 1),
        (errors.NotFound, 1),
        (errors.UsageProblem, 2),
        (errors.NotSignedIn, 3),
        (errors.Denied, 4),
        (errors.TimedOut, 5),
        (errors.Unreachable, 6),
        (errors.VerificationFailed, 7),
    ],
)
def test_each_error_has_its_exit_code(kind: type[errors.HoopctlError], code: int) -> None:
    assert kind("what happened", hint="what to do", request="r-1").exit_code == code


def test_an_error_may_name_another_exit_code() -> None:
    assert errors.HoopctlError("stopped", exit_code=errors.ExitCode.interrupted).exit_code == 130
