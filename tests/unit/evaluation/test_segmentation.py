from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.metric import MetricName
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.resampling import RESAMPLES, difference, interval
from evergreen.evaluation.segmentation import bootstrap_images, confusion_of

CLASSES = 3


def naive(truths: list[np.ndarray], answers: list[np.ndarray], ignore: int) -> tuple[float, float, float]:
    """Mean IoU, mean Dice and pixel accuracy, by sets of pixels."""
    pixels = [
        (true, answer)
        for truth, answered in zip(truths, answers, strict=True)
        for true, answer in zip(truth.ravel().tolist(), answered.ravel().tolist(), strict=True)
        if true != ignore
    ]
    ious, dices = [], []
    for number in range(CLASSES):
        true = {at for at, (label, _) in enumerate(pixels) if label == number}
        answered = {at for at, (_, label) in enumerate(pixels) if label == number}
        if true | answered:
            ious.append(len(true & answered) / len(true | answered))
            dices.append(2 * len(true & answered) / (len(true) + len(answered)))
    right = sum(true == answer for true, answer in pixels)
    return float(np.mean(ious)), float(np.mean(dices)), right / len(pixels)


@given(st.integers(0, 10_000))
def test_scores_are_those_of_counting_pixels_one_by_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    truths = [random.choice([0, 1, 2, 255], size=(4, 5)).astype(np.uint8) for _ in range(3)]
    answers = [random.integers(0, CLASSES + 1, size=(4, 5)) for _ in range(3)]
    truths[0][0, 0] = 1

    pairs = zip(truths, answers, strict=True)
    confusions = np.stack([confusion_of(truth, answer, CLASSES, 255) for truth, answer in pairs])
    overall, _ = segmentation_scores(confusions.sum(axis=0)[np.newaxis])

    values = (overall[MetricName.MEAN_IOU][0], overall[MetricName.DICE][0], overall[MetricName.PIXEL_ACCURACY][0])
    assert values == pytest.approx(naive(truths, answers, 255))


def test_an_ignored_pixel_counts_nowhere_and_an_answer_outside_the_classes_is_wrong() -> None:
    truth = np.array([[0, 1], [1, 9]], dtype=np.uint8)
    answer = np.array([[0, 1], [2, 1]])
    assert confusion_of(truth, answer, 2, ignore=9).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_class_that_is_nowhere_has_no_score_and_lowers_no_mean() -> None:
    confusion = np.array([[[8, 0, 0, 0], [0, 8, 0, 0], [0, 0, 0, 0]]])
    overall, by_class = segmentation_scores(confusion)
    assert np.isnan(by_class[MetricName.IOU][0, 2])
    assert overall[MetricName.MEAN_IOU][0] == 1


def test_pictures_are_drawn_not_pixels() -> None:
    """However many pixels say the same, two kinds of pictures leave the mean uncertain."""
    good, bad = np.array([[10_000, 0, 0], [0, 10_000, 0]]), np.array([[0, 10_000, 0], [10_000, 0, 0]])
    ((overall, by_class),) = bootstrap_images([np.stack([good] * 10 + [bad] * 10)])
    accuracy = interval(overall[MetricName.PIXEL_ACCURACY])
    assert accuracy.value == 0.5
    assert accuracy.low < 0.32
    assert accuracy.high > 0.68
    assert by_class[MetricName.IOU].shape == (1 + RESAMPLES, 2)


def test_differences_are_paired_on_the_same_pictures() -> None:
    """Pictures differ much, the models always by the same: the difference is certain, and its own opposite."""
    random = np.random.default_rng(0)
    right = random.integers(100, 900, 30)
    first = np.stack([[[hits, 1000 - hits, 0], [1000 - hits, hits, 0]] for hits in right])
    second = np.stack([[[hits - 50, 1050 - hits, 0], [1050 - hits, hits - 50, 0]] for hits in right])
    (ours, _), (theirs, _) = bootstrap_images([first, second])
    apart = interval(difference(ours, theirs)[MetricName.PIXEL_ACCURACY])
    back = interval(difference(theirs, ours)[MetricName.PIXEL_ACCURACY])
    alone = interval(ours[MetricName.PIXEL_ACCURACY])
    assert (apart.low, apart.high) == pytest.approx((0.05, 0.05))
    assert (apart.value, apart.low, apart.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert alone.high - alone.low > 0.05


def test_equal_calls_give_equal_intervals() -> None:
    confusions = np.random.default_rng(1).integers(0, 50, (12, 3, 4))
    first, second = (bootstrap_images([confusions])[0][0][MetricName.MEAN_IOU] for _ in range(2))
    assert np.array_equal(first, second)
