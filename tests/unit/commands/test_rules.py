"""What the plan says of rules, by the configuration alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from commands.rules import OF_MONITORING, OF_TRAINING, alert_words, rollout_lines, rule_lines, training_lines
from evergreen.core.alerts import Alerts
from evergreen.core.ramp import Ramp
from evergreen.core.refresh import Refresh


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, ["trains      for new rows, another configuration, other code (not by schedule)"]),
        (
            {
                "min_new_rows": 2000,
                "on_code": True,
                "cool_down": "12h",
                "when": {"new_rows": False, "drift": {"k": 2, "of": 5}, "quality": True, "max_age": "30d"},
            },
            [
                "trains      for 2,000 new rows or more (not by schedule), another configuration, other code, "
                "2 of the last 5 windows drifted, quality certainly below its floor, 30d since the last training",
                "            by schedule no sooner than 12h after the last training",
            ],
        ),
    ],
)
def test_the_plan_says_what_makes_a_run_train(given: dict[str, Any], lines: list[str]) -> None:
    assert list(training_lines(Refresh.model_validate(given))) == lines


@pytest.mark.parametrize(
    ("given", "logs", "lines"),
    [
        ({}, True, ["rollout     all of the traffic at once, when it answers"]),
        (
            {"shares": [5, 25], "hold_s": 120, "judge": {"latency": "dry_run", "min_requests": 1000}},
            True,
            [
                "rollout     5, 25 % of the traffic, each for 120 s at least, then all of it",
                "judge       errors enforce, latency dry_run, collapse enforce; from 1,000 requests of the newcomer at "
                "each share on",
                "            undecided after 3600 s: go_on; without a request: replay",
            ],
        ),
        (
            {"shares": [5], "judge": None, "shadow": {"share": 0.1, "for_s": 30}},
            True,
            [
                "shadow      copies of 10 % of the requests for 30 s first; a version that fails more than 5 % of them "
                "is kept out",
                "rollout     5 % of the traffic, each for 60 s at least, then all of it",
                "judge       none, a version only has to answer: rollout.judge is null",
            ],
        ),
        (
            {"shares": [5]},
            False,
            [
                "rollout     5 % of the traffic, each for 60 s at least, then all of it",
                "judge       none, a version only has to answer: the host notes no requests, as its log is not set",
            ],
        ),
    ],
)
def test_the_plan_says_how_a_version_gets_its_traffic(given: dict[str, Any], logs: bool, lines: list[str]) -> None:
    assert list(rollout_lines(Ramp.model_validate(given), logs=logs)) == lines


def test_a_host_notes_requests_where_its_settings_have_a_log_that_is_set() -> None:
    from evergreen.adapters.local_endpoint.settings import LocalHostSettings
    from evergreen.core.members import HostSettings
    from evergreen.requestlog.settings import NotesRequests

    assert isinstance(LocalHostSettings(), NotesRequests)
    assert not isinstance(HostSettings(kind="of a package"), NotesRequests)
    for host, words in (
        (LocalHostSettings(), "judge       errors enforce"),
        (LocalHostSettings(log=None), "the host notes no requests, as its log is not set"),
        (HostSettings(kind="of a package"), "the host notes no requests, as its log is not set"),
    ):
        parameters = SimpleNamespace(rollout=Ramp(shares=(5,)), deploy=True)
        configuration = SimpleNamespace(parameters=parameters)
        given: Any = SimpleNamespace(
            host=host, configuration=configuration, refresh=Refresh(), alerts=Alerts(), model_name="news"
        )
        assert any(words in line for line in rule_lines(given))


def test_the_plan_says_who_is_told() -> None:
    assert alert_words(Alerts(), OF_TRAINING) == "nobody is told of anything: parameters.alerts names no channel"
    told = Alerts(webhook_env="NEWS", slack=True, kinds=("drift", "approval"), cool_down="12h")
    assert alert_words(told, OF_TRAINING) == "by webhook and slack: approval; the same news again after 12h"
    assert alert_words(told, OF_MONITORING) == "by webhook and slack: drift; the same news again after 12h"
    alone = alert_words(Alerts(slack=True, kinds=("drift",)), OF_TRAINING)
    assert alone.startswith("by slack: nothing, as kinds leaves out rollback, approval;")
