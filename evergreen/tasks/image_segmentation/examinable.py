"""What stops a run on pictures, all of it at once, what may be set aside instead, and what is merely odd.

dataset of 7,349 rows breaks 2 rules:
- missing mask: 2 rows (cat_12, dog_7); give each picture a mask, or leave it out
- unusable image: 1 row (cat_40: cannot be decoded: image file is truncated); write it again, or leave it out
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import Dataset
from evergreen.core.errors import DatasetError
from evergreen.core.preparation import PreparedRows
from evergreen.core.protocols import CountClasses
from evergreen.core.validation import Anomaly, ColumnStatistics, ValidationReport
from evergreen.data.database import count_marks, marked
from evergreen.data.shards import iter_batches
from evergreen.data.statistics import column_statistics, open_rows
from evergreen.tasks.advice import about_few
from evergreen.tasks.image_segmentation.findings import EXAMPLES, Expected, Tally, examine
from evergreen.tasks.image_segmentation.prepare import prepare_images
from evergreen.tasks.image_segmentation.schema import PIXELS
from evergreen.tasks.image_segmentation.settings import ImageRules, ImageSegmentation

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ODD_PICTURES = """
    CREATE VIEW odd_pictures AS SELECT
        id AS name,
        length(id) AS place,
        rows > 1 AS repeated_image,
        masks > 1 AS conflicting_masks
    FROM pictures JOIN (
        SELECT key, count(*) AS rows, count(DISTINCT mask_key) AS masks FROM pictures GROUP BY key
    ) USING (key)
"""
_AT_ONCE = 32
_ADVICE = {
    "missing": "give each row one, or leave it out",
    "unusable": "write it again, or leave it out",
    "mismatched": "a mask has the size of its image; correct or leave it out",
    "unknown": "correct the masks (values between two classes come from edges that were smoothed: save masks without, "
    "and resize them by nearest neighbour), name the class in task.labels, set task.ignore_label or "
    "source.mask_classes",
}
_OTHER_ADVICE = "correct it, leave it out, or change the schema in task.rules.expected"


class ImageExamination:
    """Examines rows of pictures and masks against the labels and rules of a task."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task
        self._expected = Expected(len(task.labels), task.ignore_label, task.rules.expected, task.max_picture_pixels)

    def examine(self, dataset: Dataset, count: CountClasses | None = None) -> ValidationReport:
        """Statistics and oddities of a dataset that honours the rules, and whose masks have the classes of the task.

        Raises:
            DatasetError: naming every broken rule, with up to 5 rows each, their reasons and the number of rows.
            InputError: a column of `slices` is missing, or has too many values.
        """
        rules, labels = self._task.rules, self._task.labels
        if absent := [name for name in self._task.columns if name not in dataset.manifest.columns]:
            reason = f"missing column: {', '.join(absent)} (has: {', '.join(dataset.manifest.columns)})"
            raise DatasetError(dataset.manifest.rows, [f"{reason}; map source.columns.{absent[0]}"])
        small = {name: kind for name, kind in dataset.manifest.columns.items() if name not in PIXELS}
        narrow = Dataset(dataset.path, dataset.manifest.model_copy(update={"columns": small}))
        with open_rows(narrow) as connection:
            connection.execute("CREATE TABLE pictures (id VARCHAR, key UBIGINT, mask_key UBIGINT)")
            tally = _examined(dataset, self._expected, rules, connection, count or _uncounted)
            violations = [
                *_broken_columns(dataset, rules, tally),
                *_broken_ids(connection),
                *_broken_rows(dataset, rules, tally),
                *_broken_classes(dataset, labels, tally),
            ]
            if violations:
                raise DatasetError(dataset.manifest.rows, violations)
            report = ValidationReport(
                dataset=dataset.manifest.content_hash,
                rows=dataset.manifest.rows,
                columns=_columns(connection, dataset, small, tally),
                labels={label: int(tally.class_rows[index]) for index, label in enumerate(labels)},
                anomalies=tuple(_anomalies(connection, labels, rules, tally)),
                pictures=tally.statistics(labels),
                set_aside=tally.set_aside,
            )
        self._task.slices.check(report.columns)
        return report

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:
        """Rows with pictures and masks of one size that honour `labels` and `rules.expected`; see `prepare_images`."""
        return prepare_images(rows, self._task.labels, self._expected, image_size)


