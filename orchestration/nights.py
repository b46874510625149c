"""Whether a run trains, or repeats the champion's own run because nothing asks for another model.

A run trains for a reason: rows that the champion was not trained on, another configuration, other code. By schedule,
other code alone is none unless `refresh.on_code` says so, and after a run that set out to train the next one waits for
`refresh.cool_down`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from pydantic import AwareDatetime, ValidationError
from zenml import get_step_context, log_metadata
from zenml.client import Client

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.members import SourceSettings, TaskSettings, trainable
from evergreen.core.part import Part
from evergreen.core.refresh import Refresh
from evergreen.core.training import Start
from evergreen.core.versions import ModelVersion
from evergreen.core.window import parse_duration
from evergreen.data.split_plan import SplitPlan
from orchestration.fingerprint import TRAINING, recipe_fingerprint
from orchestration.freshness import RowsToRead
from orchestration.recorded import Identified, RecordedRun, recorded_run
from orchestration.runs import deployment_outcome, model_tag

TRAINS_KEY = "trains"
"""Metadata of a run that set out to train: when it did."""
OUTCOMES = {
    "live": "trained a version",
    "kept": "left the endpoint as it was",
    "rolled_back": "was rolled back",
    "none": "made no version that passes the gate",
    "waiting": "trained a version that waits for approval",
    "registered": "registered a version",
}
MOST_SLACK = timedelta(hours=1)
"""Of a cool-down, else a tenth: firings begin some minutes early or late, and a daily schedule is to pass one of 1d."""
Reason = Literal["rows", "configuration", "code"]


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
        )


@dataclass(frozen=True)
class Night:
    """What a run does: with `repeats` nothing new is trained; `words` tell of rows, and why or why not.

    `lost` are the steps of the repeated run whose results are gone: `heal` has them made again.
    """

    repeats: RecordedRun | None
    words: str | None
    lost: tuple[str, ...] = ()

    def heal(self) -> None:
        """Has what is lost made again by the steps that made it, once they run."""
        if self.repeats is not None and self.lost:
            self.repeats.make_again(self.lost)


class LastTraining(Frozen):
    """The last run of a model that set out to train, when it began, and what became of it in words."""

    run: str
    began: AwareDatetime
    outcome: str


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
    reason, why = _reason(rows, known, recipe), rows.too_few
    if reason == "code" and scheduled and not refresh.on_code:
        why = "the code changed, on which refresh.on_code trains nothing"
    elif reason and reason != "rows" and rows.incremental and rows.lack:
        why = f"the {reason} changed, and there are {rows.lack} to train on"
    elif reason and scheduled and (waits := _waits(model, refresh)):
        why = waits
    elif reason:
        return Night(None, _in_words(rows, None if reason == "rows" else f"trains, for the {reason} changed"))
    return _quiet(known, rows, why, refresh)


def note_training() -> None:
    """Notes with the run that its step belongs to that it sets out to train."""
    run = get_step_context().pipeline_run
    log_metadata(metadata={TRAINS_KEY: datetime.now(UTC).isoformat()}, run_id_name_or_prefix=run.id)


def last_training(model: str) -> LastTraining | None:
    """The model's last run that set out to train, whatever came of it; None before the first."""
    noted = Client().list_pipeline_runs(
        tags=model_tag(model),
        run_metadata=[f"{TRAINS_KEY}:contains:T"],
        sort_by="desc:created",
        size=1,
        hydrate=True,
    )
    for run in noted.items:
        goes_on = not run.status.is_finished
        became = "is under way" if goes_on else OUTCOMES.get(deployment_outcome(run) or "", "failed")
        return LastTraining(run=run.name, began=run.created.replace(tzinfo=UTC), outcome=became)
    return None


def _reason(rows: RowsToRead, known: RecordedRun, recipe: Recipe) -> Reason | None:
    """Why another model than the champion should be trained."""
    then = known.identified
    if rows.incremental:
        if rows.too_few is None:
            return "rows"
    elif rows.identity.fingerprint != then.identity.fingerprint:
        return "rows"
    if not _read_as_then(recipe.source, known) or not _of_recipe(then, recipe):
        return "configuration"
    return "code" if any(recipe.codes[step] != then.codes[step] for step in TRAINING) else None


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
    """That the cool-down goes on, where it does."""
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
    return "; ".join(filter(None, (rows.words, *more))) or None
