"""Batch prediction by the keyword model, which nothing has to be loaded for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch import work
from evergreen.batch.job import Job
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.work import Model
from evergreen.core.kinds import Settings
from evergreen.tasks.text_classification.settings import TextClassification
from tests.keyword_model import KEYWORDS, KeywordPredictor

MODEL = Model("the keyword model", "0a1b2c3d4e5f", ({"text": "a match"},))
TASK = TextClassification(labels=("sport", "business"), encoder="unused")
SHARD_ROWS = 10


class Keywords(KeywordPredictor):
    """Its inputs differ in size, so that they are sorted; `seen` are the sizes of each prediction."""

    budget = 12

    def __init__(self) -> None:
        super().__init__(KEYWORDS)
        self.seen: list[list[int]] = []

    def sizes(self, batch: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in batch]

    def predict(self, batch: Sequence[str]) -> list[dict[str, float]]:
        self.seen.append(self.sizes(batch))
        return super().predict(batch)


class Served:
    def instance(self, value: object) -> dict[str, Any]:
        return {"text": value}


@contextmanager
def keywords() -> Iterator[Keywords]:
    """The predictor that all jobs of this process have within the block."""
    predictor = Keywords()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "loaded", lambda *_: (predictor, Served()))
        yield predictor


def job(rows: Path | Settings, output: Path | Settings, shard_rows: int = SHARD_ROWS, **asked: Any) -> Job:
    given = FilesSettings(path=str(rows)) if isinstance(rows, Path) else rows
    made = FilesOutput(path=str(output)) if isinstance(output, Path) else output
    return job_of("news", MODEL, TASK, Asked(given, shard_rows=shard_rows, **asked), made)  # type: ignore[arg-type]


def texts(count: int) -> list[dict[str, str]]:
    """Rows with an id; every seventh text is blank."""
    words = ["a match", "stocks rose at the bank", "goal", "the bank and its stocks and a match"]
    return [{"id": str(n), "text": " " if n % 7 == 6 else f"{words[n % 4]} {n}"} for n in range(count)]
