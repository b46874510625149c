"""Batch predictions that are killed at ten moments and started again, on files and on BigQuery in the box."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudbox.bigquery.alone import running
from cloudbox.home import Home
from tests.batches import texts
from tests.killed_batches import MOMENTS, ROWS

ROOT = Path(__file__).parents[2]
LABELS = ("sport", "business", "sport", "business")


def check_every_row_once(where: str, environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.killed_batches", where]
    variables = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert min(report["moments"]) >= MOMENTS
    blank = "'text' is blank"
    expected = [
        [row["id"], *([None, blank] if row["text"] == " " else [LABELS[n % 4], None])]
        for n, row in enumerate(texts(ROWS))
    ]
    for number, case in enumerate(report["cases"]):
        assert case == {"killed": True, "again": True, "left": [], "rows": expected}, f"{number}: {done.stderr}"
    assert len(report["cases"]) == MOMENTS
    return dict(report)


def test_files_hold_every_row_once_in_order_whenever_the_job_was_killed() -> None:
    check_every_row_once("files", {})


def test_bigquery_holds_every_row_once_in_order_whenever_the_job_was_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with running(home.path) as environment:
        report = check_every_row_once("bigquery", environment)
    columns = ["id", "score", "label", "predicted_score", "probabilities", "version", "error"]
    assert report["read"] == [[columns, "0", "sport"], [columns, "1", "business"]]
    assert not home.refusals.exists() or not home.refusals.read_text()
