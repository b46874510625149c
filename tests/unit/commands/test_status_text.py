"""What `status` prints of versions, runs, and who changes the endpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from commands import status as command
from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import HeldLease
from evergreen.core.versions import ModelVersion
from evergreen.core.window import Interval
from orchestration.chain import Chain, VerdictLine, recovery
from orchestration.firings import Schedule
from orchestration.runs import RunSummary
from orchestration.status import Covered
from orchestration.trainings import LastTraining


def _text(shown: Any) -> str:
    return command._text(shown, "--config own.yaml --name news")


def status(version: ModelVersion | None, *runs: SimpleNamespace, lease: HeldLease | None = None) -> Any:
    return SimpleNamespace(
        model="news",
        champion=version,
        previous=None,
        candidate=None,
        endpoint=EndpointStatus(url=None, traffic={}, ready=()),
        lease=lease,
        runs=runs,
        batch_schedule=None,
        batch_runs=(),
        monitoring_schedule=None,
        monitoring_runs=(),
        schedule=None,
        lost_firings=(),
        coverage=None,
        missing=None,
        report_page=None,
        dashboard=None,
        mlflow=None,
        chain=None,
        approvals={},
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
    far.predicted = dead.predicted = far.verdict = dead.verdict = None
    far.machines, dead.machines = ("train: n1-standard-8: no machine was to be had",), ()
    far.alerts, dead.alerts = (), ("'rolled back': sent by webhook",)
    lines = _text(status(None, far, dead)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("run "))
    assert [line.strip() for line in lines[first : first + 6]] == [
        "run         training-2  running  vertex",
        "train: 640 of 4000 rows",
        "train: n1-standard-8: no machine was to be had",
        "run         training-1  failed  vertex",
        words,
        "alert 'rolled back': sent by webhook",
    ]


def test_batch_predictions_have_a_schedule_and_runs_of_their_own() -> None:
    shown = status(None)
    assert "batch" not in _text(shown)
    shown.batch_runs = (
        RunSummary(
            name="batch_prediction-1",
            status="completed",
            predicted="20 rows (8 rows/s), 1 unusable",
            verdict=None,
            outcome=None,
            stack="vertex",
            started=datetime(2026, 5, 1, 4, 0),  # noqa: DTZ001 - ZenML's times have no zone
            url=None,
        ),
    )
    shown.batch_schedule = Schedule(cron="0 4 * * *", state="active", next_run=datetime(2026, 5, 2, 4, tzinfo=UTC))
    lines = _text(shown).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("batch "))
    assert [line.rstrip() for line in lines[first : first + 3]] == [
        "batch       0 4 * * *  active, next 2026-05-02 04:00 UTC",
        "batch run   batch_prediction-1  completed  vertex  2026-05-01 04:00",
        "            20 rows (8 rows/s), 1 unusable",
    ]
    shown.batch_schedule = None
    assert "batch       no schedule" in _text(shown).splitlines()


def test_monitoring_has_a_schedule_and_verdicts_of_its_own() -> None:
    shown = status(None)
    assert "monitoring" not in _text(shown)
    plain: dict[str, Any] = {"stack": "vertex", "started": None, "url": None, "progress": None, "predicted": None}
    words = "drifted: tokens; 2,000 rows of 1,950 requests"
    run = SimpleNamespace(name="monitoring-1", status="completed", outcome=None, reason=None, machines=(), **plain)
    run.verdict, run.alerts = words, ()
    shown.monitoring_runs = (run,)
    lines = [line.strip() for line in _text(shown).splitlines()]
    at = lines.index("monitoring  no schedule")
    assert lines[at + 1].startswith("watched     monitoring-1  completed")
    assert lines[at + 2] == words


def test_status_says_who_holds_the_lease_for_what_since_when_and_until_when() -> None:
    since, until = datetime(2026, 11, 28, 19, 46, 5, tzinfo=UTC), datetime(2026, 11, 28, 19, 52, 1, tzinfo=UTC)
    plain: dict[str, Any] = {"version": "v1", "artifact": "a", "report": "r", "recipe": "c", "run": "training-1"}
    known = ModelVersion(**plain, judged_against=None, metrics={}, examples=())
    held = HeldLease(owner="ann@laptop", run="training-7", since=since, until=until)
    sentence = "ann@laptop (training-7) since 2026-11-28 19:46:05 UTC, until 19:52:01 UTC unless renewed"
    assert f"lease       {sentence}" in _text(status(known, lease=held)).splitlines()
    assert "lease" not in _text(status(known))


PLAIN: dict[str, Any] = {"version": "v1", "artifact": "a", "report": "r", "recipe": "c", "run": "training-1"}
KNOWN = ModelVersion(**PLAIN, judged_against=None, metrics={}, examples=(), coverage="artifact")


def days(first: int, last: int) -> Interval:
    return Interval(
        start=datetime(2026, 5, first, tzinfo=UTC), end=datetime(2026, 5, last, 23, 59, 59, 999_999, tzinfo=UTC)
    )


def test_status_says_which_rows_the_champion_covers_and_where_the_gaps_are() -> None:
    shown = status(KNOWN)
    until = datetime(2026, 5, 9, 2, 30, tzinfo=UTC)
    shown.coverage = Covered(
        until=until, intervals=(days(1, 3), days(6, 8)), gaps=(days(4, 5),), added=(days(6, 8),), edge_rows=1
    )
    lines = [line for line in _text(shown).splitlines() if line.startswith(("covers", "gap", "added"))]
    assert lines == [
        "covers      2026-05-01 00:00 to 2026-05-08 23:59, all that arrived before 2026-05-09 02:30 UTC, "
        "1 row at the edge",
        "gap         2026-05-04 00:00 to 2026-05-05 23:59",
        "added       2026-05-06 00:00 to 2026-05-08 23:59",
    ]


def test_of_many_gaps_the_newest_are_shown_and_the_others_counted() -> None:
    shown = status(KNOWN)
    gaps = tuple(days(day, day) for day in range(2, 30, 2))
    shown.coverage = Covered(until=None, intervals=(days(1, 31),), gaps=gaps, added=(), edge_rows=0)
    text = _text(shown)
    assert text.count("\ngap ") == 5
    assert "gap         2026-05-28 00:00" in text
    assert "and 9 before, which --json lists" in text


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (KNOWN.model_copy(update={"coverage": None}), "nothing that is known: trained without"),
        (KNOWN, "what it was trained on cannot be read"),
    ],
)
def test_a_champion_whose_coverage_is_not_known_is_told_once_and_no_champion_covers_nothing(
    version: ModelVersion, words: str
) -> None:
    assert [line for line in _text(status(version)).splitlines() if line.startswith(f"covers      {words}")]
    assert _text(status(version)).count("covers") == 1
    lost = status(version)
    lost.missing = "the champion's HeldOut 7 is gone"
    assert "missing     the champion's HeldOut 7 is gone" in _text(lost).splitlines()
    assert "covers" not in _text(status(None))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (None, "none"),
        (
            Schedule(cron="0 3 * * *", state="active", next_run=datetime(2026, 5, 2, 3, tzinfo=UTC)),
            "0 3 * * *  active, next 2026-05-02 03:00 UTC",
        ),
        (Schedule(cron="0 3 * * *", state="paused", next_run=None), "0 3 * * *  paused, fires no more"),
        (Schedule(cron="0 3 * * *", state=None, next_run=None), "0 3 * * *  next not known: Vertex AI does not answer"),
    ],
)
def test_status_says_when_the_schedule_fires_next(schedule: Schedule | None, words: str) -> None:
    shown = status(None)
    shown.schedule = schedule
    assert [line for line in _text(shown).splitlines() if line.startswith(f"schedule    {words}")]


def test_status_leads_from_the_drift_to_what_the_endpoint_says_after_the_training() -> None:
    shown = status(None)
    assert not any(line.startswith(("verdicts", "training", "recovery")) for line in _text(shown).splitlines())
    windows = tuple(
        VerdictLine(version=version, end=datetime(2026, 11, day, tzinfo=UTC), says=says, below=below)
        for version, day, says, below in (
            ("a1", 3, "drifted", ("accuracy",)),
            ("b2", 5, "quiet", ()),
            ("b2", 6, "too few rows", ()),
        )
    )
    began = datetime(2026, 11, 4, 3, tzinfo=UTC)
    training = LastTraining(run="training-7", began=began, outcome="trained a version", reasons=("rows", "drift"))
    shown.chain = Chain(
        windows=windows,
        training=training,
        decision="promote b2",
        rollout="version b2 serves all traffic.",
        recovery=recovery(windows, "b2", began),
    )
    assert "\n".join(_text(shown).splitlines()).partition("verdicts")[2].splitlines()[:5] == [
        "    drifted, accuracy below 2026-11-03 00:00, quiet 2026-11-05 00:00, too few rows 2026-11-06 00:00",
        "training    training-7 of 2026-11-04 03:00, for rows and drift: trained a version",
        "decision    promote b2",
        "rollout     version b2 serves all traffic.",
        "recovery    its newest window, to 2026-11-05 00:00: quiet",
    ]
    assert recovery(windows, "a1", began) is None


def test_status_says_what_waits_for_a_person_and_what_was_kept_out_by_one() -> None:
    plain: dict[str, Any] = {"artifact": "a", "report": "r", "recipe": "c", "run": "training-1"}
    waits = ModelVersion(version="c3", **plain, judged_against=None, metrics={"accuracy": 0.96}, examples=())
    shown = status(None)
    shown.candidate = waits
    asked = {"c3": "waits for approval until 2026-12-07 10:00 UTC", "b2": "was rejected by ann@laptop: too slow"}
    standing = {"c3": "waiting", "b2": "rejected"}
    shown.approvals = {
        version: SimpleNamespace(standing=standing[version], words=words) for version, words in reversed(asked.items())
    }
    lines = _text(shown).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("candidate   c3"))
    assert lines[at + 1 : at + 5] == [
        f"{'':<11} {asked['c3']}",
        'approve     python run.py approve c3 --config own.yaml --name news --why "…"',
        'or          python run.py reject c3 --config own.yaml --name news --why "…"',
        f"kept out    b2 {asked['b2']}",
    ]
    shown.approvals["c3"].standing = "approved"
    assert "python run.py approve" not in _text(shown)
