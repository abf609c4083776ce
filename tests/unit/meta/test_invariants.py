"""Each invariant of the design is named by tests; what is not built yet is said here, with the reason."""

import re

import pytest

from tests import repository

INVARIANTS = range(1, 11)
# Invariants that no test names yet, and what has to be built first.
NOT_YET: dict[int, str] = {}
HERE = "tests/unit/meta/test_invariants.py"


def named() -> dict[int, list[str]]:
    """For each invariant the test files that name it."""
    found: dict[int, list[str]] = {number: [] for number in INVARIANTS}
    for path in repository.python_files():
        file = repository.name(path)
        if not file.startswith("tests/") or file == HERE:
            continue
        for number in set(re.findall(r"\bINV[-_](\d+)\b", path.read_text(encoding="utf-8"), re.IGNORECASE)):
            assert int(number) in found, f"{file} names INV-{number}, which does not exist"
            found[int(number)].append(file)
    return found


@pytest.mark.parametrize("number", INVARIANTS)
def test_it_is_named_by_a_test(number: int) -> None:
    files = named()[number]
    if number in NOT_YET:
        assert NOT_YET[number], "an exception needs its reason"
        pytest.skip(f"INV-{number}: {NOT_YET[number]}")
    assert files, f"no test names INV-{number}"
