"""Parts of an evaluation report from class numbers alone: (rows,) true ones, and (rows,) answers of one model or two.

Values come from the `evaluate` modules, intervals from the bootstrap; the tests hold them equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from evergreen.core.bootstrap import Scores, bootstrap, bootstrap_classes, difference, interval
from evergreen.core.reports import Baseline, ClassReport, Comparison, Metric, SliceReport
from evergreen.metrics import measure
from evergreen.tasks.slices import Numbers, Slice


@dataclass(frozen=True)
class Judge:
    """The true classes of the test rows, and how sure to be; answers outside the labels are always wrong."""

    truth: Numbers
    labels: tuple[str, ...]

    def metrics(self, answers: Numbers) -> tuple[dict[str, Metric], dict[str, ClassReport]]:
        """Metrics of all rows, and of each class by label."""
        values = measure(self.truth, answers, len(self.labels))
        (scores,) = bootstrap(self.truth, [answers], len(self.labels))
        (class_scores,) = bootstrap_classes(self.truth, [answers], len(self.labels))
        support = np.bincount(self.truth, minlength=len(self.labels)).tolist()
        overall = {name: metric.model_copy(update={"value": values[name]}) for name, metric in _overall(scores).items()}
        return overall, {
            label: ClassReport(metrics=metrics, support=support[number])
            for number, (label, metrics) in enumerate(self._by_class(class_scores).items())
        }

    def majority(self, answers: Numbers, label: str) -> Baseline:
        """What always answering `label` scores beside the model's answers."""
        return self.baseline(answers, label, np.full_like(self.truth, self.labels.index(label)))

    def baseline(self, answers: Numbers, name: str, theirs: Numbers, fitted_on: int | None = None) -> Baseline:
        """What a simple model's answers score, and the model's paired differences to them."""
        ours, simple = bootstrap(self.truth, [answers, theirs], len(self.labels))
        return Baseline(
            label=name,
            metrics=measure(self.truth, theirs, len(self.labels)),
            differences=_overall(difference(ours, simple)),
            fitted_on=fitted_on,
        )

    def confusion(self, answers: Numbers) -> tuple[tuple[int, ...], ...]:
        """Rows by true and answered label; answers outside the labels have no column."""
        counts = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        known = answers < len(self.labels)
        np.add.at(counts, (self.truth[known], answers[known]), 1)
        return tuple(tuple(row) for row in counts.tolist())

    def slices(self, answers: Numbers, slices: Iterable[Slice]) -> tuple[SliceReport, ...]:
        """Metrics of each slice."""
        reports = []
        for column, value, rows in slices:
            (scores,) = bootstrap(self.truth[rows], [answers[rows]], len(self.labels))
            reports.append(SliceReport(column=column, value=value, rows=len(rows), metrics=_overall(scores)))
        return tuple(reports)

    def comparison(self, answers: Numbers, champion: str, champion_answers: Numbers) -> Comparison:
        """The champion's metrics, and the paired differences to them."""
        pair = [answers, champion_answers]
        ours, theirs = bootstrap(self.truth, pair, len(self.labels))
        return Comparison(
            champion=champion,
            metrics=_overall(theirs),
            differences=_overall(difference(ours, theirs)),
            class_differences=self._by_class(difference(*bootstrap_classes(self.truth, pair, len(self.labels)))),
        )

    def _by_class(self, scores: Scores) -> dict[str, dict[str, Metric]]:
        return {
            label: {name: interval(samples[:, number]) for name, samples in scores.items()}
            for number, label in enumerate(self.labels)
        }


def _overall(scores: Scores) -> dict[str, Metric]:
    return {name: interval(samples) for name, samples in scores.items()}
