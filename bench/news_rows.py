"""News as rows of a request log: what a server notes of each, by MiniLM-L6 and a simple head on its embeddings.

The news are those of `bench.training_speed`: AG News where $EVERGREEN_AG_NEWS names its CSV, else BBC News.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.models import write_text_model
from bench.training_speed import read_rows
from evergreen.core.engines import EngineGraph, Engines
from evergreen.core.observation import Observation
from evergreen.core.protocols import Predictor
from evergreen.monitoring.reference import ROWS
from evergreen.requestlog.record import row_of
from evergreen.tasks import load_engine

HEAD_ROWS = 1_000
"""Rows that the head is fitted to, and that no window and no reference has."""
BLOCK = 512


def observed_news() -> tuple[pa.Table, tuple[str, ...]]:
    """The rows with their true labels, in random order, in the columns of a reference; and the labels."""
    _, rows = read_rows()
    texts, truth = zip(*rows, strict=True)
    labels = tuple(sorted(set(truth)))
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        predictor = _predictor(Path(folder) / "model")
        blocks = [texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK)]
        noted = [row for block in blocks for row in _noted(predictor, block)]
    return _with_answers(noted, truth, labels), labels


def _predictor(path: Path) -> Predictor:
    model = write_text_model(path)
    engines = Engines.open(path.with_name(f"{path.name}-engines"))
    return load_engine(model.path, EngineGraph(engines, engines.manifest.variants[0], 1))


def _noted(predictor: Predictor, texts: Sequence[str]) -> list[Observation]:
    batch = predictor.decode([{"text": text} for text in texts])
    return predictor.observe(batch, predictor.predict(batch))


def _with_answers(noted: list[Observation], truth: Sequence[str], labels: tuple[str, ...]) -> pa.Table:
    from sklearn.linear_model import LogisticRegression

    embedded = np.array([row.embedding for row in noted])
    head = LogisticRegression(max_iter=1000).fit(embedded[:HEAD_ROWS], truth[:HEAD_ROWS])
    answers = head.predict_proba(embedded[HEAD_ROWS:]).astype(np.float32)
    rows = []
    for seen, answer, label in zip(noted[HEAD_ROWS:], answers, truth[HEAD_ROWS:], strict=True):
        row = row_of(0, seen) | {"prediction": labels[answer.argmax()], "score": float(answer.max())}
        rows.append(row | {"probabilities": answer.tolist(), "features": list(row["features"].items()), "label": label})
    return pa.Table.from_pylist(rows, schema=ROWS)
