"""The page of a preparation."""

from __future__ import annotations

from evergreen.core.preparation import PreparationReport
from evergreen.pages.render import render

MOST_COUNTS = 20


def preparation_page(report: PreparationReport) -> str:
    """HTML: what rows are made of, and how much of that in this run; of counts the largest."""
    counts = {
        what: dict(sorted(numbers.items(), key=lambda item: -item[1])[:MOST_COUNTS])
        for what, numbers in report.counts.items()
    }
    return render("preparation.html", report=report.model_copy(update={"counts": counts}))
