"""What a verdict is written as: each release reads those of the one before it and, after going back, of the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Labels, Verdict

END = datetime(2026, 5, 5, tzinfo=UTC)


def test_labels_of_requests_after_the_window_are_written_where_there_are_some() -> None:
    earlier = {"used": 3, "late": 0, "duplicate": 0, "unknown": 0, "contradicting": 0}
    assert Labels(used=3).model_dump(mode="json") == earlier, "Frozen takes no unknown field"
    some = Labels(used=3, newer=2, unlisted=1, future=4)
    assert Labels.model_validate_json(some.model_dump_json()) == some


def test_a_verdict_that_is_kept_has_nothing_of_alerts_that_were_sent_after_it() -> None:
    from commands.monitor import Monitored

    window = ResolvedWindow(start=END - timedelta(days=1), end=END)
    told = {"model": "news", "version": "a1", "rows": 9, "requests": 9, "enough": False, "drifted": False}
    verdict = Verdict.model_validate({**told, "window": window, "created": END})
    monitored = Monitored(**dict(verdict), alerts=("'rolled back': sent by webhook",))
    assert set(monitored.model_dump()) - set(verdict.model_dump()) == {"alerts"}
