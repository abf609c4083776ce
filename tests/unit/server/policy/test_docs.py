"""docs/policy.md says what is true: its examples load, its tables are whole, its errors are the ones given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.masking import MaskContext, mask_value
from hoopd.policy import PolicyError, load
from hoopd.policy.clients import AGENTS
from hoopd.policy.model import Mask, Match, Policy, Review
from hoopd.policy.problems import NOT_YET
from hoopd.sql.facts import Effect

PAGE = (Path(__file__).parents[4] / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_loads(text: str) -> None:
    assert load(text, "docs/policy.md").version == 1


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


def test_every_name_of_agents_is_listed() -> None:
    assert not [pattern for pattern in AGENTS if f"`{pattern}`" not in PAGE]


@pytest.mark.parametrize("model", [Policy, Match, Review, Mask])
def test_every_key_is_described(model: type[Policy]) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}

    assert not [key for key in keys if f"`{key}`" not in PAGE]


def test_every_effect_and_mask_is_described() -> None:
    assert not [effect for effect in Effect if f"`{effect}`" not in PAGE]
    words = {"null": "`null`", "full": "`full`", "hash": "`hash`", "email": "`email`"}
    words |= {kind: "{" + kind + ":" for kind in ("replace", "first", "last")}
    assert set(words) == {kind.value for kind in MaskKind}
    assert not [word for word in words.values() if word not in PAGE]


def test_what_is_kept_for_later_is_listed() -> None:
    listed = PAGE[PAGE.index("Words that the format keeps for later") :]

    for word in ("rows", "detach", "scope", "range"):
        assert f"`{word}`" in listed
        assert any(word in words for words in NOT_YET.values())


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        (ColumnMask(MaskKind.full), "****"),
        (ColumnMask(MaskKind.email), "a****@example.com"),
        (ColumnMask(MaskKind.first, keep=4), "adra****"),
        (ColumnMask(MaskKind.last, keep=4), "****.com"),
    ],
)
def test_the_table_of_masks_shows_what_they_give(mask: ColumnMask, shown: str) -> None:
    given = mask_value(mask, 25, False, b"adra.1@example.com", MaskContext(b"k"))

    assert given == shown.encode()
    assert f"`{shown}`" in PAGE


def test_errors_are_worded_as_shown() -> None:
    texts = [
        "version: 1\nrules:\n  - name: a\n    then: alow\n",
        "version: 1\nrules:\n  - name: a\n    match: {rows: {over: 1}}\n    then: deny\n",
        "version: 1\nrules:\n  - name: a\n    match: {kinds: [drop_tabel]}\n    then: deny\n",
        "version: 1\nrules:\n  - name: a\n    match: {if: 'now.hour < 7'}\n    then: deny\n",
    ]
    for text in texts:
        with pytest.raises(PolicyError) as caught:
            load(text, "policy.yaml")
        assert caught.value.problems[0].message in PAGE
