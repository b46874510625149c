"""Whether a champion may have been trained on rows that are test rows now.

A row's split follows from the split's seed and the row alone, so that test rows stay test rows as long as the seed
stays; a test fraction that grows takes in rows of the other splits.
"""

from __future__ import annotations

from evergreen.core.artifacts import SplitName, SplitsManifest, TrainedModelManifest

SEED = "seed"


def doubt_about(champion: TrainedModelManifest, splits: SplitsManifest) -> str | None:
    """In what the champion's split differed, where that may have put present test rows into its training.

    None when it did not, and when either plan is unknown.
    """
    theirs, ours = champion.split_plan, splits.plan
    if SEED in theirs and SEED in ours and theirs[SEED] != ours[SEED]:
        return f"split.seed was {theirs[SEED]} when it was trained and is {ours[SEED]} now"
    before, now = theirs.get(SplitName.TEST), ours.get(SplitName.TEST)
    if before is not None and now is not None and before < now:
        return f"split.test was {before:g} when it was trained and is {now:g} now"
    return None
