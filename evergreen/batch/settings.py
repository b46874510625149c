"""Where predictions go, and on which machines they are made.

output: {kind: files, path: gs://news/predictions}
output: {kind: bigquery, project: my-project, location: EU, table: news.predictions, write: append}
runner: {kind: local, workers: 2}
runner: {kind: dataflow, project: my-project, region: europe-west4, temp: gs://news/tmp, image: …/pipeline@sha256:…}
runner: {kind: vertex, project: my-project, region: europe-west4, temp: gs://news/tmp, max_replicas: 8}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, Field, model_validator

from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.vertex.regions import check_region
from evergreen.adapters.vertex.settings import LabelKey, LabelValue
from evergreen.core.base import ModelName
from evergreen.core.batch import PartStore
from evergreen.core.cloud import Machine
from evergreen.core.kinds import Settings, behaviour
from evergreen.preparation.settings import (
    RUN_LABEL,
    BucketFolder,
    DataflowRunnerSettings,
    LocalRunnerSettings,
    Name,
    RunnerSettings,
)

if TYPE_CHECKING:
    AnyOutput = Settings
else:
    AnyOutput = Annotated[FilesOutput | BigQueryOutput, Field(discriminator="kind")]


def store_of(output: Settings) -> PartStore:
    """What keeps the parts of this output."""
    return cast("PartStore", behaviour(output, "writing"))


class LocalBatch(LocalRunnerSettings):
    """Processes of this machine; `workers` None: as many as it has processors."""

    predicting: ClassVar[str] = "evergreen.batch.local:LocalRun"


class DataflowBatch(DataflowRunnerSettings):
    """A job of Dataflow's, whose workers read the model from `temp`."""

    predicting: ClassVar[str] = "evergreen.batch.dataflow:DataflowRun"


class VertexBatch(RunnerSettings):
    """A batch prediction job of Vertex AI's, by the version in its Model Registry that a host of the `environment` has
    uploaded: one to `max_replicas` machines, each with the container that endpoints have.

    Instances and answers pass through `temp`, `batch_size` of them a request. `service_account` has to read the
    model's files; None: the project's own.
    """

    predicting: ClassVar[str] = "evergreen.batch.vertex:VertexRun"
    ending: ClassVar[str | None] = "evergreen.batch.vertex:VertexRun"

    kind: Literal["vertex"] = "vertex"
    project: Name
    region: Annotated[str, AfterValidator(check_region)]
    temp: BucketFolder
    environment: ModelName = "production"
    machine_type: Name = "n1-standard-4"
    accelerator_type: str | None = None
    accelerator_count: int = Field(0, ge=0)
    max_replicas: int = Field(8, ge=1, le=1000)
    batch_size: int = Field(64, ge=1, le=4096)
    service_account: str | None = None
    encryption_key: str | None = None
    labels: dict[LabelKey, LabelValue] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.accelerator_type is None) != (self.accelerator_count == 0):
            raise ValueError("accelerator_type and accelerator_count go together; set both or neither")
        return self

    def of_run(self, run: str) -> Self:
        """With a label."""
        return self.model_copy(update={"labels": {**self.labels, RUN_LABEL: run}})

    @property
    def machines(self) -> str:
        """The job's."""
        machine = Machine(self.machine_type, self.accelerator_type, self.accelerator_count)
        return f"a batch prediction job of Vertex AI in {self.region}, up to {self.max_replicas} x {machine}"


if TYPE_CHECKING:
    AnyBatchRunner = RunnerSettings
else:
    AnyBatchRunner = Annotated[LocalBatch | DataflowBatch | VertexBatch, Field(discriminator="kind")]
