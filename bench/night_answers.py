"""How right the models of runs are on the test rows of the first of them.

    python -m bench.night_answers RUN [RUN …]

prints, as its last line, {row: [whether the first run's model is right, the second's, …]} for the active ZenML.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.data.shards import split_batches
from evergreen.tasks import load_predictor

BATCH_ROWS = 64


def main() -> None:
    """Asks each model for each row."""
    from zenml.client import Client

    runs = [Client().get_pipeline_run(name) for name in sys.argv[1:]]
    splits: Splits = runs[0].steps["split"].outputs["splits"][0].load()
    models: list[TrainedModel] = [run.steps["train"].outputs["model"][0].load() for run in runs]
    predictors = [load_predictor(model.path, _nothing) for model in models]
    answers: dict[str, list[bool]] = {}
    for rows in _test_rows(splits):
        given = [{"text": row["text"]} for row in rows]
        labels = [[one["label"] for one in p.encode(p.predict(p.decode(given)))] for p in predictors]
        for row, *answered in zip(rows, *labels, strict=True):
            answers[row["id"]] = [label == row["label"] for label in answered]
    print(json.dumps(answers))


def _test_rows(splits: Splits) -> Iterator[Sequence[dict[str, Any]]]:
    for batch in split_batches(splits, SplitName.TEST, ("id", "text", "label"), BATCH_ROWS):
        yield batch.to_pylist()


def _nothing(address: str, limit: int) -> bytes:  # noqa: ARG001 - texts are at no address
    return b""


if __name__ == "__main__":
    main()
