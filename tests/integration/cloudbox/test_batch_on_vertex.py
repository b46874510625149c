"""A batch prediction job of Vertex AI in the box: the version's container predicts there what this machine would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gcsfs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import aiplatform_v1 as v1

from cloudbox.box import Box
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.batch import vertex as batch_on_vertex
from evergreen.batch import work
from evergreen.batch.job import Job, run
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.settings import VertexBatch
from evergreen.batch.vertex import VertexRun
from evergreen.batch.work import Model
from evergreen.core.errors import EvergreenError, InputError
from tests.batches import TASK, keywords, texts
from tests.hosted_trial import BUCKET, ROOT, host_in
from tests.keyword_model import write_keyword_model

ADDRESS = f"gs://{BUCKET}/batch-on-vertex"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """One that containers serve and this process loads within moments."""
    trained = write_keyword_model(tmp_path / "model", name="a")
    with keywords():
        monkeypatch.setattr(batch_on_vertex, "loaded", work.loaded)
        yield Model(str(trained.path), trained.version, ({"text": "a match"},))


@pytest.fixture
def files(box: Box) -> Iterator[Any]:
    files = gcsfs.GCSFileSystem(project=box.project, skip_instance_cache=True, use_listings_cache=False)
    with files.open(f"{ADDRESS}/in.parquet", "wb") as file:
        pq.write_table(pa.Table.from_pylist(texts(12)), file)  # the seventh text is blank
    yield files
    files.rm(ADDRESS, recursive=True)


def job(model: Model, output: str) -> Job:
    asked = Asked(FilesSettings(path=f"{ADDRESS}/in.parquet"), keep=("id",), shard_rows=5)
    return job_of("news", model, TASK, asked, FilesOutput(path=f"{ADDRESS}/{output}"))


def settings_of(host: VertexHostSettings) -> VertexBatch:
    return VertexBatch(
        project=host.project,
        region=host.region,
        temp=f"{ADDRESS}/staged",
        environment=host.environment,
        batch_size=4,
    )


def read(files: Any, folder: str) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(files.find(f"{ADDRESS}/{folder}")):
        with files.open(path, "rb") as file:
            rows += pq.read_table(file).to_pylist()
    return rows


def jobs_of(clients: Clients, host: VertexHostSettings) -> list[v1.BatchPredictionJob]:
    request = {"parent": clients.location, "filter": f'labels.evergreen_environment="{host.environment}"'}
    return list(clients.jobs.list_batch_prediction_jobs(request=request))


def test_a_batch_prediction_job_predicts_what_this_machine_would_and_only_what_is_missing(
    box: Box, files: Any, model: Model
) -> None:
    command = ("python", "-m", "tests.keyword_model")
    host = host_in(box, command=command, env={"PYTHONPATH": str(ROOT)}, startup_timeout_s=300)
    clients, vertex = Clients(host), VertexRun(settings_of(host))
    with pytest.raises(InputError, match=f"has no version {model.version} of news of environment"):
        vertex.run(job(model, "far"), lambda _: None)
    ModelRegistry(clients, "news").upload(model.version, Path(model.place))
    report = vertex.run(job(model, "far"), lambda _: None)
    assert (report.rows, report.predicted, report.unusable, report.parts) == (12, 12, 1, 3)
    assert sum(report.reasons.values()) == 1
    assert (report.engine, report.runner.rpartition("; ")[2]) == ("vertex-1", "3 rows here")  # beside the blank one
    far = read(files, "far")
    assert [row["id"] for row in far] == [str(n) for n in range(12)]
    (made,) = jobs_of(clients, host)
    stats = made.completion_stats
    assert (made.state.name, stats.successful_count, stats.failed_count) == ("JOB_STATE_SUCCEEDED", 8, 4)

    run(job(model, "here"), workers=1)
    for one, other in zip(far, read(files, "here"), strict=True):
        assert (one["id"], one["label"], one["error"]) == (other["id"], other["label"], other["error"])
        assert one["score"] == other["score"]

    again = vertex.run(job(model, "far"), lambda _: None)
    assert (again.rows, again.predicted, again.unusable) == (12, 0, 1)
    assert len(jobs_of(clients, host)) == 1
    assert not files.find(f"{ADDRESS}/staged")


def test_a_job_whose_container_cannot_begin_is_told_and_nothing_is_written(box: Box, files: Any, model: Model) -> None:
    host = host_in(box, command=("python", "-c", "raise SystemExit('no weights')"))
    ModelRegistry(Clients(host), "news").upload(model.version, Path(model.place))
    with pytest.raises(EvergreenError, match=r"is FAILED.*no weights"):
        VertexRun(settings_of(host)).run(job(model, "none"), lambda _: None)
    assert not files.find(f"{ADDRESS}/none")
    assert not files.find(f"{ADDRESS}/staged")
