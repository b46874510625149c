"""A run of this machine that is ended at its rollout: by the command, by Ctrl-C, by SIGTERM, and after SIGKILL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.adapters.local_endpoint.host import FileLease
from evergreen.core.errors import InputError
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.own_zenml import ROOT, environment

pytestmark = pytest.mark.usefixtures("zenml_home")


@contextmanager
def rolling(home: Path, model: str, lease: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that is at its canary."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.stoppable_run", model, str(lease)]
    variables = environment(home, PYTHONPATH=str(ROOT))
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.strip() == "rolling":
                    break
            else:
                raise AssertionError("".join(said))
            yield process
        finally:
            process.kill()


def status(model: str) -> str:
    from orchestration.runs import newest_submission

    run = newest_submission(model, f"training-of-{model}")
    assert run is not None
    return str(run.status)


def assert_late_words_change_nothing(model: str) -> None:
    """What a step says after its end, or a heartbeat, is refused."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.exceptions import IllegalOperationError
    from zenml.orchestrators import publish_utils

    from orchestration.runs import newest_submission

    run = newest_submission(model, f"training-of-{model}")
    assert run is not None
    for late in (ExecutionStatus.FAILED, ExecutionStatus.COMPLETED, ExecutionStatus.RUNNING):
        with pytest.raises(IllegalOperationError):
            publish_utils.publish_step_run_status_update(run.steps["roll"].id, late)
    with pytest.raises(IllegalOperationError):
        publish_utils.publish_failed_pipeline_run(run.id)
    assert str(Client().get_pipeline_run(run.id).status) == "stopped"


@pytest.mark.parametrize("killed", [False, True])
def test_a_stopped_run_ends_and_its_canary_goes_back(zenml_home: Path, tmp_path: Path, killed: bool) -> None:
    from commands.stop import stop_lines
    from orchestration.stopping import stop_runs

    model = f"stopped-{killed}".lower()
    endpoint = MemoryEndpoint({"a1": 90, "b2": 10})
    host = hosting(endpoint, FileLease(tmp_path / "lease.json"))
    with rolling(zenml_home, model, tmp_path / "lease.json") as process:
        if killed:
            process.kill()
            process.wait()
        else:
            other = stop_runs(model, host, "training-of-somebody-else")
            assert stop_lines(model, other).startswith(f"nothing to stop: no run of model '{model}' is under way")
            assert (process.poll(), status(model)) == (None, "running")
        stop = stop_runs(model, host)
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(timeout=60) == (-signal.SIGKILL if killed else 143), rest
    (run,) = stop.runs
    assert (run.run, run.status) == (f"training-of-{model}", "stopped")
    assert run.ended == ("its process has ended" if killed else f"process {process.pid} ended")
    assert "Failed to run step" not in rest  # it was stopped
    by_itself = "left {'a1': 100}" in rest  # of an endpoint in its memory
    assert by_itself != (endpoint.traffic == {"a1": 100})
    assert not (killed and by_itself)
    assert FileLease(tmp_path / "lease.json").read().lease.model_dump() == {"holder": None, "rollout": None}
    assert_late_words_change_nothing(model)

    again = stop_runs(model, host)
    assert (again.runs, again.put_back) == ((), None)


def test_ctrl_c_in_the_command_ends_its_run(zenml_home: Path, tmp_path: Path) -> None:
    model = "interrupted"
    with rolling(zenml_home, model, tmp_path / "lease.json") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 130, rest
    assert "left {'a1': 100}" in rest
    assert [word for word in ("Traceback", "Failed", "Received signal") if word in rest] == []
    assert status(model) == "stopped"
    assert_late_words_change_nothing(model)


def test_a_run_elsewhere_that_was_detached_goes_on_without_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands.started import stopped_with_this_command
    from orchestration import runs, stopping

    def never(*_: object) -> None:
        raise AssertionError("the run was stopped")

    monkeypatch.setattr(stopping, "stop_runs", never)
    monkeypatch.setattr(stopping, "announce_stop", never)
    configuration = SimpleNamespace(path=Path("prod.yaml"))
    project: Any = SimpleNamespace(model_name="news", host=None, active_stack="vertex", configuration=configuration)
    monkeypatch.setattr(runs, "runs_here", lambda: False)
    with pytest.raises(KeyboardInterrupt), stopped_with_this_command(project, "training-7", detach=True):
        signal.raise_signal(signal.SIGINT)
    printed = capsys.readouterr().err
    assert "run training-7 goes on; end it with\n" in printed
    assert "  python run.py stop --config prod.yaml --name news --run-name training-7\n" in printed

    monkeypatch.setattr(runs, "runs_here", lambda: True)
    with (
        pytest.raises(InputError, match="--detach: stack 'vertex' runs in this command itself"),
        stopped_with_this_command(project, "training-7", detach=True),
    ):
        pass
