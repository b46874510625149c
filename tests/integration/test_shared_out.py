"""Test processes that share files out: each file is run once, by one of them, and whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.workflows import ROOT


def test_processes_share_files_out_and_run_each_whole(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lines = ["import time, pytest", "@pytest.mark.parametrize('number', range(3))", "def test_it(number):"]
        lines += [
            "    time.sleep(0.1)",
            f"    with open({str(tmp_path / 'ran')!r}, 'a') as file:",
            f"        print({name!r}, file=file)",
        ]
        (tmp_path / f"test_{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "shared").mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", f"--rootdir={tmp_path}", str(tmp_path)]
    processes = [
        subprocess.Popen(
            [*command, f"--basetemp={tmp_path / number}"],
            cwd=ROOT,
            env={
                **os.environ,
                "EVERGREEN_SHARED_OUT": str(tmp_path / "shared"),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in "12"
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert sorted((tmp_path / "ran").read_text("utf-8").split()) == ["a"] * 3 + ["b"] * 3, outputs
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert any(re.search(r"^test_[ab]\.py +0 min 0\d s$", output, re.MULTILINE) for output in outputs)
    assert len(list((tmp_path / "shared").glob("finished-*"))) == 2
