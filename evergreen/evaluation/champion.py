"""What two models of one task need to be compared on the same rows: its own configuration, labels by name, its split.

A row's split follows from the split's seed and the row alone, so that test rows stay test rows as long as the seed
stays; a test fraction that grows takes in rows of the other splits.
"""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from evergreen.core.artifacts import SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError


class ConfiguredTask(Protocol):
    """A task as its configuration."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """The task of a configuration."""

    @property
    def kind(self) -> str:
        """Tag of the task."""


class LabelledTask(ConfiguredTask, Protocol):
    """A task whose models give one of its labels."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of class numbers."""


T = TypeVar("T", bound=ConfiguredTask)
L = TypeVar("L", bound=LabelledTask)
OTHER_NAME = "give the pipeline another model_name, so that this task starts without a champion"


def own_task(model: TrainedModel, task: T, **present: object) -> T:
    """The task as it was when the model was trained, but with the fields `present` as they are now.

    Raises:
        InputError: the model is of another kind, or its configuration no longer loads.
    """
    kind = model.manifest.task.get("kind")
    if kind != task.kind:
        raise InputError(f"model {model.version} is of kind {kind!r}, not {task.kind!r}; {OTHER_NAME}")
    try:
        return task.model_validate({**model.manifest.task, **present})
    except ValidationError as error:
        raise InputError(
            f"model {model.version} has a configuration that no longer loads: {error}; {OTHER_NAME}"
        ) from error


def own_labelled_task(model: TrainedModel, task: L, **present: object) -> L:
    """`own_task` of a task with labels; answers with labels that `task` lacks count as wrong.

    Raises:
        InputError: as of `own_task`, or the model shares no label with the task.
    """
    own = own_task(model, task, **present)
    if not set(own.labels) & set(task.labels):
        raise InputError(
            f"model {model.version} knows none of the task's labels (it has: {', '.join(own.labels)}; "
            f"the task has: {', '.join(task.labels)}); {OTHER_NAME}"
        )
    return own


def numbers_by_name(own: tuple[str, ...], labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The number in `labels` of each own label; `len(labels)` where they lack it."""
    numbers = {label: number for number, label in enumerate(labels)}
    return np.array([numbers.get(label, len(labels)) for label in own], dtype=np.int64)


def doubt_about(champion: TrainedModelManifest, splits: SplitsManifest) -> str | None:
    """In what the champion's split differed, where that may have put present test rows into its training.

    None when it did not, and when either plan is unknown.
    """
    theirs, ours = champion.split_plan, splits.plan
    if theirs is None or ours is None:
        return None
    if theirs.given != ours.given:
        then, now = (f"gave {', '.join(plan.given) or 'none of the splits'}" for plan in (theirs, ours))
        return f"the source {then} when it was trained and {now} now"
    if theirs.grouped != ours.grouped:
        then, now = ("by their groups" if plan.grouped else "by their content" for plan in (theirs, ours))
        return f"rows were shared out {then} when it was trained and are {now} now"
    if theirs.seed != ours.seed:
        return f"split.seed was {theirs.seed} when it was trained and is {ours.seed} now"
    if theirs.test < ours.test:
        return f"split.test was {theirs.test:g} when it was trained and is {ours.test:g} now"
    return None
