import pytest

from evergreen.core.artifacts import SplitsManifest, TrainedModelManifest
from evergreen.core.leakage import doubt_about

Plan = dict[str, float | int | None]


@pytest.mark.parametrize(
    ("before", "now", "doubt"),
    [
        ({"seed": 0, "test": 0.1}, {"seed": 0, "test": 0.1}, None),
        ({"seed": 0, "test": 0.2}, {"seed": 0, "test": 0.1}, None),
        ({"seed": 0, "test": 0.1}, {"seed": 1, "test": 0.1}, "split.seed was 0 when it was trained and is 1 now"),
        ({"seed": 0, "test": 0.1}, {"seed": 0, "test": 0.2}, "split.test was 0.1 when it was trained and is 0.2 now"),
        ({}, {"seed": 1, "test": 0.2}, None),
        ({"seed": 0, "test": 0.1}, {}, None),
    ],
)
def test_a_champion_is_doubted_where_test_rows_may_have_been_its_training_rows(
    before: Plan, now: Plan, doubt: str | None
) -> None:
    champion = TrainedModelManifest(files=(), task={}, trained_on="", seed=0, split_plan=before)
    splits = SplitsManifest(files=(), dataset="", seed=0, rows={}, labels={}, removed={}, plan=now)
    assert doubt_about(champion, splits) == doubt
