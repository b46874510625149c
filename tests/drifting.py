"""A world of three topics whose requests are noted as a server would, for tests of what is seen when it moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.core.artifacts import FileEntry, ResolvedWindow
from evergreen.monitoring.reference import ROWS, ROWS_NAME, Reference, ReferenceManifest
from evergreen.requestlog.arrow import SCHEMA, batch_of

LABELS = ("business", "sport", "tech")
VERSION = "36df30fb3710"
DAY = ResolvedWindow(start=datetime(2026, 5, 4, tzinfo=UTC), end=datetime(2026, 5, 5, tzinfo=UTC))
EVEN = (1 / 3, 1 / 3, 1 / 3)
DIMENSIONS, WORDS = 8, 30


class World:
    """Draws rows; equal seeds give equal rows."""

    def __init__(self, seed: int = 0) -> None:
        self.draw = np.random.default_rng(seed)
        topics = np.random.default_rng(7)
        self._places = topics.normal(0, 1.5, (len(LABELS), DIMENSIONS))
        self._words = topics.dirichlet(np.ones(256), len(LABELS))

    def rows(self, count: int, shares: tuple[float, ...] = EVEN, longer: float = 1.0) -> list[dict[str, Any]]:
        """Rows as a reference has them, of texts."""
        topics = self.draw.choice(len(LABELS), count, p=shares)
        answers = np.where(self.draw.random(count) < 0.9, topics, self.draw.integers(len(LABELS), size=count))
        scores = self.draw.beta(8, 2, count)
        probabilities = np.repeat((1 - scores[:, np.newaxis]) / 2, len(LABELS), axis=1)
        probabilities[np.arange(count), answers] = scores
        columns = {
            "features": [[("tokens", float(n)), ("unknown_share", 0.0)] for n in self.draw.poisson(40 * longer, count)],
            "sketch": self.draw.multinomial(WORDS, self._words[topics]).tolist(),
            "prediction": [LABELS[answer] for answer in answers],
            "score": scores.tolist(),
            "probabilities": probabilities.tolist(),
            "embedding": self.draw.normal(self._places[topics], 1.0).tolist(),
            "label": [LABELS[topic] for topic in topics],
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def day(self, rows: list[dict[str, Any]], a_request: int = 1, window: ResolvedWindow = DAY) -> pa.RecordBatch:
        """The rows as a log's, in their order all over the window, `a_request` of them in each request."""
        step = (window.end - window.start) / max(1, len(rows))
        noted = []
        for number, row in enumerate(rows):
            request, index = divmod(number, a_request)
            time = window.start + step * request * a_request
            noted.append({**row, **self._request(time, f"{VERSION}{request:020x}"), "index": index})
        return batch_of(noted)

    def _request(self, time: datetime, trace_id: str) -> dict[str, Any]:
        fixed = {"model": "news", "version": VERSION, "engine": "fp32", "status": 200, "latency_ms": 1.0, "count": 1}
        return {"time": time, "trace_id": trace_id, **fixed}


def pictures(draw: np.random.Generator, count: int, light: float = 0.5) -> list[dict[str, Any]]:
    """Rows of pictures of one size, whose class shares do not hang on the light."""
    rows = []
    for _ in range(count):
        shares = draw.dirichlet((6, 3, 1))
        brightness = float(draw.normal(light, 0.1))
        rows.append(
            {
                "features": [("brightness", brightness), ("width", 128.0)],
                "prediction": LABELS[int(shares.argmax())],
                "score": float(shares.max()),
                "probabilities": shares.tolist(),
            }
        )
    return rows


def reference(folder: Path, rows: list[dict[str, Any]], labels: tuple[str, ...] = LABELS) -> Reference:
    """The rows as a reference of VERSION, in `folder`."""
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in ROWS]
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_arrays(columns, schema=ROWS), folder / ROWS_NAME)
    manifest = ReferenceManifest(
        files=(FileEntry.of(folder / ROWS_NAME, folder),),
        kind="text_classification",
        labels=labels,
        engine="fp32",
        rows=len(rows),
        version=VERSION,
    )
    return Reference.write(folder, manifest)


def moved_by(batch: pa.RecordBatch, time: timedelta) -> pa.RecordBatch:
    """The batch's rows so much later."""
    times = pa.array([value + time for value in batch.column("time").to_pylist()], SCHEMA.field("time").type)
    return batch.set_column(0, SCHEMA.field("time"), times)