def _examined(
    dataset: Dataset, expected: Expected, rules: ImageRules, connection: duckdb.DuckDBPyConnection, count: CountClasses
) -> Tally:
    """All rows looked at, few at a time; keys of the good ones go to the table `pictures`."""
    import pyarrow as pa

    tally = Tally(most_set_aside=int(rules.max_bad_share * dataset.manifest.rows))
    declared = set(expected.schema.columns) if expected.schema else set()
    columns = [name for name in dataset.manifest.columns if name in {"id", *PIXELS, *declared}]
    with ThreadPoolExecutor() as pool:
        for rows in _few(dataset, columns):
            keys = []
            counts = np.zeros((len(rows), 256), dtype=np.int64)
            for number, (row, examined) in enumerate(
                zip(rows, pool.map(lambda row: examine(row, expected), rows), strict=True)
            ):
                name = row["id"] or "(no id)"
                tally.nulls.update(column for column in columns if row[column] is None)
                if examined.broken:
                    tally.add_bad(name, examined.broken)
                    continue
                tally.add_good(examined)
                counts[number] = examined.counts
                keys.append({"id": name, "key": examined.key, "mask_key": examined.mask_key})
                if (examined.counts > 0).sum() == 1:
                    tally.add_odd("single_class_mask", name)
                if examined.turned:
                    tally.add_odd("turned_image", name)
                if examined.deviation < rules.near_blank_deviation:
                    tally.add_odd("near_blank_image", name)
            count(counts)
            if keys:
                schema = pa.schema({"id": pa.string(), "key": pa.uint64(), "mask_key": pa.uint64()})
                connection.register("found", pa.Table.from_pylist(keys, schema=schema))
                connection.execute("INSERT INTO pictures SELECT * FROM found")
    return tally


def _uncounted(_counts: npt.NDArray[np.int64]) -> None:
    """Nobody asked."""


