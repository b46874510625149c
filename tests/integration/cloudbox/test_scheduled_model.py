"""`run.py schedule` on ZenML's Vertex orchestrator, against a box, and what becomes of its firings."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudbox import environment
from orchestration.secrets import SECRET_NAME, TOKEN
from tests.integration.cloudbox.scheduled_model import SECRET
from tests.running_box import REPOSITORY, RunningBox, running_box

pytestmark = [pytest.mark.e2e, pytest.mark.emulated]

ENVIRONMENT = {
    "DISABLE_CREDENTIALS_DISK_CACHING",
    "ZENML_ACTIVE_PROJECT_ID",
    "ZENML_ACTIVE_STACK_ID",
    "ZENML_ANALYTICS_OPT_IN",
    "ZENML_STORE_API_TOKEN",
    "ZENML_STORE_CONNECTION_POOL_SIZE",
    "ZENML_STORE_HTTP_TIMEOUT",
    "ZENML_STORE_TYPE",
    "ZENML_STORE_URL",
    "ZENML_STORE_VERIFY_SSL",
    "ZENML_USER_ID",
    "ZENML_VERSION",
    "ZENML_VERTEX_RUN_ID",
}
"""All that a task's environment has, which whoever may read schedules and jobs can read."""
HERE = Path(__file__).parent
NAME = re.compile(r"evergreen-scheduled-news-[0-9a-f]{8}")


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "gcs", "vertex", "zenml") as box:
        yield box


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who schedules models."""
    return tmp_path_factory.mktemp("person")


@pytest.fixture(scope="module")
def said(boxed: RunningBox, person: Path) -> dict[str, Any]:
    """What the command said each time, and what Vertex AI and ZenML held then."""
    return told_by("scheduled_model.py", boxed, person)


@pytest.fixture(scope="module")
def fired(said: dict[str, Any], boxed: RunningBox, person: Path) -> dict[str, Any]:
    """How firings ended, of a pipeline that stands alone in a folder."""
    shutil.copy(HERE / "two_steps.py", person)
    return told_by("fired_schedules.py", boxed, person)


def told_by(script: str, box: RunningBox, folder: Path) -> dict[str, Any]:
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **environment.client(box.box),
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, str(HERE / script), str(box.home), str(folder)]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert box.status()["refusals"] == 0
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def assert_held(state: dict[str, Any], cron: str) -> None:
    """One schedule, on Vertex AI, with one run at a time, and in ZenML under the same name."""
    ((name, *rest),) = state["vertex"]
    assert rest == [cron, "ACTIVE", 1]
    assert NAME.fullmatch(name)
    assert state["zenml"] == [[name, cron]]


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
    assert_held(state, "0 3 * * *")


def test_a_firing_that_became_no_run_is_told_by_status_with_googles_words(said: dict[str, Any]) -> None:
    code, out, _ = said["lost"]
    assert code == 0
    firing, reason = out.partition("\nfiring")[2].splitlines()[:2]
    assert "  failed  20" in firing
    assert reason.strip().startswith("task 'identify': Vertex AI failed before any code ran: Internal error occurred")


def test_status_says_when_the_schedule_fires_next(said: dict[str, Any]) -> None:
    _, out, _ = said["lost"]
    assert re.search(r"^schedule    0 3 \* \* \*  active, next 20\d\d-\d\d-\d\d 03:00 UTC$", out, re.MULTILINE)


def test_another_cron_line_replaces_it_whatever_is_busy(said: dict[str, Any]) -> None:
    code, _, _, state = said["replaced"]
    assert code == 0
    assert_held(state, "TZ=Europe/Berlin 30 4 * * *")
    assert state["ids"] != said["set"][-1]["ids"]


def test_a_schedule_that_cannot_be_made_leaves_the_one_before(said: dict[str, Any]) -> None:
    code, _, errors, state = said["failed"]
    assert code == 1
    assert "error: Vertex AI did not take the schedule:" in errors
    assert "what was scheduled before goes on" in errors.splitlines()[-1]
    assert {name: state[name] for name in ("vertex", "zenml", "ids")} == {
        name: said["replaced"][-1][name] for name in ("vertex", "zenml", "ids")
    }


def test_what_is_scheduled_holds_a_token_for_itself_and_no_other_secret(said: dict[str, Any]) -> None:
    state = said["set"][-1]
    (schedule,) = state["frozen"]
    assert len(schedule["environments"]) >= 8
    for task in schedule["environments"]:
        assert set(task) == ENVIRONMENT
        assert [name for name in task if SECRET_NAME.search(name)] == ["ZENML_STORE_API_TOKEN"]
        claims = task["ZENML_STORE_API_TOKEN"].split(".")[1]
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["schedule_id"] == state["ids"][0]
    besides = schedule["text"]
    for task in schedule["environments"]:
        besides = besides.replace(task["ZENML_STORE_API_TOKEN"], "")
    assert not TOKEN.search(besides)
    assert "HUB_TOKEN" not in schedule["text"]
    assert TOKEN.search(f"x {SECRET}")  # the pattern would have seen it


def test_nothing_that_was_compiled_is_left_on_the_machine(said: dict[str, Any]) -> None:
    assert [said[when][-1]["compiled"] for when in ("set", "replaced", "failed")] == [[], [], []]


def test_the_schedule_before_a_refused_one_fires_and_signs_in(fired: dict[str, Any]) -> None:
    assert "what was scheduled before goes on" in fired["refusal"]
    assert fired["kept"] == ["0 3 * * *"]
    assert fired["after_refusal"] == "PIPELINE_STATE_SUCCEEDED"
    assert fired["of_schedule"] is True


def test_a_run_goes_on_after_a_restart_of_zenml_and_the_end_of_its_schedule(fired: dict[str, Any]) -> None:
    assert fired["ended"] == 1
    assert fired["during"]["schedules"] == ["PAUSED"]
    assert fired["during"]["goes_on"] == [True]
    assert fired["after_restart_and_end"] == "PIPELINE_STATE_SUCCEEDED"


def test_the_token_of_a_schedule_ends_with_its_last_run(fired: dict[str, Any]) -> None:
    assert fired["admitted"] is True
    assert fired["ended_again"] == 1
    assert fired["gone"] == [0, 0, 0, False]


def test_the_schedule_is_listed_as_vertex_has_it(said: dict[str, Any]) -> None:
    code, out, _ = said["listed"]
    assert code == 0
    assert out.startswith("TZ=Europe/Berlin 30 4 * * *  active, next ")
    assert out.count("\n") == 1


def test_a_schedule_is_deleted_once(said: dict[str, Any]) -> None:
    *answer, state = said["deleted"]
    assert answer == [0, "schedule of model 'scheduled-news' ended\n", ""]
    assert (state["vertex"], state["zenml"]) == ([], [])
    assert said["deleted_again"] == [0, "model 'scheduled-news' had none\n", ""]


def test_a_teardown_ends_the_schedule_which_would_bring_the_endpoint_back(said: dict[str, Any]) -> None:
    code, out, _, state = said["torn_down"]
    assert code == 0
    assert out.startswith(
        "the schedule of model 'scheduled-news' ended\nmodel 'scheduled-news' has no endpoint, none was stopped\n"
    )
    assert (state["vertex"], state["zenml"]) == ([], [])


def test_a_wrong_cron_line_is_told_before_anything_is_done(said: dict[str, Any]) -> None:
    code, _, errors = said["wrong"]
    assert code == 2
    assert "--cron '0 25 * * *' names no times" in errors
