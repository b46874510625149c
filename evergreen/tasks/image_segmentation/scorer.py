"""One model's masks of the test pictures, in the task's class numbers, timed; and the pictures it did worst on."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.image_bootstrap import Confusions, confusion_of, segmentation_scores
from evergreen.core.members import servable
from evergreen.core.reports import MetricName, Timings, WorstImage
from evergreen.data.pictures import Pixels
from evergreen.tasks.comparison import numbers_by_name, own_task
from evergreen.tasks.image_segmentation.overlays import strip
from evergreen.tasks.image_segmentation.pictures import COLUMNS, decode_pair, read_rows
from evergreen.tasks.image_segmentation.servable import instance_of
from evergreen.tasks.slices import Numbers, require_columns

if TYPE_CHECKING:
    from evergreen.tasks.image_segmentation.settings import ImageSegmentation

PICTURES_AT_ONCE = 16
PIXELS_AT_ONCE = PICTURES_AT_ONCE * 512 * 512
"""What bounds the memory that large pictures take: fewer of them are looked at together, at least one."""
WORST_IMAGES = 12
WARM_UP = 3


class Batch(NamedTuple):
    """Some pictures of the test split with their masks; `encoded` as the source gave them, `columns` to slice by."""

    ids: list[str]
    encoded: list[bytes]
    pictures: list[Pixels]
    truth: list[Pixels]
    columns: dict[str, list[Any]]


def read_test_pictures(splits: Splits, task: ImageSegmentation, columns: tuple[str, ...] = ()) -> Iterator[Batch]:
    """The test split in file order, a few pictures at a time.

    Raises:
        InputError: a slice column is missing, or a picture or mask cannot be used.
    """
    import pyarrow.parquet as pq

    for shard in splits.shards(SplitName.TEST)[:1]:
        require_columns(columns, pq.read_schema(shard).names)
    for rows in read_rows(splits, SplitName.TEST, (*COLUMNS, *columns)):
        decoded = (decode_pair(*row) for row in zip(*(rows[name] for name in COLUMNS), strict=True))
        start = 0
        for pairs in _few(decoded):
            some = {name: values[start : start + len(pairs)] for name, values in rows.items()}
            ids, encoded, _ = (some.pop(name) for name in COLUMNS)
            _check_classes(ids, [mask for _, mask in pairs], task)
            yield Batch(ids, encoded, [one for one, _ in pairs], [mask for _, mask in pairs], some)
            start += len(pairs)


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


class MaskScorer:
    """A loaded model whose labels are aligned with the task's by name."""

    def __init__(self, model: TrainedModel, task: ImageSegmentation) -> None:
        own = own_task(model, task, rules=task.rules)
        self._numbers = numbers_by_name(own.labels, task.labels)
        self._task = task
        self._predictor = servable(own).load(model.path)
        self._rows, self._seconds = 0, 0.0

    def answer(self, batch: Batch) -> list[Numbers]:
        """(H, W) class numbers of the task for each picture; its number of labels where it lacks the label."""
        start = time.perf_counter()
        masks = self._predictor.predict(batch.pictures)
        self._seconds += time.perf_counter() - start
        self._rows += len(batch.ids)
        return [self._numbers[mask] for mask in masks]

    def confusions(self, batch: Batch, answers: Sequence[Numbers]) -> Confusions:
        """(pictures, classes, classes + 1) pixels by true class and answer."""
        classes, ignored = len(self._task.labels), self._task.ignore_label
        pairs = zip(batch.truth, answers, strict=True)
        return np.stack([confusion_of(truth, answer, classes, ignored) for truth, answer in pairs])

    def timings(self, encoded: Sequence[bytes]) -> Timings:
        """Latency of the pictures one by one, warmed up; rows a second of all that was answered before."""
        spent_ms = []
        for data in [*encoded[:WARM_UP], *encoded]:
            start = time.perf_counter()
            self._predictor.encode(self._predictor.predict(self._predictor.decode([instance_of(data)])))
            spent_ms.append((time.perf_counter() - start) * 1000)
        median, tail = np.quantile(spent_ms[min(WARM_UP, len(encoded)) :], [0.5, 0.95])
        return Timings(
            latency_p50_ms=round(float(median), 3),
            latency_p95_ms=round(float(tail), 3),
            rows_per_s=round(self._rows / max(self._seconds, 1e-9), 1),
        )


class WorstImages:
    """The pictures with the lowest mean IoU of their own; of equal ones the earliest rows."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._heap: list[tuple[float, int, WorstImage]] = []
        self._rows = 0

    def add(self, batch: Batch, answers: Sequence[Numbers], confusions: Confusions) -> None:
        """Looks at the batch and keeps small overlays of the worst pictures."""
        scores, _ = segmentation_scores(confusions)
        for row, iou in enumerate(scores[MetricName.MEAN_IOU]):
            rank = (-float(iou), -(self._rows + row))
            if np.isnan(iou) or (len(self._heap) == WORST_IMAGES and rank < self._heap[0][:2]):
                continue
            answer = np.minimum(answers[row], np.iinfo(np.uint8).max).astype(np.uint8)
            image = WorstImage(
                id=batch.ids[row],
                overlay=strip(batch.pictures[row], batch.truth[row], answer, self._classes),
                scores={name: float(values[row]) for name, values in scores.items()},
            )
            push = heapq.heappush if len(self._heap) < WORST_IMAGES else heapq.heappushpop
            push(self._heap, (*rank, image))
        self._rows += len(batch.ids)

    def sorted(self) -> tuple[WorstImage, ...]:
        """The worst first."""
        return tuple(image for _, _, image in sorted(self._heap, key=lambda one: one[:2], reverse=True))


def _check_classes(ids: Sequence[str], masks: Sequence[Pixels], task: ImageSegmentation) -> None:
    for row_id, mask in zip(ids, masks, strict=True):
        beyond = mask[mask >= len(task.labels)]
        strange = beyond if task.ignore_label is None else beyond[beyond != task.ignore_label]
        if strange.size:
            raise InputError(
                f"row {row_id!r}: its mask has class number {int(strange[0])}, the task has 0 to "
                f"{len(task.labels) - 1}; correct the mask, or set task.labels or task.ignore_label"
            )
