"""What a verdict is written as: each release reads those of the one before it and, after going back, of the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Labels, Verdict

END = datetime(2026, 5, 5, tzinfo=UTC)


def test_labels_of_requests_after_the_window_are_written_where_there_are_some() -> None:
    earlier = {"used": 3, "late": 0, "duplicate": 0, "unknown": 0, "contradicting": 0}
    assert Labels(used=3).model_dump(mode="json") == earlier, "Frozen takes no unknown field"
    some = Labels(used=3, newer=2, misspelt=1, future=4)
    assert Labels.model_validate_json(some.model_dump_json()) == some


def test_what_a_spread_is_is_told_once_where_something_moved_by_some() -> None:
    from commands.monitor import verdict_lines

    def told(evidence: str, *messages: str) -> list[str]:
        size = {"value": 0.8, "low": 0.7, "high": 0.9}
        moved = [
            {"evidence": evidence, "name": name, "shift": size, "p_value": 0.0, "alarm": True, "message": name}
            for name in messages
        ]
        window = ResolvedWindow(start=END - timedelta(days=1), end=END)
        given = {"model": "news", "version": "a1", "rows": 1, "requests": 1, "enough": True, "drifted": True}
        verdict = Verdict.model_validate({**given, "window": window, "moved": moved, "created": END})
        assert verdict.words.endswith("; 1 row of 1 request")
        return [text for _, text in verdict_lines(verdict, (), "page.html") if "a spread is" in text]

    assert told("predictions", "classes moved by 12.0 % of the rows") == []
    (legend,) = told(
        "feature", "tokens moved by 0.80 spreads (0.70 to 0.90)", "words moved by 1.20 spreads (1.10 to 1.30)"
    )
    assert legend.startswith("a spread is the standard deviation among the rows that the version was evaluated on")


def test_a_verdict_that_is_kept_has_nothing_of_alerts_that_were_sent_after_it() -> None:
    from commands.monitor import Monitored

    window = ResolvedWindow(start=END - timedelta(days=1), end=END)
    told = {"model": "news", "version": "a1", "rows": 9, "requests": 9, "enough": False, "drifted": False}
    verdict = Verdict.model_validate({**told, "window": window, "created": END})
    monitored = Monitored(**dict(verdict), alerts=("'rolled back': sent by webhook",))
    assert set(monitored.model_dump()) - set(verdict.model_dump()) == {"alerts"}
