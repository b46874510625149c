"""The plan's costs on a stack of Vertex AI, which is registered but never called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.own_zenml import ROOT, python

STACK = {
    "GOOGLE_CLOUD_PROJECT": "news-project",
    "GOOGLE_CLOUD_REGION": "europe-west4",
    "EVERGREEN_BUCKET": "gs://news-bucket",
    "EVERGREEN_REGISTRY": "europe-west4-docker.pkg.dev/news-project/evergreen",
    "EVERGREEN_PIPELINE_ACCOUNT": "pipeline@news-project.iam.gserviceaccount.com",
    "MLFLOW_TRACKING_URI": "https://mlflow.news.example",
}
SCRIPT = """
import json, sys
from dataclasses import replace
from stacks.apply import apply
from stacks.declaration import declaration
from zenml.client import Client
Client().create_secret("mlflow", {"username": "news", "password": "not-a-real-one"})
list(apply("vertex", declaration("vertex")))
from commands.costs import check_budget, cost_lines
from commands.project import Project
from evergreen.adapters.vertex import VertexEndpoint
from evergreen.core.errors import InputError
from orchestration.configuration import load
from orchestration.costs import Budget
from pipelines.training import training
local = load("local.yaml", training)
gpu = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}
document = {**local.document, "steps": {"train": {"step_operator": True, "settings": {"step_operator": gpu}}}}
host = VertexEndpoint(project="p", region="us-central1", staging="gs://bucket/models", image="i", max_replicas=3)
given = local.parameters
def project(budget):
    configuration = replace(local, document=document, budget=budget)
    return Project(configuration, "news", given.source, given.task, host, None)
print(json.dumps(cost_lines(project(Budget()))))
check_budget(project(Budget()))
check_budget(project(Budget(run_usd=5, endpoint_month_usd=1000)))
try:
    check_budget(project(Budget(run_usd=0.1)))
except InputError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the script printed: the lines of the plan, then the refusal."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = python(folder / "zenml", str(folder / "script.py"), cwd=ROOT, **STACK)
    assert done.returncode == 0, done.stderr
    plan, refusal = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    return [*plan, refusal]


def test_the_plan_tells_every_step_with_machine_time_and_cost(told: list[str]) -> None:
    steps = ("identify", "fetch", "validate", "split", "train", "evaluate", "promote", "deploy")
    for number, step in enumerate(steps):
        assert told[number].split()[1 if number == 0 else 0] == step
        machine = "n1-standard-8 + 1 NVIDIA_TESLA_T4" if step == "train" else "e2-standard-4"
        assert machine in told[number]
        assert "10.0 min *" in told[number]
    assert "* taken for 10 minutes: no completed run on this stack tells" in "\n".join(told)


def test_the_plan_tells_run_endpoint_month_and_where_prices_come_from(told: list[str]) -> None:
    text = "\n".join(told)
    # europe-west4: seven tasks of ten minutes on e2-standard-4, one with a GPU, and the charge for a run
    assert "a run" in text
    assert "0.38 USD" in text
    assert "endpoint    n1-standard-4 in us-central1: 159.50 to 638.02 USD a month of 730 h" in text
    assert "list prices of 2026-09, which change (https://cloud.google.com/vertex-ai/pricing)" in text
    assert "to be confirmed there: all but n1-standard-4 in us-central1" in text


def test_a_run_above_the_budget_is_refused(told: list[str]) -> None:
    assert told[-1].startswith("over budget: a run would cost 0.38 USD (extra.budget.run_usd: 0.1)")


def test_a_run_on_this_machine_costs_nothing_and_its_plan_tells_none(tmp_path: Path) -> None:
    assert python(tmp_path, "-m", "stacks.apply", "local", cwd=ROOT).returncode == 0
    done = python(tmp_path, "run.py", "--config", "local.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "USD" not in done.stdout
