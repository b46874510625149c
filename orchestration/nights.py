"""Whether a run trains, or repeats the champion's own run because nothing asks for another model.

A run trains for a reason: rows that the champion was not trained on, another configuration, other code, or one that
lies in the world, by `refresh.when`. By schedule, other code alone is none unless `refresh.on_code` says so, one run
trains at a time, and after a run that set out to train the next one waits for `refresh.cool_down`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from pydantic import ValidationError

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.errors import EvergreenError
from evergreen.core.members import SourceSettings, TaskSettings, trainable
from evergreen.core.part import Part
from evergreen.core.refresh import Refresh
from evergreen.core.training import Start
from evergreen.core.versions import ModelVersion
from evergreen.core.window import parse_duration
from evergreen.data.split_plan import SplitPlan
from orchestration.causes import World, world_of
from orchestration.fingerprint import TRAINING, recipe_fingerprint
from orchestration.freshness import RowsToRead
from orchestration.recorded import Identified, RecordedRun, recorded_run
from orchestration.trainings import Reason, last_training, training_under_way

MOST_SLACK = timedelta(hours=1)
"""Of a cool-down, else a tenth: firings begin some minutes early or late, and a daily schedule is to pass one of 1d."""
MOVED: frozenset[Reason] = frozenset({"drift", "quality"})
"""Reasons that say that the world moved; age says nothing of it."""
NOT_BY_ROWS = "rows alone are no reason to train, by refresh.when.new_rows"
NOT_BY_CODE = "the code changed, on which refresh.on_code trains nothing"
Changed = Literal["rows", "configuration", "code"]


@dataclass(frozen=True)
class Recipe:
    """What a model is made of, beside its rows and what it starts from; `codes` are fingerprints by step."""

    source: SourceSettings
    task: TaskSettings
    split: SplitPlan
    seed: int
    codes: Mapping[str, str]

    @cached_property
    def pretrained(self) -> str:
        """The fingerprint of the weights that the task starts from. Raises InputError: they cannot be found."""
        return trainable(self.task).pretrained()

    def fingerprint(self, identity: SourceIdentity, start: Start, part: Part) -> str:
        """Of a model of these rows; one that carries a coverage on is told by what it starts from, too."""
        return recipe_fingerprint(
            self.codes,
            rows=identity.fingerprint,
            pretrained=start.pretrained,
            seed=self.seed,
            task=trainable(self.task).training_configuration(),
            split=self.split.model_dump(mode="json"),
            **({"start": start.champion.version} if part.carries_on else {}),
            **({"moved": True} if start.moved else {}),  # absent elsewhere, so that a recipe of before is known
        )


@dataclass(frozen=True)
class Night:
    """What a run does: with `repeats` nothing new is trained; `words` tell of rows, and why or why not, `reasons` what
    it trains for beside a first model.

    `lost` are the steps of the repeated run whose results are gone: `heal` has them made again.
    """

    repeats: RecordedRun | None
    words: str | None
    lost: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether requests, or labels of them, say that the world is no longer as the champion learned it."""
        return not MOVED.isdisjoint(self.reasons)

    def heal(self) -> None:
        """Has what is lost made again by the steps that made it, once they run."""
        if self.repeats is not None and self.lost:
            self.repeats.make_again(self.lost)


def night_of(
    model: str,
    champion: ModelVersion | None,
    rows: RowsToRead,
    recipe: Recipe,
    refresh: Refresh,
    *,
    scheduled: bool,
) -> Night:
    """What a run of these rows does. Nothing is changed by asking.

    Raises:
        EvergreenError: the champion's run is gone, which would be repeated, and there are no rows to train on.
    """
    if champion is None:
        return Night(None, rows.words)
    known = recorded_run(champion)
    if known is None:
        return Night(None, _in_words(rows, _without_its_run(champion, rows)))
    by_rows = refresh.when.new_rows or not scheduled
    changed, why = _changed(rows, known, recipe, by_rows=by_rows), rows.too_few if by_rows else NOT_BY_ROWS
    if changed == "code" and scheduled and not refresh.on_code:
        changed, why = None, NOT_BY_CODE
    world = world_of(model, champion, known.began, refresh.when)
    if changed is None and not world.causes:
        return _quiet(known, rows, _joined(why, world.told), refresh)
    if why := _lacks(changed, world, rows, known) or (_waits(model, refresh) if scheduled else None):
        return _quiet(known, rows, why, refresh)
    asked: tuple[Reason, ...] = (changed,) if changed else ()
    reasons = (*asked, *(cause.kind for cause in world.causes))
    return Night(None, _in_words(rows, _trains(changed, world)), reasons=reasons)


