"""Every recipe of docs/cookbook.md does what its own test cases say, and so do the examples of docs/policy.md."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoopd.domain.connection import Connection
from hoopd.policy.advice import advice
from hoopd.policy.loading import load, sample_policy_text
from hoopd.runtime.policies import Policies
from hoopd.runtime.policy_desk import Place, PolicyDesk
from hoopd.sql.catalog import Catalog
from tests.fixtures.shop import ReadCatalog

DOCS = Path(__file__).parents[4] / "docs"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHOP = Connection("prod-db", "h", 5432, "shop", {"env": "production"})


def recipes() -> dict[str, tuple[str, str]]:
    page = (DOCS / "cookbook.md").read_text(encoding="utf-8")
    found = {}
    for section in page.split("\n## ")[1:]:
        title = section.splitlines()[0]
        (policy,) = re.findall(r"^```yaml\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        (cases,) = re.findall(r"^```yaml cases\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        found[title] = (policy, cases)
    return found


RECIPES = recipes()


@pytest.fixture
def desk(shop_catalog: Catalog) -> PolicyDesk:
    async def nobody(session: str) -> None:
        return None

    return PolicyDesk(Policies(), {"prod-db": Place(SHOP, "hoop_service", ReadCatalog(shop_catalog))}, nobody)


def test_there_are_recipes() -> None:
    assert len(RECIPES) >= 4


@pytest.mark.parametrize("title", RECIPES)
async def test_a_recipe_does_what_its_cases_say(desk: PolicyDesk, title: str) -> None:
    policy, cases = RECIPES[title]
    draft = desk.draft(policy, "cookbook.md")
    assert list(advice(draft.policy)) == []
    results = await desk.test(cases, "cookbook.md", draft)
    assert len(results) >= 4
    assert [(result.name, result.failures) for result in results if not result.ok] == []


async def test_the_cases_of_the_reference_hold_under_the_sample(desk: PolicyDesk) -> None:
    page = (DOCS / "policy.md").read_text(encoding="utf-8")
    (cases,) = re.findall(r"^```yaml cases\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    draft = desk.draft(sample_policy_text(), "sample.yaml")
    results = await desk.test(cases, "policy.md", draft)
    assert [(result.name, result.failures) for result in results if not result.ok] == []
    assert load(sample_policy_text(), "sample.yaml")
