"""Texts, labels, column names and values of a slice in Chinese, from a file to a live endpoint and back to a file."""

from __future__ import annotations

import csv
import html
import json
import random
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.chinese_news import COLUMNS, COPIES, LABELS, PLACES, sentence, write_encoder, write_news
from tests.e2e.project import Project

pytestmark = pytest.mark.e2e


def test_chinese_news_are_learnt_told_apart_shown_and_served(project: Project, tmp_path: Path) -> None:
    news = tmp_path / "新闻.csv"
    write_news(news)
    config = project.configuration(
        "chinese", base="my_data.yaml", **settings(news, write_encoder(tmp_path / "encoder"))
    )
    run = project.run("--config", config)
    assert any(line.startswith("deployment  live") for line in run.stdout.splitlines()), run.stdout

    removed = splits_manifest(project)["removed"]["near_duplicate"]
    assert 0 < removed <= COPIES  # of copies by a character, those that fell into another split

    report = project.last_report()
    majority, tfidf = report["baseline"]["metrics"], report["references"]
    assert report["metrics"]["accuracy"]["value"] > majority["accuracy"] + 0.3
    assert [one["metrics"]["accuracy"] > majority["accuracy"] + 0.3 for one in tfidf if "TF-IDF" in one["label"]] == [
        True
    ]
    assert sorted(one["value"] for one in report["slices"] if one["column"] == "place") == sorted(PLACES)
    assert {one["value"] for one in report["slices"] if one["column"] == "length_chars"} == {"51–60", "61–70"}
    assert_pages_show(project, [*LABELS, *PLACES])

    draw = random.Random(7)
    asked = [(label, sentence(draw, label)) for label in LABELS for _ in range(4)]
    table, out = tmp_path / "问题.csv", tmp_path / "回答.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["标题", "正文"], *([label, text] for label, text in asked)])
    project.run("predict", "--config", config, "--input", table, "--output", out)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["标题"], row["正文"]) for row in rows] == asked
    assert {row["label"] for row in rows} <= set(LABELS)
    assert sum(row["label"] == row["标题"] for row in rows) > len(rows) / 2
    assert_a_run_of_batch_prediction_answers_as_the_endpoint(project, config, table, rows)


def assert_a_run_of_batch_prediction_answers_as_the_endpoint(
    project: Project, config: Path, table: Path, rows: list[dict[str, str]]
) -> None:
    """By its own pipeline, on rows of which one cannot be predicted; `rows` are those of the command."""
    with table.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["空", " "])
    folder = table.parent / "预测"
    batch = project.configuration(
        "batch",
        base="batch.yaml",
        model_name="my-news",
        source={"path": str(table), "columns": {"text": "正文"}},
        output={"path": str(folder)},
        keep=["标题"],
        shard_rows=5,
        runner={"kind": "local", "workers": 2},
    )
    told = project.run("--config", batch).stdout
    written = [row for part in sorted(folder.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    assert [row["标题"] for row in written] == [*(row["标题"] for row in rows), "空"]
    assert [row["label"] for row in written] == [*(row["label"] for row in rows), None]
    assert written[-1]["error"] == "'text' is blank; send at least one word"
    assert f"rows        {len(rows) + 1} rows" in told
    asked = project.run(
        "predict", "--config", config, "--endpoint", "--input", table.with_name("问题.csv"), check=False
    )
    assert "'text' is blank" in asked.stderr  # the endpoint refuses the table as a whole, and names the row
    assert project.status(config)["last_run"]["name"].startswith("batch_prediction-")


def settings(news: Path, encoder: Path) -> dict[str, Any]:
    """What differs from configs/my_data.yaml."""
    task = {"labels": LABELS, "encoder": str(encoder), "train_embeddings": True, "max_length_tokens": 96}
    task |= {"learning_rate": 5e-3, "head_learning_rate_factor": 1.0, "batch_size": 8, "epochs": 3, "precision": "fp32"}
    slices = {"columns": ["place"], "length_edges_chars": [50, 60, 70], "min_rows": 5}
    return {
        "source": {"path": str(news), "columns": COLUMNS},
        "task": {**task, "evaluations_per_epoch": 1, "slices": slices},
        "gate": {"minimum": {"accuracy": 0.6}, "baselines": "report"},
    }


def splits_manifest(project: Project) -> dict[str, Any]:
    (archive,) = project.zenml.glob("local_stores/*/split/splits/**/content.tar")
    with tarfile.open(archive) as tar:
        member = next(one for one in tar.getmembers() if one.name.endswith("manifest.json"))
        file = tar.extractfile(member)
        assert file is not None
        return dict(json.load(file))


def assert_pages_show(project: Project, words: list[str]) -> None:
    """The report's page has the words as text."""
    (page,) = project.zenml.glob("local_stores/*/evaluate/report/**/page.html")
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert [word for word in words if word not in text] == []
