"""One package a kind of model. A task is a frozen configuration whose methods train, evaluate and load.

load_predictor(Path("model")).predict(["Shares rose on Monday"])
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from evergreen.core.errors import InputError
from evergreen.core.protocols import Fetch, Predictor
from evergreen.tasks.image_segmentation.task import ImageSegmentation
from evergreen.tasks.model_directory import read_task_configuration
from evergreen.tasks.text_classification.task import TextClassification

AnyTask = Annotated[TextClassification | ImageSegmentation, Field(discriminator="kind")]
"""Every kind of task, told apart by `kind`."""


def load_task(model_dir: Path) -> TextClassification | ImageSegmentation:
    """The task that trained a trained-model directory.

    Raises:
        InputError: the directory holds no trained model of a known kind.
    """
    configuration = read_task_configuration(model_dir)
    try:
        task: TextClassification | ImageSegmentation = TypeAdapter(AnyTask).validate_python(configuration)
    except ValidationError as error:
        raise InputError(f"{model_dir}/task.json is not a task of this version of Evergreen: {error}") from error
    return task


def load_predictor(model_dir: Path, fetch: Fetch | None = None) -> Predictor:
    """A predictor of a trained-model directory, whatever its task; `fetch` reads what instances only name.

    Raises:
        InputError: the directory holds no trained model of a known kind.
    """
    return load_task(model_dir).load(model_dir, fetch)


__all__ = ["AnyTask", "ImageSegmentation", "TextClassification", "load_predictor", "load_task"]
