import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.tasks.job import steps_at_shares
from evergreen.tasks.settings import TrainingSettings


@given(st.integers(1, 5000), st.integers(1, 60))
def test_shares_end_with_the_last_step_and_leave_no_longer_gap_than_a_share(steps: int, shares: int) -> None:
    marks = sorted(steps_at_shares(steps, shares))

    assert marks[-1] == steps
    assert max(after - before for before, after in zip([0, *marks], marks, strict=False)) <= -(-steps // shares)


@given(st.integers(1, 5000))
def test_a_training_killed_half_way_has_kept_two_fifths_of_its_steps(steps: int) -> None:
    killed = -(-steps // 2)
    kept = [step for step in steps_at_shares(steps, 10) if step < killed]

    assert max(kept, default=0) >= min(0.4 * steps, killed - 1)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"learning_rate": 0}, {"precision": "fp8"}, {"champion_share": 1}, {"lr": 1e-3}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


def test_importing_tasks_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'mlflow', 'matplotlib', 'sklearn', 'zenml', 'pyarrow'}"
    code = f"import sys, evergreen.tasks; print(sorted({heavy} & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "[]"
