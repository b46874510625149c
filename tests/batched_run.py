"""A run of batch prediction that only notes what it predicted. ZenML finds steps by their names in modules."""

from __future__ import annotations

from zenml import log_metadata, pipeline, step

from orchestration.runs import PREDICTED_KEY


@step
def predict() -> None:
    log_metadata({PREDICTED_KEY: "20 rows, 1 unusable"})


@pipeline(enable_cache=False)
def batch_prediction() -> None:
    predict()