def _changed(rows: RowsToRead, known: RecordedRun, recipe: Recipe, *, by_rows: bool) -> Changed | None:
    """What of a model's making is another than the champion's; `by_rows`: rows alone are enough."""
    then = known.identified
    if by_rows and (rows.too_few is None if rows.incremental else _are_others(rows, known)):
        return "rows"
    if not _read_as_then(recipe.source, known) or not _of_recipe(then, recipe):
        return "configuration"
    return "code" if any(recipe.codes[step] != then.codes[step] for step in TRAINING) else None


def _are_others(rows: RowsToRead, known: RecordedRun) -> bool:
    """Whether there are any that the champion was not trained on, as far as is known."""
    if rows.incremental:
        return rows.new != 0
    return rows.identity.fingerprint != known.identified.identity.fingerprint


def _lacks(changed: Changed | None, world: World, rows: RowsToRead, known: RecordedRun) -> str | None:
    """That there is too little to train on for these reasons; None: there is enough.

    What the world says asks for rows that the champion does not know: the same ones would make the same model.
    """
    lack = rows.lack if changed != "rows" and rows.incremental else None
    if changed is None and not _are_others(rows, known):
        lack = "no rows that the champion was not trained on"
    if lack is None:
        return None
    reason = f"the {changed} changed" if changed else f"there is a reason to train, that {world.words}"
    return f"{reason}, and there are {lack} to train on" if changed else f"{reason}, and there are {lack}"


def _trains(changed: Changed | None, world: World) -> str | None:
    """What for, beside new rows."""
    words = (f"the {changed} changed" if changed and changed != "rows" else None, world.words)
    trains = " and ".join(filter(None, words))
    return f"trains, for {trains}" if trains else None


def _read_as_then(source: SourceSettings, known: RecordedRun) -> bool:
    """Whether the run read its rows from the same source in the same way."""
    try:
        return type(source).model_validate(known.steps["identify"].config.parameters["source"]).reads_as(source)
    except (KeyError, ValidationError):
        return False


def _of_recipe(then: Identified, recipe: Recipe) -> bool:
    """Whether all but rows and code is as it was; a model that goes on from a champion needs no other weights."""
    start = then.start if then.part.carries_on else then.start.model_copy(update={"pretrained": recipe.pretrained})
    then_made = replace(recipe, codes=then.codes)
    return then_made.fingerprint(then.identity, start, then.part) == then.recipe


def _waits(model: str, refresh: Refresh) -> str | None:
    """That another run trains now, or that the cool-down goes on, where it does."""
    if run := training_under_way(model):
        return f"nothing is trained while {run} is under way, which trains"
    last = last_training(model) if refresh.cool_down else None
    if last is None or refresh.cool_down is None:
        return None
    length = parse_duration(refresh.cool_down)
    ends = last.began + length - min(length / 10, MOST_SLACK)
    if datetime.now(UTC) >= ends:
        return None
    after = f"about {refresh.cool_down} after {last.run}, which {last.outcome}"
    return f"nothing is trained before {ends:%Y-%m-%d %H:%M} UTC, {after}"


def _quiet(known: RecordedRun, rows: RowsToRead, why: str | None, refresh: Refresh) -> Night:
    """Repeats the champion's run, of which everything is there or made again; or trains where that is asked for."""
    lost = known.lost_steps()
    if not lost:
        return Night(known, _in_words(rows, why))
    gone = f"results of {', '.join(lost)} of run {known.name} are gone"
    if refresh.on_lost == "train" and rows.incremental and not rows.lack:
        return Night(None, _in_words(rows, f"trains, for {gone}"))
    return Night(known, _in_words(rows, why, f"{gone}, and are made again"), tuple(lost))


def _without_its_run(champion: ModelVersion, rows: RowsToRead) -> str | None:
    gone = f"run {champion.run} of it is gone, which would be repeated"
    if rows.too_few is not None and rows.lack:
        raise EvergreenError(
            f"there are {rows.lack} to train on beside champion {champion.version}, and {gone}; the endpoint stays as "
            "it is; run again when there are more rows"
        )
    return f"trains, for {gone}" if rows.too_few else None


def _in_words(rows: RowsToRead, *more: str | None) -> str | None:
    return _joined(rows.words, *more)


def _joined(*words: str | None) -> str | None:
    return "; ".join(filter(None, words)) or None
