from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.artifacts import Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.errors import EvergreenError, InputError, InstanceError
from evergreen.core.predictors import PlainPredictor
from evergreen.evaluation.evaluator import Stopwatch
from evergreen.tasks.text_classification.measurable import TextAnswers, TextBatch, TextEvaluator, TextModel
from evergreen.tasks.text_classification.settings import TextClassification, TextRules


class Counting(PlainPredictor):
    """Answers class `number of a's in the text`; blank texts cannot be used."""

    def decode(self, instances: Sequence[Any]) -> list[str]:
        for index, instance in enumerate(instances):
            if not instance["text"]:
                raise InstanceError(index, "text is blank")
        return [instance["text"] for instance in instances]

    def predict(self, batch: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        CALLS.append(len(batch))
        return np.eye(3, dtype=np.float32)[[text.count("a") for text in batch]]

    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        return [{"label": int(row.argmax())} for row in outputs]


CALLS: list[int] = []
LOADED: list[tuple[Path, tuple[str, ...], int]] = []


class CountingServing:
    """Loads what counts."""

    def __init__(self, of: TextClassification) -> None:
        self._task = of

    def load(self, model_dir: Path) -> Counting:
        LOADED.append((model_dir, self._task.labels, self._task.rules.max_text_chars))
        return Counting()


class Task(TextClassification):
    servable: ClassVar[str] = f"{__name__}:CountingServing"

    encoder: str = "none"


def task(*labels: str) -> Task:
    return Task(labels=labels)


def model(*labels: str) -> TrainedModel:
    configuration: dict[str, object] = {"kind": "text_classification", "labels": list(labels), "encoder": "none"}
    return TrainedModel(Path("model"), TrainedModelManifest(files=(), task=configuration, trained_on="", seed=0))


def loaded(trained: TrainedModel, of: Task) -> TextModel:
    return TextModel.load(trained, of)


def evaluator() -> TextEvaluator:
    manifest = SplitsManifest(files=(), dataset="", seed=0, rows={}, labels={}, removed={})
    return TextEvaluator(Splits(Path("splits"), manifest), task("x", "y"))


NO_COUNTS = np.empty((0, 2))


def batch(*texts: str) -> TextBatch:
    ids = [f"row-{number}" for number in range(len(texts))]
    return TextBatch(ids=ids, texts=list(texts), truth=np.zeros(len(texts), dtype=np.int64), columns={})


def test_answers_are_aligned_with_the_tasks_labels_by_name() -> None:
    answers = loaded(model("x", "y", "z"), task("z", "x")).answer(batch("b", "a", "aa"))
    assert answers.predicted.tolist() == [1, 2, 0]  # x is number 1, y is none of the task's, z is number 0
    assert answers.labels == ["x", "y", "z"]


def test_a_text_that_cannot_be_used_names_its_row() -> None:
    with pytest.raises(InputError, match=r"test row row-1 cannot be scored: .*blank"):
        loaded(model("x", "y", "z"), task("x", "y", "z")).answer(batch("a", ""))


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(EvergreenError, match=r"gave shape \(1, 3\) instead of \(1, 2\) probabilities"):
        loaded(model("x", "y"), task("x", "y")).answer(batch("a"))


def test_latency_is_of_one_instance_at_a_time() -> None:
    CALLS.clear()
    predictor = loaded(model("x", "y", "z"), task("x", "y", "z")).predictor
    timings = Stopwatch().timings(predictor, [{"text": "a"}] * 10)
    assert CALLS == [1] * 13  # three to warm up
    assert timings.latency_p95_ms >= timings.latency_p50_ms


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=200))
def test_the_worst_errors_are_those_a_full_sort_would_give(rows: list[tuple[bool, int]]) -> None:
    worst = evaluator()
    for start in range(0, len(rows), 32):
        part = rows[start : start + 32]
        predicted = np.array([int(wrong) for wrong, _ in part])
        scores = np.array([score / 20 for _, score in part])
        named = batch(*["some text"] * len(part))._replace(ids=[str(start + row) for row in range(len(part))])
        worst.keep_worst(named, TextAnswers(predicted, scores, ["y"] * len(part)), NO_COUNTS, start)
    expected = sorted((-score, row) for row, (wrong, score) in enumerate(rows) if wrong)[:25]
    assert [int(text.id) for text in worst.sections()[0].rows] == [row for _, row in expected]


def test_an_excerpt_is_one_short_line() -> None:
    worst = evaluator()
    worst.keep_worst(batch("word\n\n" * 200), TextAnswers(np.array([1]), np.array([0.9]), ["y"]), NO_COUNTS, 0)
    (error,) = worst.sections()[0].rows
    assert len(error.excerpt) == 300
    assert "\n" not in error.excerpt
    assert (error.truth, error.predicted) == ("x", "y")


def test_a_model_is_loaded_by_the_configuration_that_it_was_trained_with() -> None:
    LOADED.clear()
    loaded(model("x", "y", "z"), task("z", "x"))
    assert [(Path("model"), ("x", "y", "z"), 200_000)] == LOADED


def test_a_champion_of_stricter_rules_scores_the_rows_that_the_present_rules_allow() -> None:
    LOADED.clear()
    champion = model("x", "y", "z")
    champion.manifest.task["rules"] = {"max_text_chars": 10, "rule_of_the_past": True}
    loaded(champion, Task(labels=("x", "y"), rules=TextRules(max_text_chars=500)))
    assert [(Path("model"), ("x", "y", "z"), 500)] == LOADED


def test_a_model_whose_configuration_no_longer_loads_is_named() -> None:
    manifest = TrainedModelManifest(files=(), task={"kind": "text_classification"}, trained_on="", seed=0)
    with pytest.raises(InputError, match="configuration that no longer loads"):
        loaded(TrainedModel(Path("model"), manifest), task("x", "y"))
