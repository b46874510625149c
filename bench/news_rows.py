"""News as rows of a request log: what a server notes of each, by MiniLM-L6 and a simple head on its embeddings.

$EVERGREEN_AG_NEWS names the CSV of AG News (`label` 1 to 4, `content`); without it the news are the 2,127 of BBC News.
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.models import write_text_model
from evergreen.core.observation import Observation
from evergreen.core.protocols import Predictor
from evergreen.monitoring.reference import ROWS
from evergreen.requestlog.record import row_of

AG_NEWS = ("World", "Sports", "Business", "Sci/Tech")
HEAD_ROWS = 1_000
"""Rows that the head is fitted to, and that no window and no reference has."""
BLOCK = 512


def observed_news() -> tuple[pa.Table, tuple[str, ...]]:
    """The rows with their true labels, in random order, in the columns of a reference; and the labels."""
    texts, truth = _news()
    labels = tuple(sorted(set(truth)))
    order = np.random.default_rng(0).permutation(len(texts))
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        predictor = _predictor(Path(folder) / "model")
        noted = [
            row for start in range(0, len(order), BLOCK) for row in _block(predictor, texts, order[start:][:BLOCK])
        ]
    return _with_answers(noted, [truth[number] for number in order], labels), labels


def _news() -> tuple[list[str], list[str]]:
    if path := os.environ.get("EVERGREEN_AG_NEWS"):
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [row["content"] for row in rows], [AG_NEWS[int(row["label"]) - 1] for row in rows]
    from evergreen.demo.news import articles

    rows = list(articles())
    return [row["text"] for row in rows], [row["label"] for row in rows]


def _predictor(path: Path) -> Predictor:
    from evergreen.core.engines import EngineGraph, Engines
    from evergreen.tasks import load_engine

    model = write_text_model(path)
    engines = Engines.open(path.with_name(f"{path.name}-engines"))
    return load_engine(model.path, EngineGraph(engines, engines.manifest.variants[0], 1))


def _block(predictor: Predictor, texts: list[str], numbers: Any) -> list[Observation]:
    batch = predictor.decode([{"text": texts[number]} for number in numbers])
    return predictor.observe(batch, predictor.predict(batch))


def _with_answers(noted: list[Observation], truth: list[str], labels: tuple[str, ...]) -> pa.Table:
    from sklearn.linear_model import LogisticRegression

    embedded = np.array([row.embedding for row in noted])
    head = LogisticRegression(max_iter=1000).fit(embedded[:HEAD_ROWS], truth[:HEAD_ROWS])
    answers = head.predict_proba(embedded[HEAD_ROWS:]).astype(np.float32)
    rows = []
    for seen, answer, label in zip(noted[HEAD_ROWS:], answers, truth[HEAD_ROWS:], strict=True):
        row = row_of(0, seen) | {"prediction": labels[answer.argmax()], "score": float(answer.max())}
        rows.append(row | {"probabilities": answer.tolist(), "features": list(row["features"].items()), "label": label})
    return pa.Table.from_pylist(rows, schema=ROWS)
