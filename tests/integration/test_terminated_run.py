"""SIGTERM while a step runs: its cleanups end, ZenML does not keep it running, and the exit code is 143."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.own_zenml import ROOT, environment

SCRIPT = """
import sys, time
from zenml import pipeline, step
from commands.console import quiet_zenml, report_errors
from commands.termination import sigterm_raises

@step
def wait() -> None:
    try:
        print("step waits", flush=True)
        time.sleep(60)
    finally:
        print("step cleaned up", flush=True)

@pipeline(enable_cache=False)
def waiting() -> None:
    wait()

with report_errors(debug=False) as outcome, sigterm_raises(), quiet_zenml(debug=False):
    waiting()
from zenml.client import Client
print("status", Client().list_pipeline_runs().items[0].status.value)
sys.exit(outcome.code)
"""


def test_a_terminated_run_cleans_up_and_exits_with_143(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment(tmp_path / "zenml", PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout)
            assert any("step waits" in line for line in lines)
            process.send_signal(signal.SIGTERM)
            rest = "".join(lines)
            assert process.wait(timeout=60) == 143, rest
        finally:
            process.kill()
    assert "step cleaned up\n" in rest
    assert "terminated\n" in rest
    assert "Traceback" not in rest
    assert "status failed" in rest or "status stopped" in rest
