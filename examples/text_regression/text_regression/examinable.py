"""What rows must be like before a model is trained on them: each has a text and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset
from evergreen.core.errors import DatasetError
from evergreen.core.preparation import PreparedRows
from evergreen.core.protocols import CountClasses
from evergreen.core.validation import ValidationReport
from evergreen.data.shards import iter_batches
from evergreen.data.statistics import column_statistics, length_histogram, open_rows
from text_regression.settings import TextRegression

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 5


class RegressionExamination:
    """Examines rows of texts with numbers."""

    def __init__(self, task: TextRegression) -> None:
        self._task = task
        self._rule = "a text and a number" if task.scale == "linear" else "a text and a number above 0"

    def examine(self, dataset: Dataset, count: CountClasses | None = None) -> ValidationReport:  # noqa: ARG002 - of masks
        """Statistics of a dataset of usable rows. Raises DatasetError naming some of the others."""
        columns, rows = dataset.manifest.columns, dataset.manifest.rows
        for name, wanted in self._task.columns.items():
            if columns.get(name) != wanted:
                raise DatasetError(rows, [f"column {name!r} of type {wanted} is needed (has: {columns}); map it"])
        bad = [name for batch in iter_batches(dataset.shards) for name, _ in self.prepare_rows(batch, None).bad]
        if bad:
            raise DatasetError(
                rows, [f"not {self._rule}: {len(bad):,} rows ({', '.join(bad[:EXAMPLES])}); remove them"]
            )
        with open_rows(dataset) as connection:
            report = ValidationReport(
                dataset=dataset.manifest.content_hash,
                rows=rows,
                columns={name: column_statistics(connection, name, kind) for name, kind in columns.items()},
                labels={},
                length_histogram=length_histogram(connection, "text"),
            )
        self._task.slices.check(report.columns)
        return report

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:  # noqa: ARG002 - of pictures
        """The rows that have a text and a number, and the ids of the others."""
        import pyarrow.compute as pc

        has_text = pc.not_equal(pc.utf8_trim_whitespace(rows["text"]), "")
        has_number = pc.is_finite(rows["target"])
        if self._task.scale == "log":
            has_number = pc.and_(has_number, pc.greater(rows["target"], 0))
        usable = pc.fill_null(pc.and_(has_text, has_number), False)
        bad = rows["id"].filter(pc.invert(usable)).to_pylist()
        return PreparedRows(rows.filter(usable), [(str(name), f"not {self._rule}") for name in bad])
