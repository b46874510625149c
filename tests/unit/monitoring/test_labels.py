from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.metric import MetricName
from evergreen.core.verdict import Labels
from evergreen.monitoring import label_rows
from evergreen.monitoring.label_rows import check_labels, columns_of
from evergreen.monitoring.labels import Joined, join_labels
from evergreen.monitoring.quality import below_floors, quality_of, wilson
from evergreen.requestlog.arrow import SCHEMA
from tests.drifting import DAY, LABELS, VERSION, World, moved_by

BATCH = World().day(World(1).rows(20), a_request=2)
YESTERDAY = moved_by(World().day(World(2).rows(4)), -timedelta(days=1))
YESTERDAY = YESTERDAY.set_column(3, SCHEMA.field("trace_id"), pa.array([f"yesterday-{number}" for number in range(4)]))
TRACES = BATCH.column("trace_id").to_pylist()


def label(trace: str, value: str | None, index: int = 0, arrived: datetime | None = None) -> dict[str, Any]:
    return {"trace_id": trace, "index": index, "label": value} | ({"arrived": arrived} if arrived else {})


def joined(*labels: dict[str, Any], window: ResolvedWindow = DAY) -> Joined:
    return join_labels(
        pa.Table.from_pylist(list(labels)), [BATCH.slice(0, 7), BATCH.slice(7), YESTERDAY], VERSION, window
    )


def test_a_label_is_joined_with_the_instance_that_it_is_of() -> None:
    found = joined(label(TRACES[2], "sport", index=1), label(TRACES[4], "tech"))
    assert found.labels == Labels(used=2)
    answers = dict(zip(found.truth, found.answers, strict=True))
    assert answers == {"sport": BATCH.column("prediction")[3].as_py(), "tech": BATCH.column("prediction")[4].as_py()}


def test_labels_that_come_twice_contradict_or_are_of_nothing_are_counted_once_and_apart() -> None:
    found = joined(
        label(TRACES[0], "sport"),
        label(TRACES[0], "sport"),
        label(TRACES[0], "sport"),
        label(TRACES[2], "sport"),
        label(TRACES[2], "tech"),
        label("nobody's", "tech"),
        label("nobody's", "sport"),
        label(TRACES[0], "tech", index=7),
        label(TRACES[4], "tech"),
        label(TRACES[6], None),
    )
    assert found.labels == Labels(used=2, duplicate=2, contradicting=2, unknown=3)
    assert found.notes == ("1 label is empty",)


def test_labels_of_earlier_requests_are_late_and_used_in_the_window_in_which_they_come() -> None:
    came = DAY.start + timedelta(hours=3)
    labels = (label("yesterday-1", "tech", arrived=came), label(TRACES[0], "tech", arrived=DAY.end))
    assert joined(*labels).labels == Labels(used=1, late=1)
    after = ResolvedWindow(start=DAY.end, end=DAY.end + timedelta(days=1))
    assert joined(*labels, window=after).labels == Labels(used=1, late=1)


def test_labels_of_requests_after_the_window_are_told_apart() -> None:
    labels = [label(TRACES[0], "tech"), label("yesterday-1", "tech"), label("nobody's", "tech")]
    assert joined(*labels).labels == Labels(used=2, late=1, unknown=1)
    before = ResolvedWindow(start=DAY.start - timedelta(days=1), end=DAY.start)
    assert joined(*labels, window=before).labels == Labels(used=1, newer=1, unknown=1)


def test_labels_of_other_versions_answers_are_told() -> None:
    labels = pa.Table.from_pylist([label(TRACES[0], "tech")])
    found = join_labels(labels, [BATCH], "0123456789ab", DAY)
    assert found.labels == Labels(used=0)
    assert found.notes == ("1 label is of requests that other versions answered",)


def test_a_row_that_a_log_has_twice_is_one_answer() -> None:
    labels = pa.Table.from_pylist([label(TRACES[0], "tech")])
    assert join_labels(labels, [BATCH, BATCH], VERSION, DAY).labels == Labels(used=1)


