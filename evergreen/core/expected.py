"""What an evaluation saw of two versions' answers on the same test rows, for the judge of the rollout that follows."""

from __future__ import annotations

from evergreen.core.judge.settings import Expected
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import ConfusionMatrix


def expected_of(report: EvaluationReport, champion: str) -> Expected:
    """By the report of the newcomer; nothing is expected where it knows no classes, or compares another champion.

    Classes that the newcomer does not know are left out of the shares: that it never answers them is no harm.
    """
    matrix, comparison = report.section(ConfusionMatrix), report.comparison
    if matrix is None or comparison is None or comparison.champion != champion or not comparison.answers:
        return Expected()
    ours, theirs = matrix.answered, comparison.answers
    shift = sum(abs(ours.get(label, 0.0) - theirs.get(label, 0.0)) for label in {*ours, *theirs}) / 2
    return Expected(shift=min(shift, 1.0), shares={label: share for label, share in theirs.items() if label in ours})
