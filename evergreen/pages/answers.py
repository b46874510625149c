"""The page of pictures with what a new model answers; its legend is text, so that labels of any script are legible."""

from __future__ import annotations

from evergreen.core.colours import colour_of
from evergreen.core.training import PictureAnswers
from evergreen.pages.render import render


def answers_page(answers: PictureAnswers) -> str:
    """HTML: each picture beside its truth and the answer, under a legend of the classes."""
    legend = [(label, colour_of(number)) for number, label in enumerate(answers.labels)]
    return render("answers.html", answers=answers, legend=legend)