def test_a_key_is_a_trace_id_or_one_with_the_instance() -> None:
    labels = pa.table({"key": [f"{TRACES[2]}/1", TRACES[4], "a/b/c"], "label": ["sport", "tech", "tech"]})
    found = join_labels(labels, [BATCH], VERSION, DAY)
    assert found.labels == Labels(used=2, unknown=1)
    assert BATCH.column("prediction")[3].as_py() in found.answers


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"trace_id": ["a"]}, "columns trace_id; label and one of trace_id, key are needed"),
        ({"label": ["a"]}, "columns label; label and one"),
        ({"trace_id": ["a"], "label": [[1]]}, r"row 1 of the labels: label is '\[1\]', which is not text"),
        (
            {"trace_id": ["a", "b"], "label": ["x", "y"], "arrived": ["2026-05-05T07:00:00Z", "yesterday"]},
            r"^row 2 of the labels: arrived is 'yesterday', which is not a time with its zone, such as \S+; correct "
            r"it, or name another column in labels\.columns\.arrived$",
        ),
        (
            {"trace_id": ["a"], "label": ["x"], "index": ["first"]},
            "row 1 of the labels: index is 'first', which is not",
        ),
    ],
)
def test_labels_without_what_they_need_are_refused(labels: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        join_labels(pa.table(labels), [BATCH], VERSION, DAY)


@given(
    st.lists(
        st.tuples(st.sampled_from([*TRACES[:6], "nobody's"]), st.integers(0, 2), st.sampled_from([*LABELS, None])),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_each_label_is_counted_in_one_way_whatever_their_order(
    drawn: list[tuple[str, int, str | None]], random: Any
) -> None:
    table = pa.schema([("trace_id", pa.string()), ("index", pa.int64()), ("label", pa.string())])
    rows = [label(trace, value, index) for trace, index, value in drawn]
    found = join_labels(pa.Table.from_pylist(rows, table), [BATCH], VERSION, DAY)
    counted, empty = found.labels, sum(row["label"] is None for row in rows)
    assert counted.used + counted.duplicate + counted.unknown + counted.contradicting + empty == len(rows)
    random.shuffle(rows)
    assert join_labels(pa.Table.from_pylist(rows, table), [BATCH], VERSION, DAY).labels == counted


def answered(truth: list[str], answers: list[str]) -> Joined:
    return Joined(Labels(used=len(truth)), np.asarray(truth, dtype=object), np.asarray(answers, dtype=object))


def test_quality_is_what_scikit_learn_says_with_intervals_around_it() -> None:
    from sklearn.metrics import f1_score

    draw = np.random.default_rng(0)
    truth = draw.choice(LABELS, 300).tolist()
    answers = [one if draw.random() < 0.8 else str(draw.choice(LABELS)) for one in truth]
    quality = quality_of(answered(truth, answers), LABELS)
    right = sum(one == other for one, other in zip(truth, answers, strict=True))
    assert quality[MetricName.ACCURACY] == wilson(right, 300)
    assert quality[MetricName.MACRO_F1].value == pytest.approx(f1_score(truth, answers, average="macro"))
    assert all(one.low < one.value < one.high for one in quality.values())


def test_a_label_that_the_model_does_not_know_is_a_wrong_answer() -> None:
    quality = quality_of(answered(["sport", "sport", "weather", "weather"], ["sport", "sport", "tech", ""]), LABELS)
    assert quality[MetricName.ACCURACY].value == pytest.approx(0.5)
    assert quality[MetricName.MACRO_F1].value == pytest.approx(1 / 3)


def test_a_misspelt_label_is_counted_apart_and_one_of_another_class_is_used() -> None:
    labels = [label(TRACES[0], "sport"), label(TRACES[0], "sprot"), *[label(TRACES[2], "weather")] * 2]
    table = pa.Table.from_pylist(
        [*labels, label("nobody's", "weather"), label(TRACES[6], "weather"), label(TRACES[6], "tech")]
    )
    found = join_labels(table, [BATCH], VERSION, DAY, classes=LABELS)
    assert found.labels == Labels(used=2, duplicate=1, misspelt=1, unknown=1, contradicting=2)
    assert (sorted(found.truth), found.misspelt) == (["sport", "weather"], {"sprot": 1})


def test_without_labels_there_is_no_quality_and_nothing_below_its_floor() -> None:
    assert quality_of(answered([], []), LABELS) == {}
    assert below_floors({}, {MetricName.ACCURACY: 0.9}) == ()


def test_only_what_is_certainly_below_its_floor_is_told() -> None:
    few, many = ({MetricName.ACCURACY: wilson(right, rows)} for right, rows in ((8, 10), (800, 1_000)))
    floors = {MetricName.ACCURACY: 0.9}
    assert below_floors(few, floors) == ()
    assert below_floors(many, floors) == (MetricName.ACCURACY,)


def test_a_floor_of_what_labels_do_not_give_is_refused() -> None:
    with pytest.raises(InputError, match=r"no quality 'mean_iou' comes of labels \(allowed: accuracy, macro_f1\)"):
        below_floors({}, {"mean_iou": 0.5})


def test_wilsons_interval_is_as_in_the_books() -> None:
    found = wilson(8, 10)
    assert (found.low, found.value, found.high) == pytest.approx((0.4902, 0.8, 0.9433), abs=1e-4)


def test_labels_come_from_a_source_that_can_tell_whose_they_are() -> None:
    columns = {"trace_id": "request", "label": "category"}
    assert columns_of(FilesSettings(path="labels.csv", columns=columns)) == columns
    with pytest.raises(InputError, match=r"kind shapes has no labels of requests; take .*files, bigquery or huggingf"):
        columns_of(ShapesSettings())
    with pytest.raises(InputError, match=r"columns\.trace_id"):
        columns_of(FilesSettings(path="labels.csv", columns={"label": "category"}))


def test_only_labels_that_are_free_to_read_are_looked_at_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.csv").write_text("request,label\na,sport\n", encoding="utf-8")
    columns = {"trace_id": "request", "label": "label", "index": "request"}
    with pytest.raises(InputError, match="row 1 of the labels: index is 'a', which is not"):
        check_labels(FilesSettings(path=str(tmp_path / "labels.csv"), columns=columns))

    asked: list[tuple[str, ...]] = []

    def billed() -> Iterator[dict[str, str]]:
        raise AssertionError("the query was made")
        yield {}

    def table(_window: object, wanted: tuple[str, ...]) -> Any:
        asked.append(wanted)
        return SimpleNamespace(rows=billed())

    monkeypatch.setattr(label_rows, "source_of", lambda _: SimpleNamespace(table=table))
    check_labels(BigQuerySettings(project="our-project", table="news.labels", columns=columns))
    assert [set(wanted) for wanted in asked] == [{"request", "label"}]
