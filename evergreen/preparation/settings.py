"""What is prepared, how, and on which machines.

prepare:
  origin: {kind: files, format: tfrecord, path: "gs://pets/raw/*.tfrec", columns: {mask: label, split: split}}
  image_size: 128
  runner: {kind: dataflow, project: my-project, region: europe-west4, temp: gs://pets/tmp, image: …/pipeline@sha256:…}
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from evergreen.adapters.sources import AnySource
from evergreen.core.base import Frozen

BucketFolder = Annotated[str, StringConstraints(pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,220}(/.*)?$")]
Name = Annotated[str, Field(min_length=1)]

MOST_WORKERS = 256


class LocalRunner(Frozen):
    """Beam's own runner, with `workers` processes on this machine; None: one a processor."""

    kind: Literal["local"] = "local"
    workers: int | None = Field(None, ge=1, le=MOST_WORKERS)

    @property
    def told(self) -> str:
        """Where the work is done, in words."""
        return f"by {self.workers or 'one a processor'} as number of processes, where the step runs"


class DataflowRunner(Frozen):
    """Google Dataflow: up to `max_workers` machines of `machine_type` with a disk of `disk_gb` GB each.

    `image` holds Beam and the project's requirements; the library's own code is sent along. `temp` is a folder of a
    bucket for what is staged. Without `public_ips` the `subnetwork` needs Private Google Access.
    """

    kind: Literal["dataflow"]
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
    def told(self) -> str:
        """Where the work is done, in words."""
        return f"a job of Dataflow in {self.region}, up to {self.max_workers} x {self.machine_type}"


AnyRunner = Annotated[LocalRunner | DataflowRunner, Field(discriminator="kind")]


class Preparation(Frozen):
    """The rows of `origin` checked as the task checks them, and written where the configuration's source reads them.

    Pictures and masks are brought to `image_size` × `image_size` pixels; None leaves them as they are. `deduplicate`
    keeps one of rows with the same content, the one with the smallest id; `near_duplicates` also of texts that share
    that part of their word pairs. Up to `max_bad_share` of the rows may be unusable: they are left out and told.
    """

    origin: AnySource
    image_size: int | None = Field(None, ge=16, le=2048)
    deduplicate: bool = False
    near_duplicates: float | None = Field(None, ge=0.5, le=1)
    max_bad_share: float = Field(0.0, ge=0, lt=1)
    runner: AnyRunner = LocalRunner()

    @model_validator(mode="after")
    def _fits_the_rows(self) -> Self:
        if self.image_size is not None and not self.origin.has_pictures:
            raise ValueError("image_size is for pictures; the origin's rows are texts")
        if self.near_duplicates is not None and self.origin.has_pictures:
            raise ValueError(
                "near_duplicates compares texts; the origin's rows are pictures, deduplicate compares those"
            )
        return self
