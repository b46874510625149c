"""What the source holds now, and whom a new model must beat. Runs always: all that follows is cached by its answers."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.members import trainable
from evergreen.core.part import Part
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.training import Incumbent, Start
from evergreen.core.versions import Alias
from evergreen.core.window import Window
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks import AnyTask
from orchestration.fingerprint import code_fingerprints, recipe_fingerprint
from orchestration.freshness import recorded_outputs, rows_to_read
from orchestration.record import ZenmlRecord
from orchestration.runs import REFRESH_KEY
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
) -> tuple[
    Annotated[SourceIdentity, "identity"],
    Annotated[Part, "part"],
    Annotated[Incumbent, "incumbent"],
    Annotated[Start, "start"],
    Annotated[str, "recipe"],
    Annotated[str, "fetch_code"],
    Annotated[str, "validate_code"],
    Annotated[str, "split_code"],
    Annotated[str, "train_code"],
    Annotated[str, "evaluate_code"],
]:
    """The source's identity, the part of it that is read, the incumbent, what training starts from, and the
    fingerprints of the recipe and of each cached step's code; all as in the champion's run where too few rows are new.

    Raises:
        InputError: the source cannot be found, does not tell which rows are new, or the encoder cannot be trained.
    """
    record = ZenmlRecord(model_name).read()
    champion = record.named(Alias.CHAMPION)
    rows = rows_to_read(source, champion, refresh, window, backfill)
    incremental = rows.part.until is not None
    if rows.words is not None:
        log_metadata({REFRESH_KEY: rows.words})
    if champion is not None and rows.quiet:
        return recorded_outputs(champion)
    training = trainable(task)
    pretrained = training.pretrained()
    codes = code_fingerprints(source, task)
    recipe = recipe_fingerprint(
        codes,
        rows=rows.identity.fingerprint,
        pretrained=pretrained,
        seed=seed,
        task=training.training_configuration(),
        split=split.model_dump(mode="json"),
        **({"start": champion.version if champion else None} if incremental else {}),
    )
    if not is_recipe_of_champion(recipe, record):  # which was trained from this encoder by this code
        training.check()
    incumbent = incumbent_for(recipe, record)
    start = Start(pretrained=pretrained, champion=incumbent if task.warm_start or incremental else Incumbent())
    return (
        rows.identity,
        rows.part,
        incumbent,
        start,
        recipe,
        codes["fetch"],
        codes["validate"],
        codes["split"],
        codes["train"],
        codes["evaluate"],
    )
