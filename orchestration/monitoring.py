"""The champion's requests of a window, beside the reference that its training left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from evergreen.adapters.kinds import AnyHost, AnySource
from evergreen.core.alerts import Alert
from evergreen.core.artifacts import ResolvedWindow, TrainedModel
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import TaskSettings, host_of
from evergreen.core.monitor import DriftRules
from evergreen.core.names import listed, nearest
from evergreen.core.quality import METRICS, Quality
from evergreen.core.verdict import Verdict
from evergreen.core.versions import ModelVersion
from evergreen.core.when import verdicts_that_count
from evergreen.monitoring.label_rows import check_labels, label_table
from evergreen.monitoring.reference import Reference
from evergreen.monitoring.watch import Watched, watch, with_quality
from evergreen.tasks.kinds import TASKS
from orchestration.artifacts import load_artifact
from orchestration.batch import champion_of
from orchestration.endpoints import state_directory
from orchestration.verdicts import newest_verdicts

MOST_WINDOWS = 5
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Watching:
    """What is watched, by which rules."""

    model_name: str
    host: AnyHost
    drift: DriftRules
    labels: AnySource | None
    quality: Quality


def verdict_on(watching: Watching, window: ResolvedWindow) -> Verdict:
    """What the champion's requests of the window say.

    Raises:
        InputError: requests are not logged, or labels cannot be read.
        EvergreenError: there is no champion, or what keeps log or labels does not answer.
    """
    champion = watched_version(watching.model_name)
    task = task_of(champion)
    reference, lacks = _reference_of(champion)
    watched = Watched(
        watching.model_name,
        champion.version,
        task.kind,
        task.classes,
        host_of(watching.host).request_log(watching.model_name, state_directory()),
        window,
        reference,
        lacks,
    )
    verdict = watch(watched, watching.drift)
    if watching.labels is not None:
        verdict = with_quality(verdict, watched, label_table(watching.labels), watching.quality)
    return verdict.model_copy(update={"windows": _windows(verdict)})


def _windows(verdict: Verdict) -> tuple[bool, ...]:
    """Whether it and the verdicts before it that count drifted, newest first; those of too few rows left out."""
    before = newest_verdicts(verdict.model, MOST_WINDOWS)
    counted = verdicts_that_count((verdict, *before), verdict.version, BEGINNING, verdict.created)
    return tuple(one.drifted for one in counted if one.enough)[:MOST_WINDOWS]


def news_of(verdict: Verdict, link: str | None) -> Iterator[Alert]:
    """What of a verdict a person is told: each once for a version, however many windows say it."""
    of: dict[str, Any] = {"model": verdict.model, "key": verdict.version, "link": link}
    if verdict.drifted:
        moved = "\n".join(one.message for one in verdict.alarms)
        yield Alert(kind="drift", title=f"requests to version {verdict.version} moved", text=moved, **of)
    if verdict.below:
        shown = {name: verdict.quality[name] for name in verdict.below}
        text = "\n".join(f"{name} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for name, one in shown.items())
        yield Alert(kind="quality", title=f"version {verdict.version} is below its floor", text=text, **of)


def check_watching(watching: Watching) -> ModelVersion:
    """The champion, once all was looked at that a run needs; no request was read by then.

    Raises:
        InputError: requests are not logged, labels cannot be read, or a floor is of an unknown metric.
        EvergreenError: there is no champion, or what holds the labels does not answer.
    """
    champion = watched_version(watching.model_name)
    host_of(watching.host).request_log(watching.model_name, state_directory())
    if watching.labels is not None:
        _check_measured(watching.quality, task_of(champion))
        check_labels(watching.labels)
    return champion


def watched_version(model_name: str) -> ModelVersion:
    """The champion. Raises EvergreenError: there is none."""
    return champion_of(model_name, "watch")


def task_of(version: ModelVersion) -> TaskSettings:
    """The task that a version was trained for; of its model the manifest alone is read."""
    trained = load_artifact(version.artifact, TrainedModel).manifest.task
    kind = cast("type[TaskSettings]", TASKS.member(str(trained.get("kind"))))
    return kind.model_validate(trained)


def _reference_of(version: ModelVersion) -> tuple[Reference | None, str]:
    """The reference, or why there is none."""
    if version.reference is None:
        return None, (
            f"version {version.version} has nothing to compare requests with: an earlier release trained it, or it "
            "could not be made; the next run that evaluates it, or a version after it, makes it"
        )
    try:
        return load_artifact(version.reference, Reference), ""
    except EvergreenError as error:
        return None, f"what requests to version {version.version} are compared with is lost: {error}"


def _check_measured(quality: Quality, task: TaskSettings) -> None:
    """Raises InputError where labels of this task do not measure answers, or not by a metric that has a floor."""
    if task.columns.get("label") != "string":
        raise InputError(
            f"parameters.labels measures answers that are a label, and {task.kind} gives others, of which the log "
            "keeps too little; leave labels out"
        )
    for name in quality.floors:
        if name not in METRICS:
            raise InputError(
                f"parameters.quality.floors names {name!r}{nearest(name, METRICS)}, which labels do not measure "
                f"(allowed: {listed(METRICS)})"
            )
