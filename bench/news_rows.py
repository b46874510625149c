"""News as rows of a request log: what a server notes of each, by a classifier that was trained on other news.

The news are those of `bench.training_speed`: AG News where $EVERGREEN_AG_NEWS names its CSV, else BBC News. The
classifier is MiniLM-L6, trained as a run trains it, and answers by its float32 graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.training_speed import ENCODER, Rows, read_rows, train
from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import EngineGraph
from evergreen.core.members import exportable
from evergreen.core.protocols import Predictor
from evergreen.monitoring.reference import ROWS
from evergreen.requestlog.record import row_of
from evergreen.tasks import load_engine
from evergreen.tasks.engines import engines_of
from evergreen.tasks.text_classification.settings import TextClassification

TRAINED_ROWS, VALIDATION_ROWS = 1_000, 100
"""Rows that the classifier is trained on, and then those of them that its training is watched by; no window and no
reference has them."""
BLOCK = 512


@dataclass(frozen=True)
class NotedNews:
    """All rows but those that the classifier was trained on, in random order and the columns of a reference, with their
    true labels; `labels` are those that the classifier knows.
    """

    rows: pa.Table
    labels: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Of the answers to rows whose label the classifier knows."""
        truth, answers = (np.asarray(self.rows.column(name).to_pylist()) for name in ("label", "prediction"))
        known = np.isin(truth, self.labels)
        return float((truth == answers)[known].mean())


def topics() -> tuple[str, ...]:
    """What the news are about: their labels."""
    return tuple(sorted({label for _, label in read_rows()[1]}))


def noted_news(without: str | None = None) -> NotedNews:
    """The news as a classifier answers them that never saw those of the topic `without`, and has no label for it."""
    _, rows = read_rows()
    labels = tuple(label for label in topics() if label != without)
    learnt, others = rows[:TRAINED_ROWS], rows[TRAINED_ROWS:]
    task = TextClassification(encoder=ENCODER, labels=labels)
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name:
        folder = Path(name)
        known = [row for row in learnt if row[1] in labels]
        model, _ = train(task, (known[VALIDATION_ROWS:], known[:VALIDATION_ROWS]), folder, seed=0)
        noted = list(_noted(_predictor(task, model, known, folder / "engines"), others))
    return NotedNews(pa.Table.from_pylist(noted, schema=ROWS), labels)


def _predictor(task: TextClassification, model: TrainedModel, rows: Rows, folder: Path) -> Predictor:
    exporting = exportable(task)
    if exporting is None:
        raise ValueError(f"models of kind {task.kind} have no graphs")
    engines = engines_of(exporting, model, [{"text": text} for text, _ in rows[:VALIDATION_ROWS]], folder)
    return load_engine(model.path, EngineGraph(engines, engines.manifest.variants[0], 1))


def _noted(predictor: Predictor, rows: Sequence[tuple[str, str]]) -> Iterator[dict[str, object]]:
    for start in range(0, len(rows), BLOCK):
        texts, truth = zip(*rows[start : start + BLOCK], strict=True)
        batch = predictor.decode([{"text": text} for text in texts])
        for seen, label in zip(predictor.observe(batch, predictor.predict(batch)), truth, strict=True):
            row = row_of(0, seen)
            yield row | {"features": list(row["features"].items()), "label": label}
