import random
import tempfile
from itertools import pairwise, product
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.artifacts import REPLAYED, SplitName, Splits
from evergreen.core.errors import InputError
from evergreen.data.dataset import write_dataset
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from tests.rows import SOURCE, Row, dataset_of, rows_of

TOPICS = ["goal", "vote", "share", "film", "phone", "rain", "bank", "song"]


def articles(count: int, seed: int) -> list[Row]:
    """Texts of 25 words, most unlike, some equal but for case and some with one other word."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for number in range(count):
        words = [f"{draw.choice(TOPICS)}{draw.randrange(500)}" for _ in range(25)]
        if rows and draw.random() < 0.3:
            words = str(draw.choice(rows)[1]).lower().split()
            if draw.random() < 0.7:
                words[draw.randrange(25)] = f"edited{number}"
        text = " ".join(words)
        rows.append((f"row-{number:05d}", text.upper() if draw.random() < 0.1 else text, draw.choice("ab")))
    return rows


def split_rows(rows: list[Row], plan: SplitPlan) -> tuple[Splits, dict[str, str]]:
    """The splits, and the split of each kept text in lower case."""
    with tempfile.TemporaryDirectory() as scratch:
        splits = split(dataset_of(rows, Path(scratch) / "dataset"), plan, Path(scratch) / "splits")
        kept = {row["text"].lower(): name for name in SplitName.ALL for row in rows_of(splits.shards(name))}
    return splits, kept


def word_pairs(text: str) -> set[tuple[str, str]]:
    words = [*text.lower().split(), ""]
    return set(pairwise(words))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_no_equal_or_similar_texts_straddle_splits(seed: int) -> None:
    rows = articles(120, seed)
    splits, kept = split_rows(rows, SplitPlan(seed=seed, train=0.6, validation=0.2, test=0.2))
    assert splits.manifest.removed["exact_duplicate"] == len(rows) - len({str(row[1]).lower() for row in rows})
    pairs = {text: word_pairs(text) for text in kept}
    for first, other in product(kept, kept):
        if kept[first] != kept[other]:
            assert len(pairs[first] & pairs[other]) / len(pairs[first] | pairs[other]) < 0.8


@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_appended_rows_move_nobody_and_leave_test_as_it_was(seed: int) -> None:
    rows = articles(120, seed)
    plan = SplitPlan(train=0.6, validation=0.2, test=0.2)
    _, before = split_rows(rows[:80], plan)
    _, after = split_rows(rows, plan)
    assert {text: after[text] for text in before if text in after} == {
        text: before[text] for text in before if text in after
    }
    assert {text for text in before if before[text] == SplitName.TEST} <= set(after)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = articles(100, seed)
    shuffled = random.Random(seed).sample(rows, len(rows))
    plan = SplitPlan(train=0.6, validation=0.2, test=0.2)
    (first, before), (other, after) = split_rows(rows, plan), split_rows(shuffled, plan)
    assert before == after
    assert first.manifest.labels == other.manifest.labels


def test_fractions_are_met_and_another_seed_splits_otherwise() -> None:
    rows: list[Row] = [(str(n), f"text number {n} about {n * 7919}", "ab"[n % 2]) for n in range(3_000)]
    plan = SplitPlan(near_duplicate_similarity=None)
    splits, kept = split_rows(rows, plan)
    assert sum(splits.manifest.rows.values()) == 3_000
    assert splits.manifest.rows[SplitName.TRAIN] == pytest.approx(2_400, abs=80)
    assert splits.manifest.rows[SplitName.TEST] == pytest.approx(300, abs=60)
    _, other = split_rows(rows, plan.model_copy(update={"seed": 1}))
    assert sum(kept[text] == other[text] for text in kept) < 2_400


def test_test_stays_the_same_when_train_and_validation_trade_rows() -> None:
    rows: list[Row] = [(str(n), f"text number {n}", "ab"[n % 2]) for n in range(300)]
    texts = []
    for train, validation in [(0.8, 0.1), (0.6, 0.3)]:
        _, kept = split_rows(rows, SplitPlan(train=train, validation=validation, test=0.1))
        texts.append({text for text, name in kept.items() if name == SplitName.TEST})
    assert texts[0] == texts[1]


def test_of_equal_texts_the_one_with_the_smallest_id_is_kept(tmp_path: Path) -> None:
    rows: list[Row] = [(f"n:{n}", f"text number {n}", "a") for n in range(60)]
    rows += [("n:100", " Text  NUMBER 5", "a"), ("n:0", "text number 7", "a")]
    splits = split(dataset_of(rows, tmp_path / "dataset"), SplitPlan(), tmp_path / "splits")
    ids = {row["id"] for name in SplitName.ALL for row in rows_of(splits.shards(name))}
    assert "n:5" in ids
    assert "n:100" not in ids
    assert splits.manifest.removed["exact_duplicate"] == 2


def boilerplate(count: int) -> list[Row]:
    """One text of 110 words, in each row four of them replaced."""
    draw = random.Random(0)
    rows: list[Row] = []
    for number in range(count):
        words = [f"word{place}" for place in range(110)]
        for place in draw.sample(range(110), 4):
            words[place] = f"own{number}-{place}"
        rows.append((f"row-{number:05d}", " ".join(words), draw.choice("ab")))
    return rows


def test_no_boilerplate_text_stays_in_train_that_is_similar_to_one_in_test() -> None:
    splits, kept = split_rows(boilerplate(300), SplitPlan())
    assert splits.manifest.removed["near_duplicate"] > 100
    pairs = {text: word_pairs(text) for text in kept}
    for first, other in product(kept, kept):
        if kept[first] != kept[other]:
            assert len(pairs[first] & pairs[other]) / len(pairs[first] | pairs[other]) < 0.8


def test_near_duplicates_in_a_script_without_spaces_do_not_straddle() -> None:
    draw = random.Random(0)
    rows: list[Row] = []
    for number in range(80):
        text = "".join(chr(draw.randrange(0x4E00, 0x9FA0)) for _ in range(50))
        rows += [(f"{number}:1", text, draw.choice("ab")), (f"{number}:2", text[:-1] + "。", draw.choice("ab"))]
    splits, kept = split_rows(rows, SplitPlan(train=0.4, validation=0.3, test=0.3))
    places: dict[str, set[str]] = {}
    for text, name in kept.items():
        places.setdefault(text[:-1], set()).add(name)
    assert all(len(names) == 1 for names in places.values())
    assert splits.manifest.removed["near_duplicate"] > 10


def test_the_manifest_records_the_plan_and_only_what_was_looked_for() -> None:
    rows: list[Row] = [(str(n), f"text number {n}", "ab"[n % 2]) for n in range(300)]
    plan = SplitPlan(seed=3, train=0.6, validation=0.2, test=0.2, near_duplicate_similarity=None)
    splits, _ = split_rows(rows, plan)
    assert splits.manifest.plan is not None
    assert SplitPlan(**splits.manifest.plan.model_dump(exclude={"given", "grouped"})) == plan
    assert splits.manifest.plan.given == ()
    assert not splits.manifest.grouped
    assert splits.manifest.removed == {"exact_duplicate": 0}


def test_an_empty_split_of_new_rows_is_no_reason_for_another_plan(tmp_path: Path) -> None:
    columns = {"id": ["1", "2"], "text": ["one", "two"], "label": ["a", "b"], REPLAYED: [False, True]}
    part = write_dataset([pa.RecordBatch.from_pydict(columns)], tmp_path / "part", SOURCE)
    with pytest.raises(
        InputError, match=r"has no rows \(.*\); wait for more rows \(a larger refresh.min_new_rows\), or"
    ):
        split(part, SplitPlan(), tmp_path / "splits")


def test_an_empty_split_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    dataset = dataset_of([("1", "one", "a"), ("2", "two", "b")], tmp_path / "dataset")
    with pytest.raises(
        InputError, match=r"has no rows \(train .*; give it a larger fraction, more rows or another seed"
    ):
        split(dataset, SplitPlan(), tmp_path / "splits")
    assert not (tmp_path / "splits" / "manifest.json").exists()


def test_rows_of_one_template_are_told_what_makes_them_one(tmp_path: Path) -> None:
    text = "the ordered parcel number {} left our store today and arrives at your door within the next three days"
    dataset = dataset_of([(str(n), text.format(n), "ab"[n % 2]) for n in range(80)], tmp_path / "dataset")
    with pytest.raises(InputError, match=r"split\.near_duplicate_similarity is 0\.8: .*set it to null.*another seed"):
        split(dataset, SplitPlan(train=0.6, validation=0.2, test=0.2), tmp_path / "splits")
    plan = SplitPlan(train=0.6, validation=0.2, test=0.2, near_duplicate_similarity=None)
    assert sum(split(dataset, plan, tmp_path / "splits").manifest.rows.values()) == 80


@pytest.mark.parametrize(("name", "message"), [(SplitName.TRAIN, "no test rows"), (SplitName.TEST, "no training rows")])
def test_a_class_without_training_or_test_rows_is_an_error(name: str, message: str, tmp_path: Path) -> None:
    rows: list[Row] = [(str(n), f"text number {n}", "a") for n in range(200)]
    _, kept = split_rows(rows, SplitPlan())
    only = next(text for text, place in kept.items() if place == name)
    rows = [(id_, text, "rare" if text == only else "a") for id_, text, _ in rows]
    with pytest.raises(InputError, match=f"{message} of class rare .*; add rows of it, take a larger"):
        split(dataset_of(rows, tmp_path / "dataset"), SplitPlan(), tmp_path / "splits")
    assert not (tmp_path / "splits" / "manifest.json").exists()


def test_fractions_that_do_not_sum_are_refused_with_the_sum() -> None:
    with pytest.raises(ValidationError, match=r"train 0\.8 \+ validation 0\.2 \+ test 0\.1 = 1\.1; they must sum to 1"):
        SplitPlan(train=0.8, validation=0.2, test=0.1)
