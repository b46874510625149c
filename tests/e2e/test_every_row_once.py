"""Nights of one model whose rows keep arriving: each takes what is new, once; one without news is a success."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from orchestration.commit import commit_of
from tests.e2e.project import Project, cached_steps, first_json
from tests.own_zenml import ROOT
from tests.tiny_text import LABELS, headlines, write_encoder

pytestmark = [pytest.mark.e2e, pytest.mark.nights, pytest.mark.timeout(1800)]

START = datetime(2026, 5, 1, tzinfo=UTC)
ROWS = headlines(1200)


def arrive(folder: Path, name: str, first: int, last: int, day: int, *, about: int | None = None) -> None:
    """Rows that arrive on a day, an hour after each other, and tell of that day or another."""
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "day", "arrived"])
        for number in range(first, last):
            text, label = ROWS[number]
            arrived = START + timedelta(days=day, seconds=number - first)
            told = START + timedelta(days=day if about is None else about)
            writer.writerow([number, f"{text} {number}", label, told.date().isoformat(), arrived.isoformat()])


def configuration(project: Project, rows: Path, **refresh: Any) -> Path:
    columns = {"id": "id", "text": "text", "label": "label", "timestamp": "day", "arrived": "arrived"}
    parameters = {
        "model_name": "nightly",
        "source": {"kind": "files", "path": str(rows), "columns": columns},
        "task": {
            "kind": "text_classification",
            "labels": list(LABELS),
            "encoder": str(project.home / "encoder"),
            "train_embeddings": True,
            "learning_rate": 5e-3,
            "batch_size": 8,
            "max_length_tokens": 32,
            "epochs": 1,
        },
        "refresh": {"data": "incremental", "min_new_rows": 50, "replay_share": 0.5, **refresh},
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "gate": {"min_test_rows": 1, "baselines": "report", "beat_baseline": False, "margin": {}},
        "host": {"kind": "local_endpoint", "port": 0},
    }
    path = project.home / "nightly.yaml"
    path.write_text(yaml.safe_dump({"parameters": parameters, "extra": {"stacks": ["local"]}}), encoding="utf-8")
    return path


def test_each_night_takes_what_is_new_once(project: Project) -> None:
    rows = project.home / "rows"
    rows.mkdir()
    write_encoder(project.home / "encoder")
    config = configuration(project, rows)
    arrive(rows, "first", 0, 600, day=0)
    first = project.run("--config", config)
    assert "600 new to a first model" in first.stdout
    champion = project.status(config)
    assert champion["coverage"]["until"] == "2026-04-30T23:09:59Z"

    arrive(rows, "few", 600, 620, day=1)
    quiet = project.run("--config", config)
    assert "20 new to champion" in quiet.stdout
    assert "nothing is trained on fewer than 50" in quiet.stdout
    assert "training:" not in quiet.stdout + quiet.stderr

    arrive(rows, "late", 620, 900, day=2, about=-30)
    kill_at_training(project, config)
    assert project.status(config)["champion"] == champion["champion"]
    printed = only_one_of_two(project, config)
    assert "300 new to champion" in printed
    assert re.search(r"forgetting +accuracy on \d+ new rows .*, on \d+ replayed rows .*\(champion ", printed)
    (section,) = (one for one in project.last_report()["sections"] if one["kind"] == "forgetting")
    assert sum(part["rows"] for part in section["parts"]) == project.last_report()["rows"]
    assert all(part["metrics"].keys() == part["differences"].keys() for part in section["parts"])
    second = project.status(config)
    assert second["previous"]["version"] == champion["champion"]["version"]
    assert [one["start"] for one in second["coverage"]["gaps"]] == ["2026-04-02T00:00:00Z"]

    assert_lineage(project, config, champion, second)

    project.run("rollback", "--config", config)
    assert project.status(config)["coverage"]["until"] == champion["coverage"]["until"]
    refused = project.run("--config", config)
    assert "300 new to champion" in refused.stdout
    assert cached_steps(refused) == ["fetch", "validate", "split", "train", "evaluate"]
    assert f"{second['champion']['version']} was champion and was rolled back" in refused.stdout
    assert project.status(config)["champion"] == champion["champion"]

    arrive(rows, "more", 900, 1000, day=3)
    assert "400 new to champion" in project.run("--config", config).stdout
    status = project.status(config)
    assert status["champion"]["version"] not in (champion["champion"]["version"], second["champion"]["version"])
    assert status["previous"]["version"] == champion["champion"]["version"]
    assert "0 new to champion" in project.run("--config", config, "--dry-run").stdout
    assert project.artifacts_without_page() == []


def assert_lineage(project: Project, config: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """A prediction leads to its version, whose weights and rows go back to the champion before it."""
    first, second = (status["champion"]["version"] for status in (before, now))

    def lineage(asked: str) -> dict[str, Any]:
        return dict(first_json(project.run("lineage", "--config", config, "--json", asked).stdout))

    url, body = now["endpoint"]["url"], {"instances": [{"text": "late rows"}]}
    answer = httpx.post(url, json=body, trust_env=False, timeout=60).json()
    of_trace = lineage(answer["metadata"]["trace_id"])
    assert of_trace["trace_id"] == answer["metadata"]["trace_id"]
    assert (of_trace["version"]["version"], of_trace["traffic"]) == (second, 100)
    assert of_trace["rows"]["chosen"].startswith(f"300 new to champion {first}, ")
    assert of_trace["rows"]["arrived_until"].startswith("2026-05-03")
    assert (
        sum(of_trace["rows"]["splits"].values()) + sum(of_trace["rows"]["removed"].values()) == of_trace["rows"]["rows"]
    )
    (parent,) = of_trace["parents"]
    assert (parent["version"], parent["rows"], parent["chosen"]) == (first, 600, "600 new to a first model")
    assert of_trace["oldest"]
    assert of_trace["coverage"]["added"][0]["start"] == "2026-04-01T00:00:00Z"
    assert set(of_trace["code"]["steps"]) == {"fetch", "validate", "split", "train", "evaluate"}
    assert of_trace["code"]["task"]["encoder"] == str(project.home / "encoder")
    assert (of_trace["decision"]["champion"], of_trace["deployment"]["outcome"]) == (first, "live")
    assert {place["name"] for place in of_trace["artifacts"] if place["stored"]} == {
        *("model", "report", "coverage", "held_out", "dataset", "splits")
    }
    assert of_trace["missing"] == []
    assert of_trace["run"]["commit"] == commit_of(ROOT)

    theirs = {"traceparent": f"00-{'4b' * 16}-{'0f' * 8}-01"}
    answer = httpx.post(url, json=body, headers=theirs, trust_env=False, timeout=60).json()
    assert answer["metadata"]["trace_id"] == "4b" * 16
    assert lineage(json.dumps(answer))["version"]["version"] == second
    refused = project.run("lineage", "--config", config, "4b" * 16, check=False)
    assert refused.returncode == 2
    assert refused.stderr.strip().count("\n") == 0
    assert f"names no version of model 'nightly' (has: {second}, {first})" in refused.stderr


def kill_at_training(project: Project, config: Path) -> None:
    """A run without warning, once it trains."""
    with project.start("--config", config) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "training:" in line:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)
                return
        pytest.fail("the run never trained")


def only_one_of_two(project: Project, config: Path) -> str:
    """What the one of two runs printed that was let in, where both begin together."""
    with project.start("--config", config) as one, project.start("--config", config) as other:
        printed = {process.communicate(timeout=600)[0]: process.returncode for process in (one, other)}
    (done,) = [text for text, code in printed.items() if code == 0]
    (refused,) = [text for text, code in printed.items() if code == 1]
    assert "another run of model 'nightly' is under way" in refused
    return done
