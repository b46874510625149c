import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.data.near_duplicates import RECALL, Bands, band_hashes, jaccard, word_pairs
from evergreen.data.split import normalise


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_find_a_pair_at_the_similarity_almost_surely(similarity: float) -> None:
    bands = Bands.for_similarity(similarity)
    assert 1 - (1 - similarity**bands.width) ** bands.count >= RECALL
    assert bands.count * bands.width <= 128


def test_word_pairs_differ_by_order_and_end_with_the_last_word() -> None:
    one, other, single, empty = word_pairs(pa.array(["a b c", "c b a", "a", ""])).to_pylist()
    assert len(one) == len(other) == 3
    assert len(single) == len(empty) == 1
    assert not set(one) & set(other)


def test_a_text_has_the_same_hashes_alone_and_among_others() -> None:
    among = word_pairs(pa.array(["oil prices rose", "a goal late", "x"]))
    alone = word_pairs(pa.array(["a goal late"]))
    assert among[1].as_py() == alone[0].as_py()
    bands = Bands.for_similarity(0.8)
    for many, single in zip(band_hashes(among, bands), band_hashes(alone, bands), strict=True):
        assert many[1] == single[0]


@given(st.sets(st.integers(0, 50), min_size=1), st.sets(st.integers(0, 50), min_size=1))
def test_jaccard_is_shared_over_all(one: set[int], other: set[int]) -> None:
    got = jaccard(np.array([*one], np.uint32), np.array([*other], np.uint32))
    assert got == pytest.approx(len(one & other) / len(one | other))


def test_similar_texts_share_a_band_and_different_ones_do_not() -> None:
    words = [f"word{n}" for n in range(40)]
    similar = [*words[:20], "changed", *words[21:]]
    different = [f"other{n}" for n in range(40)]
    texts = pa.array([" ".join(words), " ".join(similar), " ".join(different)])
    hashes = np.array(band_hashes(word_pairs(texts), Bands.for_similarity(0.8)))  # (bands, texts)
    assert (hashes[:, 0] == hashes[:, 1]).any()
    assert not (hashes[:, 0] == hashes[:, 2]).any()


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=50)
def test_normalising_twice_changes_nothing(texts: list[str]) -> None:
    once = normalise(pa.array(texts, pa.string()))
    assert normalise(once).to_pylist() == once.to_pylist()
