"""A model trained on the train split, selected on the validation split, and its engines."""

from __future__ import annotations

import os
from typing import Annotated

from zenml import ArtifactConfig, step
from zenml.enums import ArtifactType

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.engines import Engines
from evergreen.core.members import trainable
from evergreen.core.training import Start
from evergreen.tasks import AnyTask
from evergreen.tasks.accelerators import check_accelerators
from evergreen.tasks.engines import make_engines
from orchestration.artifacts import incumbent_model
from orchestration.scratch import scratch_directory
from orchestration.time_limit import time_limit
from orchestration.training_run import training_run


@step(experiment_tracker=True)
def train(
    task: AnyTask, splits: Splits, start: Start, seed: int, code: str
) -> tuple[
    Annotated[TrainedModel, ArtifactConfig(name="model", artifact_type=ArtifactType.MODEL)],
    Annotated[Engines, ArtifactConfig(name="engines", artifact_type=ArtifactType.MODEL)],
]:
    """The trained model, and graphs of it. A killed training resumes from its last checkpoint."""
    check_accelerators(os.environ)
    with time_limit(), training_run(task, splits, start, seed, code) as run:
        trained = trainable(task).train(splits, run, incumbent_model(start.champion))
    model = TrainedModel.write(trained.path, trained.manifest.model_copy(update={"code": code}))
    return model, make_engines(task, model, splits, scratch_directory("engines"))
