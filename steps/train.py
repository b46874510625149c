"""A model trained on the train split, selected on the validation split."""

from __future__ import annotations

import os
from typing import Annotated

from zenml import ArtifactConfig, step
from zenml.enums import ArtifactType

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.members import trainable
from evergreen.core.training import Start
from evergreen.tasks import AnyTask
from evergreen.tasks.accelerators import check_accelerators
from orchestration.artifacts import incumbent_model
from orchestration.time_limit import time_limit
from orchestration.training_run import training_run


@step(experiment_tracker=True)
def train(
    task: AnyTask, splits: Splits, start: Start, seed: int, code: str
) -> Annotated[TrainedModel, ArtifactConfig(name="model", artifact_type=ArtifactType.MODEL)]:
    """The trained model. A killed training resumes from its last checkpoint."""
    check_accelerators(os.environ)
    with time_limit(), training_run(task, splits, start, seed, code) as run:
        model = trainable(task).train(splits, run, incumbent_model(start.champion))
    return TrainedModel.write(model.path, model.manifest.model_copy(update={"code": code}))
