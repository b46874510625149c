from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from evergreen.core.artifacts import TrainedModelManifest
from evergreen.core.colours import colour_of
from evergreen.core.training import Curves, PictureAnswers
from evergreen.evaluation.specs import regression
from evergreen.pages.training import answers_page, curves_page
from tests.unit.pages.reading import Page

Read = Callable[[str], Page]
Points = tuple[dict[str, float], ...]

CURVES = Curves(
    train=(
        {"step": 10, "loss": 1.5, "learning_rate": 1e-4},
        {"step": 20, "loss": 0.5},
        {"step": 30, "loss": 0.3},
    ),
    validation=({"step": 20, "loss": 0.4, "accuracy": 0.91}, {"step": 30, "loss": 0.5, "accuracy": 0.89}),
    best_step=20,
)


def test_curves_and_the_best_validation_point_are_shown(model: TrainedModelManifest, read: Read) -> None:
    page = read(curves_page(CURVES, model))
    assert "Best Accuracy 0.910 validation, at step 20" in page.text
    assert "Optimiser steps 30 best at step 20" in page.text
    assert page.drawings[0].attrib["aria-label"] == "Loss: training ends at 0.3; validation ends at 0.5"
    assert len([element for element in page.drawings[0].iter() if element.tag == "polyline"]) == 2


def test_what_a_model_keeps_of_the_champion_is_shown_where_it_keeps_something(read: Read) -> None:
    averaged = CURVES.model_copy(update={"champion_share": 0.5})
    assert "Champion's share 0.500 of the weights" in read(curves_page(averaged)).text
    assert "Champion's share" not in read(curves_page(CURVES)).text


def test_the_best_error_is_the_lowest_one(read: Read) -> None:
    points = tuple({"step": step, "loss": 0.5, "mae": mae} for step, mae in ((20, 3.5), (30, 2.25), (40, 2.75)))
    curves = Curves(train=CURVES.train, validation=points, best_step=30)
    assert "2.250 validation, at step 30" in read(curves_page(curves, metrics=regression("EUR"))).text


def test_the_task_configuration_is_listed_flat(model: TrainedModelManifest, read: Read) -> None:
    text = read(curves_page(CURVES, model)).text
    assert "labels sports, tech" in text
    assert "rules.min_rows 10" in text
    assert "max_train_rows —" in text
    assert model.content_hash[:12] in text


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ((), ()),
        (({},), ()),
        (({"loss": 1.0},), ()),
        (({"step": 1},), ()),
        (({"step": 1, "loss": math.nan},), ()),
        (({"step": 1, "loss": 0.0}, {"step": 1, "loss": 0.0}), ({},)),
        ((), ({"step": 5, "accuracy": math.inf, "loss": 1e-9},)),
    ],
)
def test_what_is_missing_or_not_finite_is_left_out(train: Points, validation: Points, read: Read) -> None:
    curves = Curves(train=train, validation=validation, best_step=0)
    assert len(read(curves_page(curves)).drawings) == 3


def test_a_long_training_is_thinned_to_what_a_screen_shows(read: Read) -> None:
    train = tuple({"step": step, "loss": 0.2 / step} for step in range(1, 10_001))
    html = curves_page(Curves(train=train, validation=(), best_step=10_000))
    assert len(html) < 100_000
    assert read(html).drawings[0].attrib["aria-label"].endswith("training ends at 2e−05")


@pytest.mark.parametrize("label", ["方块 🟥", "قطة", "$x_1$ & <b>", "économie"])
def test_labels_of_any_script_are_text_beside_the_colour_of_their_class(
    label: str, read: Callable[[str], Page]
) -> None:
    html = answers_page(PictureAnswers(labels=("地面", label), overlays=("iVBORw0KGgo=",)))
    assert f"地面 {label}" in " ".join(read(html).text.split())
    assert colour_of(1) in html
    assert "data:image/png;base64,iVBORw0KGgo=" in html
    assert "<script" not in html
