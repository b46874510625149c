"""Evidence that every picture and mask of a dataset can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset
from evergreen.core.reports import ColumnStatistics, ValidationReport
from evergreen.data.shards import iter_batches
from evergreen.tasks.image_segmentation.pictures import COLUMNS, ROWS_AT_ONCE, decode_pair
from evergreen.tasks.image_segmentation.scorer import check_classes

if TYPE_CHECKING:
    from evergreen.tasks.image_segmentation.task import ImageSegmentation


def check_dataset(dataset: Dataset, task: ImageSegmentation) -> ValidationReport:
    """A report of a dataset whose every row has a picture, and a mask of its size with class numbers of the task.

    Raises:
        InputError: naming the first row that has not.
    """
    for batch in iter_batches(dataset.shards, list(COLUMNS)):
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            rows = batch.slice(start, ROWS_AT_ONCE).to_pydict()
            pairs = [decode_pair(*row) for row in zip(*(rows[name] for name in COLUMNS), strict=True)]
            check_classes(rows["id"], [mask for _, mask in pairs], task)
    columns = {
        name: ColumnStatistics(type=arrow_type, nulls=0, distinct=dataset.manifest.rows)
        for name, arrow_type in dataset.manifest.columns.items()
    }
    return ValidationReport(
        dataset=dataset.manifest.content_hash, rows=dataset.manifest.rows, columns=columns, labels={}
    )
