from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from evergreen.core.alerts import MOST_CHARS, Alert, AlertOutcome, Alerts, ChannelFailure

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NEWS = Alert(model="news", kind="drift", key="3fa41c", title="the rows moved", text="Longer texts.", link="http://z/1")
CONFIGURED = Alerts(webhook_env="NEWS_WEBHOOK", cool_down="6h")


@pytest.mark.parametrize(
    ("alerts", "told", "sent"),
    [
        (CONFIGURED, None, True),
        (CONFIGURED, NOW - timedelta(hours=5, minutes=59), False),
        (CONFIGURED, NOW - timedelta(hours=6), True),
        (CONFIGURED, NOW + timedelta(hours=1), False),  # of a machine whose clock is ahead
        (Alerts(slack=True), None, True),
        (Alerts(), None, False),
        (Alerts(slack=True, kinds=("rollback",)), None, False),
        (Alerts(slack=True, kinds=("drift",)), None, True),
    ],
)
def test_news_is_told_where_somebody_listens_and_not_again_within_the_cool_down(
    alerts: Alerts, told: datetime | None, sent: bool
) -> None:
    assert ((alerts.silence(NEWS) or alerts.held_back(told, NOW)) is None) is sent


def test_what_became_of_an_alert_is_told_in_a_line() -> None:
    refused = ChannelFailure(reason="it answers with status 404", fix="make a new address")
    half = AlertOutcome(title="the rows moved", taken=("webhook",), failures={"slack": refused})
    assert half.words == (
        "'the rows moved': sent by webhook; not sent by slack: it answers with status 404; make a new address"
    )
    held = CONFIGURED.held_back(NOW - timedelta(hours=2), NOW)
    assert AlertOutcome(title="the rows moved", held_back=held).words == (
        "'the rows moved': not sent, for the same news was sent on 2026-05-01 10:00 UTC, and alerts.cool_down is 6h"
    )
    assert "names no channel" in str(Alerts().silence(NEWS))
    assert Alerts(slack=True, kinds=("rollback",)).silence(NEWS) == "alerts.kinds leaves out drift"


def test_the_same_news_has_one_id_and_other_news_another() -> None:
    assert NEWS.model_copy(update={"title": "moved on", "text": "Still.", "link": None}).id == NEWS.id
    others = [NEWS.model_copy(update=change) for change in ({"model": "pets"}, {"kind": "quality"}, {"key": "4"})]
    assert len({NEWS.id, *(other.id for other in others)}) == 4


def test_a_message_is_all_of_it_without_passwords_and_of_bounded_length() -> None:
    assert NEWS.message() == "news: the rows moved\nLonger texts.\nhttp://z/1"
    told = NEWS.model_copy(
        update={"text": "no answer of mysql://me:hunter2@host/db", "link": "https://u:hunter2@z/1?token=hunter2"}
    )
    assert "hunter2" not in str(told.content())
    assert "link" not in told.model_copy(update={"link": None}).content()
    assert len(NEWS.model_copy(update={"text": "x" * 9_000}).message()) == MOST_CHARS


def test_of_a_message_that_is_too_long_the_text_is_cut_and_neither_the_lines_that_answer_nor_the_link() -> None:
    lines = ("python run.py approve 3fa41c", "python run.py reject 3fa41c")
    told = NEWS.model_copy(update={"text": "x" * 9_000, "commands": lines}).message()
    first, text, *last = told.splitlines()
    assert (first, last, len(told)) == ("news: the rows moved", [*lines, "http://z/1"], MOST_CHARS)
    assert text.endswith("x…")


def test_an_address_in_place_of_a_variable_and_unknown_kinds_are_refused() -> None:
    for wrong in ({"webhook_env": "https://hooks.example/T00"}, {"kinds": ["weather"]}, {"cool_down": "soon"}):
        with pytest.raises(ValidationError):
            Alerts.model_validate(wrong)
