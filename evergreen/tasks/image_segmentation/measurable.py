"""How good segmentation models are: test pictures, masks in the task's class numbers, the worst pictures.

Everything is counted at the pictures' own size, which is what the endpoint answers with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from evergreen.core.admission import Trial
from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.engines import Engines, EngineVariant
from evergreen.core.errors import InputError
from evergreen.core.members import servable
from evergreen.core.metric import MetricName
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import WorstPicture, WorstPictures
from evergreen.data.pictures import Pixels
from evergreen.data.shards import split_batches, split_columns
from evergreen.evaluation.agreement import Shares
from evergreen.evaluation.champion import numbers_by_name, own_labelled_task
from evergreen.evaluation.evaluate import evaluate
from evergreen.evaluation.evaluator import Constant, Evaluator, Loaded, Reference, Worst
from evergreen.evaluation.measure import Counts, Numbers
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.segmentation import Confusions, Segmentation, confusion_of
from evergreen.evaluation.slices import Slice, require_columns
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.image_segmentation.overlays import side_by_side
from evergreen.tasks.image_segmentation.pictures import COLUMNS, ROWS_AT_ONCE, decode_pair
from evergreen.tasks.image_segmentation.pixel_regression import PixelRegression
from evergreen.tasks.image_segmentation.servable import ImagePredictor, instance_of
from evergreen.tasks.image_segmentation.settings import SIZE_COLUMN, ImageSegmentation
from evergreen.tasks.image_segmentation.slices import by_share, by_size

PICTURES_AT_ONCE = 16
PIXELS_AT_ONCE = PICTURES_AT_ONCE * 512 * 512
"""What bounds the memory that large pictures take: fewer of them are scored together, at least one."""
WORST_PICTURES = 12


class ImageMeasurement:
    """Evaluates segmentation models."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task

    def evaluate(
        self, model: TrainedModel, champion: TrainedModel | None, splits: Splits, trial: Trial | None = None
    ) -> EvaluationReport:
        """The model, and the champion re-scored, on the test split; see `evaluation.evaluate`.

        A champion with other labels is compared by label name: its answers with labels that the task lacks are wrong
        answers.

        Raises:
            InputError: a split is empty, or rows, slices or champion do not fit the task.
        """
        return evaluate(model, champion, ImageEvaluator(splits, self._task), trial)


class ImageBatch(NamedTuple):
    """Some pictures of the test split with their masks; `encoded` as the source gave them, `columns` to slice by."""

    ids: list[str]
    encoded: list[bytes]
    pictures: list[Pixels]
    truth: list[Pixels]
    columns: dict[str, list[Any]]


Masks = list[Numbers]
"""(H, W) class numbers of the task of each picture; its number of labels where it lacks the label."""


