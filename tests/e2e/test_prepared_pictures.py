"""Shards of raw pictures that arrive in a folder: the next run prepares them and trains on them, one after it rests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import pets
from tests.e2e.project import Project, first_json

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

COUNT, SIDE = 240, 32
TASK: dict[str, Any] = {
    "labels": ["pet", "background", "border"],
    "image_size": SIDE,
    "epochs": 2,
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


def newest_run(project: Project) -> dict[str, Any]:
    """Its steps and splits."""
    return dict(first_json(project.python("-m", "tests.e2e.newest_run").stdout))


def written_to(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file was last written, and as which inode."""
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()}


def test_shards_that_arrive_are_prepared_and_trained_on_by_the_next_run(project: Project, tmp_path: Path) -> None:
    raw, prepared = tmp_path / "raw", project.home / "prepared"
    raw.mkdir()
    *arrived, (name, content) = pets.shards(COUNT, every=4)
    for shard, records in arrived:
        (raw / shard).write_bytes(records)
    config = configured(project, raw)
    plan = project.run("--config", config, "--dry-run").stdout
    assert re.search(r"prepare .*raw \(5 tfrecord files, .*\n +5 of 5 parts to be prepared; 2 processes", plan), plan
    assert "source      nothing was prepared yet: the first step does" in plan
    assert "steps       prepare → identify → fetch" in plan
    assert not prepared.exists()

    first = project.run("--config", config).stdout
    assert "200 read of 200 seen" in first, first
    written = written_to(prepared)
    before = newest_run(project)
    assert {before["steps"][step] for step in ("prepare", "train", "promote", "deploy")} == {"completed"}, first
    assert sum(map(len, before["splits"].values())) == 200

    (raw / arrived[0][0]).write_bytes(arrived[0][1])  # the same bytes, written once more
    project.run("--config", config)
    assert written_to(prepared) == written
    rested = newest_run(project)["steps"]
    assert rested["prepare"] == "completed"
    assert {rested[step] for step in ("fetch", "validate", "split", "train", "evaluate")} == {"cached"}, rested

    (raw / name).write_bytes(content)
    again = project.run("--config", config).stdout
    assert f"{COUNT} read of {COUNT} seen" in again, again
    after = newest_run(project)
    assert after["steps"]["train"] == "completed"
    arrived_ids = {f"{name}:{number}" for number in range(1, 41)}
    splits = {split: set(ids) for split, ids in after["splits"].items()}
    assert arrived_ids == set().union(*splits.values()) - set().union(*before["splits"].values())
    assert splits["train"] & arrived_ids
    assert all(splits[split] >= set(ids) for split, ids in before["splits"].items())
    kept = {file: at for file, at in written.items() if file.endswith(".parquet")}
    assert len(kept) == 5
    assert kept.items() < written_to(prepared).items()
    assert len(list(prepared.glob("*.parquet"))) == 6
    assert project.artifacts_without_page() == []
