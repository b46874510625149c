"""All that a configuration can say of the task and the source; nothing here imports how they work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from evergreen.core.members import SourceSettings, TaskSettings
from evergreen.core.metric import MetricSpec
from evergreen.core.slices import ColumnSlices
from evergreen.evaluation import specs

WITHIN_FIFTH = MetricSpec(name="within_20_percent", bounds=(0, 1))
"""A metric of our own: the share of rows whose answer is off by a fifth of the truth at most; `measurable` gives it."""


class TextRegression(TaskSettings):
    """Ridge regression of words and runs of characters, hashed into `features` columns, for numbers in `unit`.

    Numbers that differ by ratios, such as prices, are best fitted on a `log` scale. Of the penalties `alphas` the one
    with the lowest mean absolute error on the validation split is kept.
    """

    examinable: ClassVar[str] = "text_regression.examinable:RegressionExamination"
    trainable: ClassVar[str] = "text_regression.trainable:RegressionTraining"
    measurable: ClassVar[str] = "text_regression.measurable:RegressionMeasurement"
    servable: ClassVar[str] = "text_regression.servable:RegressionServing"
    presentable: ClassVar[str] = "text_regression.presentable:RegressionPresentation"

    metrics: ClassVar[tuple[MetricSpec, ...]] = (*specs.regression(), WITHIN_FIFTH)
    columns: ClassVar[Mapping[str, str]] = {"text": "string", "target": "double"}
    input_field: ClassVar[str] = "text"

    kind: Literal["text_regression"] = "text_regression"
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    features: int = Field(1 << 16, ge=2)
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.1, 1.0, 10.0), min_length=1)
    slices: ColumnSlices = ColumnSlices()
    warm_start: Literal[False] = False

    def for_training(self) -> Self:
        """The task without what only measures a model."""
        return self.model_copy(update={"slices": ColumnSlices()})


class BicycleOffersSettings(SourceSettings):
    """`count` advertisements of second-hand bicycles with prices in EUR, which vary by `noise` beyond what texts say.

    An offer follows from the seed and its number alone, so that a larger count adds rows and changes none.
    """

    source: ClassVar[str] = "text_regression.source:BicycleOffersSource"

    kind: Literal["bicycle_offers"] = "bicycle_offers"
    count: int = Field(1_500, ge=1, le=1_000_000)
    seed: int = Field(0, ge=0)
    noise: float = Field(0.05, ge=0, lt=1)