class ImageEvaluator(Evaluator[ImageBatch, Masks]):
    """Counts are those of `Segmentation`."""

    row_noun: ClassVar[str] = "image"
    latency_samples: ClassVar[int] = 30

    def __init__(self, splits: Splits, task: ImageSegmentation) -> None:
        super().__init__(splits, Segmentation(task.labels), task.slices)
        self._task = task
        self._worst: Worst[WorstPicture] = Worst(WORST_PICTURES)

    def rows(self, columns: Sequence[str]) -> Iterator[ImageBatch]:
        """The test split, a few pictures at a time.

        Raises:
            InputError: a slice column is missing, or a picture or mask cannot be used.
        """
        require_columns(tuple(columns), split_columns(self.splits, SplitName.TEST))
        yield from self._read(SplitName.TEST, columns, None)

    def inputs(self, split: str, chosen: Numbers | None) -> Iterator[ImageBatch]:
        """Rows of a split, a few pictures at a time."""
        yield from self._read(split, (), chosen)

    def otherwise(self, one: Masks, other: Masks) -> Shares:
        """Of each picture the share of pixels whose classes differ."""
        return np.array([np.mean(mask != its) for mask, its in zip(one, other, strict=True)], dtype=np.float64)

    def _read(self, split: str, columns: Sequence[str], chosen: Numbers | None) -> Iterator[ImageBatch]:
        for batch in split_batches(self.splits, split, (*COLUMNS, *columns), ROWS_AT_ONCE, chosen):
            rows = batch.to_pydict()
            decoded = (decode_pair(*row) for row in zip(*(rows[name] for name in COLUMNS), strict=True))
            start = 0
            for decoded_pairs in _few(decoded):
                some = {name: values[start : start + len(decoded_pairs)] for name, values in rows.items()}
                ids, encoded, _ = (some.pop(name) for name in COLUMNS)
                pictures, masks = ([pair[side] for pair in decoded_pairs] for side in (0, 1))
                yield ImageBatch(ids, encoded, pictures, masks, some)
                start += len(decoded_pairs)

    def load(self, model: TrainedModel) -> Loaded[ImageBatch, Masks]:
        """The model, aligned by label name."""
        own = own_labelled_task(model, self._task, rules=self._task.rules)
        numbers = numbers_by_name(own.labels, self._task.labels)

        def loaded(predictor: ImagePredictor) -> Loaded[ImageBatch, Masks]:
            def answer(batch: ImageBatch) -> Masks:
                return [numbers[mask] for mask in predictor.predict(batch.pictures)]

            def by(engines: Engines, variant: EngineVariant) -> Loaded[ImageBatch, Masks]:
                return loaded(predictor.by(engines, variant))

            return Loaded(predictor, answer, by)

        return loaded(cast("ImagePredictor", servable(own).load(model.path)))

    def counts(self, batch: ImageBatch, answer: Masks) -> Confusions:
        """(pictures, classes, classes + 1) pixels by true class and answer."""
        classes, ignored = len(self._task.labels), self._task.ignore_label
        both = zip(batch.truth, answer, strict=True)
        return np.stack([confusion_of(truth, mask, classes, ignored) for truth, mask in both])

    def instance(self, batch: ImageBatch, row: int) -> Mapping[str, Any]:
        """The picture as the source gave it."""
        return instance_of(batch.encoded[row])

    def constant(self) -> Constant:
        """The label of most pixels in the training masks; of equals the one that the task names first.

        Raises:
            InputError: an earlier version wrote the splits, and counted no pixels.
        """
        labels, pixels = self._task.labels, self.splits.manifest.pixels.get(SplitName.TRAIN)
        if pixels is None:
            raise InputError(
                f"the splits in {self.splits.path} have no pixels of each class: an earlier version wrote them; let "
                "`split` write them again, as the next run does"
            )
        number = max(range(len(labels)), key=lambda index: pixels.get(str(index), 0))
        return Constant(labels[number], number)

    def references(self) -> Sequence[Reference[ImageBatch]]:
        """A regression of colour and position."""
        regression = PixelRegression(self.splits, len(self._task.labels))

        def counts(batch: ImageBatch) -> Confusions:
            return self.counts(batch, [regression.answer(picture) for picture in batch.pictures])

        return [Reference(pixel_regression.NAME, counts)]

    def facts(self, batch: ImageBatch) -> Mapping[str, Numbers]:
        """The longer side of each picture."""
        return {SIZE_COLUMN: np.array([max(mask.shape) for mask in batch.truth])}

    def own_slices(self, facts: Mapping[str, Numbers], counts: Counts) -> Iterable[Slice]:
        """Buckets of size, and of the share that a class takes."""
        pixels = counts.sum(axis=2)  # (pictures, classes)
        shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
        by_label = {label: shares[:, number] for number, label in enumerate(self._task.labels)}
        yield from by_size(facts[SIZE_COLUMN], self._task.slices.size_edges_px)
        yield from by_share(by_label, self._task.slices.share_edges_percent)

    def keep_worst(self, batch: ImageBatch, answer: Masks, counts: Counts, first: int) -> None:
        """Keeps small overlays of the pictures with the lowest mean IoU of their own."""
        scores, _ = segmentation_scores(counts)
        for row, iou in enumerate(scores[MetricName.MEAN_IOU].tolist()):
            if not np.isnan(iou):
                own = {name: float(values[row]) for name, values in scores.items()}
                self._worst.add(-iou, first + row, partial(self._overlay, batch, answer, row, own))

    def _overlay(self, batch: ImageBatch, answer: Masks, row: int, scores: dict[str, float]) -> WorstPicture:
        mask = np.minimum(answer[row], np.iinfo(np.uint8).max).astype(np.uint8)
        overlay = side_by_side(batch.pictures[row], batch.truth[row], mask, len(self._task.labels))
        return WorstPicture(id=batch.ids[row], overlay=overlay, scores=scores)

    def check(self, counts: Counts) -> None:
        """Nothing when a pixel counts."""
        if not counts.any():
            raise InputError("no pixel of the test split counts: all hold task.ignore_label; give masks with classes")

    def sections(self) -> tuple[WorstPictures, ...]:
        """The worst pictures."""
        return (WorstPictures(labels=self._task.labels, pictures=self._worst.sorted()),)


def _few(decoded: Iterator[tuple[Pixels, Pixels]]) -> Iterator[list[tuple[Pixels, Pixels]]]:
    """Lists of up to PICTURES_AT_ONCE, which end with the picture that fills PIXELS_AT_ONCE."""
    some: list[tuple[Pixels, Pixels]] = []
    pixels = 0
    for pair in decoded:
        some.append(pair)
        pixels += pair[1].size
        if len(some) == PICTURES_AT_ONCE or pixels >= PIXELS_AT_ONCE:
            yield some
            some, pixels = [], 0
    if some:
        yield some
