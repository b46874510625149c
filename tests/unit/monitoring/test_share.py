from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evergreen.monitoring.observed import Floats
from evergreen.monitoring.share import Answers, compare_shares

LABELS = tuple(f"class {number}" for number in range(100))
USUAL = np.array([0.4, 0.3, 0.2, 0.08, 0.015, 0.005])
APART = 1.8
"""Of two classes, in units of what varies within one: the classifier is wrong in a quarter of the rows."""
MORE_OF_B = 0.85 * USUAL + 0.15 * np.eye(6)[1]


def answered(draw: np.random.Generator, rows: int, shares: Floats, apart: float = APART) -> Answers:
    """Rows as a classifier answers them whose probabilities are right where classes have the USUAL shares."""
    seen = draw.normal(0, 1, (rows, len(shares)))
    seen[np.arange(rows), draw.choice(len(shares), rows, p=shares)] += apart
    logits = np.log(USUAL if len(shares) == len(USUAL) else 1 / len(shares)) + apart * seen
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = likely / likely.sum(axis=1, keepdims=True)
    return Answers(np.eye(len(shares))[probabilities.argmax(axis=1)], probabilities, np.arange(rows))


def without_probabilities(answers: Answers) -> Answers:
    return replace(answers, probabilities=np.full_like(answers.probabilities, np.nan))


def p_value(before: Answers, after: Answers) -> float:
    return compare_shares(
        before, after, (after.shares.mean(axis=0), len(after.shares)), LABELS[: after.shares.shape[1]]
    ).p_value


def test_probabilities_tell_sooner_than_counts_that_a_class_is_answered_more_often() -> None:
    by_probabilities, by_counts = [], []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        before, after = answered(draw, 2_000, USUAL), answered(draw, 1_000, MORE_OF_B)
        by_probabilities.append(p_value(before, after))
        by_counts.append(p_value(before, without_probabilities(after)))
    assert np.mean(np.log10(by_counts)) < -3
    assert np.mean(np.log10(by_probabilities)) < np.mean(np.log10(by_counts)) - 0.5


@pytest.mark.parametrize("known", [60, 2_000])
def test_equal_shares_are_seldom_told_to_have_moved_though_classes_are_rare(known: int) -> None:
    p_values = []
    for seed in range(400):
        draw = np.random.default_rng(seed)
        p_values.append(p_value(answered(draw, known, USUAL), answered(draw, 500, USUAL)))
    assert np.mean(np.array(p_values) < 0.05) < 0.08
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("apart", [APART, 12.0])
def test_a_class_that_only_the_window_has_is_seen_however_sure_the_classifier_is(apart: float) -> None:
    draw = np.random.default_rng(0)
    before = answered(draw, 500, np.array([0.6, 0.4, 0, 0, 0, 0]), apart)
    after = answered(draw, 500, np.array([0.5, 0.3, 0.2, 0, 0, 0]), apart)
    assert p_value(before, without_probabilities(after)) < 1e-6
    assert p_value(before, after) < 1e-6


def test_one_answer_alone_that_became_another_one_alone_is_seen() -> None:
    always = [np.eye(6)[[number] * 100] for number in (0, 1)]
    before, after = (Answers(rows, rows, np.arange(100)) for rows in always)
    assert p_value(before, after) < 1e-6
    assert p_value(before, before) == 1


def test_a_rare_one_of_many_classes_is_seen_to_come_more_often() -> None:
    usual = 1 / np.arange(1, 101)
    usual /= usual.sum()
    draw = np.random.default_rng(0)
    before, after = answered(draw, 2_000, usual, 6.0), answered(draw, 2_000, 0.95 * usual + 0.05 * np.eye(100)[99], 6.0)
    assert p_value(before, after) < 1e-6


def test_rows_without_probabilities_are_left_out_of_the_test_alone() -> None:
    draw = np.random.default_rng(3)
    before, after = answered(draw, 2_000, USUAL), answered(draw, 1_000, USUAL)
    lacking = after.probabilities.copy()
    lacking[0] = np.nan
    assert p_value(before, replace(after, probabilities=lacking)) == pytest.approx(p_value(before, after), abs=0.02)


def test_rows_of_one_request_that_are_alike_count_once() -> None:
    p_values = []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        before, alone = answered(draw, 2_000, USUAL), answered(draw, 100, USUAL)
        p_values.append(p_value(before, Answers(*(np.repeat(part, 5, axis=0) for part in vars(alone).values()))))
    assert np.mean(np.array(p_values) < 0.05) < 0.1
