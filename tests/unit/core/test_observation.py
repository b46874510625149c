import numpy as np

from evergreen.core.observation import sketch_of


def test_a_sketch_counts_every_number_whatever_their_order() -> None:
    numbers = np.random.default_rng(0).integers(0, 30_000, 500).tolist()
    sketch = sketch_of(numbers)
    assert (len(sketch), sum(sketch)) == (256, 500)
    assert sketch == sketch_of(numbers[::-1])


def test_a_whole_vocabulary_fills_buckets_evenly() -> None:
    sketch = sketch_of(range(30_522))
    assert max(sketch) < 1.1 * min(sketch)


def test_nothing_has_an_empty_sketch_and_equal_numbers_share_a_bucket() -> None:
    assert sum(sketch_of([])) == 0
    assert max(sketch_of([7] * 9)) == 9
