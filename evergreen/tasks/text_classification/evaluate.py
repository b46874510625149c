"""How good a text classifier is on the test split, how sure that is, and against the champion on the same rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.bootstrap import CONFIDENCE
from evergreen.core.errors import InputError
from evergreen.core.leakage import doubt_about
from evergreen.core.reports import Comparison, EvaluationReport, Timings, WorstError
from evergreen.tasks.slices import Numbers
from evergreen.tasks.text_classification import tfidf
from evergreen.tasks.text_classification.judge import Judge
from evergreen.tasks.text_classification.metrics import SPECS
from evergreen.tasks.text_classification.rows import RowFacts, read_test_rows
from evergreen.tasks.text_classification.scorer import Scorer, TextTask, WorstErrors
from evergreen.tasks.text_classification.slices import Slices
from evergreen.tasks.text_classification.tfidf import TfidfRegression

LATENCY_SAMPLES = 50


def evaluate_text(
    model: TrainedModel,
    champion: TrainedModel | None,
    splits: Splits,
    *,
    task: TextTask,
    slices: Slices | None = None,
) -> EvaluationReport:
    """The model, and the champion re-scored, on the test split; equal calls give equal reports apart from `timings`.

    A champion with other labels is compared by label name: its answers with labels that the task lacks are wrong
    answers. `comparison` is None without a champion, and when the model is the champion.

    Raises:
        InputError: the test split is empty, or rows, slices or champion do not fit the task.
    """
    slices = slices or Slices()
    majority = _majority(splits, task)
    scored = _score(model, splits, task, slices)
    judge = Judge(scored.facts.truth, task.labels)
    overall, per_class = judge.metrics(scored.answers)
    found = list(slices.of(scored.facts.lengths, scored.facts.values, scored.facts.names))
    other = champion if champion is not None and champion.version != model.version else None
    return EvaluationReport(
        version=model.version,
        splits=splits.manifest.content_hash,
        rows=len(scored.answers),
        labels=task.labels,
        metrics=overall,
        confidence=CONFIDENCE,
        baseline=judge.majority(scored.answers, majority),
        per_class=per_class,
        slices=judge.slices(scored.answers, slices.large(found)),
        small_slices=slices.small(found),
        confusion=judge.confusion(scored.answers),
        worst=scored.worst,
        comparison=_comparison(judge, scored.answers, other, splits, task) if other else None,
        size_bytes=model.size_bytes,
        timings=scored.timings,
        references=(judge.baseline(scored.answers, tfidf.NAME, scored.simple, scored.fitted_on),),
        specs=SPECS,
    )


class _Scored(NamedTuple):
    """The model's answers as (rows,) class numbers, and what was seen on the way; `simple` are those of TF-IDF."""

    answers: Numbers
    simple: Numbers
    fitted_on: int | None
    facts: RowFacts
    worst: tuple[WorstError, ...]
    timings: Timings


def _score(model: TrainedModel, splits: Splits, task: TextTask, slices: Slices) -> _Scored:
    scorer, facts, worst = Scorer(model, task), RowFacts(slices.max_values), WorstErrors(task.labels)
    regression = TfidfRegression(splits, task.labels)
    step = max(1, splits.manifest.rows[SplitName.TEST] // LATENCY_SAMPLES)
    parts: list[Numbers] = []
    simple: list[Numbers] = []
    timed: list[str] = []
    seen = 0
    for batch in read_test_rows(splits, task.labels, slices.columns):
        answers = scorer.answer(batch)
        parts.append(answers.predicted)
        simple.append(regression.answer(batch.texts))
        facts.add(batch)
        worst.add(batch, answers)
        timed += batch.texts[-seen % step :: step]  # every step-th row of the split, for it may be ordered
        seen += len(batch.texts)
    answered, theirs = np.concatenate(parts), np.concatenate(simple)
    return _Scored(answered, theirs, regression.fitted_on, facts, worst.sorted(), scorer.timings(timed))


def _comparison(judge: Judge, answers: Numbers, champion: TrainedModel, splits: Splits, task: TextTask) -> Comparison:
    compared = judge.comparison(answers, champion.version, _answers(champion, splits, task))
    return compared.model_copy(update={"doubt": doubt_about(champion.manifest, splits.manifest)})


def _answers(model: TrainedModel, splits: Splits, task: TextTask) -> Numbers:
    """(rows,) class numbers of the test rows."""
    scorer = Scorer(model, task)
    return np.concatenate([scorer.answer(batch).predicted for batch in read_test_rows(splits, task.labels)])


def _majority(splits: Splits, task: TextTask) -> str:
    """The label with most training rows; of equals the one that the task names first."""
    test_rows, labels = splits.manifest.rows.get(SplitName.TEST, 0), splits.manifest.labels.get(SplitName.TRAIN, {})
    if not test_rows or not labels:
        raise InputError(
            f"nothing to evaluate on: the test split has {test_rows} rows, the train split "
            f"{sum(labels.values())}; give more data, or raise split.test"
        )
    return max(task.labels, key=lambda label: labels.get(label, 0))
