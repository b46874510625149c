"""From rows to predictions of the champion, without an endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from zenml import pipeline

from evergreen.adapters.kinds import AnyHost, AnySource
from evergreen.batch.job import SHARD_ROWS
from evergreen.batch.settings import AnyBatchRunner, AnyOutput, LocalBatch
from evergreen.core.base import ModelName
from evergreen.core.batch import MOST_SHARD_ROWS
from evergreen.core.refresh import Backfill
from evergreen.core.window import Window
from orchestration.uploaded_code import check_library
from steps.predict import predict


@pipeline(enable_cache=False, on_init=check_library)
def batch_prediction(
    model_name: ModelName,
    source: AnySource,
    output: AnyOutput,
    host: AnyHost,  # noqa: ARG001 - where the model is live, for the commands that look at it
    runner: AnyBatchRunner = LocalBatch(),
    keep: tuple[str, ...] | None = None,
    shard_rows: Annotated[int, Field(ge=1, le=MOST_SHARD_ROWS)] = SHARD_ROWS,
    window: Window | None = None,
    backfill: Backfill | None = None,
) -> None:
    """Predicts the rows of `source` by the model's champion and writes them to `output`, with the columns in `keep`
    (None: all). A run that was cut off goes on where it ended.
    """
    predict(model_name, source, output, runner, keep, shard_rows, window, backfill)
