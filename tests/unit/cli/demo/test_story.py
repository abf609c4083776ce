"""How a step fails. What the steps show is tried by tests/e2e/test_demo.py, with causes taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopctl.demo.stage import Options, Stage
from hoopctl.demo.story import Step, StepFailed, Story
from hoopctl.errors import ExitCode, HoopctlError


class NobodySignsIn(Stage):
    def sign_in(self, name: str) -> object:
        raise HoopctlError(f"{name} is not known")


def test_a_step_that_fails_is_named_and_ends_the_story(tmp_path: Path) -> None:
    told: list[Step] = []
    story = Story(NobodySignsIn({}, tmp_path), Options(), told.append)
    with pytest.raises(StepFailed, match=r"step 1 \(Three people sign in.*alice is not known") as caught:
        story.run()
    assert caught.value.exit_code is ExitCode.failed
    assert told == []
