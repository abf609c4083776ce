"""Text to policy, and the published forms: the JSON Schema and the sample."""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib.resources import files
from itertools import islice
from typing import Any

from pydantic import ValidationError

from hoopd.policy.checks import findings
from hoopd.policy.model import Policy
from hoopd.policy.nodes import Malformed, plain, read
from hoopd.policy.problems import MOST_PROBLEMS, PolicyError, Problem, at, from_validation


def load(text: str, source: str, connections: Collection[str] | None = None) -> Policy:
    """Read a policy.

    ``source`` is what messages call the file. With ``connections``, a rule that names one that does not exist is an
    error: a misspelt connection in a deny rule would be an open door. Raises PolicyError with every problem found, each
    with line and column; a policy with any is not loaded at all (INV-2).
    """
    try:
        root = read(text)
    except Malformed as error:
        raise PolicyError([Problem(source, error.place, error.message)]) from None
    try:
        # Strict validation of JSON takes lists for tuples and words for enumerations, and converts nothing else.
        policy = Policy.model_validate_json(json.dumps(plain(root)))
    except ValidationError as error:
        raise PolicyError(from_validation(error, root, source)) from None
    found = islice(findings(policy, connections), MOST_PROBLEMS)
    problems = [at(path, root, source, message) for path, message in found]
    if problems:
        raise PolicyError(problems)
    return policy


def schema() -> dict[str, Any]:
    """The JSON Schema of a policy file (draft 2020-12), as committed in ``protos/hoop/policy``."""
    made = Policy.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "hoopd policy"}


def schema_text() -> str:
    """The schema as the bytes of ``schema.json``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def sample_policy_text() -> str:
    """The sample policy: what the development stack runs under, and a start for one's own."""
    return files("hoop").joinpath("policy", "sample.yaml").read_text(encoding="utf-8")
