"""A training that hangs is ended with the place where it hung in its log."""

from __future__ import annotations

import faulthandler
import importlib
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from evergreen.core.artifacts import TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError
from evergreen.core.training import Start
from orchestration.time_limit import LIMIT, time_limit
from tests.own_zenml import ROOT

HANGS = """
import threading
from orchestration.time_limit import time_limit

def waits_for_ever(body_s):
    threading.Event().wait(body_s)

with time_limit():
    waits_for_ever({body_s})
print("done")
"""


def run(body_s: float) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, LIMIT: "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HANGS.format(body_s=body_s)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_training_that_hangs_is_ended_and_its_log_says_where() -> None:
    began = time.monotonic()
    hung = run(25)
    assert time.monotonic() - began < 20
    assert hung.returncode == 1
    assert "Timeout (0:00:01)!" in hung.stderr
    assert "in waits_for_ever" in hung.stderr


def test_a_training_that_ends_in_time_is_left_alone() -> None:
    assert run(0).stdout == "done\n"


def test_the_step_that_trains_is_the_one_with_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, armed = importlib.import_module("steps.train"), list[float]()
    monkeypatch.setenv(LIMIT, "3600")
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: armed.append(seconds))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", armed.clear)
    monkeypatch.setattr(step, "training_run", lambda *_: nullcontext())
    monkeypatch.setattr(step, "incumbent_model", lambda _: None)
    seen: list[float] = []

    def trained(*_: object) -> TrainedModel:
        seen.extend(armed)
        return TrainedModel(tmp_path, TrainedModelManifest(files=(), task={}, trained_on="splits", seed=0))

    monkeypatch.setattr(step, "trainable", lambda _: SimpleNamespace(train=trained))
    monkeypatch.setattr(step, "make_engines", lambda _task, model, *_: model.version)
    model, of = step.train.entrypoint(None, None, Start(pretrained="weights"), 0, "code")
    assert of == model.version
    assert (seen, armed) == ([3600], [])
    assert TrainedModel.open(tmp_path).manifest.code == model.manifest.code == "code"


@pytest.mark.parametrize("value", ["a day", "0", "-1", "nan", "10000000"])
def test_what_is_no_limit_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(LIMIT, value)
    with pytest.raises(InputError, match="give seconds between 1 and 604800"), time_limit():
        pass


@pytest.mark.parametrize("name", ["prod.yaml", "staging.yaml", "pets_prod.yaml"])
def test_a_configuration_for_production_ends_what_hangs(name: str) -> None:
    given = yaml.safe_load((ROOT / "configs" / name).read_text("utf-8"))["environment"]
    shown = "import gcsfs; print(gcsfs.GCSFileSystem(token='anon').requests_timeout)"
    command = [sys.executable, "-W", "ignore", "-c", shown]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, given[LIMIT]) == ("600\n", "86400")
