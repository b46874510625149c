"""A run on ZenML's Vertex orchestrator whose step waits for a batch prediction job of Vertex AI's, and its end.

`register` makes the stack, rows and a version whose container takes long; `start NAME VERSION` watches the run, `stop
NAME` says what was stopped, `state NAME` what is left.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import gcsfs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import aiplatform_v1
from zenml import get_step_context, pipeline, step
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.utils.run_utils import refresh_run_status
from zenml.utils.source_utils import set_custom_source_root

from commands.console import report_errors
from commands.started import stopped_with_this_command
from commands.stop import stop_lines
from commands.termination import sigterm_raises
from commands.watching import run_pipeline
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.batch import vertex as batch_on_vertex
from evergreen.batch import work
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.settings import AnyBatchRunner, VertexBatch
from evergreen.batch.turns import in_turn
from evergreen.batch.work import Model
from orchestration.batch import runner_of
from orchestration.configuration import Configuration
from orchestration.stopping import stop_runs
from tests.batches import TASK, keywords, texts
from tests.integration.cloudbox.scheduled_model import BUCKET, PARENT, PROJECT, REGION, register_stack
from tests.keyword_model import write_keyword_model
from tests.running_box import REPOSITORY

MODEL = "stopped-batch"
HOST = VertexHostSettings(
    project=PROJECT,
    region=REGION,
    staging=f"gs://{BUCKET}/models",
    image="serving:test",
    command=("python", "-m", "tests.keyword_model"),
    env={"PYTHONPATH": str(REPOSITORY)},
    startup_timeout_s=300,
)
RUNNER = VertexBatch(
    project=PROJECT, region=REGION, temp=f"gs://{BUCKET}/staged", environment=HOST.environment, batch_size=1
)
ROWS, OUTPUT = f"gs://{BUCKET}/in.parquet", f"gs://{BUCKET}/predicted/out"
ADDRESS = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
COUNT, DELAY_S = 100, 5.0
"""Minutes more than a test waits."""


@step
def predict(version: str, runner: AnyBatchRunner) -> None:
    run = get_step_context().pipeline_run
    with keywords(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_on_vertex, "loaded", work.loaded)
        asked = Asked(FilesSettings(path=ROWS), keep=("id",), shard_rows=20)
        model = Model("the keyword model", version, ({"text": "a match"},))
        job = job_of(MODEL, model, TASK, asked, FilesOutput(path=OUTPUT))
        in_turn(job, runner_of(runner.of_run(str(run.id))).run, run=run.name)


@pipeline(enable_cache=False, settings={"docker": DockerSettings(parent_image="local/pipeline:1", skip_build=True)})
def batch_prediction(version: str, runner: AnyBatchRunner) -> None:
    predict(version, runner)


def register() -> None:
    register_stack()
    with _files().open(ROWS, "wb") as file:
        pq.write_table(pa.Table.from_pylist(texts(COUNT)), file)
    with TemporaryDirectory() as folder:
        trained = write_keyword_model(Path(folder) / "model", delay_s=DELAY_S)
        ModelRegistry(Clients(HOST), MODEL).upload(trained.version, trained.path)
        sys.stdout.write(f"{trained.version}\n")


def start(name: str, version: str) -> int:
    """Runs the pipeline of this module in the place of the project's, as `run` does."""
    document = {"parameters": {"version": version, "runner": RUNNER.model_dump(mode="json")}, "extra": {}}
    project: Any = SimpleNamespace(
        model_name=MODEL,
        host=HOST,
        active_stack="boxed",
        pipeline=batch_prediction,
        is_on_vertex=True,
        scheduled=False,
        steps=["predict"],
        accelerators_in=lambda _: {},
        configuration=Configuration(Path("stopped.yaml"), ("boxed",), SimpleNamespace(), document),
    )
    set_custom_source_root(str(REPOSITORY))
    with (
        report_errors(debug=False) as outcome,
        sigterm_raises(),
        stopped_with_this_command(project, name, detach=False),
    ):
        run_pipeline(project, name, use_cache=False)
    return outcome.code


def state(name: str) -> dict[str, Any]:
    """What Vertex AI, ZenML and the bucket say of the run now."""
    pipelines = aiplatform_v1.PipelineServiceClient(client_options=ADDRESS).list_pipeline_jobs(parent=PARENT)
    jobs = aiplatform_v1.JobServiceClient(client_options=ADDRESS).list_batch_prediction_jobs(parent=PARENT)
    runs = Client().list_pipeline_runs(name=name).items
    return {
        "pipelines": [job.state.name for job in pipelines],
        "batches": [job.state.name for job in jobs],
        "zenml": [str(refresh_run_status(Client().get_pipeline_run(run.id)).status) for run in runs],
        "output": [path for path in _files().find(OUTPUT.rpartition("/")[0]) if not path.endswith(".lease.json")],
    }


def _files() -> Any:
    return gcsfs.GCSFileSystem(project=PROJECT, skip_instance_cache=True, use_listings_cache=False)


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "register":
        register()
    elif word == "start":
        sys.exit(start(*rest))
    elif word == "stop":
        sys.stdout.write(stop_lines(MODEL, stop_runs(MODEL, HOST, *rest)) + "\n")
    else:
        sys.stdout.write("\n" + json.dumps(state(*rest)) + "\n")
