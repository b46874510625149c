"""What is prepared, how, and on which machines.

prepare:
  origin: {kind: files, format: tfrecord, path: "gs://pets/raw/*.tfrec", columns: {mask: label, split: split}}
  image_size: 128
  runner: {kind: dataflow, project: my-project, region: europe-west4, temp: gs://pets/tmp, image: …/pipeline@sha256:…}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from evergreen.adapters.kinds import AnySource
from evergreen.core.base import Frozen
from evergreen.core.cloud import PreparationNeeds
from evergreen.core.errors import InputError
from evergreen.core.kinds import Settings

BucketFolder = Annotated[str, StringConstraints(pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,220}(/.*)?$")]
Name = Annotated[str, Field(min_length=1)]

MOST_WORKERS = 256
JOB_PREFIX = "evergreen-"
"""How names of jobs elsewhere begin."""
RUN_LABEL = "evergreen_run_id"
"""Of a job elsewhere: the id of the run that it belongs to."""


class RunnerSettings(Settings):
    """Where a preparation runs; `running` names its `Runner`, `ending` what ends jobs that it has elsewhere."""

    running: ClassVar[str]
    ending: ClassVar[str | None] = None

    @property
    def machines(self) -> str:
        """What does the work, in words."""
        return self.kind

    def with_processes(self, count: int) -> Self:  # noqa: ARG002 - of those that have them
        """The settings with so many processes of this machine. Raises InputError: there are none, or too many."""
        raise InputError("--workers are processes of this machine; add --runner local, or set runner.max_workers")

    def of_run(self, run: str) -> Self:  # noqa: ARG002 - of those that have jobs elsewhere
        """The same, whose jobs elsewhere tell the id of the run that they belong to."""
        return self

    def needs(self) -> PreparationNeeds | None:
        """What it takes of Google Cloud; None for nothing."""
        return None


class LocalRunnerSettings(RunnerSettings):
    """Beam's own runner, with `workers` processes on this machine; None: as many as it has processors."""

    running: ClassVar[str] = "evergreen.preparation.runners:LocalRunner"

    kind: Literal["local"] = "local"
    workers: int | None = Field(None, ge=1, le=MOST_WORKERS)

    @property
    def machines(self) -> str:
        """The number of processes."""
        if self.workers is None:
            return "as many processes as there are processors"
        return f"{self.workers} process{'es'[: 2 * (self.workers != 1)]}"

    def with_processes(self, count: int) -> Self:
        """The settings with so many. Raises InputError: too many."""
        if count > MOST_WORKERS:
            raise InputError(f"--workers is {count:,} (allowed: 1 to {MOST_WORKERS}); take about as many as processors")
        return self.model_copy(update={"workers": count})


class DataflowRunnerSettings(RunnerSettings):
    """Google Dataflow: up to `max_workers` machines of `machine_type` with a disk of `disk_gb` GB each.

    `image` holds Beam and the project's requirements; the library's own code is sent along. `temp` is a folder of a
    bucket for what is staged. Without `public_ips` the `subnetwork` needs Private Google Access.
    """

    running: ClassVar[str] = "evergreen.preparation.runners:DataflowRunner"
    ending: ClassVar[str | None] = "evergreen.preparation.dataflow_jobs:DataflowJobs"

    kind: Literal["dataflow"] = "dataflow"
    project: Name
    region: Name
    temp: BucketFolder
    image: Name
    service_account: str | None = None
    machine_type: Name = "n1-standard-4"
    max_workers: int = Field(8, ge=1, le=4000)
    disk_gb: int = Field(50, ge=30, le=65536)
    subnetwork: str | None = None
    public_ips: bool = True
    labels: dict[str, str] = {}

    @property
    def machines(self) -> str:
        """The job's."""
        return f"a job of Dataflow in {self.region}, up to {self.max_workers} x {self.machine_type}"

    def of_run(self, run: str) -> Self:
        """With a label."""
        return self.model_copy(update={"labels": {**self.labels, RUN_LABEL: run}})

    def needs(self) -> PreparationNeeds:
        """Its workers' image, network and machines."""
        machines = f"up to {self.max_workers} {self.machine_type} with {self.disk_gb} GB each"
        return PreparationNeeds(image=self.image, subnetwork=self.subnetwork, machines=machines)


AnyRunner = Annotated[LocalRunnerSettings | DataflowRunnerSettings, Field(discriminator="kind")]
RUNNERS: Mapping[str, type[RunnerSettings]] = {"local": LocalRunnerSettings, "dataflow": DataflowRunnerSettings}
"""Those that a command may ask for, by kind."""


class Preparation(Frozen):
    """The rows of `origin` checked as the task checks them, and written where the configuration's source reads them.

    Pictures and masks are brought to `image_size` × `image_size` pixels; None leaves them as they are. `deduplicate`
    keeps one of rows with the same content, the one with the smallest id; `near_duplicates` also of texts that share
    that part of their word pairs. Up to `max_bad_share` of the rows may be unusable: they are left out and listed.
    """

    origin: AnySource
    image_size: int | None = Field(None, ge=16, le=2048)
    deduplicate: bool = False
    near_duplicates: float | None = Field(None, ge=0.5, le=1)
    max_bad_share: float = Field(0.0, ge=0, lt=1)
    runner: AnyRunner = LocalRunnerSettings()

    @model_validator(mode="after")
    def _fits_the_rows(self) -> Self:
        if self.image_size is not None and not self.origin.has_pictures:
            raise ValueError("image_size is for pictures; the origin's rows are texts")
        if self.near_duplicates is not None and self.origin.has_pictures:
            raise ValueError(
                "near_duplicates compares texts; the origin's rows are pictures, deduplicate compares those"
            )
        return self
