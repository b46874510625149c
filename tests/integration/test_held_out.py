"""New rows like earlier test and validation rows of a champion: equal ones stay held out, near ones are set aside."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evergreen.core.artifacts import Dataset, HeldOut, SplitName, Splits
from evergreen.core.errors import InputError
from evergreen.data.contents import MOST_PAIRS
from evergreen.data.dataset import write_dataset
from evergreen.data.duplicates.similarity import bounded, sampled, word_pairs
from evergreen.data.held_out import held_out_after
from evergreen.data.shards import split_columns
from evergreen.data.split import share_out, split
from evergreen.data.split_plan import SplitPlan
from tests.pictures import encoded, mask
from tests.rows import SOURCE, rows_of

PLAN = SplitPlan(train=0.6, validation=0.2, test=0.2)
LIKE = "like_held_out_rows"
PROTECTED = (SplitName.TEST, SplitName.VALIDATION)


def dataset(rows: Iterable[dict[str, Any]], folder: Path) -> Dataset:
    """Of rows that tell when they arrived."""
    listed = [{"arrived": 0, "replayed": False, **row} for row in rows]
    return write_dataset([pa.RecordBatch.from_pylist(listed)], folder / uuid4().hex, SOURCE)


def run(rows: Iterable[dict[str, Any]], folder: Path, before: HeldOut | None, plan: SplitPlan = PLAN) -> Splits:
    return split(dataset(rows, folder), plan, folder / uuid4().hex, held_out=before)


def after(splits: Splits, folder: Path, before: HeldOut | None = None) -> HeldOut:
    columns = split_columns(splits, SplitName.TEST)
    return held_out_after(splits, columns, before, folder / uuid4().hex)


def where(splits: Splits) -> dict[str, str]:
    return {row["id"]: name for name in SplitName.ALL for row in rows_of(splits.shards(name))}


def text(number: int, words: int = 24) -> str:
    draw = random.Random(number)
    return " ".join(f"word{draw.randrange(10**6)}" for _ in range(words))


def texts(numbers: Iterable[int], name: str = "r", more: str = "", words: int = 24) -> list[dict[str, Any]]:
    return [
        {"id": f"{name}{number}", "text": text(number, words) + more, "label": "ab"[number % 2]} for number in numbers
    ]


def replayed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"replayed": True} for row in rows]


def photograph(number: int, shift: int = 0) -> bytes:
    """Coarse noise, enlarged; shifted copies look alike."""
    coarse = np.random.default_rng(number).integers(0, 200, (12, 12, 3), dtype=np.uint8)
    return encoded(Image.fromarray(coarse + np.uint8(shift)).resize((48, 48), Image.Resampling.BICUBIC))


def photographs(numbers: Iterable[int], name: str = "r", shift: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "image": photograph(number, shift), "mask": mask()} for number in numbers]


def near(content: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    if content == "texts":
        return texts(numbers, "near", " added")
    return photographs(numbers, "near", 9)


def rows(content: str, numbers: Iterable[int], name: str = "r") -> list[dict[str, Any]]:
    return texts(numbers, name) if content == "texts" else photographs(numbers, name)


@pytest.mark.parametrize("content", ["texts", "pictures"])
def test_a_new_row_like_an_earlier_test_row_is_never_trained_on(content: str, tmp_path: Path) -> None:
    first = run(rows(content, range(100)), tmp_path, None)
    before = where(first)
    held = {number for number in range(100) if before.get(f"r{number}") in PROTECTED}
    known = after(first, tmp_path)
    assert known.manifest.rows == len(held) == first.manifest.rows["test"] + first.manifest.rows["validation"]

    arriving = [*near(content, range(100)), *rows(content, range(100), "again"), *rows(content, range(100, 160), "new")]
    careless = where(run([*near(content, range(100)), *rows(content, range(100, 160), "new")], tmp_path, None))
    assert [number for number in held if careless.get(f"near{number}") == "train"]  # by its own content, some are
    second = run(arriving, tmp_path, known)
    splits = where(second)
    assert not [number for number in held if f"near{number}" in splits]
    assert second.manifest.removed[LIKE] == len(held)
    assert {number: splits[f"again{number}"] for number in held} == {number: before[f"r{number}"] for number in held}
    others = {f"near{number}" for number in range(100) if number not in held}
    assert others & splits.keys()
    assert {f"new{number}" for number in range(100, 160)} <= splits.keys()


@pytest.mark.parametrize("content", ["texts", "pictures"])
def test_rows_that_are_read_once_more_stay_where_they_are(content: str, tmp_path: Path) -> None:
    old = rows(content, range(100))
    first = run(old, tmp_path, None)
    second = run([*replayed(old), *rows(content, range(100, 160), "new")], tmp_path, after(first, tmp_path))
    assert LIKE not in second.manifest.removed
    assert {name: there for name, there in where(second).items() if name.startswith("r")} == where(first)
    assert second.manifest.replayed == first.manifest.rows


def test_a_row_that_was_set_aside_is_set_aside_whenever_it_is_read_once_more(tmp_path: Path) -> None:
    old = texts(range(100))
    first = run(old, tmp_path, None)
    known, before = after(first, tmp_path), where(first)
    late = [*near("texts", range(100)), *texts(range(100), "again")]
    aside = {row["id"] for row in late} - where(run([*late, *texts(range(200, 260))], tmp_path, known)).keys()
    third = run([*replayed(late), *texts(range(300, 360))], tmp_path, known)
    like = {name for name in aside if name.startswith("near")}
    assert like
    assert not like & where(third).keys()
    assert third.manifest.removed[LIKE] >= len(like)
    trained = {row["text"] for row in rows_of(third.shards("train"))}
    assert not trained & {row["text"] for row in old if before.get(row["id"]) in PROTECTED}


@pytest.mark.parametrize(
    "changes", [{"seed": 7}, {"train": 0.8, "validation": 0.1, "test": 0.1}, {"near_duplicate_similarity": None}]
)
def test_no_change_of_the_plan_has_a_test_row_of_before_trained_on(changes: dict[str, Any], tmp_path: Path) -> None:
    old = texts(range(200))
    first = run(old, tmp_path, None)
    plan = PLAN.model_copy(update=changes)
    again = run([*replayed(old), *texts(range(200, 300), "new")], tmp_path, after(first, tmp_path), plan)
    held = {name: there for name, there in where(first).items() if there in PROTECTED}
    assert held.items() <= where(again).items()


@pytest.mark.parametrize("content", ["texts", "pictures"])
def test_rows_that_all_arrive_anew_are_shared_out_as_before(content: str, tmp_path: Path) -> None:
    old = rows(content, range(100))
    first = run(old, tmp_path, None)
    known = after(first, tmp_path)
    again = run([*old, *rows(content, range(100, 101))], tmp_path, known)
    assert where(first).items() <= where(again).items()
    assert LIKE not in again.manifest.removed
    third = run([row | {"id": f"loaded-{row['id']}"} for row in old], tmp_path, after(again, tmp_path, known))
    assert {f"loaded-{name}": there for name, there in where(first).items()} == where(third)


def test_a_test_row_whose_label_is_corrected_is_tested_by_its_new_label(tmp_path: Path) -> None:
    old = texts(range(100))
    first = run(old, tmp_path, None)
    name = next(row["id"] for row in rows_of(first.shards("test")) if row["label"] == "a")
    corrected = [row | {"label": "b"} for row in old if row["id"] == name]
    second = run([*corrected, *texts(range(100, 160), "new")], tmp_path, after(first, tmp_path))
    assert [row["label"] for row in rows_of(second.shards("test")) if row["id"] == name] == ["b"]


@pytest.mark.parametrize("column", ["group", "split"])
def test_a_column_that_shares_rows_out_puts_no_test_row_of_before_in_train(column: str, tmp_path: Path) -> None:
    def given(places: dict[str, str], numbers: Iterable[int]) -> list[dict[str, Any]]:
        return [row | {column: places.get(row["id"], "train")} for row in texts(numbers)]

    names = ("test", "validation", "train") if column == "split" else [f"camera{number}" for number in range(30)]
    places = {f"r{number}": names[number % len(names)] for number in range(90)}
    first = run(given(places, range(90)), tmp_path, None)
    known, before = after(first, tmp_path), where(first)
    tested = sorted(name for name, there in before.items() if there in PROTECTED)
    trained_group = next(places[name] for name, there in before.items() if there == "train")
    moved = places | {tested[0]: "train" if column == "split" else trained_group}
    second = run(given(moved, range(90)), tmp_path, known)
    assert where(second) == {name: there for name, there in before.items() if name != tested[0]}
    assert second.manifest.removed[LIKE] == 1


def test_an_empty_split_says_what_helps_where_rows_are_like_held_out_ones(tmp_path: Path) -> None:
    first = run(texts(range(100)), tmp_path, None)
    held = [number for number in range(100) if where(first).get(f"r{number}") in PROTECTED]
    with pytest.raises(InputError, match=r"has no rows .*whatever the seed: wait for more rows .*refresh: {data: all}"):
        run(near("texts", held), tmp_path, after(first, tmp_path))


def test_held_out_rows_are_those_of_all_runs_each_once(tmp_path: Path) -> None:
    old = texts(range(100))
    first = run(old, tmp_path, None)
    known = after(first, tmp_path)
    second = run([*replayed(old[:50]), *texts(range(100, 200))], tmp_path, known)
    grown = after(second, tmp_path, known)
    new = {name for name, there in where(second).items() if there in PROTECTED} - where(first).keys()
    assert grown.manifest.rows == known.manifest.rows + len(new)
    keys = [row["key"] for row in rows_of(grown.shards)]
    assert len(set(keys)) == len(keys)
    assert {row["key"] for row in rows_of(known.shards)} < set(keys)
    assert "text" not in rows_of(grown.shards)[0]


def test_rows_that_do_not_tell_when_they_arrived_are_not_held_out(tmp_path: Path) -> None:
    plain = [{"id": row["id"], "text": row["text"], "label": row["label"]} for row in texts(range(60))]
    splits = split(write_dataset([pa.RecordBatch.from_pylist(plain)], tmp_path / "d", SOURCE), PLAN, tmp_path / "s")
    assert after(splits, tmp_path).manifest.rows == 0
    assert splits.manifest.replayed == {}


def test_long_texts_cost_no_more_than_others_and_are_found_all_the_same(tmp_path: Path) -> None:
    long = [*texts(range(40), words=3_000), *texts(range(40, 60), words=200), *texts(range(60, 80), words=400)]
    first = run(long, tmp_path, None)
    known = after(first, tmp_path)
    kept = rows_of(known.shards)
    assert max(len(row["pairs"]) for row in kept) <= MOST_PAIRS
    assert len({row["level"] for row in kept}) > 2
    size = sum(entry.bytes for entry in known.manifest.files)
    assert size < len(kept) * (10 + 4 * MOST_PAIRS) * 1.1 + 2_000
    copies = [row | {"id": f"copy-{row['id']}", "text": f"{row['text']} added"} for row in long]
    second = run([*copies, *texts(range(100, 140), words=3_000)], tmp_path, known)
    held = {name for name, there in where(first).items() if there in PROTECTED}
    assert not {f"copy-{name}" for name in held} & where(second).keys()
    assert second.manifest.removed[LIKE] == len(held)


def test_short_texts_are_like_no_long_one_and_none_may_be_asked_about(tmp_path: Path) -> None:
    first = run(texts(range(20), words=9_000), tmp_path, None)
    known = after(first, tmp_path)
    assert min(row["level"] for row in rows_of(known.shards)) > 4
    assert share_out(dataset(texts(range(100, 104), "short", words=1), tmp_path), PLAN, held_out=known).max() < 3
    held = [row for row in texts(range(20), words=9_000) if where(first).get(row["id"]) in PROTECTED]
    assert share_out(dataset(replayed(held), tmp_path), PLAN, held_out=known).max() < 2


@given(
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=8),
    most=st.sampled_from([16, 64]),
    draw=st.integers(0, 9),
)
@settings(max_examples=20, deadline=None)
def test_a_sample_of_a_text_is_what_every_text_has_of_it(lengths: list[int], most: int, draw: int) -> None:
    pairs = word_pairs(pa.array([text(1000 * draw + number, words) for number, words in enumerate(lengths)]))
    kept, levels = bounded(pairs, most)
    for row, level in enumerate(levels.tolist()):
        distinct = set(pairs[row].as_py())
        assert set(kept[row].as_py()) == {one for one in distinct if one < 2 ** (32 - level)}
        assert set(sampled(pairs, level)[row].as_py()) == set(kept[row].as_py())
        assert len(kept[row]) <= most
        assert (level == 0) == (len(distinct) <= most)


def test_a_picture_costs_eighteen_bytes(tmp_path: Path) -> None:
    known = after(run(photographs(range(60)), tmp_path, None), tmp_path)
    (shard,) = known.shards
    types = {field.name: field.type.bit_width // 8 for field in pq.read_schema(shard)}
    assert types == {"key": 8, "code": 1, "level": 1, "likeness": 8}
    assert {row["code"] for row in rows_of(known.shards)} == {0, 1}
