"""Three days of a model on Vertex AI in the box, whose world moves on the second; `make days` runs them.

Configurations are production's, on BigQuery; requests go through Cloud Logging's sink to the table that monitoring and
the judge of the rollout read. Ten days on this machine are in `test_days.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.deployment import Deployment
from evergreen.core.expected import expected_of
from evergreen.core.judge.settings import Ruling
from evergreen.core.report import EvaluationReport
from tests.article_days import ArticleDays
from tests.days import Day, new_rows
from tests.desks import MONITORING, TASK, News
from tests.e2e.lived import assert_quiet, champion_of, newest, runs_of, trained_rows
from tests.e2e.production import Production, production_in
from tests.e2e.vertex_place import VertexPlace
from tests.webhooks import Webhook, listening

pytestmark = [pytest.mark.e2e, pytest.mark.days, pytest.mark.timeout(5400)]

FIRST_ROWS, QUIET_ROWS, MOVED_ROWS, LATER_ROWS = 300, 120, 200, 110
JOINING = 12
"""So few articles of a day become rows; all of the second."""
SHARE, LEAST_REQUESTS = 40, 60
MAX_SLOWER = 2.0
"""Replicas of the box share one machine, on which the one with the smaller share is slower for no fault of its own."""
PARAMETERS: dict[str, Any] = {
    "task": TASK,
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "gate": {"baselines": "report"},
    "engines": {"max_train_rows": 0},
    "rollout": {
        "shares": [SHARE],
        "hold_s": 20,
        "judge": {"min_requests": LEAST_REQUESTS, "settle_s": 5, "max_slower": MAX_SLOWER},
    },
}
SECRET = "news-alerts"


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    with production_in(tmp_path / "box", str(tmp_path / "days.yaml")) as led:
        yield led


@pytest.fixture
def webhook(production: Production) -> Iterator[Webhook]:
    """One whose address is a secret of ZenML's."""
    with listening() as listener:
        made = f"Client().create_secret({SECRET!r}, values={{'NEWS_WEBHOOK': {listener.url!r}}})"
        production.python("-c", f"from zenml.client import Client; {made}")
        yield listener


def test_three_days_lead_to_one_judged_retraining_that_recovers(
    production: Production, webhook: Webhook, tmp_path: Path
) -> None:
    news, place = News(), VertexPlace(tmp_path, production, [SECRET])
    place.make()
    days = ArticleDays(place, PARAMETERS, MONITORING)
    assert "new to a first model" in days.first(news.usual(FIRST_ROWS))
    first = champion_of(production.status())
    quiet = days.day(1, news.usual(QUIET_ROWS), JOINING)
    assert_quiet(quiet, QUIET_ROWS, f"{new_rows(JOINING)} new to champion {first}")
    assert quiet.quality > 0.85
    assert webhook.messages == []

    articles = news.moved(MOVED_ROWS, 0.6)
    quality, verdict = days.ask(articles), days.end(2, articles)
    night, clients = days.night_among(articles)
    moved = Day(quality, verdict, night)
    assert_told(moved, webhook)
    second = champion_of(production.status())
    assert second != first
    assert clients.failed() == {}
    assert_judged(place, first, second)

    after = days.day(3, news.moved(LATER_ROWS, 0.45), JOINING)
    assert_quiet(after, LATER_ROWS, f"{new_rows(JOINING)} new to champion {second}")
    assert after.quality > max(0.8, moved.quality + 0.2)
    assert [message["kind"] for message in webhook.messages] == ["drift", "quality"]
    assert_one_retraining(place)
    assert_chain(production.status()["chain"], second)
    assert not (production.home / "refusals.jsonl").exists()


def assert_told(day: Day, webhook: Webhook) -> None:
    """The shift is told on its day: by requests alone, by labels that came early, and to a webhook."""
    assert day.quality < 0.7
    assert day.verdict.drifted, day.verdict.words
    assert {"predictions", "embedding"} & {one.evidence for one in day.verdict.alarms}
    assert day.verdict.below == ("accuracy",)
    assert day.verdict.labels is not None
    assert (day.verdict.labels.used, day.verdict.labels.late) == (QUIET_ROWS // 2 + MOVED_ROWS // 2, QUIET_ROWS // 2)
    assert [message["kind"] for message in webhook.messages] == ["drift", "quality"]
    assert f"{new_rows(JOINING, MOVED_ROWS)} new to champion" in day.night
    assert "trains, for the last window drifted" in day.night


def assert_judged(place: VertexPlace, first: str, second: str) -> None:
    """The judge let the newcomer through by what BigQuery has of its clients, who were split as the ramp has it."""
    deployment = Deployment.model_validate_json(newest(place.production, "deploy/deployment"))
    assert (deployment.outcome, deployment.traffic) == ("live", {first: 0, second: 100}), deployment.message
    (ramped,) = deployment.transitions
    assert (ramped.share, ramped.by) == (SHARE, "requests")
    assert ramped.judgement is not None
    assert ramped.judgement.ruling is Ruling.GO_ON
    assert ramped.judgement.newcomer_requests >= LEAST_REQUESTS
    assert ramped.until is not None
    answered = place.answered(ramped.since, ramped.until)
    assert answered.keys() == {first, second}
    requests = sum(answered.values())
    assert abs(answered[second] / requests - SHARE / 100) < 5 * (0.25 / requests) ** 0.5
    report = EvaluationReport.model_validate_json(newest(place.production, "evaluate/report"))
    assert expected_of(report, first).shift > 0.15  # it answers otherwise, and was let through


def assert_one_retraining(place: VertexPlace) -> None:
    """Beside the first model; every run is a success, and each row was trained on once."""
    runs = runs_of(place.production, place.model)
    assert {run["status"] for run in runs} == {"completed"}
    assert [run["scheduled"] for run in runs].count(True) == 4
    assert len(runs) == 4 + 3
    trained = trained_rows(runs)
    assert [len(rows) for rows in trained] == [FIRST_ROWS, JOINING + MOVED_ROWS]
    assert len({*trained[0], *trained[1]}) == FIRST_ROWS + JOINING + MOVED_ROWS


def assert_chain(chain: dict[str, Any], second: str) -> None:
    """From drift to recovery."""
    assert [window["says"] for window in chain["windows"]] == ["quiet", "drifted", "quiet"]
    assert chain["training"]["reasons"] == ["drift"]
    assert (chain["training"]["outcome"], chain["decision"]) == ("trained a version", f"promote {second}")
    assert second in chain["rollout"]
    assert (chain["recovery"]["version"], chain["recovery"]["says"]) == (second, "quiet")
