"""An evaluation goes on beside a training of its model, and is found by what ends runs."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from commands import alone, evaluate
from orchestration.configuration import Configuration
from orchestration.endpoints import state_directory
from orchestration.locks import run_lock, running_process

pytestmark = pytest.mark.usefixtures("zenml_home")


def test_an_evaluation_holds_a_lock_that_no_training_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"parameters": {"model_name": "scored", "source": {}, "task": {}}}
    given = SimpleNamespace(
        configuration=Configuration(Path("own.yaml"), ("local",), None, document),
        model_name="scored",
        host=None,
        check_stack=lambda: None,
        source=None,
    )
    at_work: list[int | None] = []

    def look(*_: object, **__: object) -> None:
        at_work.append(running_process(state_directory(), "scored", "evaluation-7"))

    monkeypatch.setattr(evaluate, "open_project", lambda *_: given)
    monkeypatch.setattr("orchestration.batch.champion_of", lambda *_: None)
    monkeypatch.setattr(alone, "run_pipeline", look)
    args = SimpleNamespace(
        config="own.yaml", name=None, window=None, source=None, json=False, debug=False, run_name="evaluation-7",
        detach=False,
    )  # fmt: skip
    with run_lock(state_directory(), "scored", "training-1", "stop it"):
        assert evaluate.main(args) == 0  # type: ignore[arg-type]  # all that it reads
    assert at_work == [os.getpid()]
