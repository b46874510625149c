from __future__ import annotations

import numpy as np
import pytest

from evergreen.monitoring.label_shift import class_shares_now

LABELS = ("business", "sport", "tech")
CONFUSION = np.array([[80.0, 15.0, 5.0], [5.0, 190.0, 5.0], [20.0, 0.0, 80.0]])


def test_shares_are_those_that_would_be_answered_so() -> None:
    shares = np.array([0.2, 0.7, 0.1])
    answers = shares @ (CONFUSION / CONFUSION.sum(axis=1, keepdims=True)) * 2_000
    found = class_shares_now(CONFUSION, answers, 1.0, LABELS)
    assert [found[label].value for label in LABELS] == pytest.approx(shares, abs=0.01)
    assert all(one.low <= one.value <= one.high for one in found.values())


def test_intervals_hold_the_truth_in_nineteen_of_twenty_windows() -> None:
    draw, truth = np.random.default_rng(0), np.array([0.2, 0.7, 0.1])
    rates = CONFUSION / CONFUSION.sum(axis=1, keepdims=True)
    held = 0
    for _ in range(40):
        known = np.stack([draw.multinomial(100, row) for row in rates]).astype(float)
        found = class_shares_now(known, draw.multinomial(1_000, truth @ rates).astype(float), 1.0, LABELS)
        held += sum(found[label].low <= share <= found[label].high for label, share in zip(LABELS, truth, strict=True))
    assert held >= 106  # of 120, 95 % are 114


def test_shares_that_cannot_be_are_not_estimated() -> None:
    found = class_shares_now(CONFUSION, np.array([0.0, 0.0, 500.0]), 1.0, LABELS)
    assert sum(one.value for one in found.values()) == pytest.approx(1.0)
    assert all(0 <= one.low <= one.high <= 1 for one in found.values())
    assert found["tech"].value > 0.95


def test_rows_that_are_alike_in_requests_leave_shares_less_certain() -> None:
    answers = np.array([500.0, 300.0, 200.0])
    alone, alike = (class_shares_now(CONFUSION, answers, design, LABELS)["sport"] for design in (1.0, 10.0))
    assert alike.high - alike.low > 1.5 * (alone.high - alone.low)


def test_a_class_without_labelled_rows_is_known_by_its_answer() -> None:
    confusion = CONFUSION.copy()
    confusion[2] = 0
    assert class_shares_now(confusion, np.array([0.0, 0.0, 500.0]), 1.0, LABELS)["tech"].value > 0.9


def test_without_labels_or_answers_there_is_no_estimate() -> None:
    assert class_shares_now(np.zeros((3, 3)), np.ones(3), 1.0, LABELS) == {}
    assert class_shares_now(CONFUSION, np.zeros(3), 1.0, LABELS) == {}
