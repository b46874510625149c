"""Pages of where a model comes from: whom it is judged against, and what its training starts from."""

from __future__ import annotations

from evergreen.core.training import Incumbent, Start
from evergreen.pages.render import render


def incumbent_page(incumbent: Incumbent) -> str:
    """HTML: the version that a new model is judged against."""
    return render("incumbent.html", incumbent=incumbent)


def start_page(start: Start) -> str:
    """HTML: the weights that a training starts from."""
    return render("start.html", start=start)
