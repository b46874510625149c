"""What a training fits, and what it begins with, whatever the task: which rows, and whether a champion's weights fit.

trainer.fit(TrainingJob(model, train, validation, …), settings, run)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.protocols import TrainingRun

if TYPE_CHECKING:
    import torch

COLD_START = "set task.warm_start: false for this run"


@dataclass(frozen=True)
class TrainingJob:
    """What to fit. Data sets are map-style; `collate` makes of their rows a batch: the model's inputs and `labels`, or
    something smaller, of which `on_device` makes them once it has been brought to the device.

    `loss(outputs, labels)` is the mean over a batch; `metrics(predictions, labels)` scores the validation rows by name;
    `order(epoch)` gives the keys of all training rows, each once; `fresh` are the names of the weights that have more
    to learn than the pretrained others. The fitted model keeps `champion_share` of the weights that `model` comes with,
    where its loss on the validation rows is no higher for it. `condense(predictions, labels)` is what of a validation
    batch the metrics need, a row each, where keeping all would fill memory. `loads_beside` says that samples cost
    enough to be made by processes of their own beside a GPU.
    """

    model: torch.nn.Module
    train: Any
    validation: Any
    collate: Callable[[Sequence[Any]], dict[str, torch.Tensor]]
    loss: Callable[[Any, torch.Tensor], torch.Tensor]
    metrics: Callable[[npt.NDArray[Any], npt.NDArray[Any]], dict[str, float]]
    order: Callable[[int], npt.NDArray[np.int64]]
    fresh: frozenset[str] = frozenset()
    champion_share: float = 0.0
    condense: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None
    loads_beside: bool = False
    on_device: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None


def steps_at_shares(steps: int, shares: int) -> set[int]:
    """The steps after which each of `shares` equal shares is done, the last step included."""
    return {math.ceil(steps * number / shares) for number in range(1, shares + 1)}


def sampled_rows(splits: Splits, most: int | None, seed: int) -> npt.NDArray[np.int64] | None:
    """Row numbers of `most` training rows, in ascending order; None: all are taken."""
    rows = splits.manifest.rows[SplitName.TRAIN]
    if most is None or most >= rows:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def share_of_champion(share: float, splits: Splits, run: TrainingRun, start: TrainedModel | None) -> float:
    """How much of the champion's weights a model of these rows keeps: `share` where they are those of an incremental
    run, which trains on from it, else nothing; nothing either after the world moved, as half of the champion would be
    half of what is wrong now.
    """
    return share if start is not None and splits.manifest.replayed and not run.moved else 0.0


def check_warm_start(
    start: TrainedModel, wanted: Mapping[str, object], fields: Sequence[str], way_out: str = COLD_START
) -> None:
    """Returns when the champion was trained with the wanted values of these fields of the task.

    Raises:
        InputError: naming the first that differs.
    """
    for field in fields:
        if (got := start.manifest.task.get(field)) != wanted[field]:
            raise InputError(
                f"warm_start: champion {start.version} was trained with {field} {got!r}, task.{field} is "
                f"{wanted[field]!r}; {way_out}"
            )
