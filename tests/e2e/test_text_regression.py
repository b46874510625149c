"""A task and a source of a package of their own, from rows to a live endpoint, without a line changed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.project import Project, first_json
from tests.own_zenml import ROOT

pytestmark = pytest.mark.e2e

EXAMPLE = ROOT / "examples" / "text_regression"
WORN = "City bike, 12 years old, worn, to collect in Gent."
FINE = "Cargo bike, 2 years old, like new, disc brakes, to collect in Gent."
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from zenml.utils.source_utils import set_custom_source_root
from commands.parser import main
set_custom_source_root(".")
for command in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(command)
    print(json.dumps({"command": command, "code": code, "out": out.getvalue()}))
"""
"""Commands in one process: it takes ZenML seconds to start."""


@pytest.fixture
def installed(project: Project, tmp_path: Path) -> Project:
    """The project beside the installed example."""
    folder, site = tmp_path / "text_regression", tmp_path / "site"
    shutil.copytree(EXAMPLE, folder)  # what a build leaves is not to lie in the checkout
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", site, folder], check=True, timeout=60
    )
    return replace(project, site=site)


def configured(project: Project, name: str, **task: Any) -> Path:
    """The example's configuration on a free port, with other fields of the task; the champion alone is to be beaten."""
    document = yaml.safe_load((EXAMPLE / "bicycles.yaml").read_text(encoding="utf-8"))
    parameters = document["parameters"]
    parameters["host"]["port"], parameters["gate"] = 0, {"maximum": {"mae": 300}}
    parameters["task"].update(task)
    path = project.home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def outputs(project: Project, *commands: tuple[object, ...]) -> list[str]:
    """What each command printed; all must succeed."""
    done = project.python("-c", ONE_AFTER_THE_OTHER, json.dumps([[str(one) for one in each] for each in commands]))
    runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"command"')]
    assert [run["code"] for run in runs] == [0] * len(commands), done.stdout + done.stderr
    return [run["out"] for run in runs]


def test_a_number_for_a_text_is_served_and_replaced_only_by_one_with_a_lower_error(installed: Project) -> None:
    modest = configured(installed, "modest", scale="linear")
    worse = configured(installed, "worse", scale="linear", features=32)
    better = configured(installed, "better")

    installed.run("--config", modest)
    first = installed.status(modest)["champion"]
    report = installed.last_report()
    assert (report["kind"], report["primary_metric"], report["specs"][0]["better"]) == ("regression", "mae", "lower")
    assert report["metrics"]["mae"]["value"] < report["baseline"]["metrics"]["mae"] / 2
    assert {one["column"] for one in report["slices"]} == {"type"}

    table, judged = installed.home / "offers.csv", installed.home / "outcome"
    table.write_text(f'text\n"{WORN}"\n"{FINE}"\n', encoding="utf-8")
    _, kept, _, replaced, answers, _, rolled_back, _ = outputs(
        installed,
        ("--config", worse, "--outcome", judged / "worse"),
        ("status", "--config", worse, "--json"),
        ("--config", better, "--outcome", judged / "better"),
        ("status", "--config", better, "--json"),
        ("predict", "--config", better, "--input", table),
        ("rollback", "--config", better),
        ("status", "--config", better, "--json"),
        ("teardown", "--config", better),
    )
    refused, accepted = (
        json.loads((judged / name / "outcome.json").read_text("utf-8")) for name in ("worse", "better")
    )
    assert (refused["accepted"], refused["champion"], refused["lead"]) == (False, first["version"], "mae")
    assert refused["differences"]["mae"]["low"] > 0 > refused["gains"]["mae"]["high"]
    assert first_json(kept)["champion"] == first

    second = first_json(replaced)["champion"]
    assert (accepted["accepted"], accepted["version"]) == (True, second["version"])
    assert second["version"] != first["version"]
    assert second["metrics"]["mae"] < first["metrics"]["mae"] / 2
    worn, fine = (first_json(line)["value"] for line in answers.splitlines())
    assert worn < 200
    assert fine > 1_500

    status = first_json(rolled_back)
    assert (status["champion"]["version"], status["previous"]["version"]) == (first["version"], second["version"])
    assert status["endpoint"]["traffic"][first["version"]] == 100
    assert installed.artifacts_without_page() == []
