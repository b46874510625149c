from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from evergreen.core.errors import InputError
from evergreen.core.monitor import DriftRules
from evergreen.core.verdict import Moved
from evergreen.monitoring.compare import Comparison, compare
from evergreen.monitoring.reference import ROWS_NAME, Reference
from tests.drifting import DAY, LABELS, World, moved_by, pictures, reference

RULES = DriftRules()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference(tmp_path_factory.mktemp("reference") / "of-news", World(1).rows(2_000))


def compared(known: Reference | None, *batches: pa.RecordBatch, rules: DriftRules = RULES) -> Comparison:
    return compare(known, batches, rules, DAY)


def of(found: Comparison, evidence: str, name: str = "") -> Moved:
    (one,) = (moved for moved in found.moved if (moved.evidence, moved.name) == (evidence, name))
    return one


def test_a_quiet_day_is_compared_whole_and_raises_no_alarm(known: Reference) -> None:
    world = World(2)
    found = compared(known, world.day(world.rows(1_000)))
    kinds = [(moved.evidence, moved.name) for moved in found.moved]
    assert kinds == [
        ("feature", "tokens"),
        ("feature", "unknown_share"),
        ("vocabulary", ""),
        ("embedding", ""),
        ("predictions", ""),
        ("confidence", ""),
    ]
    assert (found.rows, found.requests, found.enough, found.drifted) == (1_000, 1_000, True, False)
    assert all(
        moved.since is None and moved.shift.low <= moved.shift.value <= moved.shift.high for moved in found.moved
    )


def test_what_is_compared_is_named_in_words(known: Reference) -> None:
    world = World(2)
    found = compared(known, world.day(world.rows(1_000)))
    assert of(found, "feature", "unknown_share").message.startswith("the share of unknown tokens moved by 0.00 spreads")
    assert of(found, "feature", "tokens").message.startswith("the tokens moved by")
    assert of(found, "embedding").message.startswith("the embedding moved by")


def test_a_topic_of_a_tenth_more_rows_is_seen_by_what_it_moves_and_its_share_is_estimated(known: Reference) -> None:
    world = World(3)
    found = compared(known, world.day(world.rows(2_000, shares=(0.27, 0.46, 0.27))))
    assert found.drifted
    assert of(found, "predictions").alarm
    assert of(found, "embedding").alarm
    assert not of(found, "feature", "tokens").alarm
    share = found.class_shares["sport"]
    assert share.low <= 0.46 <= share.high
    assert share.high - share.low < 0.15
    assert "sport" in of(found, "predictions").message


def test_what_moved_at_noon_is_told_since_noon_with_an_interval(known: Reference) -> None:
    world = World(4)
    found = compared(known, world.day(world.rows(1_000) + world.rows(1_000, longer=1.3)))
    tokens = of(found, "feature", "tokens")
    assert tokens.alarm
    assert tokens.since is not None
    assert abs(tokens.since - DAY.start - timedelta(hours=12)) < timedelta(hours=1)
    assert "since 2026-05-04 1" in tokens.message
    assert tokens.shift.value == pytest.approx(0.95, abs=0.25)  # half the rows, 12 tokens of a spread of 6.3


def test_what_has_moved_before_the_window_is_told_to_be_so_all_the_window_long(known: Reference) -> None:
    world = World(5)
    tokens = of(compared(known, world.day(world.rows(1_000, longer=1.3))), "feature", "tokens")
    assert tokens.since == DAY.start
    assert "all the window long, or since 2026-05-04 00:" in tokens.message


def test_the_order_of_the_rows_and_batches_changes_nothing(known: Reference) -> None:
    world = World(6)
    batch = world.day(world.rows(1_500))
    rules = DriftRules(sample_rows=1_000)
    shuffled = batch.take(pa.array(np.random.default_rng(0).permutation(len(batch))))
    parts = [shuffled.slice(start, 400) for start in range(0, 1_500, 400)]
    one, other = compared(known, batch, rules=rules), compared(known, *parts, rules=rules)
    assert one.class_shares == other.class_shares
    for left, right in zip(one.moved, other.moved, strict=True):
        assert left.p_value == pytest.approx(right.p_value)


@pytest.mark.parametrize(
    ("count", "a_request", "said"), [(400, 1, "400 rows of 400 requests"), (600, 20, "600 rows of 30 requests")]
)
def test_too_few_rows_or_requests_say_nothing(known: Reference, count: int, a_request: int, said: str) -> None:
    world = World(7)
    found = compared(known, world.day(world.rows(count, longer=3.0), a_request))
    assert (found.enough, found.moved, found.drifted) == (False, (), False)
    assert said in found.notes[0]


def test_no_rows_at_all_say_nothing(known: Reference) -> None:
    found = compared(known)
    assert (found.rows, found.requests, found.enough, found.moved) == (0, 0, False, ())


def test_rows_of_one_request_that_are_alike_count_less_than_rows_of_many(known: Reference) -> None:
    world = World(8)
    alike = [row for row in world.rows(60) for _ in range(20)]
    found = compared(known, world.day(alike, a_request=20))
    assert found.enough
    assert not found.drifted
    assert of(compared(known, world.day(alike)), "embedding").p_value < of(found, "embedding").p_value


