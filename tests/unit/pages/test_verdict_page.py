from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Distribution, Example, Labels, Moved, Verdict, spoken
from evergreen.pages.verdict import reference_page, verdict_page
from tests.unit.pages.reading import Page, metric

Read = Callable[[str], Page]
START = datetime(2026, 5, 4, tzinfo=UTC)
SINCE = START + timedelta(hours=12)


def verdict(**changes: Any) -> Verdict:
    given: dict[str, Any] = {
        "model": "news",
        "version": "36df30fb3710",
        "window": ResolvedWindow(start=START, end=START + timedelta(days=1)),
        "rows": 2_000,
        "requests": 1_950,
        "enough": True,
        "drifted": True,
        "windows": (True, False, True, False, False),
        "moved": (moved("unknown_share", alarm=False), moved("tokens", alarm=True)),
        "distributions": (
            Distribution(name="predictions", labels=("business", "sport"), reference=(0.5, 0.5), window=(0.3, 0.7)),
            Distribution(name="tokens", edges=(10.0, 20.0), reference=(0.2, 0.6, 0.2), window=(0.1, 0.2, 0.7)),
        ),
        "created": START,
    }
    return Verdict(**{**given, **changes})


def moved(name: str, *, alarm: bool) -> Moved:
    since = SINCE if alarm else None
    words = f"the {spoken(name)} moved by 0.80 spreads"
    shown = {"p_value": 1e-9 if alarm else 0.7, "alarm": alarm, "message": words, "since": since}
    return Moved(evidence="feature", name=name, shift=metric(0.8), **shown)


def test_a_drifting_window_tells_what_moved_since_when_and_what_that_counts_for(read: Read) -> None:
    page = read(verdict_page(verdict()))
    text = page.text
    assert "The world moved" in text
    assert "2 of the last 5 windows drifted: counts for refresh.when.drift" in text
    assert text.index("the tokens moved by 0.80 spreads") < text.index("the share of unknown tokens moved by")
    assert "Share of unknown tokens 0.800" in text
    assert "2026-05-04 12:00:00 UTC" in text
    spoken = [drawing.attrib["aria-label"].replace("\N{NO-BREAK SPACE}", " ") for drawing in page.drawings]
    assert any("up to 10 20.0 %, 10.0 %; 10 to 20 60.0 %, 20.0 %; above 20 20.0 %, 70.0 %" in one for one in spoken)
    assert any("business 50.0 %, 30.0 %" in one for one in spoken)
    assert text.index("Tokens moved") < text.index("Predictions")


def test_numbers_are_told_as_people_write_them(read: Read) -> None:
    long = moved("characters", alarm=True).model_copy(update={"p_value": 0.0, "since": START})
    bins = Distribution(name="characters", edges=(789.2, 1286.4), reference=(0.2, 0.6, 0.2), window=(0.1, 0.2, 0.7))
    page = read(verdict_page(verdict(moved=(long,), distributions=(bins,))))
    assert "< 0.0001 all the window the characters moved by" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "the last window drifted: counts for" in read(verdict_page(verdict(windows=(True,)))).text
    assert any("789 to 1,286" in drawing.attrib["aria-label"] for drawing in page.drawings)


def test_a_quiet_window_counts_for_nothing(read: Read) -> None:
    text = read(verdict_page(verdict(drifted=False, moved=(moved("tokens", alarm=False),)))).text
    assert "Quiet" in text
    assert "counts for" not in text


def test_too_little_is_no_drift(read: Read) -> None:
    text = read(
        verdict_page(verdict(enough=False, drifted=False, moved=(), distributions=(), notes=("none <b>",)))
    ).text
    assert "Too little to say anything" in text
    assert "none <b>" in text  # escaped in the page


def test_labels_and_quality_below_its_floor_are_told(read: Read) -> None:
    labels = Labels(used=120, late=20, duplicate=3, unknown=2, contradicting=1)
    given = verdict(drifted=False, labels=labels, quality={"accuracy": metric(0.8)}, below=("accuracy",))
    text = read(verdict_page(given)).text
    assert "Worse than its floor" in text
    assert "Accuracy is certainly below its floor: counts for refresh.when.quality" in text
    assert "Contradicting each other 1" in text


def test_known_rows_stand_for_requests_that_no_log_holds(read: Read) -> None:
    example = Example(text="Shares rose", logged=False, prediction="business", share=0.1, before=0.01)
    text = read(verdict_page(verdict(examples=(example,)))).text
    assert "Shares rose" in text
    assert "No request is shown" in text
    assert (
        "No request is shown"
        not in read(verdict_page(verdict(examples=(example.model_copy(update={"logged": True}),)))).text
    )


def test_class_shares_are_beside_those_of_the_reference(read: Read) -> None:
    page = read(verdict_page(verdict(class_shares={"business": metric(0.3), "sport": metric(0.7)})))
    assert "Classes now" in page.text


def test_a_reference_tells_of_which_version_it_is(read: Read) -> None:
    manifest = {"version": "36df30fb3710", "rows": 600, "engine": "onnx-fp32", "kind": "text_classification"}
    assert "version 36df30fb3710" in read(reference_page(manifest)).text
    assert "None could be observed" in read(reference_page({**manifest, "rows": 0})).text
