import pytest

from evergreen.core.artifacts import RecordedSplitPlan, SplitsManifest, TrainedModelManifest
from evergreen.evaluation.champion import doubt_about


def plan(seed: int, test: float) -> RecordedSplitPlan:
    return RecordedSplitPlan(seed=seed, train=0.9 - test, validation=0.1, test=test, near_duplicate_similarity=0.8)


@pytest.mark.parametrize(
    ("before", "now", "doubt"),
    [
        (plan(0, 0.1), plan(0, 0.1), None),
        (plan(0, 0.2), plan(0, 0.1), None),
        (plan(0, 0.1), plan(1, 0.1), "split.seed was 0 when it was trained and is 1 now"),
        (plan(0, 0.1), plan(0, 0.2), "split.test was 0.1 when it was trained and is 0.2 now"),
        (
            plan(0, 0.1),
            plan(0, 0.1).model_copy(update={"given": ("train", "test")}),
            "the source gave none of the splits when it was trained and gave train, test now",
        ),
        (
            plan(0, 0.1),
            plan(0, 0.1).model_copy(update={"grouped": True}),
            "rows were shared out by their content when it was trained and are by their groups now",
        ),
        (None, plan(1, 0.2), None),
        (plan(0, 0.1), None, None),
    ],
)
def test_a_champion_is_doubted_where_test_rows_may_have_been_its_training_rows(
    before: RecordedSplitPlan | None, now: RecordedSplitPlan | None, doubt: str | None
) -> None:
    champion = TrainedModelManifest(files=(), task={}, trained_on="", seed=0, split_plan=before)
    splits = SplitsManifest(files=(), dataset="", seed=0, rows={}, labels={}, removed={}, plan=now)
    assert doubt_about(champion, splits) == doubt
