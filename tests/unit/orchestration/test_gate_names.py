"""The metrics that a gate names, against those of the task."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from evergreen.core.metric import MetricSpec, shares
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification
from orchestration.document import read
from orchestration.gate import check_gate
from orchestration.mistakes import Mistake

ERROR = MetricSpec(name="mae", better="lower", unit="EUR", bounds=(0, None))
METRICS = (*shares("accuracy"), ERROR)
OF_CLASSES = shares("recall")


def mistakes(folder: Path, gate: Any, metrics: Any = METRICS, of_classes: Any = OF_CLASSES) -> list[Mistake]:
    path = folder / "gate.yaml"
    path.write_text(yaml.safe_dump({"parameters": {"gate": gate}}))
    return list(check_gate(read(path), metrics, of_classes))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"minimum": {"acuracy": 0.9}}, "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ({"class_floors": {"accuracy": 0.9}}, "unknown metric 'accuracy'"),
        ({"minimum": {"accuracy": 90}}, "accuracy is 0 to 1, got 90, which it cannot be"),
        ({"slice_floors": {"mae": -1}}, "mae is 0 or more EUR, got -1"),
        ({"margin": {"accuracy": 2}}, "accuracy is 0 to 1, got 2, which is more than it can differ by"),
        ({"minimum": {"mae": 3}}, "mae is better when lower, so a minimum would keep out good models; set maximum"),
        ({"maximum": {"accuracy": 0.9}}, "accuracy is better when higher, .* set minimum"),
    ],
)
def test_a_threshold_that_the_task_cannot_have_is_a_mistake_at_its_path(
    tmp_path: Path, gate: dict[str, dict[str, float]], words: str
) -> None:
    (mistake,) = mistakes(tmp_path, gate)
    ((field, thresholds),) = gate.items()
    assert mistake.path == ("parameters", "gate", field, *thresholds)
    assert re.search(words, mistake.message), mistake.message


def test_all_mistakes_come_at_once_each_with_the_names_allowed(tmp_path: Path) -> None:
    wrong = {"minimum": {"acc": 1}, "margin": {"f1": 0}, "class_floors": {"mae": 0}}
    allowed = {mistake.path[2]: mistake.allowed for mistake in mistakes(tmp_path, wrong)}
    assert allowed == {"minimum": ("accuracy", "mae"), "margin": ("accuracy", "mae"), "class_floors": ("recall",)}


@pytest.mark.parametrize(
    "gate",
    [
        None,
        {},
        "no mapping",
        {"minimum": None},
        {"minimum": {"accuracy": 0.9}, "maximum": {"mae": 250.5}, "margin": {"mae": 12.5, "accuracy": -0.01}},
        {"minimum": {"accuracy": "high"}},
    ],
)
def test_what_the_task_has_passes_and_what_is_no_number_is_left_to_the_gate_itself(tmp_path: Path, gate: Any) -> None:
    assert mistakes(tmp_path, gate) == []


@pytest.mark.parametrize("task", [TextClassification, ImageSegmentation])
def test_each_task_says_which_way_its_metrics_are_good(task: Any) -> None:
    specs = (*task.metrics, *task.class_metrics)
    assert specs
    assert all(spec.higher and spec.bounds == (0, 1) for spec in specs)
