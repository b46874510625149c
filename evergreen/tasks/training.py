"""What training is to every task: its settings, its curves, and a fit on transformers.Trainer that survives a SIGKILL.

fit(job, settings, run) -> Curves(train=({"step": 8, "loss": 0.71, …}, …), validation=({"step": 32, "loss": …}, …))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.protocols import TrainingRun
from evergreen.core.training import Curves
from evergreen.tasks.precision import Precision
from evergreen.tasks.verbosity import quiet_transformers

if TYPE_CHECKING:
    import torch


class TrainingSettings(Frozen):
    """How a model is fitted; tasks add fields of their own. One `step` is one batch.

    The checkpoint with the lowest validation loss becomes the model. Training stops early after
    `early_stopping_patience` evaluations in sequence that were no better. `warm_start` goes on from the champion's
    weights, where there is a champion, instead of the pretrained ones.

    A head that starts at random learns at `head_learning_rate_factor` times `learning_rate`: pretrained layers need
    smaller steps ("discriminative fine-tuning", Howard and Ruder 2018, arXiv:1801.06146).
    """

    epochs: int = Field(1, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    head_learning_rate_factor: float = Field(10.0, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    max_gradient_norm: float = Field(5.0, gt=0)
    evaluations_per_epoch: int = Field(2, ge=1)
    early_stopping_patience: int = Field(3, ge=1)
    precision: Precision = "auto"
    warm_start: bool = False


@dataclass(frozen=True)
class TrainingJob:
    """What to fit. Data sets are map-style; `collate` makes of their rows a batch: the model's inputs and `labels`, or
    something smaller, of which `on_device` makes them once it has been brought to the device.

    `loss(outputs, labels)` is the mean over a batch; `metrics(predictions, labels)` scores the validation rows by name;
    `order(epoch)` gives the keys of all training rows, each once; `fresh` are the names of the weights that have more
    to learn than the pretrained others. `condense(predictions, labels)` is what of a validation batch the metrics need,
    a row each, where keeping all would fill memory. `loads_beside` says that samples cost enough to be made by
    processes of their own beside a GPU.
    """

    model: torch.nn.Module
    train: Any
    validation: Any
    collate: Callable[[Sequence[Any]], dict[str, torch.Tensor]]
    loss: Callable[[Any, torch.Tensor], torch.Tensor]
    metrics: Callable[[npt.NDArray[Any], npt.NDArray[Any]], dict[str, float]]
    order: Callable[[int], npt.NDArray[np.int64]]
    fresh: frozenset[str] = frozenset()
    condense: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None
    loads_beside: bool = False
    on_device: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None


def fit(job: TrainingJob, settings: TrainingSettings, run: TrainingRun) -> Curves:
    """The learning curves of a training that leaves the best weights in `job.model`.

    It goes on from the newest whole checkpoint in `run.checkpoint_dir`. The same job, settings and seed on the same
    machine give the same weights, interrupted or not.

    Raises:
        EvergreenError: the loss became infinite or NaN.
    """
    from evergreen.tasks.trainer import CheckpointedTrainer

    with quiet_transformers():
        curves = CheckpointedTrainer(job, settings, run).fit()
    run.show_curves(curves)
    return curves


def steps_at_shares(steps: int, shares: int) -> set[int]:
    """The steps after which each of `shares` equal shares is done, the last step included."""
    return {math.ceil(steps * number / shares) for number in range(1, shares + 1)}
