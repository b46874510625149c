"""The page of a batch prediction."""

from __future__ import annotations

from evergreen.core.batch import BatchReport
from evergreen.pages.render import render


def batch_page(report: BatchReport) -> str:
    """HTML: what was predicted by which version, where it is, and why some rows have no prediction."""
    return render("batch.html", report=report)
