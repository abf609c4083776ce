"""YAML without its traps, and within bounds (THREATS 23, INV-9)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hoopd.policy.nodes import MAX_BYTES, Malformed, Place, locate, plain, read

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader] if yaml.__with_libyaml__ else [yaml.SafeLoader]

pytestmark = pytest.mark.parametrize("loader", LOADERS)


def refused(text: str, loader: Any) -> Malformed:
    with pytest.raises(Malformed) as caught:
        read(text, loader)
    return caught.value


def test_values_are_those_of_yaml_1_2(loader: Any) -> None:
    text = "[yes, no, on, off, 4:30, 012, 2020-01-01, 0x1f, 1_000, 1e3, 12, -3, 1.5, true, null, ~, 'true', '1', '']"

    assert plain(read(text, loader)) == [
        *("yes", "no", "on", "off", "4:30", "012", "2020-01-01", "0x1f", "1_000", "1e3"),
        *(12, -3, 1.5, True, None, None, "true", "1", ""),
    ]


def test_a_place_is_that_of_the_value_or_its_key(loader: Any) -> None:
    root = read("a: 1\nb:\n  - c: [x,\n      y]\n", loader)

    assert locate(root, ("b", 0, "c"))[1] == Place(3, 5)
    assert locate(root, ("b", 0, "c", 1))[1] == Place(4, 7)
    assert locate(root, ("b", 0, "missing"))[1] == Place(3, 5)


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", Place(3, 1), "`a` is here twice; it was first on line 1"),
        ("a: !!python/object/apply:os.system ['x']\n", Place(1, 4), "tags such as"),
        ("!x\na: 1\n", Place(1, 1), "tags such as"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", Place(3, 3), "merge keys"),
        ("[a]: 1\n", Place(1, 1), "a key must be plain text"),
        ("a: *nothing\n", Place(1, 4), "has no anchor before it"),
        ("&a [*a]\n", Place(1, 5), "has no anchor before it"),
        ("a: 1\n---\nb: 2\n", Place(2, 1), "a policy is one document"),
        ("", Place(1, 1), "the file is empty"),
        ("# nothing\n", Place(1, 1), "the file is empty"),
        ("a: \x07\n", Place(1, 1), "a character that YAML does not allow"),
        ("a: \ud800\n", Place(1, 1), "a character that YAML does not allow"),
    ],
)
def test_traps_are_refused(loader: Any, text: str, place: Place, sentence: str) -> None:
    error = refused(text, loader)

    assert (error.place, sentence in error.message) == (place, True)


def test_broken_yaml_says_where(loader: Any) -> None:
    assert refused("a: [1,\n  2\nb: 3\n", loader).place.line in (2, 3)


def test_an_alias_gives_what_its_anchor_has(loader: Any) -> None:
    assert plain(read("a: &x [1, 2]\nb: *x\n", loader)) == {"a": [1, 2], "b": [1, 2]}


def test_aliases_cannot_expand_without_bound(loader: Any) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "aliases counted at their full size" in refused("\n".join(lines), loader).message


def test_long_text_behind_an_alias_counts_at_its_length(loader: Any) -> None:
    text = "a: &a " + "x" * 500_000 + "\nb: [*a, *a, *a]\n"

    assert "aliases counted at their full size" in refused(text, loader).message


def test_depth_is_bounded(loader: Any) -> None:
    assert "nested deeper than" in refused("[" * 100_000, loader).message
    assert "nested deeper than" in refused("\n".join(" " * n + "a:" for n in range(200)), loader).message


def test_size_is_bounded(loader: Any) -> None:
    assert "larger than 1024 KiB" in refused("#" + "x" * MAX_BYTES, loader).message
