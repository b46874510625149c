"""How good a model is on the test split, how sure that is, and against the champion on the same rows."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evergreen.core.admission import Trial
from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.report import Baseline, ClassReport, Comparison, EvaluationReport, SliceReport, Timings
from evergreen.core.sections import ConfusionMatrix, EngineTable
from evergreen.evaluation.champion import doubt_about
from evergreen.evaluation.engines import choose
from evergreen.evaluation.evaluator import A, B, Evaluator, Loaded, Reference, Stopwatch, every, finite
from evergreen.evaluation.forgetting import forgetting, parted_by
from evergreen.evaluation.measure import Counts, Measure, Numbers, Paired, Scored
from evergreen.evaluation.resampling import CONFIDENCE, class_intervals, intervals
from evergreen.evaluation.rescored import Rescored, rescored
from evergreen.evaluation.slices import ColumnValues, Slice, large, of_columns, small

TOLD_EVERY_S = 5.0
_log = logging.getLogger(__name__)


def evaluate(
    model: TrainedModel, champion: TrainedModel | None, evaluator: Evaluator[B, A], trial: Trial | None = None
) -> EvaluationReport:
    """The model, and the champion re-scored, on the test split; equal calls give equal reports apart from `timings`.

    With a trial the fastest engine that is admitted answers, as it will where the model is served, and a section says
    which and why: that one is timed, too. The champion is answered by the engine that serves it, as the trial has it.

    `comparison` is None without a champion, and when the model is the champion.

    Raises:
        InputError: a split is empty, or rows, slices or champion do not fit the task.
        EvergreenError: an answer is not finite.
    """
    _require_rows(evaluator.splits)
    measure, constant = evaluator.measure, evaluator.constant()
    references = evaluator.references()
    chosen = None if trial is None else choose(model, evaluator, trial)
    loaded = chosen.loaded if chosen else evaluator.load(model)
    answered = _answered(model, loaded, evaluator, references)
    counts = answered.counts
    other = champion if champion is not None and champion.version != model.version else None
    baselines = [measure.constant(counts, constant.answer), *answered.references]
    theirs = rescored(other, evaluator, trial) if other else None
    scored = measure.score(counts, baselines, theirs.counts if theirs else None)
    always, *simple = scored.baselines
    return EvaluationReport(
        kind=measure.kind,
        version=model.version,
        splits=evaluator.splits.manifest.content_hash,
        rows=len(counts),
        row_noun=evaluator.row_noun,
        labels=measure.labels,
        primary_metric=measure.metrics[0].name,
        primary_class_metric=measure.primary_class_metric,
        metrics=intervals(scored.overall),
        specs=tuple({spec.name: spec for spec in (*measure.metrics, *measure.class_metrics)}.values()),
        confidence=CONFIDENCE,
        baseline=_baseline(constant.name, always),
        references=tuple(
            _baseline(reference.name, paired, reference.fitted_on)
            for reference, paired in zip(references, simple, strict=True)
        ),
        comparison=_comparison(scored, other, evaluator, theirs) if other else None,
        per_class=_per_class(scored, counts, measure),
        slices=_measured_slices(large(answered.slices, evaluator.slices.min_rows), counts, measure),
        small_slices=small(answered.slices, evaluator.slices.min_rows),
        sections=(
            *measure.sections(counts),
            *forgetting(answered.parts, counts, theirs.counts if theirs else None, measure, evaluator.slices.min_rows),
            *evaluator.sections(),
            *([EngineTable(choice=chosen.choice)] if chosen else []),
        ),
        size_bytes=model.size_bytes,
        timings=answered.timings,
    )


class _Told:
    """Tells how many of the `rows` are answered, now and then: they may take minutes."""

    def __init__(self, rows: int) -> None:
        self._rows, self._last = rows, time.monotonic()

    def report(self, answered: int) -> None:
        """Tells it where it is time."""
        if time.monotonic() - self._last >= TOLD_EVERY_S:
            self._last = time.monotonic()
            _log.info("%s of %s rows are answered", f"{answered:,}", f"{self._rows:,}")


class _Answered(NamedTuple):
    """Counts of the model's answers and of each reference's, and what was seen on the way."""

    counts: Counts
    references: list[Counts]
    slices: list[Slice]
    parts: list[Slice]
    timings: Timings


def _answered(
    model: TrainedModel,
    loaded: Loaded[B, A],
    evaluator: Evaluator[B, A],
    references: Sequence[Reference[B]],
) -> _Answered:
    columns = ColumnValues(evaluator.slices.max_values)
    step = max(1, evaluator.splits.manifest.rows[SplitName.TEST] // evaluator.latency_samples)
    parts: list[list[Counts]] = [[] for _ in range(1 + len(references))]
    facts: defaultdict[str, list[Numbers]] = defaultdict(list)
    stopwatch, timed, seen = Stopwatch(), list[Mapping[str, Any]](), 0
    told = _Told(evaluator.splits.manifest.rows[SplitName.TEST])
    parted = parted_by(evaluator.splits.manifest)
    for batch in evaluator.rows(tuple(dict.fromkeys((*evaluator.slices.columns, *parted)))):
        with stopwatch.answering(len(batch.ids)):
            answer = loaded.answer(batch)
        counts = finite(evaluator.counts(batch, answer), model, batch.ids)
        told.report(seen + len(batch.ids))
        for part, counted in zip(parts, [counts, *(reference.counts(batch) for reference in references)], strict=True):
            part.append(counted)
        evaluator.keep_worst(batch, answer, counts, seen)
        columns.add(batch.columns)
        for name, numbers in evaluator.facts(batch).items():
            facts[name].append(numbers)
        timed += [evaluator.instance(batch, row) for row in every(step, len(batch.ids), seen)]  # they may be ordered
        seen += len(batch.ids)
    counts, *simple = (np.concatenate(part) for part in parts)
    evaluator.check(counts)
    joined = {name: np.concatenate(part) for name, part in facts.items()}
    slices = [
        *evaluator.own_slices(joined, counts),
        *of_columns(evaluator.slices.columns, columns.numbers, columns.names),
    ]
    halves = list(of_columns(parted, columns.numbers, columns.names))
    return _Answered(counts, simple, slices, halves, stopwatch.timings(loaded.predictor, timed))


def _baseline(name: str, paired: Paired, fitted_on: int | None = None) -> Baseline:
    return Baseline(
        label=name,
        metrics={metric: float(samples[0]) for metric, samples in paired.scores.items()},
        differences=intervals(paired.differences),
        fitted_on=fitted_on,
    )


def _comparison(
    scored: Scored, champion: TrainedModel, evaluator: Evaluator[B, A], theirs: Rescored | None
) -> Comparison | None:
    if scored.champion is None or theirs is None:
        return None
    sections = evaluator.measure.sections(theirs.counts)
    matrices = [section for section in sections if isinstance(section, ConfusionMatrix)]
    return Comparison(
        champion=champion.version,
        metrics=intervals(scored.champion.scores),
        differences=intervals(scored.champion.differences),
        class_differences=class_intervals(scored.class_differences, evaluator.measure.labels),
        doubt=doubt_about(champion.manifest, evaluator.splits.manifest),
        answers=next((matrix.answered for matrix in matrices if matrix.counted == "row"), {}),
        engine=theirs.engine,
        stands_in=theirs.stands_in,
    )


def _per_class(scored: Scored, counts: Counts, measure: Measure) -> Mapping[str, ClassReport]:
    metrics, support = class_intervals(scored.by_class, measure.labels), measure.support(counts)
    return {
        label: ClassReport(metrics=metrics[label], support=rows)
        for label, rows in zip(measure.labels, support, strict=True)
    }


def _measured_slices(slices: Iterable[Slice], counts: Counts, measure: Measure) -> tuple[SliceReport, ...]:
    return tuple(
        SliceReport(column=column, value=value, rows=len(rows), metrics=intervals(measure.overall(counts[rows])))
        for column, value, rows in slices
    )


def _require_rows(splits: Splits) -> None:
    test_rows, rows = (splits.manifest.rows.get(name, 0) for name in (SplitName.TEST, SplitName.TRAIN))
    if not test_rows or not rows:
        raise InputError(
            f"nothing to evaluate on: the test split has {test_rows} rows, the train split {rows}; give more data, or "
            "raise split.test"
        )
