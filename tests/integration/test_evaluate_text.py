from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from evergreen.core.artifacts import RecordedSplitPlan, Splits, TrainedModel
from evergreen.core.decision import Verdict
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.gate import Gate, decide
from evergreen.core.members import measurable
from evergreen.core.report import EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix, Forgetting, WorstTexts
from evergreen.evaluation.measure import Numbers
from evergreen.tasks.text_classification import measurable as module
from evergreen.tasks.text_classification.settings import Slices
from evergreen.tasks.text_classification.tfidf import TfidfRegression
from tests.integration.bbc import LABELS, TfidfPredictor, TfidfServing, TfidfTask, bbc_rows, train, write_splits
from tests.rows import with_replayed

TASK = TfidfTask()
NO_TIME = Timings(latency_p50_ms=0, latency_p95_ms=0, rows_per_s=0)


class AskedOnce:
    """A fitted regression that answers texts once."""

    def __init__(self, regression: TfidfRegression) -> None:
        self._regression = regression
        self._answers: dict[tuple[str, ...], Numbers] = {}
        self.fitted_on = regression.fitted_on

    def answer(self, texts: Sequence[str]) -> Numbers:
        if (asked := tuple(texts)) not in self._answers:
            self._answers[asked] = self._regression.answer(texts)
        return self._answers[asked]


