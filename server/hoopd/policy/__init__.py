"""The policy file: its model, and what it says of statements, sessions and masks. Pure; the store keeps the text."""

from hoopd.policy.evaluation import connect_decision, evaluate, mask_decision, masks_in_force, strictest
from hoopd.policy.loading import load, sample_policy_text, schema, schema_text
from hoopd.policy.matching import Circumstances
from hoopd.policy.model import Policy
from hoopd.policy.problems import PolicyError, Problem

__all__ = [
    "Circumstances",
    "Policy",
    "PolicyError",
    "Problem",
    "connect_decision",
    "evaluate",
    "load",
    "mask_decision",
    "masks_in_force",
    "sample_policy_text",
    "schema",
    "schema_text",
    "strictest",
]
