"""Trains a segmentation network on pictures that were decoded once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.metric import MetricName
from evergreen.core.protocols import TrainingRun
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.runtime.asides import beside_the_point
from evergreen.tasks.image_segmentation.answering import masks_of
from evergreen.tasks.image_segmentation.model import (
    ARCHITECTURES,
    Architecture,
    Backbone,
    as_floats,
    freeze_encoder,
    normalised,
)
from evergreen.tasks.image_segmentation.overlays import validation_answers
from evergreen.tasks.image_segmentation.pictures import PictureCache, PictureTable, Sample, augmented
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.job import TrainingJob, check_warm_start, sampled_rows, share_of_champion
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.model_directory import complete_model

if TYPE_CHECKING:
    import torch
RANDOM_WEIGHTS = "random weights"
CURVE_METRICS = (MetricName.MEAN_IOU, MetricName.PIXEL_ACCURACY)


class ImageTraining:
    """Trains segmentation networks; `encoder_weights` says where pretrained weights are, None: there are none."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task
        self.encoder_weights = (
            Backbone(reference=task.encoder, revision=task.revision, token_env=task.token_env)
            if task.encoder is not None
            else None
        )

    def check(self) -> str:
        """The architecture, and where the encoder is, once it was proven without its weights that the two fit.

        Raises:
            InputError: it cannot be used; the message says what is allowed.
        """
        name = self._task.architecture
        if self.encoder_weights is None:
            return f"{name}, {RANDOM_WEIGHTS}"
        self.encoder_weights.prove(ARCHITECTURES[name], self._task.labels)
        return f"{name}, {self.encoder_weights.where()}"

    def pretrained(self) -> str:
        """Fingerprint of the encoder that a training starts from.

        Raises:
            InputError: it cannot be had.
        """
        return self.encoder_weights.fingerprint() if self.encoder_weights else RANDOM_WEIGHTS

    def training_configuration(self) -> dict[str, object]:
        """The fields that decide the trained model: those of `for_training` without what only unlocks the encoder.

        A local encoder is told by its content, so that equal models of two machines are equal versions.

        Raises:
            InputError: there is no such local encoder.
        """
        fields = self._task.model_dump(mode="json", exclude={"slices", "token_env", "rules"})
        return fields | {"encoder": self.encoder_weights.portable_reference() if self.encoder_weights else None}

    def train(self, splits: Splits, run: TrainingRun, start: TrainedModel | None = None) -> TrainedModel:
        """The model with the lowest validation loss, in `run.out_dir`; from `start`, the encoder, or random weights.
        Of an incremental run it keeps `champion_share` of `start`, unless the world moved.

        Raises:
            InputError: the encoder cannot be had, rows do not fit the task, or `start` is of other labels or network.
            EvergreenError: the loss became infinite or NaN.
        """
        import transformers

        from evergreen.tasks.trainer import fit

        task = self._task
        configuration = self.training_configuration()  # of the encoder as it is now, not as it may be in an hour
        with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
            cache = PictureCache(Path(folder), task.image_size)
            train = cache.table(splits, SplitName.TRAIN, sampled_rows(splits, task.max_train_rows, run.seed))
            validation = cache.table(splits, SplitName.VALIDATION)
            transformers.set_seed(run.seed)
            network, fresh = self._load_network(start, configuration)
            job = _job(task, network, (replace(train, augmentation=task.augmentation, seed=run.seed), validation))
            kept = share_of_champion(task.champion_share, splits, run, start)
            curves = fit(replace(job, fresh=fresh, champion_share=kept), task, run)
            with beside_the_point("pictures of the validation rows"):
                answer = partial(masks_of, network.eval(), ARCHITECTURES[task.architecture], task.image_size)
                run.show_answers(validation_answers(answer, validation.pictures, validation.masks, task.labels))
            _save(task, network, run.out_dir)
        return complete_model(run.out_dir, configuration, splits, run.seed, curves)

    def _load_network(self, start: TrainedModel | None, configuration: dict[str, object]) -> tuple[Any, frozenset[str]]:
        """The network, channels last in memory, its encoder frozen where the task says so; and its weights that are
        random beside pretrained others.
        """
        import torch

        weights, architecture = self.encoder_weights, ARCHITECTURES[self._task.architecture]
        if start is not None:
            check_warm_start(start, configuration, self._task.warm_start_fields)
            weights = Backbone(reference=str(start.path))
        if weights is None:
            return architecture.fresh(self._task.labels).to(memory_format=torch.channels_last), frozenset()
        network, fresh = weights.load_network(architecture, self._task.labels)
        if not self._task.train_encoder:
            freeze_encoder(network)
        return network.to(memory_format=torch.channels_last), fresh


