from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evergreen.monitoring.distributions import Distributions
from tests.drifting import World, pictures, reference


def named(label: str) -> list[dict[str, Any]]:
    return [{**row, "prediction": label} for row in pictures(np.random.default_rng(0), 40)]


def only_class(folder: Path, window: list[dict[str, Any]]) -> str | None:
    distributions = Distributions(reference(folder, named("business")))
    distributions.add(World().day(window))
    return distributions.only_class()


def test_one_class_is_no_news_where_the_reference_names_no_other_either(tmp_path: Path) -> None:
    assert only_class(tmp_path, named("business")) is None


def test_another_class_alone_is_news_and_several_are_not(tmp_path: Path) -> None:
    assert only_class(tmp_path, named("sport")) == "sport"
    assert only_class(tmp_path, [*named("sport"), *named("tech")]) is None
