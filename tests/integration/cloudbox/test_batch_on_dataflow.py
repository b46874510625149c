"""A batch prediction sent to Dataflow in the box: the staged pipeline predicts there what this machine would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gcsfs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.untrained import small_encoder, untrained
from cloudbox.box import Box
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch.beam import beam_job
from evergreen.batch.columns import Columns
from evergreen.batch.dataflow import DataflowRun
from evergreen.batch.job import Job, run
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.settings import DataflowBatch, store_of
from evergreen.batch.shard_files import Sent
from evergreen.batch.work import Model, Work
from evergreen.preparation.runners import DataflowRunner
from evergreen.tasks import load_task
from tests.hosted_trial import BUCKET

pytestmark = pytest.mark.emulated

WORDS = ["goal", "match", "bank", "stocks", "vote"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    trained = untrained(folder / "model", small_encoder(folder / "encoder", WORDS), 32)
    return Model(str(trained.path), trained.version, ({"text": "a goal"},))


def job(model: Model, address: str, output: str, shard_rows: int = 8) -> Job:
    asked = Asked(FilesSettings(path=f"{address}/in.parquet"), keep=("id",), shard_rows=shard_rows)
    return job_of("news", model, load_task(Path(model.place)), asked, FilesOutput(path=f"{address}/{output}"))


def read(files: Any, folder: str) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(files.find(folder)):
        with files.open(path, "rb") as file:
            rows += pq.read_table(file).to_pylist()
    return rows


def test_a_job_of_dataflow_predicts_what_this_machine_would_and_only_what_is_missing(box: Box, model: Model) -> None:
    address = f"gs://{BUCKET}/batch"
    files = gcsfs.GCSFileSystem(project=box.project, skip_instance_cache=True, use_listings_cache=False)
    texts = [" " if n == 4 else " ".join(WORDS[: 1 + n % 5]) for n in range(20)]
    with files.open(f"{address}/in.parquet", "wb") as file:
        pq.write_table(pa.table({"id": list(range(20)), "text": texts}), file)
    settings = DataflowBatch(
        project=box.project,
        region=box.region,
        temp=f"{address}/staged",
        image="registry/dataflow:1",
        service_account=f"pipeline@{box.project}.iam.gserviceaccount.com",
    )
    dataflow = DataflowRun(settings)
    report = dataflow.run(job(model, address, "far"), lambda _: None)
    assert (report.rows, report.predicted, report.unusable, report.parts) == (20, 20, 1, 3)
    assert report.engine == "torch", "the workers' own, as they told it"
    assert report.reasons == {"'text' is blank; send at least one word": 1}
    far = read(files, f"{address}/far")
    assert [row["id"] for row in far] == list(range(20))

    run(job(model, address, "here"), workers=1)
    here = read(files, f"{address}/here")
    for one, other in zip(far, here, strict=True):
        assert (one["id"], one["label"], one["error"]) == (other["id"], other["label"], other["error"])
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)

    again = dataflow.run(job(model, address, "far"), lambda _: None)
    assert (again.rows, again.predicted, again.unusable) == (20, 0, 1)
    left = [path.removeprefix(f"{BUCKET}/batch/staged/") for path in files.find(f"{address}/staged")]
    assert not [path for path in left if path.startswith("batch-")]


def test_a_job_for_dataflow_is_compiled_and_not_sent(model: Model) -> None:
    settings = DataflowBatch(
        project="my-project",
        region="europe-west4",
        temp="gs://my-bucket/tmp",
        image="pipeline:1",
        machine_type="n2-highcpu-8",
        max_workers=5,
    )
    work = Work(model, Columns(("text",)), store_of(FilesOutput(path="gs://my-bucket/out")), engine="torch")
    sent = [Sent(0, "9f2c41d07be8a615", "gs://my-bucket/tmp/batch-1/00000-9f2c41d07be8a615.jsonl")]
    compiled = DataflowRunner(settings).compiled(beam_job("0c91", work, sent, "gs://my-bucket/tmp/batch-1"))
    assert compiled["job"]["name"] == "evergreen-batch-0c91"
    assert compiled["workers"]["machineType"] == "n2-highcpu-8"
    assert compiled["packages"] == ["evergreen-0.2.0-py3-none-any.whl"]
    assert {"Shards", "Spread", "Predict", "List", "Keep"} <= {name.split("/")[0] for name in compiled["transforms"]}
