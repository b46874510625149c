"""What the source holds now, and whom a new model must beat. Runs always: all that follows is cached by its answers."""

from __future__ import annotations

from zenml import log_metadata, step

from evergreen.adapters.kinds import AnySource
from evergreen.core.members import trainable
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.training import Incumbent, Start
from evergreen.core.versions import Alias, RecordState
from evergreen.core.window import Window
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks import AnyTask
from orchestration.fingerprint import code_fingerprints
from orchestration.freshness import RowsToRead, rows_to_read
from orchestration.nights import Recipe, night_of
from orchestration.record import ZenmlRecord
from orchestration.recorded import Identified, Outputs
from orchestration.runs import REFRESH_KEY, is_scheduled
from orchestration.starts import check_start
from orchestration.trainings import note_training
from orchestration.versions import incumbent_for, is_recipe_of_champion


@step(enable_cache=False)
def identify(
    model_name: str,
    source: AnySource,
    task: AnyTask,
    split: SplitPlan,
    seed: int,
    refresh: Refresh,
    window: Window | None = None,
    backfill: Backfill | None = None,
) -> Outputs:
    """The source's identity, the part of it that is read, the incumbent, what training starts from, and the
    fingerprints of the recipe and of each cached step's code; all as in the champion's run where nothing asks for
    another model.

    Raises:
        InputError: the source cannot be found, does not tell which rows are new, the encoder cannot be trained, or no
            model of this task and these splits can go on from the champion's.
        EvergreenError: nothing asks for another model, and the champion's run is gone.
    """
    record = ZenmlRecord(model_name).read()
    champion = record.named(Alias.CHAMPION)
    rows = rows_to_read(source, champion, refresh, window, backfill).for_task(task)
    recipe = Recipe(source, task, split, seed, code_fingerprints(source, task))
    scheduled = is_scheduled()
    night = night_of(model_name, champion, rows, recipe, refresh, scheduled=scheduled)
    night.heal()
    if night.words is not None:
        log_metadata({REFRESH_KEY: night.words})
    if night.repeats is not None:
        codes = recipe.codes if not scheduled or refresh.on_code else night.repeats.identified.codes
        identified = night.repeats.repeated(codes["evaluate"])
    else:
        identified = _identified(record, rows, recipe, moved=night.moved)
        if not is_recipe_of_champion(identified.recipe, record):
            check_start(identified.start, rows.part, task, split)
            trainable(task).check()  # the champion was trained from this encoder by this code
            note_training(night.reasons)
    return identified.identity, *identified[1:]  # written so, as ZenML reads in the code that there are several


def _identified(record: RecordState, rows: RowsToRead, recipe: Recipe, *, moved: bool) -> Identified:
    """What a run that trains begins with."""
    champion, pretrained = record.named(Alias.CHAMPION), recipe.pretrained
    goes_on = recipe.task.warm_start if rows.goes_on is None else rows.goes_on
    moved = moved and bool(rows.goes_on)  # no other model stays near the champion
    going_on = Incumbent(version=champion.version if champion and goes_on else None)
    start = Start(pretrained=pretrained, champion=going_on, moved=moved)
    fingerprint = recipe.fingerprint(rows.identity, start, rows.part)
    incumbent = incumbent_for(fingerprint, record)
    model = Incumbent(version=incumbent.version, artifact=incumbent.artifact)  # no training depends on what serves it
    return Identified(
        identity=rows.identity,
        part=rows.part,
        incumbent=incumbent,
        start=start.model_copy(update={"champion": model}) if goes_on else start,
        recipe=fingerprint,
        **{f"{step}_code": code for step, code in recipe.codes.items()},
    )
