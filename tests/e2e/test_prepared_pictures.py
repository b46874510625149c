"""Shards of raw pictures that arrive in a folder: the next run prepares them and trains on them, one after it rests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import pets
from tests.e2e.project import Project

pytestmark = pytest.mark.e2e

COUNT, SIDE = 240, 32
TASK: dict[str, Any] = {
    "labels": ["pet", "background", "border"],
    "image_size": SIDE,
    "epochs": 6,
    "learning_rate": 1.0e-2,
    "batch_size": 16,
    "rules": {"min_rows": 20},
}
GATE: dict[str, Any] = {"minimum": {"pixel_accuracy": 0.1}, "class_floors": {}, "baselines": "report", "margin": {}}


def configured(project: Project, raw: Path) -> Path:
    """A configuration whose first step prepares what lies in `raw`."""
    path = project.configuration("pictures", base="shapes.yaml", task=TASK, gate=GATE)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    columns = {"id": "id", "image": "image", "mask": "mask", "split": "split"}
    prepared = {"kind": "files", "path": str(project.home / "prepared"), "columns": columns}
    origin = {"kind": "files", "format": "tfrecord", "path": str(raw), "columns": {"mask": "label", "split": "split"}}
    document["parameters"] |= {
        "source": prepared,
        "prepare": {"origin": origin, "image_size": SIDE, "runner": {"kind": "local", "workers": 2}},
        "split": {"train": 0.6, "validation": 0.1, "test": 0.3, "near_duplicate_distance": None},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def steps(project: Project) -> dict[str, str]:
    """How each step of the newest run ended."""
    code = (
        "import json; from zenml.client import Client; run = Client().list_pipeline_runs(size=1).items[0]; "
        "print(json.dumps({name: str(one.status) for name, one in run.get_hydrated_version().steps.items()}))"
    )
    lines = project.python("-c", code).stdout.splitlines()
    return dict(yaml.safe_load(lines[-1]))


def test_shards_that_arrive_are_prepared_and_trained_on_by_the_next_run(project: Project, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    arriving = list(pets.shards(COUNT, every=4))
    for name, content in arriving[:-1]:
        (raw / name).write_bytes(content)
    config = configured(project, raw)
    plan = project.run("--config", config, "--dry-run").stdout
    assert re.search(r"prepare .*raw \(5 tfrecord files, .*\n +5 of 5 parts to be prepared; by 2 as number", plan), plan
    assert "source      nothing was prepared yet: the first step does" in plan
    assert "steps       prepare → identify → fetch" in plan
    assert not (project.home / "prepared").exists()

    first = project.run("--config", config).stdout
    assert "200 read of 200 seen" in first, first
    assert steps(project)["prepare"] == "completed"
    champion = project.status(config)["champion"]
    assert champion, first
    written = {one.name: one.stat().st_mtime_ns for one in (project.home / "prepared").iterdir()}
    assert len([name for name in written if name.endswith(".parquet")]) == 5

    project.run("--config", config)
    assert {one.name: one.stat().st_mtime_ns for one in (project.home / "prepared").iterdir()} == written
    rested = steps(project)
    assert rested["prepare"] == "completed"
    assert {rested[name] for name in ("fetch", "validate", "split", "train", "evaluate")} == {"cached"}, rested
    assert project.status(config)["champion"]["version"] == champion["version"]

    name, content = arriving[-1]
    (raw / name).write_bytes(content)
    assert "1 of 6 parts to be prepared" in project.run("--config", config, "--dry-run").stdout
    again = project.run("--config", config).stdout
    assert f"{COUNT} read of {COUNT} seen" in again, again
    assert steps(project)["train"] == "completed"
    now = {one.name: one.stat().st_mtime_ns for one in (project.home / "prepared").glob("*.parquet")}
    assert len(now) == 6
    assert now.items() >= {name: at for name, at in written.items() if name.endswith(".parquet")}.items()
    assert project.artifacts_without_page() == []