def test_without_a_reference_rows_are_counted_and_that_is_told() -> None:
    world = World(9)
    found = compared(None, world.day(world.rows(600)))
    assert (found.rows, found.enough) == (600, False)
    assert "no reference" in found.notes[0]


def test_rows_of_other_times_are_left_out_and_told(known: Reference) -> None:
    world = World(10)
    batch = world.day(world.rows(600))
    found = compared(known, batch, moved_by(batch, timedelta(days=400)))
    assert found.rows == 600
    assert found.notes == ("600 rows are of times outside the window: a clock may be off",)


def test_a_reference_of_other_labels_is_told_and_never_an_alarm(known: Reference, tmp_path: Path) -> None:
    world = World(11)
    foreign = reference(tmp_path / "other", World(1).rows(200), labels=("cat", "dog"))
    found = compared(foreign, world.day(world.rows(600)))
    assert (found.enough, found.drifted) == (False, False)
    assert "other labels (cat, dog)" in found.notes[0]


def test_one_class_only_is_an_alarm_of_the_predictions(known: Reference) -> None:
    world = World(12)
    answer = {"prediction": "tech", "probabilities": [0.1, 0.1, 0.8]}
    found = compared(known, world.day([{**row, **answer} for row in world.rows(600)]))
    assert of(found, "predictions").shift.value == pytest.approx(2 / 3, abs=0.05)
    assert of(found, "predictions").alarm


@pytest.mark.parametrize("lost", ["embedding", "sketch", "score", "features"])
def test_evidence_that_the_log_lacks_is_told_and_the_rest_is_compared(known: Reference, lost: str) -> None:
    world = World(13)
    rows: list[dict[str, Any]] = [{**row, lost: [] if lost == "features" else None} for row in world.rows(600)]
    found = compared(known, world.day(rows))
    assert found.enough
    assert not found.drifted
    assert any("known of 2,000 reference rows and 0 of the window" in note for note in found.notes)


def test_numbers_that_are_none_are_left_out(known: Reference) -> None:
    world = World(14)
    rows = [{**row, "score": None if number % 2 else row["score"]} for number, row in enumerate(world.rows(600))]
    rows[0]["embedding"] = [None] * 8
    assert not compared(known, world.day(rows)).drifted


def test_an_embedding_of_another_width_is_told(known: Reference) -> None:
    world = World(15)
    rows = [{**row, "embedding": row["embedding"][:4]} for row in world.rows(600)]
    assert "the embedding has 4 numbers a row, in the reference 8" in compared(known, world.day(rows)).notes


def test_dark_pictures_are_seen_by_their_light_and_shares_of_pixels_are_compared(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    known = reference(tmp_path / "pets", pictures(draw, 800))
    found = compared(known, World().day(pictures(draw, 600, light=0.4)))
    assert [(moved.evidence, moved.name) for moved in found.moved if moved.alarm] == [("feature", "brightness")]
    assert of(found, "feature", "brightness").shift.value == pytest.approx(1.0, abs=0.2)
    assert of(found, "predictions").p_value > 0.01
    assert found.class_shares == {}


def test_a_size_that_never_varied_and_changes_is_an_alarm(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    known = reference(tmp_path / "pets", pictures(draw, 800))
    larger = [{**row, "features": [("brightness", 0.5), ("width", 256.0)]} for row in pictures(draw, 600)]
    width = of(compared(known, World().day(larger)), "feature", "width")
    assert width.alarm
    assert "128 → 256" in width.message


def test_a_trifle_in_a_large_window_is_no_alarm(known: Reference, tmp_path: Path) -> None:
    world = World(16)
    large = reference(
        tmp_path / "large", [{"features": [("tokens", float(n))]} for n in world.draw.normal(40, 6, 5_000)]
    )
    day = world.day([{"features": [("tokens", float(n))]} for n in world.draw.normal(40.5, 6, 20_000)])
    tokens = of(compared(large, day, rules=DriftRules(min_shift=0.2)), "feature", "tokens")
    assert tokens.p_value < 0.001
    assert not tokens.alarm


def test_a_reference_is_refused_for_another_task_or_other_labels(known: Reference) -> None:
    known.check("text_classification", LABELS)
    with pytest.raises(InputError, match="is of text_classification with the labels business, sport, tech, the model"):
        known.check("image_segmentation", LABELS)
    with pytest.raises(InputError, match="with the labels tech, sport"):
        known.check("text_classification", ("tech", "sport"))


def test_a_reference_whose_rows_are_damaged_is_told(tmp_path: Path) -> None:
    damaged = reference(tmp_path / "damaged", World(1).rows(50))
    (damaged.path / ROWS_NAME).write_bytes(b"PAR1 and no more")
    world = World(17)
    with pytest.raises(InputError, match=r"rows at .*rows.parquet cannot be read"):
        compared(damaged, world.day(world.rows(600)))
