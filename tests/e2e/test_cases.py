"""`make cases`, as somebody who reports a bug types it: the whole run of each case, in a ZenML of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.own_zenml import ROOT, environment
from tests.tiny_cases import write_case
from tests.tiny_text import headlines, write_encoder

pytestmark = pytest.mark.e2e


def test_each_case_is_run_to_a_live_endpoint_and_nothing_of_it_stays(tmp_path: Path) -> None:
    folder, encoder = tmp_path / "cases", str(write_encoder(tmp_path / "encoder"))
    settings = {"encoder": encoder, "train_embeddings": True, "learning_rate": 5e-3, "max_length_tokens": 32}
    settings |= {"epochs": 3, "batch_size": 8, "precision": "fp32", "head_learning_rate_factor": 1.0}
    with socket.create_server(("127.0.0.1", 0)) as taken:  # whoever reports a bug has other endpoints running
        live = {"exit": 0, "read": 240, "message": r"endpoint live, accuracy 0\.[5-9]|accuracy 1"}
        port = taken.getsockname()[1]
        write_case(folder, "live", rows=headlines(240), expected={"accept": [live]}, port=port, **settings)
        expected = {
            "accept": [{"exit": 2, "message": "/nowhere/of-this-case"}],
            "environment": {"OWN": "of-this-case"},
        }
        write_case(folder, "variable", expected=expected, encoder="/nowhere/${OWN}")
        write_case(folder, "wrong", expected={"accept": [{"exit": 0}]}, encoder="/nowhere/${OWN}")
        done = make_cases(folder, tmp_path)
    results = {result["case"]: result for result in map(json.loads, done.stdout.splitlines())}
    told = {name: (result["exit"], result["accepted"]) for name, result in results.items()}
    assert told == {"live": (0, True), "variable": (2, True), "wrong": (2, False)}, done.stdout + done.stderr
    assert "environment variable OWN is not set" in results["wrong"]["message"]
    assert done.returncode != 0
    assert list((tmp_path / "scratch").glob("evergreen-*")) == []
    assert not [one.pid for one in psutil.process_iter(["environ"]) if str(tmp_path) in str(one.info["environ"])]


def make_cases(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """`make cases` of a folder, told relative to the checkout; what it leaves behind lies in `scratch`."""
    (tmp_path / "scratch").mkdir()
    venv = Path(sys.prefix)
    command = ["make", "--silent", f"VENV={venv}", "--old-file", str(venv / "installed"), "cases"]
    return subprocess.run(
        [*command, f"CASES={os.path.relpath(folder, ROOT)}", "TRAIN=1", "JSON=1"],
        cwd=ROOT,
        env=environment(tmp_path / "not-this-zenml", TMPDIR=str(tmp_path / "scratch")),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
