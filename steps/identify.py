"""What the source holds now, and whom a new model must beat. Runs always: all that follows is cached by its answers."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.members import source_of, trainable
from evergreen.core.training import Incumbent, Start
from evergreen.core.window import Window
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks import AnyTask
from orchestration.fingerprint import code_fingerprints, recipe_fingerprint
from orchestration.record import ZenmlRecord
from orchestration.versions import incumbent_for, is_recipe_of_champion


@step(enable_cache=False)
def identify(
    model_name: str, source: AnySource, task: AnyTask, split: SplitPlan, seed: int, window: Window | None = None
) -> tuple[
    Annotated[SourceIdentity, "identity"],
    Annotated[Incumbent, "incumbent"],
    Annotated[Start, "start"],
    Annotated[str, "recipe"],
    Annotated[str, "fetch_code"],
    Annotated[str, "validate_code"],
    Annotated[str, "split_code"],
    Annotated[str, "train_code"],
    Annotated[str, "evaluate_code"],
]:
    """The source's identity, the incumbent, what training starts from, and the fingerprints of the recipe and of each
    cached step's code.

    Raises:
        InputError: the source cannot be found, or the task's encoder cannot be trained.
    """
    training = trainable(task)
    pretrained = training.pretrained()
    identity = source_of(source).identity(window.resolve() if window else None)
    codes = code_fingerprints(source, task)
    recipe = recipe_fingerprint(
        codes,
        rows=identity.fingerprint,
        pretrained=pretrained,
        seed=seed,
        task=training.training_configuration(),
        split=split.model_dump(mode="json"),
    )
    record = ZenmlRecord(model_name).read()
    if not is_recipe_of_champion(recipe, record):  # which was trained from this encoder by this code
        training.check()
    incumbent = incumbent_for(recipe, record)
    start = Start(pretrained=pretrained, champion=incumbent if task.warm_start else Incumbent())
    return (
        identity,
        incumbent,
        start,
        recipe,
        codes["fetch"],
        codes["validate"],
        codes["split"],
        codes["train"],
        codes["evaluate"],
    )
