"""Where predictions go, and on which machines they are made.

output: {kind: files, path: gs://news/predictions}
output: {kind: bigquery, project: my-project, location: EU, table: news.predictions, write: append}
runner: {kind: local, workers: 2}
runner: {kind: dataflow, project: my-project, region: europe-west4, temp: gs://news/tmp, image: …/pipeline@sha256:…}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from pydantic import Field

from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.core.batch import PartStore
from evergreen.core.kinds import Settings, behaviour
from evergreen.preparation.settings import DataflowRunnerSettings, LocalRunnerSettings, RunnerSettings

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


if TYPE_CHECKING:
    AnyBatchRunner = RunnerSettings
else:
    AnyBatchRunner = Annotated[LocalBatch | DataflowBatch, Field(discriminator="kind")]
