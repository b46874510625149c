import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from evergreen.tasks.budget import batches_within
from evergreen.tasks.text_classification.token_tables import BATCHES_SORTED_TOGETHER, order_by_length

LENGTHS = st.lists(st.integers(1, 200), max_size=400).map(lambda lengths: np.array(lengths, dtype=np.int64))


@given(LENGTHS, st.integers(1, 40), st.integers(0, 3), st.integers(0, 3))
def test_an_order_holds_every_row_once_and_repeats_itself(
    lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> None:
    order = order_by_length(lengths, batch_size, seed, epoch)

    assert sorted(order) == list(range(len(lengths)))
    assert (order == order_by_length(lengths, batch_size, seed, epoch)).all()


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    lengths = np.full(200, 7)

    orders = [tuple(order_by_length(lengths, 8, seed, epoch)) for seed in range(3) for epoch in range(3)]

    assert len(set(orders)) == len(orders)


def test_batches_hold_hardly_any_padding_and_come_in_mixed_lengths() -> None:
    lengths = np.random.default_rng(0).integers(10, 100, 32 * BATCHES_SORTED_TOGETHER)

    batches = lengths[order_by_length(lengths, 32, 0, 0)].reshape(-1, 32)

    assert lengths.sum() / (batches.max(axis=1) * 32).sum() > 0.95
    assert (np.diff(batches.max(axis=1)) < 0).any()
    assert (np.diff(batches.max(axis=1)) > 0).any()


@given(LENGTHS, st.integers(1, 500))
def test_batches_hold_every_row_once_within_the_budget(lengths: npt.NDArray[np.int64], max_tokens: int) -> None:
    batches = batches_within(lengths, max_tokens)

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= max_tokens for batch in batches)
