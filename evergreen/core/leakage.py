"""Whether a champion may have been trained on rows that are test rows now.

A row's split follows from the split's seed and the row alone, so that test rows stay test rows as long as the seed
stays; a test fraction that grows takes in rows of the other splits.
"""

from __future__ import annotations

from evergreen.core.artifacts import SplitsManifest, TrainedModelManifest


def doubt_about(champion: TrainedModelManifest, splits: SplitsManifest) -> str | None:
    """In what the champion's split differed, where that may have put present test rows into its training.

    None when it did not, and when either plan is unknown.
    """
    theirs, ours = champion.split_plan, splits.plan
    if theirs is None or ours is None:
        return None
    if theirs.given != ours.given:
        told = [f"gave {', '.join(plan.given) or 'none of the splits'}" for plan in (theirs, ours)]
        return f"the source {told[0]} when it was trained and {told[1]} now"
    if theirs.grouped != ours.grouped:
        told = ["by their groups" if plan.grouped else "by their content" for plan in (theirs, ours)]
        return f"rows were shared out {told[0]} when it was trained and are {told[1]} now"
    if theirs.seed != ours.seed:
        return f"split.seed was {theirs.seed} when it was trained and is {ours.seed} now"
    if theirs.test < ours.test:
        return f"split.test was {theirs.test:g} when it was trained and is {ours.test:g} now"
    return None
