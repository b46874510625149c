"""The image-segmentation task: its fields are the configuration, its methods the behaviour.

task:
  kind: image_segmentation
  labels: [pet, background, border]     # in the order of the masks' class numbers
  encoder: google/mobilenet_v2_1.0_224
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from evergreen.core.artifacts import Dataset, Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.metric import MetricSpec
from evergreen.core.preparation import PreparedRows
from evergreen.core.protocols import Demo, Fetch, Predictor, TrainingRun
from evergreen.core.publication import ModelDescription
from evergreen.core.quoting import excerpt
from evergreen.core.report import EvaluationReport
from evergreen.core.validation import ValidationReport
from evergreen.data.pictures import UNLISTED
from evergreen.evaluation.segmentation import CLASS_METRICS, METRICS
from evergreen.tasks.image_segmentation.augment import Augmentation
from evergreen.tasks.image_segmentation.model import ARCHITECTURES, ArchitectureName, Backbone
from evergreen.tasks.image_segmentation.predict import BUCKET_SCHEME, ImagePredictor, instance_of
from evergreen.tasks.image_segmentation.slices import ImageSlices
from evergreen.tasks.image_segmentation.validate import ImageRules
from evergreen.tasks.labels import Labels
from evergreen.tasks.training import TrainingSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from evergreen.tasks.image_segmentation.examine import Expected

RANDOM_WEIGHTS = "random weights"
EXAMPLE_SIDE_PX = 96
"""Examples are kept in the record and printed: a few thousand characters each."""


class ImageSegmentation(TrainingSettings):
    """Trains a network to give every pixel one of `labels`, which stand in the order of the masks' class numbers.

    Pixels whose mask holds `ignore_label` count neither in training nor in evaluation. Pictures are brought to
    `image_size` × `image_size` pixels, answers back to the picture's own size. `unet` and `deeplab` stand on
    MobileNetV2; `deeplab` is the head of transformers' MobileNetV2ForSemanticSegmentation, on features at a 16th of the
    size: one convolution and the picture's mean, no atrous pyramid, no decoder, so it is coarser than DeepLabV3+.
    `encoder` is a Hub model of the architecture's family (at `revision`, with the token in the environment variable
    `token_env`), a local folder or `package://PACKAGE/FOLDER`; null starts from random weights.
    `train_encoder: false` leaves a pretrained encoder as it is. The loss is the cross-entropy plus `dice_weight` times
    the Dice loss. `max_train_rows` trains on a sample. Served pictures have at most `max_picture_pixels`.
    """

    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = CLASS_METRICS

    kind: Literal["image_segmentation"] = "image_segmentation"
    labels: Labels = Field(max_length=UNLISTED)
    ignore_label: int | None = Field(None, ge=0, le=255)
    image_size: int = Field(128, ge=32, le=2048)
    architecture: ArchitectureName = "unet"
    encoder: str | None = Field(None, min_length=1)
    revision: str | None = None
    token_env: str | None = None
    train_encoder: bool = True
    augmentation: Augmentation = Augmentation()
    dice_weight: float = Field(0.0, ge=0)
    max_train_rows: int | None = Field(None, ge=2)
    max_picture_pixels: int = Field(16_777_216, ge=1024)
    rules: ImageRules = ImageRules()
    slices: ImageSlices = ImageSlices()

    @field_validator("batch_size")
    @classmethod
    def _large_enough(cls, size: int) -> int:
        if size < 2:
            raise ValueError("batches are normalised over their pictures: at least 2 are needed")
        return size

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        stride = ARCHITECTURES[self.architecture].stride
        if self.image_size % stride:
            below = self.image_size // stride * stride
            raise ValueError(
                f"image_size {self.image_size} is no multiple of {stride}, which {self.architecture} needs; "
                f"take {below} or {below + stride}"
            )
        if self.ignore_label is not None and self.ignore_label < len(self.labels):
            named = self.labels[self.ignore_label]
            raise ValueError(
                f"ignore_label {self.ignore_label} is the class number of {named!r}; give the ignored pixels of the "
                f"masks a number of at least {len(self.labels)}, or take labels off the end"
            )
        if self.ignore_label == UNLISTED:
            raise ValueError(f"ignore_label {UNLISTED} stands for values that mask_classes does not list; take 255")
        if self.encoder is None and not self.train_encoder:
            raise ValueError("train_encoder: false would keep random weights; name an encoder")
        return self

    @property
    def source(self) -> Backbone | None:
        """Where the pretrained weights are; None: there are none."""
        if self.encoder is None:
            return None
        return Backbone(reference=self.encoder, revision=self.revision, token_env=self.token_env)

    @property
    def input_field(self) -> str:
        """The canonical column, and the field of an instance, that holds what is predicted on."""
        return "image"

    def check(self) -> str:
        """The architecture, and where the encoder is, once it was proven without its weights that the two fit.

        Raises:
            InputError: it cannot be used; the message says what is allowed.
        """
        if self.source is None:
            return f"{self.architecture}, {RANDOM_WEIGHTS}"
        self.source.prove(ARCHITECTURES[self.architecture], self.labels)
        return f"{self.architecture}, {self.source.where()}"

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the trained model: those of `for_training` without what only unlocks the encoder.

        A local encoder is told by its content, so that equal models of two machines are equal versions.

        Raises:
            InputError: there is no such local encoder.
        """
        fields = self.model_dump(mode="json", exclude={"slices", "token_env", "rules"})
        return fields | {"encoder": self.source.portable_reference() if self.source else None}

    def for_training(self) -> Self:
        """The task with `slices` and `rules` at their defaults."""
        return self.model_copy(update={"slices": ImageSlices(), "rules": ImageRules()})

    def pretrained(self) -> str:
        """Fingerprint of the encoder that a training starts from.

        Raises:
            InputError: it cannot be had.
        """
        return self.source.fingerprint() if self.source else RANDOM_WEIGHTS

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:
        """Rows with pictures and masks of one size that honour `labels` and `rules.expected`; see `prepare_images`."""
        from evergreen.tasks.image_segmentation.prepare import prepare_images

        return prepare_images(rows, self.labels, self._expected(), image_size)

    def validate_dataset(self, dataset: Dataset) -> ValidationReport:
        """Statistics of a dataset that honours `rules` and `labels` and has the columns of `slices`.

        Raises:
            InputError: naming rules and rows, or the column.
        """
        from evergreen.tasks.image_segmentation.validate import validate_images

        report = validate_images(dataset, self._expected(), self.labels, self.rules)
        self.slices.check(report.columns)
        return report

    def _expected(self) -> Expected:
        """What every row must honour."""
        from evergreen.tasks.image_segmentation.examine import Expected

        return Expected(len(self.labels), self.ignore_label, self.rules.expected, self.max_picture_pixels)

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:
        """A model trained on `train/`, selected on `validation/`, from the weights of `start`; see `train_images`."""
        from evergreen.tasks.image_segmentation.train import train_images

        return train_images(self, splits, run, start)

    def evaluate(self, model: TrainedModel, champion: TrainedModel | None, splits: Splits) -> EvaluationReport:
        """The model, and the champion re-scored, on `test/`; see `evaluate_images`."""
        from evergreen.tasks.image_segmentation.evaluate import evaluate_images

        return evaluate_images(model, champion, splits, task=self)

    def examples(self, splits: Splits, count: int = 3) -> list[dict[str, str]]:
        """The first `count` pictures of the test split, as a client would send them: small JPEGs."""
        from evergreen.data.pictures import decode_picture
        from evergreen.data.shards import first_rows
        from evergreen.tasks.image_segmentation.images import encode_jpeg, resize_picture

        examples = []
        for row in first_rows(splits.shards("test"), ["image"], count):
            picture = decode_picture(row["image"])
            scale = min(1.0, EXAMPLE_SIDE_PX / max(picture.shape))
            height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
            examples.append(instance_of(encode_jpeg(resize_picture(picture, height, width))))
        return examples

    def instance(self, value: Any) -> dict[str, Any]:
        """What the endpoint is asked of a picture: its bytes, the path of its file, or its `gs://` address.

        Raises:
            InputError: there is no such file.
        """
        if isinstance(value, bytes):
            return instance_of(value)
        if not isinstance(value, str) or value.startswith(BUCKET_SCHEME):
            return {self.input_field: value}
        try:
            return instance_of(Path(value).read_bytes())
        except OSError as error:
            raise InputError(
                f"no picture can be read at {excerpt(value)} ({error.strerror or error}); name a PNG or JPEG file"
            ) from error

    def load(self, model_dir: Path, fetch: Fetch | None = None) -> Predictor:
        """A predictor of a trained-model directory of this configuration; `fetch` reads pictures in buckets."""
        import torch

        network = ARCHITECTURES[self.architecture].load(model_dir).eval().requires_grad_(requires_grad=False)
        network.to("cuda" if torch.cuda.is_available() else "cpu")
        return self.predictor(network.to(memory_format=torch.channels_last), fetch)

    def predictor(self, network: Any, fetch: Fetch | None = None) -> ImagePredictor:
        """A predictor of a network of this configuration."""
        return ImagePredictor(
            network,
            ARCHITECTURES[self.architecture],
            labels=self.labels,
            size=self.image_size,
            max_pixels=self.max_picture_pixels,
            fetch=fetch,
        )

    def describe(self) -> ModelDescription:
        """What readers of a published model are told of it."""
        return ModelDescription(
            pipeline_tag="image-segmentation",
            library="evergreen" if self.architecture == "unet" else "transformers",
            origin=f"Trained from {f'the encoder `{self.encoder}`' if self.encoder else RANDOM_WEIGHTS}",
            intended_use=f"Gives each pixel of a picture one of the labels {', '.join(self.labels)}.",
            limits=(
                f"A picture is looked at in {self.image_size} × {self.image_size} pixels, whatever its size and shape: "
                "what is thinner than a pixel of that is not seen.",
                "Every pixel gets one of the labels, also in pictures unlike those trained on.",
            ),
        )

    def demo(self) -> Demo:
        """A picture, and the same picture under the colours of its mask."""
        from evergreen.tasks.image_segmentation.demo import ImageDemo

        return ImageDemo(self.labels)
