"""A live version scored on labelled rows of any origin: the report of an evaluation, of rows that no training needs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evergreen.core.admission import Trial
from evergreen.core.artifacts import Dataset, SplitName, TrainedModel
from evergreen.core.counted import counted
from evergreen.core.errors import InputError
from evergreen.core.members import TaskSettings, examinable, measurable
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import NEW_TO_IT, TRAINED_ON, Forgetting, PartScores, ScoredRows
from evergreen.data.columns import row_words
from evergreen.data.labelled import TrainedOn, labelled_splits
from evergreen.data.shards import iter_batches
from evergreen.evaluation.champion import own_task
from evergreen.evaluation.forgetting import PARTS

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 5
_NAMES = dict(zip(PARTS.values(), (NEW_TO_IT, TRAINED_ON), strict=True))


class Live(NamedTuple):
    """A live version: its model, what it was trained on, and by which engine it serves (None: by torch, or its own)."""

    model: TrainedModel
    trained_on: TrainedOn
    trial: Trial | None


def scored(task: TaskSettings, live: Live, dataset: Dataset, out_dir: Path) -> EvaluationReport:
    """The report of the model, with its own labels, on the rows of the dataset that have a label, which `out_dir` takes
    meanwhile.

    Of the present `task` only counts what measures: its slices and rules.

    Raises:
        InputError: the model is of another kind, a column is missing, no row has a label, or some cannot be scored.
    """
    model, trial = live.model, live.trial
    own = own_task(model, task, **_measuring(task))
    rows = LabelledRows(own, dataset, model.version)
    splits = labelled_splits(rows, dataset, live.trained_on, out_dir)
    rows.check()
    measuring = measurable(own)
    report = (
        measuring.evaluate(model, None, splits) if trial is None else measuring.evaluate(model, None, splits, trial)
    )
    told = ScoredRows(
        source=dataset.manifest.source.description,
        unlabelled=rows.unlabelled,
        metric=report.primary_metric,
        parts=_parts(report, splits.manifest.replayed.get(SplitName.TEST, 0)),
    )
    return _told(report, told)


class LabelledRows:
    """The rows of a dataset that have a label, batch by batch; what is wrong with others is counted on the way."""

    def __init__(self, task: TaskSettings, dataset: Dataset, version: str) -> None:
        self.unlabelled = self.labelled = 0
        self._task, self._dataset, self._version = task, dataset, version
        self._targets = [name for name in task.columns if name != task.input_field]
        self._bad: Counter[str] = Counter()
        self._examples: defaultdict[str, list[str]] = defaultdict(list)
        if absent := [name for name in ("id", *task.columns) if name not in dataset.manifest.columns]:
            has = ", ".join(dataset.manifest.columns)
            raise InputError(
                f"no column {absent[0]!r} in {dataset.manifest.source.description} (has: {has}), without which nothing "
                f"can be scored; map source.columns.{absent[0]}"
            )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        examining = examinable(self._task)
        for batch in iter_batches(self._dataset.shards):
            rows = batch.filter(self._has_label(batch))
            self.unlabelled += batch.num_rows - rows.num_rows
            self.labelled += rows.num_rows
            for name, reason in examining.prepare_rows(rows, None).bad if rows.num_rows else ():
                self._bad[reason] += 1
                if len(self._examples[reason]) < EXAMPLES:
                    self._examples[reason].append(row_words(name))
            yield rows

    def check(self) -> None:
        """Returns when all rows with a label can be scored, once they have passed.

        Raises:
            InputError: there are none; or, by reason, how many cannot be and which.
        """
        source = self._dataset.manifest.source.description
        if not self.labelled:
            named = " and ".join(self._targets)
            raise InputError(
                f"no row of {source} has a {named} ({counted(self.unlabelled, 'row')} read); name rows with labels by "
                "--source"
            )
        if self._bad:
            reasons = "\n- ".join(
                f"{reason}: {counted(rows, 'row')} ({', '.join(self._examples[reason])})"
                for reason, rows in self._bad.most_common(EXAMPLES)
            )
            raise InputError(
                f"version {self._version} cannot be scored on {self._bad.total():,} of the {self.labelled:,} labelled "
                f"rows of {source}; correct them, or leave them out:\n- {reasons}"
            )

    def _has_label(self, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        has = pa.array([True] * batch.num_rows)
        for name in self._targets:
            column = batch[name]
            has = pc.and_(has, pc.is_valid(column))
            if pa.types.is_string(column.type):
                has = pc.and_(has, pc.not_equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), ""))
        return has


def _measuring(task: TaskSettings) -> dict[str, object]:
    """The fields that decide no training, as they are now."""
    training = task.for_training()
    return {name: value for name, value in task if value != getattr(training, name)}


def _parts(report: EvaluationReport, trained_on: int) -> tuple[PartScores, ...]:
    """The rows that the version was trained on and the others, measured apart; one part has all of them."""
    if (apart := report.section(Forgetting)) is not None:
        return tuple(part.model_copy(update={"part": _NAMES[part.part]}) for part in apart.parts)
    return (PartScores(part=TRAINED_ON if trained_on else NEW_TO_IT, rows=report.rows, metrics=report.metrics),)


def _told(report: EvaluationReport, rows: ScoredRows) -> EvaluationReport:
    """The report, its first section about the rows."""
    others = (section for section in report.sections if not isinstance(section, Forgetting))
    return report.model_copy(update={"sections": (rows, *others)})
