"""What an evaluation lets the judge expect of a newcomer's answers."""

from __future__ import annotations

import pytest

from evergreen.core.expected import expected_of
from evergreen.core.judge.settings import Expected
from evergreen.core.report import Baseline, Comparison, EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix


def report(
    answers: dict[str, float], champion: str = "a1", labels: tuple[str, ...] = ("sport", "tech")
) -> EvaluationReport:
    return EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        version="c3",
        splits="5" * 64,
        rows=100,
        labels=labels,
        metrics={},
        confidence=0.95,
        baseline=Baseline(label="sport", metrics={}),
        sections=(ConfusionMatrix(labels=labels, counts=((50, 10), (20, 20))),),
        comparison=Comparison(champion=champion, metrics={}, differences={}, answers=answers),
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=1, rows_per_s=1),
    )


def test_the_shift_is_that_between_both_versions_answers_to_the_same_rows() -> None:
    expected = expected_of(report({"sport": 0.5, "tech": 0.5}), "a1")
    assert expected.shift == pytest.approx(0.2)  # the newcomer answers 70 and 30 %
    assert expected.shares == {"sport": 0.5, "tech": 0.5}


def test_a_class_that_the_newcomer_does_not_know_is_not_missed() -> None:
    expected = expected_of(report({"sport": 0.4, "tech": 0.4, "gossip": 0.2}), "a1")
    assert expected.shares == {"sport": 0.4, "tech": 0.4}
    assert expected.shift == pytest.approx(0.3)


def test_of_another_champion_and_of_older_reports_nothing_is_expected() -> None:
    assert expected_of(report({"sport": 1.0}), "b2") == Expected()
    assert expected_of(report({}), "a1") == Expected()
    assert expected_of(report({"sport": 1.0}).model_copy(update={"comparison": None}), "a1") == Expected()
