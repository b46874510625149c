"""What a configuration and a stack need of Google Cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.cloud.needs import needs_of
from commands.cloud.quota import quota_id
from commands.cloud.wheels import check_wheels
from commands.project import Project
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.answers import Predictions
from evergreen.core.cloud import Machine
from evergreen.core.rollout import Release, roll_out
from evergreen.preparation import DataflowRunnerSettings, Preparation
from evergreen.tasks.text_classification.settings import TextClassification
from orchestration.configuration import Configuration
from orchestration.machine_lists import MachineChoice
from tests.memory_endpoint import MemoryEndpoint

COMPONENTS: dict[str, dict[str, Any]] = {
    "orchestrator": {
        "project": "p",
        "location": "europe-west4",
        "pipeline_root": "gs://steps/root",
        "workload_service_account": "pipeline@p.iam.gserviceaccount.com",
    },
    "artifact_store": {"path": "gs://steps/artifacts"},
    "container_registry": {"uri": "europe-west4-docker.pkg.dev/p/evergreen"},
    "experiment_tracker": {"tracking_uri": "https://mlflow", "tracking_username": "{{mlflow.username}}"},
}
HOST = VertexHostSettings(
    project="p", region="europe-west4", staging="gs://models/m", image="registry/serving:1", max_replicas=3
)


def project(host: LocalHostSettings | VertexHostSettings, document: dict[str, Any]) -> Project:
    source = FilesSettings.model_validate({"path": "news.csv", "columns": {"text": "text", "label": "label"}})
    task = TextClassification(labels=("a", "b"), encoder="package://x/y")
    return Project(Configuration(Path("x.yaml"), ("vertex",), None, document), "news", source, task, host, None)


def test_machines_that_are_tried_after_another_one_are_told_apart_and_checked_for_torch() -> None:
    t4, b200 = (
        MachineChoice(machine_type="n1-standard-8", accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1),
        MachineChoice(machine_type="a4-highgpu-8g", accelerator_type="NVIDIA_B200", accelerator_count=8),
    )
    given = project(HOST, {"steps": {"train": {"step_operator": True}}})
    lists = {"train": (t4, b200), "publish": (b200,)}  # this configuration publishes nothing
    needs = needs_of(replace(given, configuration=replace(given.configuration, machines=lists)), COMPONENTS, ("train",))
    assert needs is not None
    assert (needs.training, needs.training_instead) == ((t4.machine, Machine("e2-standard-4")), (b200.machine,))
    assert [(finding.fine, finding.message.partition(":")[0]) for finding in check_wheels(needs, {})] == [
        (True, "NVIDIA_TESLA_T4"),
        (False, "NVIDIA_B200"),
    ]


def test_names_come_from_stack_and_configuration() -> None:
    document = {"settings": {"docker": {"parent_image": "registry/pipeline:1"}}, "secrets": ["hub"]}
    needs = needs_of(project(HOST, document), COMPONENTS, ("fetch", "train"))
    assert needs is not None
    assert needs.buckets == ("steps", "models")
    assert needs.images == ("registry/pipeline:1", "registry/serving:1")
    assert needs.training == (Machine("e2-standard-4"),)
    assert needs.serving == (Machine("n1-standard-4"), 10)
    assert needs.serving_image == "registry/serving:1"
    assert needs.secrets == {"hub": frozenset(), "mlflow": frozenset({"username"})}
    assert (needs.bigquery, needs.dataset) == (False, None)


@pytest.mark.parametrize("most", [1, 3])
def test_the_quota_holds_all_that_is_deployed_at_the_height_of_a_rollout(most: int) -> None:
    """Each deployed version counts with its most replicas, the probe that asks one without traffic with one."""

    class Counting(MemoryEndpoint):
        counted = 0

        def predict(self, instances: Sequence[Any], version: str | None = None, *, logged: bool = True) -> Predictions:
            probe = int(version is not None and self.traffic[version] != 100)
            self.counted = max(self.counted, len(self.traffic) * most + probe)
            return super().predict(instances, version, logged=logged)

    endpoint = Counting({"champion": 100, "previous": 0})
    release = Release(model="news", version="newcomer", fetch=lambda: Path("model"), smoke=[{"text": "a"}])
    assert roll_out(endpoint, release, previous="champion", on_live=lambda: None).outcome == "live"

    needs = needs_of(project(HOST.model_copy(update={"max_replicas": most}), {}), {"orchestrator": {}}, ())
    assert needs is not None
    assert needs.serving == (Machine("n1-standard-4"), endpoint.counted)


def test_a_run_and_an_endpoint_on_this_machine_need_nothing_of_google() -> None:
    assert needs_of(project(LocalHostSettings(), {}), {"orchestrator": {}}, ("train",)) is None


def test_a_preparation_on_dataflow_needs_its_image_too() -> None:
    runner = DataflowRunnerSettings(
        kind="dataflow", project="p", region="r", temp="gs://steps/dataflow", image="registry/dataflow:1"
    )
    given, prepare = project(HOST, {}), cast(Preparation, SimpleNamespace(runner=runner))
    needs = needs_of(replace(given, prepare=prepare), COMPONENTS, ())
    assert needs is not None
    assert (needs.dataflow, needs.images) == (runner.needs(), ("registry/serving:1", "registry/dataflow:1"))


def test_an_endpoint_on_google_alone_needs_no_quota_for_training() -> None:
    needs = needs_of(project(HOST, {}), {"orchestrator": {}}, ("train",))
    assert needs is not None
    assert (needs.training, needs.region) == ((), "europe-west4")


@pytest.mark.parametrize(
    ("table", "dataset"),
    [
        ("news.articles", "own-one:news"),
        ("other-one.news.articles", "other-one:news"),
        (None, None),
    ],  # none: a query says it
)
def test_the_dataset_is_in_the_table_s_project_or_else_the_source_s(table: str | None, dataset: str | None) -> None:
    read = {"query_file": "news.sql"} if table is None else {"table": table}
    source = BigQuerySettings.model_validate({"project": "own-one", "location": "EU"} | read)
    needs = needs_of(replace(project(HOST, {}), source=source), COMPONENTS, ())
    assert needs is not None
    assert (needs.bigquery, needs.dataset) == (True, dataset)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("custom_model_training_cpus", "CustomModelTrainingCPUsPerProjectPerRegion"),
        ("custom_model_serving_nvidia_l4_gpus", "CustomModelServingL4GPUsPerProjectPerRegion"),
        ("custom_model_serving_nvidia_a100_80gb_gpus", "CustomModelServingA10080GBGPUsPerProjectPerRegion"),
    ],
)
def test_a_quota_is_named_as_google_names_it(metric: str, name: str) -> None:
    assert quota_id(metric) == name


GPU = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_V100", "accelerator_count": 1}
ON_GPU: dict[str, Any] = {"steps": {"train": {"step_operator": True, "settings": {"step_operator": GPU}}}}
PYPI = "https://pypi.org/simple"


@pytest.mark.parametrize(
    ("environment", "fine", "message"),
    [
        ({}, True, "NVIDIA_TESLA_V100: the pipeline image's torch from https://download.pytorch.org/whl/cu126"),
        ({"EVERGREEN_PIPELINE_TORCH_INDEX": PYPI}, False, "has no code for its compute capability 7.0"),
    ],
)
def test_the_doctor_knows_which_accelerators_the_images_torch_runs_on(
    environment: dict[str, str], fine: bool, message: str
) -> None:
    needs = needs_of(project(HOST, ON_GPU), COMPONENTS, ("train",))
    assert needs is not None
    (finding,) = check_wheels(needs, environment)
    assert (finding.name, finding.fine) == ("accelerator", fine)
    assert message in finding.message
    assert finding.fix.startswith("export EVERGREEN_PIPELINE_TORCH_INDEX=https://download.pytorch.org/whl/cu126\n")


def test_machines_that_always_have_a_gpu_are_looked_at_too() -> None:
    document = {"settings": {"orchestrator": {"custom_job_parameters": {"machine_type": "g2-standard-4"}}}}
    needs = needs_of(project(HOST, document), COMPONENTS, ("train",))
    assert needs is not None
    (finding,) = check_wheels(needs, {"EVERGREEN_PIPELINE_TORCH_INDEX": "https://download.pytorch.org/whl/cpu"})
    assert (finding.fine, "NVIDIA_L4" in finding.message) == (False, True)


def test_an_endpoint_with_an_accelerator_needs_an_image_whose_torch_is_not_the_cpus() -> None:
    needs = needs_of(
        project(HOST.model_copy(update={"accelerator_type": "NVIDIA_L4", "accelerator_count": 1}), {}), {}, ()
    )
    assert needs is not None
    (finding,) = check_wheels(needs, {})
    assert not finding.fine
    assert finding.fix.startswith("export EVERGREEN_SERVING_TORCH_INDEX=https://download.pytorch.org/whl/cu126\n")
    (mended,) = check_wheels(needs, {"EVERGREEN_SERVING_TORCH_INDEX": "https://download.pytorch.org/whl/cu126"})
    assert mended.fine
