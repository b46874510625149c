"""A window's verdict: what moved, and what is told where nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.monitor import DriftRules
from evergreen.core.quality import Quality
from evergreen.core.verdict import Labels, Verdict
from evergreen.monitoring.watch import Watched, watch, with_quality
from evergreen.requestlog.reading import FolderLog, FolderRows
from tests.logged import KIND, LABELS, OTHER, VERSION, WINDOW, log, observations, reference, trace

RULES = DriftRules()


@pytest.fixture
def quiet(tmp_path: Path) -> FolderLog:
    return log(tmp_path / "requests", observations(800, 2))


def watched(tmp_path: Path, requests: FolderLog, **changes: Any) -> Watched:
    given = {"reference": reference(tmp_path / "reference"), **changes}
    return Watched("news", VERSION, KIND, LABELS, requests, WINDOW, **given)


def test_requests_like_the_reference_are_quiet(tmp_path: Path, quiet: FolderLog) -> None:
    verdict = watch(watched(tmp_path, quiet), RULES)
    assert (verdict.rows, verdict.requests, verdict.enough, verdict.drifted) == (800, 800, True, False)
    assert verdict.notes == ()
    assert verdict.words == "quiet: 800 rows of 800 requests"
    assert verdict.examples == ()


def test_longer_texts_are_told_with_their_distribution(tmp_path: Path) -> None:
    requests = log(tmp_path / "requests", observations(800, 2, tokens=60))
    verdict = watch(watched(tmp_path, requests), RULES)
    assert verdict.drifted
    assert [one.name for one in verdict.alarms] == ["tokens"]
    (tokens,) = (one for one in verdict.distributions if one.name == "tokens")
    assert sum(tokens.window) == pytest.approx(1)
    assert sum(tokens.window[-3:]) > 2 * sum(tokens.reference[-3:])
    assert [one.name for one in verdict.distributions] == ["predictions", "tokens", "unknown_share", "confidence"]


def test_what_there_is_more_of_is_shown_by_known_rows_alone(tmp_path: Path) -> None:
    requests = log(tmp_path / "requests", observations(400, 2), observations(400, 3, of=6))
    verdict = watch(watched(tmp_path, requests), RULES)
    assert "embedding" in {one.evidence for one in verdict.alarms}
    assert verdict.examples
    assert all(example.text.startswith("row ") and not example.logged for example in verdict.examples)
    assert all(example.share > example.before for example in verdict.examples)


def test_a_log_without_requests_says_nothing(tmp_path: Path) -> None:
    verdict = watch(watched(tmp_path, FolderLog(tmp_path / "none")), RULES)
    assert (verdict.rows, verdict.enough, verdict.drifted) == (0, False, False)
    assert f"version {VERSION} answered no request in the window: `status` says whether it has traffic" in verdict.notes
    assert verdict.words.startswith("too little to say anything")


def test_few_requests_raise_no_alarm(tmp_path: Path) -> None:
    requests = log(tmp_path / "requests", observations(40, 2, tokens=500))
    verdict = watch(watched(tmp_path, requests), RULES)
    assert (verdict.rows, verdict.enough, verdict.drifted, verdict.moved) == (40, False, False, ())
    assert verdict.notes[-1].endswith("look at a longer window, or lower drift.min_rows and drift.min_requests")


def test_answers_of_one_class_alone_are_told(tmp_path: Path) -> None:
    seen = [replace(one, prediction="sport", probabilities=(0.1, 0.9)) for one in observations(800, 2)]
    verdict = watch(watched(tmp_path, log(tmp_path / "requests", seen)), RULES)
    assert "every answer of the window is 'sport'" in verdict.notes
    assert "predictions" in {one.evidence for one in verdict.alarms}


def test_rows_of_other_versions_and_damaged_lines_are_left_out_and_told(tmp_path: Path, quiet: FolderLog) -> None:
    log(quiet.folder, observations(30, 5, tokens=900), version=OTHER)
    with (quiet.folder / f"{VERSION}.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"log": "evergreen.requests", "time": "2026-05-04T0')  # cut off in mid-row
    verdict = watch(watched(tmp_path, quiet), RULES)
    assert (verdict.rows, verdict.drifted) == (800, False)
    assert f"rows of other versions are left out: 30 of version {OTHER}" in verdict.notes
    assert "1 line or file is damaged in the log, and left out" in verdict.notes


def test_another_engine_than_the_reference_s_is_told(tmp_path: Path) -> None:
    requests = log(tmp_path / "requests", observations(800, 2), engine="onnx-fp32")
    (note,) = watch(watched(tmp_path, requests), RULES).notes
    assert note.startswith("the reference was computed by torch; of the window's rows 800 by onnx-fp32")


def test_without_a_reference_requests_are_counted(tmp_path: Path, quiet: FolderLog) -> None:
    verdict = watch(watched(tmp_path, quiet, reference=None, lacks="it has none"), RULES)
    assert (verdict.rows, verdict.enough, verdict.drifted, verdict.notes) == (800, False, False, ("it has none",))


def test_a_reference_of_another_task_is_told(tmp_path: Path, quiet: FolderLog) -> None:
    other = reference(tmp_path / "other", kind="image_segmentation", labels=("cat",))
    verdict = watch(watched(tmp_path, quiet, reference=other), RULES)
    assert (verdict.enough, verdict.drifted) == (False, False)
    assert any("image_segmentation" in note for note in verdict.notes)


def measured(tmp_path: Path, requests: FolderLog, labels: dict[str, list[str]], **changes: Any) -> Verdict:
    tmp_path.mkdir(exist_ok=True)
    given = watched(tmp_path, requests)
    quality = Quality(**{"floors": {"accuracy": 0.9}, **changes})
    return with_quality(watch(given, RULES), given, pa.table(labels), quality)


def test_labels_measure_answers_against_a_floor(tmp_path: Path) -> None:
    seen = observations(400, 2)
    wrong = {"business": "sport", "sport": "business"}
    labels = [wrong[one.prediction] if number % 4 == 0 else one.prediction for number, one in enumerate(seen)]
    given = {"trace_id": [*map(trace, range(400)), "unknown"], "label": [*labels, "sport"]}
    verdict = measured(tmp_path, log(tmp_path / "requests", seen), given)
    assert verdict.quality["accuracy"].value == 0.75
    assert verdict.below == ("accuracy",)
    assert verdict.labels is not None
    assert (verdict.labels.used, verdict.labels.unknown) == (400, 1)
    assert "below its floor: accuracy" in verdict.words


def test_few_labels_measure_nothing(tmp_path: Path, quiet: FolderLog) -> None:
    verdict = measured(tmp_path, quiet, {"trace_id": [trace(0)], "label": ["sport"]})
    assert (verdict.quality, verdict.below) == ({}, ())
    assert (
        "1 label is too few to measure anything: at least 30 do; wait for more, look at a longer window, or lower "
        "quality.min_rows"
    ) in verdict.notes


def test_a_mistyped_label_is_told_with_the_nearest_that_the_model_answers(tmp_path: Path) -> None:
    seen = observations(40, 2)
    labels = ["bussiness"] * 2 + [one.prediction for one in seen[2:]]
    verdict = measured(
        tmp_path, log(tmp_path / "requests", seen), {"trace_id": list(map(trace, range(40))), "label": labels}
    )
    told = "2 labels are 'bussiness' (did you mean 'business'?), and left out: correct that"
    assert told in verdict.notes
    assert verdict.quality["accuracy"].value == 1
    assert verdict.labels == Labels(used=38, misspelt=2)


def test_labels_of_new_classes_are_told_and_no_answer_to_them_is_right(tmp_path: Path) -> None:
    seen = observations(40, 2)
    labels = [*["weather"] * 7, *"vwxyz", *(one.prediction for one in seen[12:])]
    verdict = measured(
        tmp_path, log(tmp_path / "requests", seen), {"trace_id": list(map(trace, range(40))), "label": labels}
    )
    told = "7 labels are 'weather', a class that the model does not have, and counted as wrong; where it is a new one"
    assert any(note.startswith(told) for note in verdict.notes)
    assert "3 labels are of more classes that it does not have (it has 'business', 'sport')" in verdict.notes
    assert verdict.quality["accuracy"].value == pytest.approx(28 / 40)
    assert verdict.labels == Labels(used=40)


def test_contradicting_labels_of_one_request_are_told_with_the_column_that_may_be_missing(
    tmp_path: Path, quiet: FolderLog
) -> None:
    twice = {"trace_id": [trace(0), trace(0)], "label": ["sport", "business"]}
    told = "2 labels are left out, which contradict each other: where a request had several instances, name labels.co"
    assert any(note.startswith(told) for note in measured(tmp_path / "unnamed", quiet, twice).notes)
    named = measured(tmp_path / "named", quiet, {**twice, "index": ["0", "0"]})
    assert named.labels == Labels(used=0, contradicting=2)
    assert not any(note.startswith(told) for note in named.notes)


def test_labels_that_came_in_the_future_are_counted_and_told(tmp_path: Path, quiet: FolderLog) -> None:
    times = [f"{WINDOW.start:%Y-%m-%dT%H:%M:%SZ}", *["2926-05-05T07:00:00Z"] * 2]
    given = {"trace_id": list(map(trace, range(3))), "label": ["sport"] * 3, "arrived": times}
    verdict = measured(tmp_path, quiet, given)
    assert verdict.labels == Labels(used=1, future=2)
    told = "2 labels are of a time to come, and counted in no window before it: correct labels.columns.arrived, or the"
    assert any(note.startswith(told) for note in verdict.notes)


def test_the_log_is_read_as_far_after_the_window_as_labels_reach_and_never_beyond_now(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    requests = ReadOf(log(tmp_path / "requests", observations(96, 2)).folder)  # four an hour
    given = watched(tmp_path, requests)
    past = replace(given, window=ResolvedWindow(start=WINDOW.start - hour, end=WINDOW.start))
    labels = pa.table({"trace_id": [trace(0), trace(95)], "label": ["sport", "sport"]})
    verdict = with_quality(watch(past, RULES), past, labels, Quality(reach="12h"))
    assert requests.stretches[-1] == ResolvedWindow(start=WINDOW.start - 13 * hour, end=WINDOW.start + 12 * hour)
    assert verdict.labels == Labels(used=0, newer=1, unknown=1)
    now = datetime.now(UTC)
    fresh = replace(given, window=ResolvedWindow(start=now - 2 * hour, end=now - hour))
    with_quality(verdict, fresh, labels, Quality())
    assert now <= requests.stretches[-1].end <= now + hour
    arrived = labels.append_column("arrived", pa.array(["2026-05-04T07:00:00Z"] * 2))
    with_quality(verdict, past, arrived, Quality())
    assert requests.stretches[-1].end == WINDOW.start


class ReadOf(FolderLog):
    """A log that keeps which stretches were read."""

    stretches: list[ResolvedWindow]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        object.__setattr__(self, "stretches", [])  # the log itself is frozen

    def read(self, window: ResolvedWindow) -> FolderRows:
        self.stretches.append(window)
        return super().read(window)


def test_labels_of_requests_after_the_window_are_no_unknown_ones(tmp_path: Path, quiet: FolderLog) -> None:
    given = watched(tmp_path, quiet)
    earlier = replace(
        given, window=ResolvedWindow(start=given.window.start - timedelta(days=1), end=given.window.start)
    )
    labels = pa.table({"trace_id": [trace(0), "unknown"], "label": ["sport", "sport"]})
    verdict = with_quality(watch(earlier, RULES), earlier, labels, Quality())
    assert verdict.labels == Labels(used=0, newer=1, unknown=1)


def test_labels_of_no_request_are_refused_by_their_columns(tmp_path: Path, quiet: FolderLog) -> None:
    with pytest.raises(InputError, match="trace_id"):
        measured(tmp_path, quiet, {"label": ["sport"]})
