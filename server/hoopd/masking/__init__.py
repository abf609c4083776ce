"""Which values of an answer are replaced, and by what; values as text for people. Pure."""

from hoopd.masking.plan import MaskPlan, plan
from hoopd.masking.text import cells_as_text
from hoopd.masking.values import MaskContext, mask_value

__all__ = ["MaskContext", "MaskPlan", "cells_as_text", "mask_value", "plan"]
