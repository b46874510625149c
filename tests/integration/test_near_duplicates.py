import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergreen.data.duplicates.texts as text_duplicates
from evergreen.data.database import open_database
from evergreen.data.duplicates.keys import normalise
from evergreen.data.duplicates.similarity import jaccard, may_be_similar, word_pairs
from evergreen.data.duplicates.texts import find_straddling

ALPHABET = "abcdefg"


def straddling(texts: list[str], splits: list[int], similarity: float, folder: Path) -> list[int]:
    signatures = pa.table({"pairs": word_pairs(pa.array(texts))})
    pq.write_table(signatures, folder / "signatures.parquet", row_group_size=7)
    with open_database() as connection:
        rows = find_straddling(connection, folder / "signatures.parquet", np.array(splits, np.uint8), similarity)
    return [int(row) for row in rows]


def expected_straddling(texts: list[str], splits: list[int], similarity: float) -> list[int]:
    pairs = [set(words) for words in word_pairs(pa.array(texts)).to_pylist()]
    return [
        row
        for row, own in enumerate(pairs)
        if splits[row] < 3
        and any(
            splits[other] < splits[row] and len(own & theirs) / len(own | theirs) >= similarity
            for other, theirs in enumerate(pairs)
        )
    ]


@given(
    texts=st.lists(st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=30),
    similarity=st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]),
    draw=st.randoms(use_true_random=False),
)
@settings(max_examples=15, deadline=None)
def test_every_similar_row_is_found_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], similarity: float, draw: random.Random
) -> None:
    splits = [draw.choice([0, 1, 2, 3]) for _ in texts]
    result = straddling(texts, splits, similarity, tmp_path_factory.mktemp("rows"))
    assert result == expected_straddling(texts, splits, similarity)


def test_what_is_found_does_not_depend_on_how_much_is_compared_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(list("abcdefghijkl"), 24)) for _ in range(24)]
    texts += [f"{text} m" for text in texts[:12]]
    splits = draw.integers(0, 4, len(texts)).tolist()
    whole = straddling(texts, splits, 0.8, tmp_path)
    for name, value in [("PART_ENTRIES", 20), ("MEETINGS", 5), ("HELD_WORDS", 10), ("COUNTERS", 2)]:
        monkeypatch.setattr(text_duplicates, name, value)
    assert whole == expected_straddling(texts, splits, 0.8) != []
    assert straddling(texts, splits, 0.8, tmp_path) == whole


def test_word_pairs_differ_by_order_and_end_with_the_last_word() -> None:
    pairs, other, single, empty = word_pairs(pa.array(["a b c", "c b a", "a", ""])).to_pylist()
    assert len(pairs) == len(other) == 3
    assert len(single) == len(empty) == 1
    assert not set(pairs) & set(other)


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("昨日の試合で日本代表は終盤の得点により勝利を収めた", "昨日の試合で日本代表は終盤の得点により勝利を決めた"),
        ("股市周三收高科技股领涨投资者等待央行的利率决定", "股市周四收高科技股领涨投资者等待央行的利率决定"),
        ("order-4711-of-2024-05-31-at-the-northern-warehouse", "order-4712-of-2024-05-31-at-the-northern-warehouse"),
    ],
)
def test_texts_without_spaces_are_compared_by_characters(text: str, edited: str) -> None:
    before, other = (set(pairs) for pairs in word_pairs(pa.array([text, edited])).to_pylist())
    assert 0.7 < len(before & other) / len(before | other) < 1


def test_a_text_has_the_same_word_pairs_alone_and_among_others() -> None:
    among = word_pairs(pa.array(["oil prices rose", "a goal late", "x"]))
    alone = word_pairs(pa.array(["a goal late"]))
    assert among[1].as_py() == alone[0].as_py()


@given(st.lists(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=40), min_size=2, max_size=2))
def test_jaccard_is_shared_over_all_and_bitmaps_rule_out_no_similar_texts(texts: list[set[int]]) -> None:
    first, other = texts
    owned = np.array([place << 32 | value for place, held in enumerate(texts) for value in sorted(held)], np.uint64)
    left, right = np.array([0, 1, 0]), np.array([1, 0, 0])
    expected = len(first & other) / len(first | other)
    assert jaccard(owned, left, right) == pytest.approx([expected, expected, 1])
    assert may_be_similar(owned, left, right, expected).all()


def test_bitmaps_tell_most_unlike_texts_apart() -> None:
    texts = np.random.default_rng(0).integers(0, 2**32, (2, 100)).astype(np.uint64)
    owned = np.concatenate([np.sort(texts[0]), np.sort(texts[1]) | np.uint64(1 << 32)])
    assert not may_be_similar(owned, np.array([0]), np.array([1]), 0.8).any()


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=50)
def test_normalising_twice_changes_nothing(texts: list[str]) -> None:
    once = normalise(pa.array(texts, pa.string()))
    assert normalise(once).to_pylist() == once.to_pylist()
