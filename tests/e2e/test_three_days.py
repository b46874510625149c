"""Three days of a tiny model: a quiet one, one on which the world moves, and one after it. Ten of a real model are in
`test_days.py`.
"""

from __future__ import annotations

import json

import pytest

from commands.monitor import Monitored
from tests.days import Day, new_rows
from tests.e2e.project import Project
from tests.three_days import ASKED, JOINING

pytestmark = pytest.mark.e2e
NOT_BY_ROWS = "rows alone are no reason to train"


def test_the_world_moves_on_the_second_of_three_days_and_one_retraining_recovers(project: Project) -> None:
    state = project.zenml / "evergreen"
    printed = project.python("-m", "tests.three_days", project.home, state).stdout
    first, *lived = [json.loads(line) for line in printed.splitlines() if line.startswith(('"', "{"))]
    assert "new to a first model" in first
    quiet, moved, after = [Day(**{**day, "verdict": Monitored.model_validate(day["verdict"])}) for day in lived]

    assert (quiet.verdict.requests, quiet.verdict.enough, quiet.verdict.drifted) == (ASKED, True, False)
    assert f"{JOINING} new to champion" in quiet.night
    assert NOT_BY_ROWS in quiet.night

    assert moved.verdict.drifted, moved.verdict.words
    assert moved.verdict.labels is not None
    assert (moved.verdict.labels.used, moved.verdict.labels.late) == (ASKED, ASKED // 2)
    assert f"{new_rows(JOINING, ASKED)} new to champion" in moved.night
    assert "trains, for the last window drifted" in moved.night

    assert after.verdict.version != moved.verdict.version
    assert not after.verdict.drifted, after.verdict.words
    assert NOT_BY_ROWS in after.night
    assert moved.quality < quiet.quality - 0.2
    assert after.quality > moved.quality + 0.2
