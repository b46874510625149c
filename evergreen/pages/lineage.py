"""Pages of where a model comes from: whom it is judged against, what its training starts from, which rows it saw."""

from __future__ import annotations

from evergreen.core.coverage import Coverage, gaps, intervals
from evergreen.core.part import Part
from evergreen.core.training import Incumbent, Start
from evergreen.pages.render import render


def incumbent_page(incumbent: Incumbent) -> str:
    """HTML: the version that a new model is judged against."""
    return render("incumbent.html", incumbent=incumbent)


def start_page(start: Start) -> str:
    """HTML: the weights that a training starts from."""
    return render("start.html", start=start)


def part_page(part: Part) -> str:
    """HTML: which rows of its source a run reads."""
    return render("part.html", part=part)


def coverage_page(coverage: Coverage) -> str:
    """HTML: which rows a version was trained on."""
    return render("coverage.html", coverage=coverage, intervals=intervals(coverage), gaps=gaps(coverage))