def collate(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """A batch as it travels to the device, four bytes a pixel: `pixel_values` (batch, size, size, 3) and `labels`
    (batch, size, size), uint8 as they are stored; and `views` (batch, 7) float32 where the samples have one.
    """
    import torch

    if len(samples) == 1 and samples[0].view is not None:
        samples = [*samples, *samples]  # of a lone last picture, a batch could not be normalised
    batch = {
        "pixel_values": torch.from_numpy(np.stack([sample.picture for sample in samples])),
        "labels": torch.from_numpy(np.stack([sample.mask for sample in samples])),
    }
    views = [sample.view for sample in samples if sample.view is not None]
    return {**batch, "views": torch.tensor(views, dtype=torch.float32)} if views else batch


def on_device(architecture: Architecture, ignore_label: int | None, batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the network reads of a batch of `collate`, on the batch's device: `pixel_values` (batch, 3, size, size)
    normalised, and `labels` (batch, size, size) int64, ignored pixels marked so.
    """
    from evergreen.tasks.image_segmentation.logits import IGNORED

    pictures, masks = as_floats(batch["pixel_values"]), batch["labels"]
    if "views" in batch:
        pictures, masks = augmented(pictures, masks, batch["views"])
    labels = masks.long()
    if ignore_label is not None:
        labels = labels.masked_fill(labels == ignore_label, IGNORED)
    return {"pixel_values": normalised(pictures, architecture.mean, architecture.std), "labels": labels}


def _job(task: ImageSegmentation, network: Any, tables: tuple[PictureTable, PictureTable]) -> TrainingJob:
    from evergreen.tasks.image_segmentation.logits import segmentation_loss

    train, validation = tables
    return TrainingJob(
        model=network,
        train=train,
        validation=validation,
        collate=collate,
        on_device=partial(on_device, ARCHITECTURES[task.architecture], task.ignore_label),
        loss=partial(segmentation_loss, dice_weight=task.dice_weight),
        metrics=_metrics,
        order=train.order,
        condense=partial(_confusions, len(task.labels)),
        loads_beside=True,
    )


def _confusions(classes: int, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels by true class and answer of each picture, (batch, classes, classes), and how many count, (batch,)."""
    import torch

    from evergreen.tasks.image_segmentation.logits import upsampled

    answers = upsampled(logits.float(), *labels.shape[-2:]).argmax(dim=1)
    counts = labels >= 0
    pictures = torch.arange(len(labels), device=labels.device)[:, None, None]
    codes = ((pictures * classes + labels) * classes + answers)[counts]
    confusions = torch.bincount(codes, minlength=len(labels) * classes * classes)
    return confusions.reshape(len(labels), classes, classes), counts.sum(dim=(1, 2))


def _metrics(confusions: npt.NDArray[Any], _counted: npt.NDArray[Any]) -> dict[str, float]:
    total = np.pad(confusions.sum(axis=0), ((0, 0), (0, 1)))  # no answer is outside the classes
    overall, _ = segmentation_scores(total[np.newaxis])
    return {name: float(np.nan_to_num(overall[name][0])) for name in CURVE_METRICS}


def _save(task: ImageSegmentation, network: Any, out_dir: Path) -> None:
    """Weights, configuration and image processor, without a word about where the encoder was found."""
    architecture = ARCHITECTURES[task.architecture]
    network.config.name_or_path = ""
    with quiet_transformers():
        network.save_pretrained(out_dir)
        architecture.processor()(
            size={"height": task.image_size, "width": task.image_size},
            do_center_crop=False,
            image_mean=list(architecture.mean),
            image_std=list(architecture.std),
        ).save_pretrained(out_dir)
