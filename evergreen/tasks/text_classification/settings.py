"""The text-classification task: its fields.

task:
  kind: text_classification
  encoder: distilbert/distilbert-base-uncased
  labels: [World, Sports, Business, Sci/Tech]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field
from typing_extensions import override

from evergreen.core.base import Frozen
from evergreen.core.metric import MetricSpec
from evergreen.core.slices import ColumnSlices, ascending
from evergreen.evaluation import specs
from evergreen.tasks.settings import Labels, TrainingSettings

SERVED_RULE = "max_text_chars"
"""The rule that a model keeps, for texts that it is asked."""
LENGTH_COLUMN = "length_chars"
"""What the slices by length are called."""


class TextRules(Frozen):
    """What a dataset must honour, and from where on something is odd."""

    min_rows: int = Field(20, ge=1)
    min_rows_per_class: int = Field(2, ge=1)
    max_text_chars: int = Field(200_000, ge=1)
    near_empty_chars: int = Field(20, ge=0)
    max_class_ratio: float = Field(10.0, ge=1)
    """Rows of the largest class over those of the smallest, above which imbalance is reported."""


class Slices(ColumnSlices):
    """What is also measured by itself, so that a mean hides no weak spot.

    Text length buckets, and the values of further columns; slices below `min_rows` say too little to be measured.
    """

    own_report: ClassVar[Mapping[str, str]] = {
        "id": "its values are all different",
        "text": "take length_edges_chars",
        "label": "see the report by class",
    }
    reserved: ClassVar[tuple[str, ...]] = (LENGTH_COLUMN,)

    length_edges_chars: Annotated[tuple[int, ...], AfterValidator(ascending)] = (100, 250, 500, 1000, 2500, 5000)


class TextClassification(TrainingSettings):
    """Fine-tunes an encoder to give a text one of `labels`, whose order is that of the model's outputs.

    `encoder` is a Hub model (at `revision`, with the token in the environment variable `token_env`), a local folder or
    `package://PACKAGE/FOLDER`. Texts are cut at `max_length_tokens`. `dropout` replaces the encoder's own (null keeps
    it): over few epochs none scores as well and trains a third faster on a CPU. `train_embeddings: false` leaves the
    word embeddings as pretrained, which costs nothing in accuracy where the encoder knows the language, and makes steps
    and checkpoints cheaper. `max_train_rows` trains on a sample.
    """

    examinable: ClassVar[str] = "evergreen.tasks.text_classification.examinable:TextExamination"
    trainable: ClassVar[str] = "evergreen.tasks.text_classification.trainable:TextTraining"
    measurable: ClassVar[str] = "evergreen.tasks.text_classification.measurable:TextMeasurement"
    servable: ClassVar[str] = "evergreen.tasks.text_classification.servable:TextServing"
    presentable: ClassVar[str] = "evergreen.tasks.text_classification.presentable:TextPresentation"
    exportable: ClassVar[str | None] = "evergreen.tasks.text_classification.exportable:TextExport"

    metrics: ClassVar[tuple[MetricSpec, ...]] = specs.CLASSIFICATION
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = specs.CLASSIFICATION_BY_CLASS
    columns: ClassVar[Mapping[str, str]] = {"text": "string", "label": "string"}
    input_field: ClassVar[str] = "text"
    prepares: ClassVar[frozenset[str] | None] = frozenset({"kind", "labels", "rules"})
    warm_start_fields: ClassVar[tuple[str, ...]] = ("encoder", "labels")

    kind: Literal["text_classification"] = "text_classification"
    encoder: str = Field(min_length=1)
    labels: Labels
    revision: str | None = None
    token_env: str | None = None
    max_length_tokens: int = Field(128, ge=8)
    dropout: float | None = Field(0.0, ge=0, lt=1)
    train_embeddings: bool = False
    class_weights: Literal["none", "balanced"] = "none"
    max_train_rows: int | None = Field(None, ge=2)
    rules: TextRules = TextRules()
    slices: Slices = Slices()

    @property
    @override
    def least_rows(self) -> int:
        return self.rules.min_rows

    @property
    @override
    def classes(self) -> tuple[str, ...]:
        return self.labels

    @override
    def for_training(self) -> Self:
        """The task with `slices` and all `rules` at their defaults but that of served texts, which the model keeps."""
        served = {SERVED_RULE: getattr(self.rules, SERVED_RULE)}
        return self.model_copy(update={"slices": Slices(), "rules": TextRules.model_validate(served)})
