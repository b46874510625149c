"""The image-segmentation task: its fields.

task:
  kind: image_segmentation
  labels: [pet, background, border]     # in the order of the masks' class numbers
  encoder: google/mobilenet_v2_1.0_224
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from typing_extensions import override

from evergreen.core.base import Frozen
from evergreen.core.metric import MetricSpec
from evergreen.core.slices import ColumnSlices, ascending
from evergreen.data.pictures import UNLISTED
from evergreen.evaluation import specs
from evergreen.tasks.image_segmentation.schema import SchemaFile
from evergreen.tasks.settings import Labels, TrainingSettings

ArchitectureName = Literal["unet", "deeplab", "segformer"]
STRIDES: Mapping[ArchitectureName, int] = {"unet": 32, "deeplab": 16, "segformer": 32}
"""Sides of pictures are multiples of it."""
SIZE_COLUMN, SHARE_COLUMN = "longer_side_px", "share_of"
"""What the slices by size and by share are called."""


class Augmentation(Frozen):
    """How far views differ from the picture.

    `flip` mirrors half of them, left to right. A window of at least `min_crop` of each side is cut out and brought to
    full size. Brightness, contrast and saturation vary by up to `colour`, a share of 1.
    """

    flip: bool = True
    min_crop: float = Field(0.7, gt=0, le=1)
    colour: float = Field(0.2, ge=0, lt=1)


class ImageRules(Frozen):
    """What a dataset of pictures must honour, and from where on something is odd.

    `expected` names the file of a schema. Up to `max_bad_share` of the rows may break rules of their own: they are set
    aside and reported instead of stopping the run.
    """

    expected: SchemaFile | None = None
    min_rows: int = Field(20, ge=1)
    max_bad_share: float = Field(0.0, ge=0, lt=1)
    near_blank_deviation: float = Field(2.0, ge=0)
    """Of a picture's values (0 to 255) from their mean, below which it shows next to nothing."""
    min_class_share: float = Field(0.001, ge=0, lt=1)
    """Of all pixels, below which a class is reported as rare."""


class ImageSlices(ColumnSlices):
    """What is also measured by itself, so that a mean hides no weak spot.

    Buckets of the longer side, and of the share of the picture that a class takes, of pictures that have it; the values
    of further columns.
    """

    own_report: ClassVar[Mapping[str, str]] = {
        "id": "its values are all different",
        "image": "take size_edges_px",
        "mask": "take share_edges_percent",
    }
    reserved: ClassVar[tuple[str, ...]] = (SIZE_COLUMN, SHARE_COLUMN)

    size_edges_px: Annotated[tuple[int, ...], AfterValidator(ascending)] = (128, 256, 512, 1024)
    share_edges_percent: Annotated[tuple[int, ...], AfterValidator(ascending)] = (5, 25)


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

    examinable: ClassVar[str] = "evergreen.tasks.image_segmentation.examinable:ImageExamination"
    trainable: ClassVar[str] = "evergreen.tasks.image_segmentation.trainable:ImageTraining"
    measurable: ClassVar[str] = "evergreen.tasks.image_segmentation.measurable:ImageMeasurement"
    servable: ClassVar[str] = "evergreen.tasks.image_segmentation.servable:ImageServing"
    presentable: ClassVar[str] = "evergreen.tasks.image_segmentation.presentable:ImagePresentation"
    exportable: ClassVar[str | None] = "evergreen.tasks.image_segmentation.exportable:ImageExport"

    metrics: ClassVar[tuple[MetricSpec, ...]] = specs.SEGMENTATION
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = specs.SEGMENTATION_BY_CLASS
    columns: ClassVar[Mapping[str, str]] = {"image": "binary", "mask": "binary"}
    input_field: ClassVar[str] = "image"
    prepares: ClassVar[frozenset[str] | None] = frozenset(
        {"kind", "labels", "ignore_label", "rules", "max_picture_pixels"}
    )
    warm_start_fields: ClassVar[tuple[str, ...]] = ("architecture", "encoder", "labels")

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
        stride = STRIDES[self.architecture]
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
    @override
    def least_rows(self) -> int:
        return self.rules.min_rows

    @property
    @override
    def classes(self) -> tuple[str, ...]:
        return self.labels

    @override
    def for_training(self) -> Self:
        """The task with `slices` and `rules` at their defaults."""
        return self.model_copy(update={"slices": ImageSlices(), "rules": ImageRules()})
