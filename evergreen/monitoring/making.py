"""The reference of a version: its validation and test rows, observed by the engine that serves it.

Rows pass through what a request passes through, and are noted as a request is, to the same digits: equal inputs are
equal in both, or the comparison would tell rounding for change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import FileEntry, SplitName, Splits, TrainedModel
from evergreen.core.engines import TORCH, EngineGraph, ServedEngines
from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError
from evergreen.core.members import TaskSettings, servable
from evergreen.core.protocols import Predictor
from evergreen.data.shards import split_batches, split_columns
from evergreen.monitoring.reference import MOST_ROWS, ROWS, ROWS_NAME, Reference, ReferenceManifest
from evergreen.requestlog.record import row_of
from evergreen.runtime.asides import beside_the_point
from evergreen.tasks import load_engine, load_predictor
from evergreen.tasks.budget import batches_within

AT_ONCE = 64
HELD_BYTES = 64 << 20
"""Of decoded pictures, until which rows are waited for to be predicted together."""
EXAMPLE = "example"
EXAMPLE_CHARS = 240
SEED = 0
KEPT = ROWS.append(pa.field(EXAMPLE, pa.string()))
"""What is written: beside what is compared the beginning of a text, null of a row without one."""
_OBSERVED_SPLITS = (SplitName.VALIDATION, SplitName.TEST)


class _Row(NamedTuple):
    """A row of a split: what the model is asked, and what is kept beside its answer."""

    instance: Any
    label: str | None
    example: str | None


def make_reference(
    task: TaskSettings, model: TrainedModel, served: ServedEngines | None, splits: Splits, out_dir: Path
) -> Reference:
    """The observations of at most MOST_ROWS validation and test rows, in equal shares of both, by the engine that was
    chosen to serve; `served` None: torch.

    It is a pass of its own: the evaluation sees the test rows alone, keeps a count of each, and no features,
    probabilities or embeddings.

    Rows that the server would refuse are left out. One on which the model fails ends the observation, which is told and
    ends no run: a version without a reference is as good, only not watched.

    Raises:
        InputError: the model, or the graph that was chosen, cannot be loaded.
    """
    predictor = _serving(model, served)
    rows: list[dict[str, Any]] = []
    with beside_the_point(f"what requests to version {model.version} will be compared with"):
        for held in _decoded(predictor, _rows(task, splits)):
            rows += _observed(predictor, held, len(rows))
    return write_reference(
        out_dir, rows, kind=task.kind, labels=task.classes, engine=predictor.engine, version=model.version
    )


def write_reference(path: Path, rows: Sequence[dict[str, Any]], **manifest: Any) -> Reference:
    """The reference of these rows, by column name, at `path`; `manifest` are the other fields of its manifest."""
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in KEPT]
    pq.write_table(pa.Table.from_arrays(columns, schema=KEPT), path / ROWS_NAME, compression="zstd")
    files = (FileEntry.of(path / ROWS_NAME, path),)
    return Reference.write(path, ReferenceManifest(files=files, rows=len(rows), **manifest))


def _serving(model: TrainedModel, served: ServedEngines | None) -> Predictor:
    if served is None or served.choice.serves == TORCH:
        return load_predictor(model.path)
    variant = served.engines.manifest.variant(served.choice.serves)
    if variant is None:
        raise InputError(f"engine {served.choice.serves!r} was chosen, and was not made; evaluate the model again")
    return load_engine(model.path, EngineGraph(served.engines, variant))


def _rows(task: TaskSettings, splits: Splits) -> Iterator[_Row]:
    """The chosen rows of both splits."""
    serving, field = servable(task), task.input_field
    labelled = "label" if task.classes and task.columns.get("label") == "string" else None
    readable = task.columns.get(field) == "string"
    for split, chosen in _chosen(splits.manifest.rows):
        present = split_columns(splits, split)
        columns = [field, *([labelled] if labelled in present else [])]
        for batch in split_batches(splits, split, columns, AT_ONCE, chosen):
            for row in batch.to_pylist():
                value = row[field]
                example = str(value).strip()[:EXAMPLE_CHARS] if readable else None
                yield _Row(serving.instance(value), row.get("label"), example)


def _chosen(rows: dict[str, int]) -> Iterator[tuple[str, npt.NDArray[np.int64] | None]]:
    """The numbers of the rows of each split that are observed, ascending; None: all."""
    total = sum(rows.get(split, 0) for split in _OBSERVED_SPLITS)
    generator = np.random.default_rng(SEED)
    for split in _OBSERVED_SPLITS:
        count = rows.get(split, 0)
        if total <= MOST_ROWS:
            yield split, None
        else:
            yield split, np.sort(generator.choice(count, count * MOST_ROWS // total, replace=False))


def _decoded(predictor: Predictor, rows: Iterator[_Row]) -> Iterator[list[tuple[Any, _Row]]]:
    """Decoded inputs with their rows, as many at a time as are predicted together."""
    held: list[tuple[Any, _Row]] = []
    held_bytes = 0
    for row in rows:
        try:
            (decoded,) = predictor.decode([row.instance])
        except (InstanceError, RequestTooLargeError):
            continue
        held.append((decoded, row._replace(instance=None)))
        held_bytes += int(getattr(decoded, "nbytes", 0))
        if len(held) >= AT_ONCE or held_bytes >= HELD_BYTES:
            yield held
            held, held_bytes = [], 0
    if held:
        yield held


def _observed(predictor: Predictor, held: Sequence[tuple[Any, _Row]], first: int) -> Iterator[dict[str, Any]]:
    """What a log would note of each, with what is known beside it."""
    sizes = np.asarray(predictor.sizes([decoded for decoded, _ in held]), dtype=np.int64)
    noted: dict[int, dict[str, Any]] = {}
    for places in batches_within(sizes, predictor.budget):
        batch = [held[place][0] for place in places]
        for place, seen in zip(places, predictor.observe(batch, predictor.predict(batch)), strict=True):
            row = row_of(first + int(place), seen)
            _, given = held[place]
            beside = {"label": given.label, "example": given.example}
            noted[int(place)] = {**row, "features": list(row["features"].items()), **beside}
    yield from (noted[place] for place in sorted(noted))
