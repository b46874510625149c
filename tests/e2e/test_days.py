"""Ten days of a model whose world moves on the sixth, on the local stack; `make days` runs them.

Three days of a tiny model are in `test_three_days.py`, three of this one on Vertex AI in `test_vertex_days.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from evergreen.core.deployment import Deployment
from evergreen.core.expected import expected_of
from evergreen.core.report import EvaluationReport
from tests.article_days import Article, ArticleDays
from tests.days import Day, new_rows
from tests.desks import MONITORING, TASK, News
from tests.e2e.lived import assert_quiet, champion_of, newest, runs_of, trained_rows
from tests.e2e.project import FEW, Project
from tests.local_place import LocalPlace
from tests.webhooks import Webhook, listening

pytestmark = [pytest.mark.e2e, pytest.mark.days, pytest.mark.timeout(3600)]

FIRST_ROWS = 400
QUIET_ROWS, MOVED_ROWS, LATER_ROWS = 120, 200, 110
"""Articles of a day before, on and after the sixth."""
JOINING = 12
"""So few of them become rows on most days; all on the sixth."""
PARAMETERS: dict[str, Any] = {
    "task": TASK,
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "gate": {"baselines": "report"},
    "engines": {"max_train_rows": FEW},
    "rollout": {"shares": [30], "hold_s": 20, "judge": {"min_requests": 60, "settle_s": 5, "max_slower": 1.0}},
}


def test_ten_days_lead_to_one_retraining_that_recovers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    news = News()
    place = LocalPlace(project.home, project.zenml / "evergreen", lambda *told: project.run(*told).stdout)
    days = ArticleDays(place, PARAMETERS, MONITORING)
    with listening() as webhook:
        monkeypatch.setenv("NEWS_WEBHOOK", webhook.url)
        assert "new to a first model" in days.first(news.usual(FIRST_ROWS))
        first = champion_of(project.status(days.config))
        for number in range(1, 6):
            day = days.day(number, news.usual(QUIET_ROWS), JOINING)
            assert_quiet(day, QUIET_ROWS, f"{new_rows(*[JOINING] * number)} new to champion {first}")
            assert day.quality > 0.9
        assert webhook.messages == []

        moved = the_sixth_day(days, news.moved(MOVED_ROWS, 0.6))
        assert_told(moved, webhook)
        second = champion_of(project.status(days.config))
        assert second != first
        assert_recovering(project, first, second)
        told = len(webhook.messages)

        for number in range(7, 11):
            day = days.day(number, news.moved(LATER_ROWS, 0.4), JOINING)
            assert_quiet(day, LATER_ROWS, f"{new_rows(*[JOINING] * (number - 6))} new to champion {second}")
            assert day.quality > max(0.85, moved.quality + 0.2)
        assert len(webhook.messages) == told
    assert_one_retraining(project, days.model)
    chain = project.status(days.config)["chain"]
    assert chain["training"]["reasons"] == ["drift"]
    assert (chain["training"]["outcome"], chain["decision"]) == ("trained a version", f"promote {second}")
    assert (chain["recovery"]["version"], chain["recovery"]["says"]) == (second, "quiet")


def the_sixth_day(days: ArticleDays, articles: list[Article]) -> Day:
    """Its clients go on asking while a newcomer is trained and rolled out; none of them fails."""
    quality = days.ask(articles)
    verdict = days.end(6, articles)
    night, clients = days.night_among(articles)
    assert clients.failed() == {}
    return Day(quality, verdict, night)


def assert_told(day: Day, webhook: Webhook) -> None:
    """The shift is told on its day: by requests alone, by labels that came early, and to a webhook."""
    assert day.quality < 0.7
    assert day.verdict.drifted
    assert {"predictions", "embedding"} & {one.evidence for one in day.verdict.alarms}
    assert day.verdict.below == ("accuracy",)
    assert day.verdict.labels is not None
    assert (day.verdict.labels.used, day.verdict.labels.late) == (QUIET_ROWS // 2 + MOVED_ROWS // 2, QUIET_ROWS // 2)
    assert [message["kind"] for message in webhook.messages] == ["drift", "quality"]
    assert f"{new_rows(*[JOINING] * 5, MOVED_ROWS)} new to champion" in day.night
    assert "trains, for the last window drifted" in day.night


def assert_recovering(project: Project, first: str, second: str) -> None:
    """The judge let the newcomer through by its clients' requests, though its answers are others."""
    deployment = Deployment.model_validate_json(newest(project, "deploy/deployment"))
    assert (deployment.outcome, deployment.traffic) == ("live", {first: 0, second: 100}), deployment.message
    assert [share.by for share in deployment.transitions] == ["requests"]
    report = EvaluationReport.model_validate_json(newest(project, "evaluate/report"))
    assert expected_of(report, first).shift > 0.15


def assert_one_retraining(project: Project, model: str) -> None:
    """Beside the first model; every run is a success, and each row was trained on once."""
    runs = runs_of(project, model)
    assert {run["status"] for run in runs} == {"completed"}
    assert len(runs) == 11 + 10
    trained = trained_rows(runs)
    assert [len(rows) for rows in trained] == [FIRST_ROWS, 5 * JOINING + MOVED_ROWS]
    assert len({*trained[0], *trained[1]}) == FIRST_ROWS + 5 * JOINING + MOVED_ROWS
