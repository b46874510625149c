"""A preparation sent to Dataflow in the box: the staged pipeline runs there, and writes what this machine would."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import gcsfs
import pytest

from cloudbox.box import Box
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.oxford_pets.settings import OxfordPetsSettings
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import source_of
from evergreen.preparation import DataflowRunnerSettings, LocalRunnerSettings, Preparation, runners
from evergreen.preparation.plan import Plan, plan_of
from evergreen.preparation.run import prepare, work_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.e2e import pets
from tests.hosted_trial import BUCKET
from tests.oxford_pets import photo_names, write_archives
from tests.rows import rows_of
from tests.waiting import wait_until

COLUMNS = {"id": "id", "image": "image", "mask": "mask", "split": "split"}
COUNT = 80


@pytest.fixture
def folder(box: Box, request: pytest.FixtureRequest) -> str:
    """A folder of a bucket of the box, with raw shards."""
    address = f"gs://{BUCKET}/{request.node.name}"
    for name, content in pets.shards(COUNT, every=2):
        files_of(box).pipe_file(f"{address}/raw/{name}", content)
    return address


def files_of(box: Box) -> Any:
    return gcsfs.GCSFileSystem(project=box.project, skip_instance_cache=True, use_listings_cache=False)


def plan(box: Box, folder: str, **changes: Any) -> Plan:
    runner = DataflowRunnerSettings(
        kind="dataflow",
        project=box.project,
        region=box.region,
        temp=f"{folder}/dataflow",
        image="registry/dataflow:1",
        service_account=f"pipeline@{box.project}.iam.gserviceaccount.com",
    )
    origin = FilesSettings(path=f"{folder}/raw/*.tfrec", format="tfrecord", columns={"mask": "label", "split": "split"})
    settings: dict[str, Any] = {"origin": origin, "image_size": 32, "runner": runner} | changes
    task = ImageSegmentation(labels=("pet", "background", "border"), image_size=32)
    return plan_of(Preparation(**settings), task, FilesSettings(path=f"{folder}/prepared", columns=COLUMNS))


def names(box: Box, folder: str) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in files_of(box).find(f"{folder}/prepared"))


@pytest.mark.usefixtures("beam_in_this_process")
def test_a_job_of_dataflow_writes_what_this_machine_would_and_only_what_is_new(
    box: Box, folder: str, tmp_path: Path
) -> None:
    report, summary = prepare(plan(box, folder))
    assert (report.written, report.parts, summary.rows, report.runner) == (2, 2, COUNT, "dataflow")
    source = source_of(FilesSettings(path=f"{folder}/prepared", columns=COLUMNS))
    identity = source.identity(None)
    assert source.read(None, tmp_path / "rows").manifest.rows == COUNT

    before = names(box, folder)
    assert prepare(plan(box, folder))[0].written == 0
    assert names(box, folder) == before

    by_hand = plan(box, folder, runner=LocalRunnerSettings(workers=1))
    elsewhere = Plan(by_hand.preparation, by_hand.task, by_hand.columns, f"{folder}/elsewhere")
    prepare(elsewhere)
    other = source_of(FilesSettings(path=f"{folder}/elsewhere", columns=COLUMNS))
    assert other.identity(None).fingerprint == identity.fingerprint


@pytest.mark.usefixtures("beam_in_this_process")
def test_the_published_archives_in_a_bucket_become_shards(box: Box, folder: str, tmp_path: Path) -> None:
    write_archives(tmp_path, 12)
    origin = OxfordPetsSettings(path=f"{folder}/archives")
    given = plan(box, folder, origin=origin, runner=LocalRunnerSettings(workers=1))
    with pytest.raises(InputError, match=r"nothing at 'gs://.*/archives'.*set prepare\.origin\.path"):
        prepare(given)
    files_of(box).put_file(str(tmp_path / "images.tar.gz"), f"{folder}/archives/images.tar.gz")
    with pytest.raises(InputError, match=r"no annotations\.tar\.gz in 'gs://.*set prepare\.origin\.path"):
        prepare(given)
    files_of(box).put_file(str(tmp_path / "annotations.tar.gz"), f"{folder}/archives/annotations.tar.gz")
    assert prepare(given)[0].written == 4
    source = source_of(FilesSettings(path=f"{folder}/prepared", columns=COLUMNS))
    assert {row["id"] for row in rows_of(source.read(None, tmp_path / "rows").shards)} == set(photo_names(12))

    files_of(box).pipe_file(f"{folder}/archives/images.tar.gz", (tmp_path / "images.tar.gz").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"^images\.tar\.gz cannot be read: .*; download it again$"):
        prepare(given)


def test_a_job_that_fails_is_told_with_what_its_workers_said(box: Box, folder: str) -> None:
    broken = plan(box, folder)
    wrong = Plan(broken.preparation, broken.task, {"id": "id", "nothing": "nothing"}, broken.folder)
    with pytest.raises(EvergreenError, match=r"the preparation failed: .*(nothing|KeyError)"):
        prepare(wrong)
    assert names(box, folder) == ["_prepared.json"]


def test_a_second_job_of_the_same_work_is_refused_until_the_first_is_cancelled(
    box: Box, folder: str, tmp_path: Path
) -> None:
    given = plan(box, folder)
    parts = list(work_of(given).new)
    pipeline = beam.Pipeline(options=runners.runner_of(given).options(runners.beam_job(given, parts, ()), tmp_path))
    _ = pipeline | beam.Create([600.0]) | beam.Map(time.sleep)  # as work that takes longer than the test
    under_way = pipeline.run()
    try:
        with pytest.raises(InputError, match=f"gcloud dataflow jobs cancel {under_way.job_id()} "):
            runners.run(given, parts, ())
    finally:
        under_way.cancel()
    wait_until(lambda: not _active(box))
    assert names(box, folder) == []


def _active(box: Box) -> bool:
    from google.cloud import dataflow_v1beta3 as v1

    request = v1.ListJobsRequest(project_id=box.project, location=box.region, filter=v1.ListJobsRequest.Filter.ACTIVE)
    return bool(list(v1.JobsV1Beta3Client().list_jobs(request)))
