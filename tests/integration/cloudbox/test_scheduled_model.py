"""`run.py schedule` on ZenML's Vertex orchestrator, against a box."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudbox import environment
from tests.running_box import REPOSITORY, running_box

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).with_name("scheduled_model.py")
NAME = "evergreen-scheduled-news"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command said each time, and what Vertex AI and ZenML held then."""
    folder = tmp_path_factory.mktemp("person")
    with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "gcs", "vertex", "zenml") as box:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **environment.client(box.box),
            "ZENML_CONFIG_PATH": str(folder / "zenml"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, str(SCRIPT), str(box.home), str(folder)]
        done = subprocess.run(command, env=variables, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert box.status()["refusals"] == 0
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def held(cron: str) -> dict[str, Any]:
    """One schedule, on Vertex AI, with one run at a time, and in ZenML."""
    return {"vertex": [[NAME, cron, "ACTIVE", 1]], "zenml": [[NAME, cron]]}


def test_a_model_without_a_schedule_says_so(said: dict[str, Any]) -> None:
    assert said["none"] == [0, "model 'scheduled-news' has no schedule\n", ""]


def test_a_schedule_is_made_and_its_next_windows_are_told(said: dict[str, Any]) -> None:
    code, out, _, state = said["set"]
    first, *upcoming, last = out.splitlines()
    assert code == 0
    assert first.startswith("0 3 * * *  active, next ")
    assert [line[10:24] for line in upcoming] == [" 03:00 UTC  ro"] * 3
    assert len({line.partition("rows of ")[2] for line in upcoming}) == 3
    assert last.endswith("--delete")
    assert state == held("0 3 * * *")


def test_another_cron_line_replaces_it_whatever_is_busy(said: dict[str, Any]) -> None:
    code, _, _, state = said["replaced"]
    assert code == 0
    assert state == held("TZ=Europe/Berlin 30 4 * * *")


def test_a_schedule_that_cannot_be_made_leaves_the_one_before(said: dict[str, Any]) -> None:
    code, _, errors, state = said["failed"]
    assert code == 1
    assert "error: Vertex AI did not take the schedule:" in errors
    assert "what was scheduled before goes on" in errors.splitlines()[-1]
    assert state["vertex"] == held("TZ=Europe/Berlin 30 4 * * *")["vertex"]


def test_the_schedule_is_listed_as_vertex_has_it(said: dict[str, Any]) -> None:
    code, out, _ = said["listed"]
    assert code == 0
    assert out.startswith("TZ=Europe/Berlin 30 4 * * *  active, next ")
    assert out.count("\n") == 1


def test_a_schedule_is_deleted_once(said: dict[str, Any]) -> None:
    assert said["deleted"] == [0, "schedule of model 'scheduled-news' ended\n", "", {"vertex": [], "zenml": []}]
    assert said["deleted_again"] == [0, "model 'scheduled-news' had none\n", ""]


def test_a_teardown_ends_the_schedule_which_would_bring_the_endpoint_back(said: dict[str, Any]) -> None:
    code, out, _, state = said["torn_down"]
    assert code == 0
    assert out.startswith("no endpoint of model 'scheduled-news' runs any more, and its schedule ended\n")
    assert state == {"vertex": [], "zenml": []}


def test_a_wrong_cron_line_is_told_before_anything_is_done(said: dict[str, Any]) -> None:
    code, _, errors = said["wrong"]
    assert code == 2
    assert "--cron '0 25 * * *' names no times" in errors
