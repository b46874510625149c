"""What `status` prints of a version that a simple model is ahead of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from commands.status import _text
from evergreen.core.reports import EndpointStatus
from evergreen.core.versions import ModelVersion


def status(version: ModelVersion) -> Any:
    return SimpleNamespace(
        model="news",
        champion=version,
        previous=None,
        candidate=None,
        endpoint=EndpointStatus(url=None, traffic={}, ready=()),
        runs=(),
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
