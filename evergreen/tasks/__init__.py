"""One package a kind of model. A task is a frozen configuration whose methods train, evaluate and load.

load_predictor(Path("model")).predict(["Shares rose on Monday"])
"""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evergreen.core.errors import InputError
from evergreen.core.protocols import Predictor
from evergreen.tasks.model_directory import read_task_configuration
from evergreen.tasks.text_classification.task import TextClassification

AnyTask = TextClassification
"""Every kind of task, told apart by `kind`."""


def load_task(model_dir: Path) -> AnyTask:
    """The task that trained a trained-model directory.

    Raises:
        InputError: the directory holds no trained model of a known kind.
    """
    configuration = read_task_configuration(model_dir)
    try:
        return TypeAdapter[AnyTask](AnyTask).validate_python(configuration)
    except ValidationError as error:
        raise InputError(f"{model_dir}/task.json is not a task of this version of Evergreen: {error}") from error


def load_predictor(model_dir: Path) -> Predictor:
    """A predictor of a trained-model directory, whatever its task.

    Raises:
        InputError: the directory holds no trained model of a known kind.
    """
    return load_task(model_dir).load(model_dir)


__all__ = ["AnyTask", "TextClassification", "load_predictor", "load_task"]