def _few(dataset: Dataset, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    batch: pa.RecordBatch
    for batch in iter_batches(dataset.shards, columns=columns):
        for first in range(0, batch.num_rows, _AT_ONCE):
            yield batch.slice(first, _AT_ONCE).to_pylist()


def _broken_columns(dataset: Dataset, rules: ImageRules, tally: Tally) -> list[str]:
    broken = []
    for name, column in (rules.expected.columns if rules.expected else {}).items():
        if name not in dataset.manifest.columns:
            if column.presence:
                broken.append(f"missing column: {name}; map it in source.columns, or take it out of the schema")
            continue
        present = 1 - tally.nulls[name] / dataset.manifest.rows
        if name not in PIXELS and present < column.presence:
            broken.append(
                f"column with too few values: {name} in {present:.1%} of the rows, at least {column.presence:.1%} "
                "needed; fill it or lower its presence in the schema"
            )
    return broken


def _broken_ids(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Rows are told apart by their ids, so that those set aside are found again: these rules hold for every row."""
    broken = []
    (blank,) = connection.execute("SELECT count(*) FROM rows WHERE id IS NULL OR id = ''").fetchone() or (0,)
    if blank:
        broken.append(
            f"null or blank id: {blank:,} row{'s'[: blank != 1]}; fill them, or map no id to have rows named by file"
        )
    repeated = connection.execute(
        """
        SELECT id, count(*) FROM rows WHERE hash(id) IN (SELECT hash FROM repeated WHERE name = 'id') AND id <> ''
        GROUP BY id HAVING count(*) > 1 ORDER BY length(id), id LIMIT ?
        """,
        [EXAMPLES],
    ).fetchall()
    if repeated:
        named = ", ".join(f"{name} ({count} rows)" for name, count in repeated)
        broken.append(f"duplicate id: such as {named}; make ids unique, or map no id to have rows named by file")
    return broken


def _broken_rows(dataset: Dataset, rules: ImageRules, tally: Tally) -> list[str]:
    """Nothing while no more rows are bad than may be set aside."""
    broken = []
    total, bad = dataset.manifest.rows, tally.bad
    if bad > tally.most_set_aside:
        for rule, examples in tally.broken.items():
            rows = tally.broken_rows[rule]
            more = ", …" if rows > len(examples) else ""
            advice = _ADVICE.get(rule.split()[0], _OTHER_ADVICE)
            broken.append(f"{rule}: {rows:,} row{'s'[: rows != 1]} ({', '.join(examples)}{more}); {advice}")
        if rules.max_bad_share:
            broken.append(
                f"too many bad rows: {bad:,} of {total:,}, {bad / total:.2%}, at most {rules.max_bad_share:.2%} may be "
                "set aside; correct them or raise task.rules.max_bad_share"
            )
    if total < rules.min_rows or (tally.rows < rules.min_rows and not broken):
        few = about_few(dataset.manifest.columns, "add rows or lower min_rows")
        broken.append(f"too few rows: {tally.rows:,}, at least {rules.min_rows:,} needed; {few}")
    return broken


def _broken_classes(dataset: Dataset, labels: Sequence[str], tally: Tally) -> list[str]:
    absent = [label for index, label in enumerate(labels) if not tally.class_rows[index]]
    if not absent or not tally.rows:
        return []
    few = about_few(dataset.manifest.columns, "add pictures of it or take it out of the labels")
    return [f"class without pixels: {', '.join(absent)}; {few}"]


def _columns(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, small: Mapping[str, str], tally: Tally
) -> dict[str, ColumnStatistics]:
    (keys,) = connection.execute("SELECT count(DISTINCT key), count(DISTINCT mask_key) FROM pictures").fetchall()
    distinct = dict(zip(PIXELS, keys, strict=True))
    return {
        name: column_statistics(connection, name, kind)
        if name in small
        else ColumnStatistics(type=kind, nulls=tally.nulls[name], distinct=distinct[name])
        for name, kind in dataset.manifest.columns.items()
    }


def _anomalies(
    connection: duckdb.DuckDBPyConnection, labels: Sequence[str], rules: ImageRules, tally: Tally
) -> Iterator[Anomaly]:
    messages = {
        "single_class_mask": "have a mask of one class alone",
        "near_blank_image": "show next to nothing: their pixels hardly differ",
        "turned_image": "are turned by viewers (Exif), and read here as they are stored, which their masks have to fit",
        "repeated_image": "show the picture of another row; the split keeps each picture once",
        "conflicting_masks": "have the picture of a row with another mask; the split keeps one of them",
    }
    connection.execute(ODD_PICTURES)
    counts = count_marks(connection, "odd_pictures") | tally.odd_rows
    for name, message in messages.items():
        if rows := counts.get(name, 0):
            yield _anomaly(
                name, rows, message, tally.odd.get(name) or marked(connection, "odd_pictures", name, EXAMPLES)
            )
    if tally.set_aside:
        yield _anomaly("set_aside", len(tally.set_aside), "break rules and are left out", list(tally.set_aside))
    shares = tally.statistics(labels).class_shares
    for label, share in shares.items():
        if share < rules.min_class_share:
            rows = int(tally.class_rows[list(labels).index(label)])
            yield Anomaly(name="rare_class", rows=rows, message=f"'{label}' has {share:.3%} of the pixels")


def _anomaly(name: str, rows: int, message: str, examples: Sequence[str]) -> Anomaly:
    return Anomaly(
        name=name, rows=rows, message=f"{rows:,} row{'s'[: rows != 1]} {message}", examples=tuple(examples[:EXAMPLES])
    )
