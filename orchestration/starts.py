"""Whether a training may go on from the champion's weights, asked before anything is read for it."""

from __future__ import annotations

from evergreen.core.members import TaskSettings, trainable
from evergreen.core.part import Part
from evergreen.core.training import Start
from evergreen.data.split_plan import SplitPlan, check_shared_out_alike
from evergreen.tasks.job import COLD_START, check_warm_start
from orchestration.artifacts import incumbent_model

ANEW = "train once with refresh: {data: all} and task.warm_start: false"


def check_start(start: Start, part: Part, task: TaskSettings, split: SplitPlan) -> None:
    """Returns when there is no champion to go on from, or it is a model of this task and of this plan of splits.

    Of the champion its manifest alone is read.

    Raises:
        InputError: naming what differs, with the way out that the run heeds.
        EvergreenError: the champion's model is lost.
    """
    champion = incumbent_model(start.champion)
    if champion is None:
        return
    way_out = COLD_START if not part.carries_on else ANEW if part.adds else f"{ANEW}, before the backfill"
    wanted = {**trainable(task).training_configuration(), "kind": task.kind}
    check_warm_start(champion, wanted, ("kind", *task.warm_start_fields), way_out)
    check_shared_out_alike(champion.manifest.split_plan, split, way_out)
