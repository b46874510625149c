"""The text-classification task: its fields are the configuration, its methods the behaviour.

task:
  kind: text_classification
  encoder: distilbert/distilbert-base-uncased
  labels: [World, Sports, Business, Sci/Tech]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from evergreen.core.artifacts import Dataset, Splits, TrainedModel
from evergreen.core.metric import MetricSpec
from evergreen.core.preparation import PreparedRows
from evergreen.core.protocols import Demo, Fetch, Predictor, TrainingRun
from evergreen.core.publication import ModelDescription
from evergreen.core.report import EvaluationReport
from evergreen.core.validation import ValidationReport
from evergreen.evaluation.classification import CLASS_METRICS, METRICS
from evergreen.tasks.labels import Labels
from evergreen.tasks.text_classification.encoder import Encoder
from evergreen.tasks.text_classification.slices import Slices
from evergreen.tasks.text_classification.tokens import Tokens
from evergreen.tasks.text_classification.validate import TextRules
from evergreen.tasks.training import TrainingSettings

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLE_CHARS = 300
SERVED_RULE = "max_text_chars"


class TextClassification(TrainingSettings):
    """Fine-tunes an encoder to give a text one of `labels`, whose order is that of the model's outputs.

    `encoder` is a Hub model (at `revision`, with the token in the environment variable `token_env`), a local folder or
    `package://PACKAGE/FOLDER`. Texts are cut at `max_length_tokens`. `dropout` replaces the encoder's own (null keeps
    it): over few epochs none scores as well and trains a third faster on a CPU. `train_embeddings: false` leaves the
    word embeddings as pretrained, which costs nothing in accuracy where the encoder knows the language, and makes steps
    and checkpoints cheaper. `max_train_rows` trains on a sample.
    """

    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = CLASS_METRICS

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
    def source(self) -> Encoder:
        """Where the encoder is."""
        return Encoder(reference=self.encoder, revision=self.revision, token_env=self.token_env)

    @property
    def input_field(self) -> str:
        """The canonical column, and the field of an instance, that holds what is predicted on."""
        return "text"

    def check(self) -> str:
        """Where the encoder is, once it was proven without its weights that it takes texts of `max_length_tokens`.

        Raises:
            InputError: it cannot be used; the message says what is allowed.
        """
        self.source.prove(self.labels, self.max_length_tokens)
        return self.source.where()

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the trained model: those of `for_training` without what only unlocks the encoder.

        A local encoder is told by its content, so that equal models of two machines are equal versions.

        Raises:
            InputError: there is no such local encoder.
        """
        guards = set(TextRules.model_fields) - {SERVED_RULE}
        fields = self.model_dump(mode="json", exclude={"slices": True, "token_env": True, "rules": guards})
        return fields | {"encoder": self.source.portable_reference()}

    def for_training(self) -> Self:
        """The task with `slices` and all `rules` at their defaults but that of served texts, which the model keeps."""
        served = {SERVED_RULE: getattr(self.rules, SERVED_RULE)}
        return self.model_copy(update={"slices": Slices(), "rules": TextRules.model_validate(served)})

    def pretrained(self) -> str:
        """Fingerprint of the encoder that a training starts from.

        Raises:
            InputError: it cannot be had.
        """
        return self.source.fingerprint()

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:  # noqa: ARG002 (of pictures)
        """Rows with clean texts and known labels; see `prepare_texts`."""
        from evergreen.tasks.text_classification.prepare import prepare_texts

        return prepare_texts(rows, self.labels, self.rules.max_text_chars)

    def validate_dataset(self, dataset: Dataset) -> ValidationReport:
        """Statistics of a dataset that honours `rules` and `labels` and has the columns of `slices`.

        Raises:
            InputError: naming rules and rows, or the column.
        """
        from evergreen.tasks.text_classification.validate import validate_text

        report = validate_text(dataset, self.labels, self.rules)
        self.slices.check(report.columns)
        return report

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:
        """A model trained on `train/`, selected on `validation/`, from the weights of `start`; see `train_text`."""
        from evergreen.tasks.text_classification.train import train_text

        return train_text(self, splits, run, start)

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; see `evaluate_text`."""
        from evergreen.tasks.text_classification.evaluate import evaluate_text

        return evaluate_text(model, champion, splits, task=self, slices=self.slices)

    def examples(self, splits: Splits, count: int = 3) -> list[dict[str, str]]:
        """The first `count` instances of the test split, as a client would send them, cut to EXAMPLE_CHARS.

        Blanks around a text go first: a cut that left blanks alone would be an instance that every version refuses.
        """
        from evergreen.data.shards import first_rows

        return [
            {"text": row["text"].strip()[:EXAMPLE_CHARS]} for row in first_rows(splits.shards("test"), ["text"], count)
        ]

    def instance(self, value: Any) -> dict[str, Any]:
        """What the endpoint is asked of a text."""
        return {self.input_field: value}

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> Predictor:  # noqa: ARG002 - instances hold their texts
        """A predictor of a trained-model directory of this configuration."""
        from evergreen.tasks.text_classification.predict import TextPredictor

        return TextPredictor.load(model_dir, self.labels, self.max_length_tokens, self.rules.max_text_chars)

    def describe(self) -> ModelDescription:
        """What readers of a published classifier are told of it."""
        return ModelDescription(
            pipeline_tag="text-classification",
            library="transformers",
            origin=f"Fine-tuned from `{self.encoder}`",
            intended_use=f"Gives a text one of the labels {', '.join(self.labels)}, with a probability for each.",
            limits=(
                f"A text is read up to {self.max_length_tokens} tokens; what follows is not seen.",
                "Every text gets one of the labels, also a text of another kind or language than those trained on.",
            ),
        )

    def demo(self) -> Demo:
        """A box for the text and its labels by probability."""
        from evergreen.tasks.text_classification.demo import TextDemo

        return TextDemo()

    def load_tokens(self) -> Tokens:
        """The encoder's tokenizer, cutting at `max_length_tokens`."""
        return Tokens(self.source.load_tokenizer(), self.max_length_tokens)
