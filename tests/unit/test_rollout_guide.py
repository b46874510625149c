"""What docs/rollout.md shows is what configurations take."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from evergreen.core.judge.settings import Judge
from evergreen.core.ramp import Ramp

GUIDE = Path(__file__).parents[2] / "docs" / "rollout.md"


def test_the_rollout_that_is_shown_is_valid_and_its_judge_the_default() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    ramp = Ramp.model_validate(yaml.safe_load(block)["parameters"]["rollout"])
    assert (ramp.shares, ramp.hold_s, ramp.judge) == ((5, 25, 50), 120, Judge())
