"""Fields that several tasks share: class names, and how a model is fitted.

Labels: the class names of a task, in the order of class numbers, composed as the labels of rows are.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from evergreen.core.base import Name
from evergreen.core.members import TaskSettings

Precision = Literal["auto", "bf16", "fp32"]


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if blank := [label for label in labels if not label.strip()]:
        raise ValueError(f"labels are not to be blank (got {blank[0]!r})")
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"labels repeat: {', '.join(repeated)}")
    return labels


Labels = Annotated[tuple[Name, ...], Field(min_length=2), AfterValidator(_distinct)]


class TrainingSettings(TaskSettings):
    """How a model is fitted; tasks add fields of their own. One `step` is one batch.

    The checkpoint with the lowest validation loss becomes the model. Training stops early after
    `early_stopping_patience` evaluations in sequence that were no better.

    A head that starts at random learns at `head_learning_rate_factor` times `learning_rate`: pretrained layers need
    smaller steps ("discriminative fine-tuning", Howard and Ruder 2018, arXiv:1801.06146).

    An incremental run sees few rows, and what it learns of them costs something of the old. So its model is the mean of
    the champion's weights, by `champion_share`, and of those that were trained on from them ("WiSE-FT", Wortsman et al.
    2022, arXiv:2109.01903), unless these alone have the lower validation loss, or the run trains because the world
    moved. 0 takes these.
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
    champion_share: float = Field(0.5, ge=0, lt=1)
    precision: Precision = "auto"
