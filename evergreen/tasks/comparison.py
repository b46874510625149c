"""What two models of one task need to be compared on the same rows."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import InputError


class LabelledTask(Protocol):
    """A task whose models give one of its labels."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """The task of a configuration."""

    @property
    def kind(self) -> str:
        """Tag of the task."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of class numbers."""


T = TypeVar("T", bound=LabelledTask)


def own_task(model: TrainedModel, task: T, **present: object) -> T:
    """The task as it was when the model was trained, but with the fields `present` as they are now.

    Answers with labels that `task` lacks count as wrong.

    Raises:
        InputError: the model is of another kind, no longer loads, or shares no label with the task.
    """
    other = "give the pipeline another model_name, so that this task starts without a champion"
    kind = model.manifest.task.get("kind")
    if kind != task.kind:
        raise InputError(f"model {model.version} is of kind {kind!r}, not {task.kind!r}; {other}")
    try:
        own = task.model_validate({**model.manifest.task, **present})
    except ValidationError as error:
        raise InputError(f"model {model.version} has a configuration that no longer loads: {error}; {other}") from error
    if not set(own.labels) & set(task.labels):
        raise InputError(
            f"model {model.version} knows none of the task's labels (it has: {', '.join(own.labels)}; "
            f"the task has: {', '.join(task.labels)}); {other}"
        )
    return own


def numbers_by_name(own: tuple[str, ...], labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The number in `labels` of each own label; `len(labels)` where they lack it."""
    numbers = {label: number for number, label in enumerate(labels)}
    return np.array([numbers.get(label, len(labels)) for label in own], dtype=np.int64)
