"""Steps and servers that were given an accelerator do not go on without it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.core.alerts import Alerts
from evergreen.core.errors import InputError
from evergreen.runtime.processes import free_port, library_environment
from evergreen.tasks.text_classification.settings import TextClassification
from tests.keyword_model import write_keyword_model

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def init() -> None:
        raise RuntimeError("No CUDA GPUs are available")

    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setenv("EVERGREEN_ACCELERATORS", "1 NVIDIA_TESLA_T4")


@pytest.mark.parametrize(("name", "inputs"), [("train", 4), ("evaluate", 6)])
@pytest.mark.usefixtures("without_gpu")
def test_a_step_stops_before_its_first_batch(name: str, inputs: int) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    step = getattr(importlib.import_module(f"steps.{name}"), name)
    with pytest.raises(InputError, match="accelerator 1 NVIDIA_TESLA_T4 was asked for"):
        step.entrypoint(*(Untouched() for _ in range(inputs)), code="c")


def test_a_server_on_such_a_machine_does_not_become_ready(tmp_path: Path) -> None:
    write_keyword_model(tmp_path / "model")
    given = {"AIP_STORAGE_URI": str(tmp_path / "model"), "AIP_HTTP_PORT": str(free_port()), **NO_GPU}
    done = subprocess.run(
        [sys.executable, "-m", "evergreen.serving"],
        env=library_environment({**given, "AIP_ACCELERATOR_TYPE": "NVIDIA_TESLA_T4"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "the model did not load: accelerator NVIDIA_TESLA_T4 was asked for, but torch cannot use it" in done.stderr


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.usefixtures("without_gpu")
def test_before_a_run_on_this_machine_its_own_accelerators_are_asked_for(
    here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands import readiness

    monkeypatch.setattr(readiness, "refuse_wheels", lambda _: None)
    monkeypatch.setattr(readiness, "check_budget", lambda _: None)
    project: Any = SimpleNamespace(
        task=TextClassification(labels=("a", "b"), encoder="my/private"),
        accelerators={"train": "1 GPU"},
        active_stack="default",
        orchestrator="local" if here else "vertex",
        check_host=lambda: None,
        alerts=Alerts(),
    )
    if not here:
        return readiness.check_ready(project)
    with pytest.raises(
        InputError, match=r"step train: accelerator 1 GPU .* stack 'default' runs steps on this machine"
    ):
        readiness.check_ready(project)
    return None
