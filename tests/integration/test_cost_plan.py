"""The plan's costs on a stack of Vertex AI, which is registered but never called."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.own_zenml import ROOT, copy_home, python

STACK = {
    "GOOGLE_CLOUD_PROJECT": "news-project",
    "GOOGLE_CLOUD_REGION": "europe-west4",
    "EVERGREEN_BUCKET": "gs://news-bucket",
    "EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/news-project/evergreen",
    "EVERGREEN_PIPELINE_ACCOUNT": "pipeline@news-project.iam.gserviceaccount.com",
    "MLFLOW_TRACKING_URI": "https://mlflow.news.example",
}
SCRIPT = """
import json, os, sys
from dataclasses import replace
from stacks.apply import apply
from stacks.declaration import declaration
from zenml.client import Client
Client().create_secret("mlflow", {"username": "news", "password": "not-a-real-one"})
list(apply("vertex", declaration("vertex")))
from commands.costs import check_budget, cost_lines
from commands.project import Project
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import InputError
from orchestration.configuration import load
from orchestration.costs import Budget
from commands.cloud.wheels import refuse_wheels
from orchestration.machine_lists import MachineChoice, with_machines
from pipelines.training import training
local = load("local.yaml", training)
gpu = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}
document = {**local.document, "steps": {"train": {"step_operator": True, "settings": {"step_operator": gpu}}}}
logged = {"table": "p.logs.requests"}
host = VertexHostSettings(
    project="p", region="us-central1", staging="gs://bucket/models", image="i", max_replicas=3, request_logging=logged
)
given = local.parameters
def project(budget):
    configuration = replace(local, document=document, budget=budget, stacks=("vertex",))
    return Project(configuration, "news", given.source, given.task, host, None)
def refused(check, *given):
    try:
        check(*given)
    except InputError as error:
        return str(error)
told = {"accelerators": project(Budget()).accelerators}
os.environ["EVERGREEN_ACCELERATORS"] = ""
told["in a stand-in"] = project(Budget()).accelerators
told["wheels"] = refused(refuse_wheels, project(Budget()), {})
gpu["accelerator_type"] = "NVIDIA_TESLA_V100"
told["dropped"] = refused(refuse_wheels, project(Budget()), {"EVERGREEN_PIPELINE_TORCH_INDEX": "https://pypi.org/simple"})
gpu["accelerator_type"] = "NVIDIA_TESLA_T4"
host = host.model_copy(update={"accelerator_type": "NVIDIA_L4", "accelerator_count": 1})
told["unknown image"] = refused(refuse_wheels, project(Budget()), {})
cpu = {"EVERGREEN_SERVING_TORCH_INDEX": "https://download.pytorch.org/whl/cpu"}
told["serving"] = refused(refuse_wheels, project(Budget()), cpu)
host = host.model_copy(update={"accelerator_type": None, "accelerator_count": 0})
b200 = {"machine_type": "a4-highgpu-8g", "accelerator_type": "NVIDIA_B200", "accelerator_count": 8}
tried = [MachineChoice(machine_type="n1-standard-4"), MachineChoice(**gpu)]
local = replace(local, machines={"train": (*tried, MachineChoice(**b200))})
document = with_machines({**document, "steps": {"train": {"step_operator": True}}}, local.machines)
told["further down"] = refused(refuse_wheels, project(Budget()), {})
told["no price"] = refused(check_budget, project(Budget(run_usd=50)))
local = replace(local, machines={"train": tuple(tried)})
told["dearest"] = cost_lines(project(Budget()))
local = replace(local, machines={})
document = {**local.document, "steps": {"train": {"step_operator": True, "settings": {"step_operator": gpu}}}}
from datetime import UTC, datetime
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.part import Part
from orchestration.freshness import RowsToRead
import commands.costs
identity = SourceIdentity(kind="files", fingerprint="f", description="d", rows=1640)
rows = RowsToRead(identity=identity, part=Part(until=datetime.now(UTC)))
told["unmeasured night"] = cost_lines(project(Budget()), rows)
commands.costs.measured_rows = lambda _model, _stack: 16400
commands.costs._all_rows = lambda _project: 32800
told["night"] = cost_lines(project(Budget()), rows)
print(json.dumps(told))
print(json.dumps(cost_lines(project(Budget()))))
check_budget(project(Budget()))
check_budget(project(Budget(run_usd=5, endpoint_month_usd=1000)))
print(json.dumps(refused(check_budget, project(Budget(run_usd=0.1)))))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, laid_out: Path) -> tuple[dict[str, Any], list[str], str]:
    """What the script printed: what it told of accelerators, the lines of the plan, the refusal."""
    folder = tmp_path_factory.mktemp("costs")
    copy_home(laid_out, folder / "zenml")
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = python(folder / "zenml", str(folder / "script.py"), cwd=ROOT, **STACK)
    assert done.returncode == 0, done.stderr
    accelerators, plan, refusal = (json.loads(line) for line in done.stdout.splitlines()[-3:])
    return accelerators, plan, refusal


@pytest.fixture(scope="module")
def plan_lines(printed: tuple[dict[str, Any], list[str], str]) -> list[str]:
    return printed[1]


