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
from evergreen.core.asides import beside_the_point
from evergreen.core.metric import MetricName
from evergreen.core.protocols import TrainingRun
from evergreen.evaluation.segmentation import segmentation_scores
from evergreen.tasks.image_segmentation.augment import look
from evergreen.tasks.image_segmentation.images import as_floats, normalised
from evergreen.tasks.image_segmentation.model import ARCHITECTURES, Architecture, Backbone, freeze_encoder
from evergreen.tasks.image_segmentation.overlays import validation_answers
from evergreen.tasks.image_segmentation.pictures import PictureCache, PictureTable, Sample
from evergreen.tasks.model_directory import complete_model
from evergreen.tasks.start import check_warm_start, sampled_rows
from evergreen.tasks.training import TrainingJob, fit
from evergreen.tasks.verbosity import quiet_transformers

if TYPE_CHECKING:
    import torch

    from evergreen.tasks.image_segmentation.task import ImageSegmentation

CURVE_METRICS = (MetricName.MEAN_IOU, MetricName.PIXEL_ACCURACY)


def train_images(
    task: ImageSegmentation, splits: Splits, run: TrainingRun, start: TrainedModel | None = None
) -> TrainedModel:
    """The model with the lowest validation loss, in `run.out_dir`; from `start`, the encoder, or random weights.

    Raises:
        InputError: the encoder cannot be had, rows do not fit the task, or `start` is of other labels or network.
        EvergreenError: the loss became infinite or NaN.
    """
    import transformers

    configuration = task.training_configuration()  # of the encoder as it is now, not as it may be in an hour
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        cache = PictureCache(Path(folder), task.image_size)
        train = cache.table(splits, SplitName.TRAIN, sampled_rows(splits, task.max_train_rows, run.seed))
        validation = cache.table(splits, SplitName.VALIDATION)
        transformers.set_seed(run.seed)
        network, fresh = _load_network(task, start)
        job = _job(task, network, (replace(train, augmentation=task.augmentation, seed=run.seed), validation))
        curves = fit(replace(job, fresh=fresh), task, run)
        with beside_the_point("pictures of the validation rows"):
            predictor = task.predictor(network.eval())
            run.show_answers(validation_answers(predictor, validation.pictures, validation.masks, task.labels))
        _save(task, network, run.out_dir)
    return complete_model(run.out_dir, configuration, splits, run.seed, curves)


def collate(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """A batch as it travels to the device, four bytes a pixel: `pixel_values` (batch, size, size, 3) and `labels`
    (batch, size, size), uint8 as they are stored; and `views` (batch, 7) float32 where the samples have one.
    """
    import torch

    if len(samples) == 1 and samples[0].view is not None:
        samples = [*samples, *samples]  # of a lone last picture, a batch could not be normalised
    batch = {
        "pixel_values": torch.from_numpy(np.stack([one.picture for one in samples])),
        "labels": torch.from_numpy(np.stack([one.mask for one in samples])),
    }
    views = [one.view for one in samples if one.view is not None]
    return {**batch, "views": torch.tensor(views, dtype=torch.float32)} if views else batch


def on_device(architecture: Architecture, ignore_label: int | None, batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the network reads of a batch of `collate`, on the batch's device: `pixel_values` (batch, 3, size, size)
    normalised, and `labels` (batch, size, size) int64, ignored pixels marked so.
    """
    from evergreen.tasks.image_segmentation.loss import IGNORED

    pictures, masks = as_floats(batch["pixel_values"]), batch["labels"]
    if "views" in batch:
        pictures, masks = look(pictures, masks, batch["views"])
    labels = masks.long()
    if ignore_label is not None:
        labels = labels.masked_fill(labels == ignore_label, IGNORED)
    return {"pixel_values": normalised(pictures, architecture.mean, architecture.std), "labels": labels}


def _load_network(task: ImageSegmentation, start: TrainedModel | None) -> tuple[Any, frozenset[str]]:
    """The network, channels last in memory, its encoder frozen where the task says so; and its weights that are random
    beside pretrained others.
    """
    import torch

    source = task.source if start is None else _champion(task, start)
    architecture = ARCHITECTURES[task.architecture]
    if source is None:
        return architecture.fresh(task.labels).to(memory_format=torch.channels_last), frozenset()
    network, fresh = source.load_network(architecture, task.labels)
    if not task.train_encoder:
        freeze_encoder(network)
    return network.to(memory_format=torch.channels_last), fresh


def _champion(task: ImageSegmentation, start: TrainedModel) -> Backbone:
    check_warm_start(start, task.training_configuration(), ("architecture", "encoder", "labels"))
    return Backbone(reference=str(start.path))


def _job(task: ImageSegmentation, network: Any, tables: tuple[PictureTable, PictureTable]) -> TrainingJob:
    from evergreen.tasks.image_segmentation.loss import segmentation_loss

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

    from evergreen.tasks.image_segmentation.upsample import upsampled

    answers = upsampled(logits.float(), *labels.shape[-2:]).argmax(dim=1)
    counts = labels >= 0
    pictures = torch.arange(len(labels), device=labels.device)[:, None, None]
    codes = ((pictures * classes + labels) * classes + answers)[counts]
    found = torch.bincount(codes, minlength=len(labels) * classes * classes)
    return found.reshape(len(labels), classes, classes), counts.sum(dim=(1, 2))


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
