"""What `status` prints of a version that a simple model is ahead of, and of who changes the endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from commands.status import _text
from evergreen.core.lease import HeldLease
from evergreen.core.reports import EndpointStatus
from evergreen.core.versions import ModelVersion


def status(version: ModelVersion, lease: HeldLease | None = None) -> Any:
    return SimpleNamespace(
        model="news",
        champion=version,
        previous=None,
        candidate=None,
        endpoint=EndpointStatus(url=None, traffic={}, ready=()),
        lease=lease,
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


def test_status_says_who_holds_the_lease_for_what_since_when_and_until_when() -> None:
    since, until = datetime(2026, 11, 28, 19, 46, 5, tzinfo=UTC), datetime(2026, 11, 28, 19, 52, 1, tzinfo=UTC)
    plain: dict[str, Any] = {"version": "v1", "artifact": "a", "report": "r", "recipe": "c", "run": "training-1"}
    known = ModelVersion(**plain, judged_against=None, metrics={}, examples=())
    held = HeldLease(owner="ann@laptop", run="training-7", since=since, until=until)
    sentence = "ann@laptop (training-7) since 2026-11-28 19:46:05 UTC, until 19:52:01 UTC unless renewed"
    assert f"lease       {sentence}" in _text(status(known, held)).splitlines()
    assert "lease" not in _text(status(known))
