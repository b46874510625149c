"""What an earlier commit left on a machine is opened, compared with, replaced and rolled back to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.e2e.project import Project
from tests.homes import unpack

pytestmark = pytest.mark.e2e

FIRST, SECOND = "56eecea4b145", "00c62b841905"


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Project]:
    """The folder of the commit, in which its endpoint does not run any more."""
    project = Project(unpack("207a66e.tar.xz", tmp_path / "home"))
    yield project
    for pid in project.endpoint_processes():
        psutil.Process(pid).kill()


def test_a_commit_of_today_goes_on_where_an_earlier_one_left(left: Project) -> None:
    config, expected = left.home / "news.yaml", json.loads((left.home / "answers.json").read_text())
    before = left.status(config)
    assert (before["champion"]["version"], before["previous"]["version"]) == (SECOND, FIRST)
    assert not before["endpoint"]["ready"]

    left.run("rollback", "--config", config)
    back = left.status(config)
    assert back["champion"]["version"] == FIRST
    assert_close(answers(back["endpoint"]["url"], expected["instances"]), expected["predictions"][FIRST])

    incremental = nightly(left.home, config)
    ran = left.run("--config", incremental)
    assert (ran.stdout + ran.stderr).count("does not tell which rows it was trained on") == 1
    assert "600 new to champion 56eecea4b145" in ran.stdout
    assert left.last_report()["comparison"]["champion"] == FIRST
    assert left.status(incremental)["coverage"]["until"] == "2026-04-30T23:00:00Z"
    assert "0 new to champion" in left.run("--config", incremental, "--dry-run").stdout
    assert_scored(left, incremental)

    left.run("rollback", "--config", config)
    again = left.status(config)
    assert again["champion"]["version"] == FIRST
    assert again["previous"]["version"] not in (FIRST, SECOND)
    assert_close(answers(again["endpoint"]["url"], expected["instances"]), expected["predictions"][FIRST])


def assert_scored(left: Project, config: Path) -> None:
    """The champion is scored on rows that it was trained on and others; the rollback after this finds all as it was."""
    champion = left.last_report()["version"]
    labelled = left.home / "labelled.csv"
    head, *rows = (left.home / "arrived.csv").read_text(encoding="utf-8").splitlines()
    labelled.write_text("\n".join([head, *rows[:90]]), encoding="utf-8")
    scored = json.loads(
        left.run("evaluate", "--config", config, "--source", labelled, "--json").stdout.splitlines()[-1]
    )
    assert (scored["version"], scored["rows"]) == (champion, 90)
    assert 0 < scored["trained_on"] < 90
    assert 0 < scored["metrics"]["accuracy"]["low"] <= scored["metrics"]["accuracy"]["value"]
    assert Path(scored["report"]).is_file()


def nightly(home: Path, config: Path) -> Path:
    """The configuration for what is new alone, of rows that have since been given the time of their arrival."""
    header, *rows = (home / "news.csv").read_text(encoding="utf-8").splitlines()
    arrived = [f"{header},arrived", *(f"{row},2026-05-01" for row in rows)]
    (home / "arrived.csv").write_text("\n".join(arrived), encoding="utf-8")
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    parameters = document["parameters"]
    parameters["source"]["path"] = str(home / "arrived.csv")
    parameters["source"]["columns"]["arrived"] = "arrived"
    parameters["task"]["epochs"] = 1
    parameters["refresh"] = {"data": "incremental"}
    path = home / "nightly.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def answers(url: str, instances: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What the live version answers."""
    answer = httpx.post(url, json={"instances": instances}, trust_env=False, timeout=60)
    return list(answer.raise_for_status().json()["predictions"])


def assert_close(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """The same labels, and probabilities that differ by rounding at most."""
    assert [one["label"] for one in ours] == [one["label"] for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