def test_the_plan_tells_every_step_with_machine_time_and_cost(plan_lines: list[str]) -> None:
    steps = ("identify", "fetch", "validate", "split", "train", "train waits", "evaluate", "promote", "deploy")
    for number, step in enumerate(steps):
        assert plan_lines[number][12:].startswith(f"{step:<11} ")
        machine = "n1-standard-8 + 1 NVIDIA_TESLA_T4" if step == "train" else "e2-standard-4"
        assert machine in plan_lines[number]
        assert "10.0 min *" in plan_lines[number]
    assert "* taken for 10 minutes: no completed run on this stack tells" in "\n".join(plan_lines)


def test_the_plan_tells_run_endpoint_month_and_where_prices_come_from(plan_lines: list[str]) -> None:
    text = "\n".join(plan_lines)
    # europe-west4: seven tasks of ten minutes on e2-standard-4, one with a GPU and the one that waits for it, and the
    # charge for a run
    assert "a run" in text
    assert "0.40 USD" in text
    assert "endpoint    n1-standard-4 in us-central1: 159.50 to 638.02 USD a month of 730 h" in text
    assert "list prices of 2026-09, which change (https://cloud.google.com/vertex-ai/pricing)" in text
    assert "to be confirmed there: all but n1-standard-4 in us-central1" in text


def test_the_plan_tells_what_a_quiet_an_incremental_and_a_full_night_cost(
    printed: tuple[dict[str, Any], list[str], str], plan_lines: list[str]
) -> None:
    # europe-west4: seven tasks of a minute and the look of ten on e2-standard-4, no GPU, and the charge for a run
    quiet = "a night     quiet, as nothing is new: 0.08 USD"
    assert quiet in plan_lines
    assert not [line for line in plan_lines if "what is new now" in line]  # every run reads all
    at = printed[0]["night"].index(quiet)
    new, full = printed[0]["night"][at + 1 : at + 3]
    # a tenth of the rows: a minute each for what takes its time with rows; twice as many take twice as long
    assert new == "            with what is new now: 0.14 USD, on 1,640 rows"
    assert full == "            with every row: 0.69 USD, on 32,800 rows"
    unmeasured = "            with what is new now, 1,640 rows: as a run above, until one tells how long rows take"
    assert unmeasured in printed[0]["unmeasured night"]


def test_the_plan_names_what_it_does_not_count(plan_lines: list[str]) -> None:
    text = "\n".join(plan_lines)
    more = (
        "while a rollout goes on 0.44 to 0.87 USD an hour more (1 to 3 of the newcomer, as its share takes, and 1 that"
    )
    assert more in text
    at = next(number for number, line in enumerate(plan_lines) if line.startswith("billed too  "))
    named = "\n".join(plan_lines[at:])
    for thing in ("machine of ZenML and MLflow", "custom jobs, 100 GB each", "Cloud Build", "Artifact Registry"):
        assert thing in named
    for thing in ("pulling images", "checkpoints, code", "Cloud Logging, and the rows of request logging"):
        assert thing in named
    assert "Dataflow" not in named  # the configuration has none
    assert "BigQuery" not in named


def test_a_step_is_told_of_its_accelerator_but_in_a_stand_in(printed: tuple[dict[str, Any], list[str], str]) -> None:
    assert printed[0]["accelerators"] == {"train": "1 NVIDIA_TESLA_T4"}
    assert printed[0]["in a stand-in"] == {}


def test_an_accelerator_that_torch_has_no_code_for_is_refused(printed: tuple[dict[str, Any], list[str], str]) -> None:
    answers = printed[0]
    assert (answers["wheels"], answers["unknown image"]) == (None, None)
    assert answers["dropped"].startswith(
        "an accelerator cannot be used: NVIDIA_TESLA_V100: torch from https://pypi.org"
    )
    assert "NVIDIA_L4: torch from https://download.pytorch.org/whl/cpu runs on CPUs alone" in answers["serving"]


def test_every_machine_of_a_list_is_looked_at(printed: tuple[dict[str, Any], list[str], str]) -> None:
    answers = printed[0]
    assert answers["further down"].startswith("an accelerator cannot be used: NVIDIA_B200: torch from")
    assert "no price of a4-highgpu-8g" in answers["no price"]
    lines = "\n".join(answers["dearest"])
    assert re.search(r"train +n1-standard-8 \+ 1 NVIDIA_TESLA_T4 ", lines)
    assert "train on the dearest of the 2 machines that it is tried on" in lines


def test_a_run_above_the_budget_is_refused(printed: tuple[dict[str, Any], list[str], str]) -> None:
    assert printed[2].startswith("over budget: a run would cost 0.40 USD (extra.budget.run_usd: 0.1)")


def test_a_run_on_this_machine_costs_nothing_and_its_plan_tells_none(tmp_path: Path, laid_out: Path) -> None:
    copy_home(laid_out, tmp_path)
    assert python(tmp_path, "-m", "stacks.apply", "local", cwd=ROOT).returncode == 0
    done = python(tmp_path, "run.py", "--config", "local.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "USD" not in done.stdout
