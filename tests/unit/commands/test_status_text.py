"""What `status` prints of versions and runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from commands.status import _text
from evergreen.core.reports import EndpointStatus
from evergreen.core.versions import ModelVersion


def status(version: ModelVersion | None, *runs: SimpleNamespace) -> Any:
    return SimpleNamespace(
        model="news",
        champion=version,
        previous=None,
        candidate=None,
        endpoint=EndpointStatus(url=None, traffic={}, ready=()),
        runs=runs,
        lost_firings=(),
        report_page=None,
        dashboard=None,
        mlflow=None,
    )


def test_status_says_which_baseline_is_ahead_of_the_champion_and_nothing_where_none_is() -> None:
    plain: dict[str, Any] = {"version": "v1", "artifact": "a", "report": "r", "recipe": "c", "run": "training-1"}
    known = ModelVersion(**plain, judged_against=None, metrics={"accuracy": 0.96}, examples=())
    sentence = "a logistic regression of TF-IDF leads: accuracy 0.970, this version 0.960; not certain"
    behind = known.model_copy(update={"leader": sentence})
    lines = _text(status(behind)).splitlines()
    assert lines[1].startswith("champion    v1  accuracy 0.960")
    assert lines[2].strip() == sentence
    assert "leads" not in _text(status(known))


def test_status_says_how_far_a_run_is_why_one_failed_and_which_machines_were_not_to_be_had() -> None:
    plain: dict[str, Any] = {"outcome": None, "stack": "vertex", "started": None, "url": None}
    far = SimpleNamespace(name="training-2", status="running", progress="train: 640 of 4000 rows", reason=None, **plain)
    words = "task 'fetch': its image cannot be pulled: Failed to pull image"
    dead = SimpleNamespace(name="training-1", status="failed", progress=None, reason=words, **plain)
    far.machines, dead.machines = ("train: n1-standard-8: no machine was to be had",), ()
    lines = _text(status(None, far, dead)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("run "))
    assert [line.strip() for line in lines[first : first + 5]] == [
        "run         training-2  running  vertex",
        "train: 640 of 4000 rows",
        "train: n1-standard-8: no machine was to be had",
        "run         training-1  failed  vertex",
        words,
    ]
