"""The simple models beside a version: what they are fitted on, and which versions they keep out."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import Splits
from evergreen.core.decision import Verdict
from evergreen.core.gate import Gate, decide
from evergreen.core.members import measurable, source_of, trainable
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification import tfidf
from evergreen.tasks.text_classification.tfidf import TfidfRegression
from tests import tiny_images, tiny_text
from tests.tiny_text import RecordingRun

CHINESE = {"money": "股市银行利润贷款价格", "games": "进球比赛球队教练赛季", "state": "部长投票法律选举条约"}
FILLER = "的了在是我有和人这中大为上个国"


def chinese(count: int, seed: int) -> list[tuple[str, str]]:
    """Runs of twenty characters without a blank, a quarter of them telling the label."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        label = tiny_text.LABELS[number % len(tiny_text.LABELS)]
        rows.append(("".join(draw.choice(CHINESE[label] if at % 4 == 0 else FILLER) for at in range(20)), label))
    return rows


def accuracy(regression: TfidfRegression, rows: list[tuple[str, str]]) -> float:
    answers = regression.answer([text for text, _ in rows])
    return float(np.mean([tiny_text.LABELS[number] == label for number, (_, label) in zip(answers, rows, strict=True)]))


def test_texts_without_blanks_are_told_apart_by_their_characters(tmp_path: Path) -> None:
    splits = tiny_text.write_splits(tmp_path / "s", {"train": chinese(150, 0), "test": chinese(90, 1)})
    regression = TfidfRegression(splits, tiny_text.LABELS)
    assert regression.fitted_on is None
    assert accuracy(regression, chinese(90, 1)) > 0.9


def test_texts_are_counted_a_few_at_a_time_with_the_same_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tiny_text.headlines(120)
    splits = tiny_text.write_splits(tmp_path / "s", {"train": rows})
    texts = [text for text, _ in tiny_text.headlines(60, seed=7)]
    whole = TfidfRegression(splits, tiny_text.LABELS).answer(texts)
    counted: list[int] = []
    transform = HashingVectorizer.transform

    def recorded(self: HashingVectorizer, some: list[str]) -> object:
        counted.append(sum(map(len, some)))
        return transform(self, some)

    monkeypatch.setattr(HashingVectorizer, "transform", recorded)
    monkeypatch.setattr(tfidf, "CHARS_AT_ONCE", 500)
    assert (TfidfRegression(splits, tiny_text.LABELS).answer(texts) == whole).all()
    assert len(counted) > 4
    assert max(counted) <= 500


def test_a_large_train_split_is_sampled_by_content_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfidf, "MAX_ROWS", 40)
    rows = tiny_text.headlines(120)
    baseline = TfidfRegression(tiny_text.write_splits(tmp_path / "a", {"train": rows}), tiny_text.LABELS)
    other = TfidfRegression(tiny_text.write_splits(tmp_path / "b", {"train": rows[::-1]}), tiny_text.LABELS)
    assert baseline.fitted_on == other.fitted_on == 40
    texts = [text for text, _ in tiny_text.headlines(60, seed=7)]
    assert (baseline.answer(texts) == other.answer(texts)).all()


def test_a_train_split_of_a_single_label_answers_that(tmp_path: Path) -> None:
    rows = [row for row in tiny_text.headlines(30) if row[1] == "games"]
    regression = TfidfRegression(tiny_text.write_splits(tmp_path / "s", {"train": rows}), tiny_text.LABELS)
    assert set(regression.answer(["anything", ""]).tolist()) == {tiny_text.LABELS.index("games")}


def kept_out(task: ImageSegmentation, splits: Splits, folder: Path) -> None:
    """Asserts that a training of `task` is kept out for its pixel regression alone, of all that compares models."""
    report = measurable(task).evaluate(trainable(task).train(splits, RecordingRun.below(folder)), None, splits)
    (reference,) = report.references
    ours, theirs = report.metrics["mean_iou"].value, reference.metrics["mean_iou"]
    assert reference.differences["mean_iou"].value == pytest.approx(ours - theirs)
    assert reference.differences["mean_iou"].high < 0
    decision = decide(report, Gate(min_test_rows=10), None)
    assert decision.verdict is Verdict.KEEP
    (reason,) = [given for given in decision.reasons if pixel_regression.NAME in given.rule]
    assert not reason.passed
    assert "is certainly worse than" in reason.message
    shown = decide(report, Gate(min_test_rows=10, baselines="report"), None)
    assert all(pixel_regression.NAME not in given.rule for given in shown.reasons)


def test_a_network_that_hardly_trained_is_kept_out_beside_what_colours_tell(tmp_path: Path) -> None:
    rows = tiny_images.scenes(80)
    splits = tiny_images.write_splits(
        tmp_path / "s", {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
    )
    kept_out(tiny_images.task_with(epochs=1, max_train_rows=16, learning_rate=1e-4), splits, tmp_path / "run")


def test_a_network_of_two_epochs_on_street_scenes_is_kept_out_beside_what_colours_tell(tmp_path: Path) -> None:
    camvid = os.environ.get("CAMVID")
    if not camvid or not (Path(camvid) / "images").is_dir():
        pytest.skip("CAMVID names no folder with images and masks of CamVid, which are no part of this repository")
    source = FilesSettings(
        format="image_folders",
        path=f"{camvid}/images",
        masks=f"{camvid}/masks",
        group_pattern=r"^(\w+_\d{3})",
    )
    dataset = source_of(source).read(None, tmp_path / "dataset")
    plan = SplitPlan(seed=47, train=0.6, validation=0.1, test=0.3)
    (tmp_path / "splits").mkdir()
    splits = split(dataset, plan, tmp_path / "splits", {})
    labels = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
    task = ImageSegmentation(labels=tuple(labels), ignore_label=11, image_size=160, batch_size=4, epochs=2)
    kept_out(task, splits, tmp_path / "run")