@pytest.fixture(scope="module", autouse=True)
def fitted_once() -> Iterator[None]:
    """What all models of a split are held against takes longer than they do, and is the same for all."""
    fitted: dict[tuple[Path, tuple[str, ...]], AskedOnce] = {}

    def regression(splits: Splits, labels: tuple[str, ...]) -> AskedOnce:
        if (key := (splits.path, labels)) not in fitted:
            fitted[key] = AskedOnce(TfidfRegression(splits, labels))
        return fitted[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TfidfRegression", regression)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def splits(folder: Path) -> Splits:
    rows = bbc_rows(150)
    majority = [row for row in rows[:600:2] if row["label"] != "tech"] + rows[0:100:2]
    return write_splits(folder / "splits", train=majority + rows[600::4], test=rows[1::2])


@pytest.fixture(scope="module")
def good(folder: Path) -> TrainedModel:
    return train(folder / "good", bbc_rows(150)[::2])


@pytest.fixture(scope="module")
def weak(folder: Path) -> TrainedModel:
    return train(folder / "weak", bbc_rows(3))


@pytest.fixture(scope="module")
def report(good: TrainedModel, weak: TrainedModel, splits: Splits) -> EvaluationReport:
    slices = Slices(columns=("desk",), length_edges_chars=(1500, 2500), min_rows=10)
    return measurable(TASK.model_copy(update={"slices": slices})).evaluate(good, weak, splits)


def matrix_of(report: EvaluationReport) -> tuple[tuple[int, ...], ...]:
    matrix = report.section(ConfusionMatrix)
    assert matrix is not None
    return matrix.counts


def answers(model: TrainedModel) -> tuple[list[str], list[str]]:
    rows = bbc_rows(150)[1::2]
    best = TfidfPredictor(model.path).predict([row["text"] for row in rows]).argmax(axis=1)
    labels = [str(label) for label in model.manifest.task["labels"]]  # type: ignore[attr-defined]
    return [row["label"] for row in rows], [labels[number] for number in best]


def test_metrics_equal_those_of_scikit_learn(report: EvaluationReport, good: TrainedModel) -> None:
    truth, predicted = answers(good)
    expected = classification_report(truth, predicted, output_dict=True)
    assert report.rows == len(truth)
    assert report.metrics["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert report.metrics["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert matrix_of(report) == tuple(map(tuple, confusion_matrix(truth, predicted, labels=LABELS).tolist()))
    for label in LABELS:
        assert report.per_class[label].support == expected[label]["support"]
        assert report.per_class[label].metrics["recall"].value == pytest.approx(expected[label]["recall"])
        assert report.per_class[label].metrics["f1"].value == pytest.approx(expected[label]["f1-score"])


def test_the_champion_is_scored_on_the_same_rows(report: EvaluationReport, weak: TrainedModel) -> None:
    truth, predicted = answers(weak)
    assert report.comparison is not None
    assert report.comparison.champion == weak.version
    assert report.comparison.metrics["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    for name, difference in report.comparison.differences.items():
        ours, theirs = report.metrics[name].value, report.comparison.metrics[name].value
        assert difference.value == pytest.approx(ours - theirs)
        assert difference.low <= difference.value <= difference.high
    assert set(report.comparison.class_differences) == set(LABELS)
    shares = {label: predicted.count(label) / len(predicted) for label in LABELS}
    assert report.comparison.answers == pytest.approx(shares)


def test_the_gate_promotes_the_better_and_keeps_out_the_worse(
    report: EvaluationReport, good: TrainedModel, weak: TrainedModel, splits: Splits
) -> None:
    assert decide(report, Gate(), weak.version).verdict is Verdict.PROMOTE
    worse = measurable(TASK).evaluate(weak, good, splits)
    decision = decide(worse, Gate(), good.version)
    assert decision.verdict is Verdict.KEEP
    assert "is below champion" in next(
        reason.message for reason in decision.reasons if reason.rule == "margin accuracy"
    )


def test_the_baseline_is_the_majority_of_the_train_split(report: EvaluationReport) -> None:
    assert report.baseline.label == "business"
    assert report.baseline.metrics["accuracy"] == pytest.approx(0.2)


def test_slices_are_measured_on_their_own_rows(report: EvaluationReport) -> None:
    lengths = np.array([len(row["text"]) for row in bbc_rows(150)[1::2]])
    by_name = {(part.column, part.value): part for part in report.slices}
    assert by_name["length_chars", "≤ 1500"].rows == (lengths <= 1500).sum()
    assert by_name["length_chars", "1501–2500"].rows == ((lengths > 1500) & (lengths <= 2500)).sum()
    assert by_name["length_chars", "> 2500"].rows == (lengths > 2500).sum()
    business = by_name["desk", "b"]
    assert business.rows == 75
    assert business.metrics["accuracy"].value == report.per_class["business"].metrics["recall"].value


def test_the_worst_errors_are_the_most_confident_wrong_answers(report: EvaluationReport, good: TrainedModel) -> None:
    truth, predicted = answers(good)
    wrong = sum(true != answer for true, answer in zip(truth, predicted, strict=True))
    section = report.section(WorstTexts)
    assert section is not None
    worst = section.rows
    assert len(worst) == min(wrong, 25) > 0
    assert [answer.score for answer in worst] == sorted((answer.score for answer in worst), reverse=True)
    assert all(answer.truth != answer.predicted and len(answer.excerpt) <= 300 for answer in worst)


def test_equal_evaluations_give_equal_reports_apart_from_timings(
    report: EvaluationReport, good: TrainedModel, weak: TrainedModel, splits: Splits
) -> None:
    slices = Slices(columns=("desk",), length_edges_chars=(1500, 2500), min_rows=10)
    again = measurable(TASK.model_copy(update={"slices": slices})).evaluate(good, weak, splits)
    first, second = (result.model_copy(update={"timings": NO_TIME}).model_dump_json() for result in (report, again))
    assert first == second
    assert report.timings.latency_p95_ms >= report.timings.latency_p50_ms > 0
    assert report.timings.rows_per_s > 0


def test_new_and_replayed_rows_are_measured_apart(
    good: TrainedModel, weak: TrainedModel, splits: Splits, report: EvaluationReport, tmp_path: Path
) -> None:
    apart = measurable(TASK).evaluate(good, weak, with_replayed(splits, tmp_path / "marked"))
    section = apart.section(Forgetting)
    assert section is not None
    assert {part.part: part.rows for part in section.parts} == {"new": 250, "replayed": 125}
    replayed = np.arange(375) % 3 == 0
    for part, chosen in zip(section.parts, (~replayed, replayed), strict=True):
        for scores, model in (part.metrics, good), (part.champion, weak):
            truth, predicted = (np.array(labels)[chosen] for labels in answers(model))
            assert scores["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
            assert scores["macro_f1"].value == pytest.approx(f1_score(truth, predicted, average="macro"))
        difference = part.differences["accuracy"]
        assert difference.value == pytest.approx(part.metrics["accuracy"].value - part.champion["accuracy"].value)
        assert difference.low <= difference.value <= difference.high
    assert apart.metrics == report.metrics
    assert report.section(Forgetting) is None
    alone = measurable(TASK).evaluate(good, None, Splits.open(tmp_path / "marked")).section(Forgetting)
    assert alone is not None
    assert {len(part.champion) for part in alone.parts} == {0}


def test_parts_of_too_few_rows_are_told_and_not_measured(good: TrainedModel, splits: Splits, tmp_path: Path) -> None:
    task = TASK.model_copy(update={"slices": Slices(min_rows=200)})
    section = measurable(task).evaluate(good, None, with_replayed(splits, tmp_path / "marked")).section(Forgetting)
    assert section is not None
    assert [bool(part.metrics) for part in section.parts] == [True, False]
    assert section.summary.endswith("on 125 replayed rows not measured")


@pytest.mark.parametrize("itself", [True, False])
def test_without_another_champion_there_is_no_comparison(good: TrainedModel, splits: Splits, itself: bool) -> None:
    assert measurable(TASK).evaluate(good, good if itself else None, splits).comparison is None


def test_a_champion_that_lacks_a_label_is_compared_by_name(folder: Path, good: TrainedModel, splits: Splits) -> None:
    others = ("tech", "politics", "sports", "business")  # another order, and no entertainment
    champion = train(folder / "fewer", bbc_rows(150)[::2], others)
    compared = measurable(TASK).evaluate(good, champion, splits).comparison
    truth, predicted = answers(champion)
    assert compared is not None
    assert compared.metrics["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert compared.class_differences["entertainment"]["recall"].value > 0.5


def test_answers_with_labels_that_the_task_lacks_are_wrong(folder: Path, good: TrainedModel, splits: Splits) -> None:
    known, rows = ([row for row in some if row["label"] != "tech"] for some in (bbc_rows(40), bbc_rows(150)[1::2]))
    fewer = write_splits(folder / "no-tech", train=known, test=rows)
    report = measurable(TfidfTask(labels=LABELS[:4])).evaluate(good, None, fewer)
    answered_tech = report.rows - sum(map(sum, matrix_of(report)))
    assert answered_tech > 0
    assert report.metrics["accuracy"].value <= 1 - answered_tech / report.rows


def test_a_champion_that_cannot_be_compared_is_an_input_error(folder: Path, good: TrainedModel, splits: Splits) -> None:
    masks = good.manifest.model_copy(update={"task": {"kind": "image_segmentation"}, "files": good.manifest.files[:1]})
    with pytest.raises(InputError, match=r"is of kind 'image_segmentation'.*another model_name"):
        measurable(TASK).evaluate(good, TrainedModel(good.path, masks), splits)
    task = {"kind": "text_classification", "labels": ["spam", "ham"]}
    foreign = good.manifest.model_copy(update={"task": task, "files": good.manifest.files[:1]})
    with pytest.raises(InputError, match="knows none of the task's labels"):
        measurable(TASK).evaluate(good, TrainedModel(good.path, foreign), splits)


def test_an_empty_test_split_is_an_input_error(folder: Path, good: TrainedModel) -> None:
    empty = write_splits(folder / "empty", train=bbc_rows(2), test=[])
    with pytest.raises(InputError, match=r"the test split has 0 rows.*raise split\.test"):
        measurable(TASK).evaluate(good, None, empty)


def test_a_model_that_diverged_is_named(good: TrainedModel, splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    class Diverged(TfidfPredictor):
        def predict(self, batch: object) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            return np.full((len(batch), 5), np.nan, dtype=np.float32)  # type: ignore[arg-type]

    monkeypatch.setattr(TfidfServing, "load", lambda _, model_dir: Diverged(model_dir))
    with pytest.raises(EvergreenError, match=f"model {good.version} gave values that are not finite"):
        measurable(TASK).evaluate(good, None, splits)


def test_a_champion_that_may_have_been_trained_on_test_rows_is_marked(
    good: TrainedModel, weak: TrainedModel, splits: Splits
) -> None:
    plan = RecordedSplitPlan(seed=0, train=0.4, validation=0.1, test=0.5, near_duplicate_similarity=None)
    champion = TrainedModel(weak.path, weak.manifest.model_copy(update={"split_plan": plan}))
    other = plan.model_copy(update={"seed": 1})
    now = Splits(splits.path, splits.manifest.model_copy(update={"plan": other}))
    comparison = measurable(TASK).evaluate(good, champion, now).comparison
    assert comparison is not None
    assert comparison.doubt == "split.seed was 0 when it was trained and is 1 now"
