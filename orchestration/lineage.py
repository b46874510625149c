"""From a version back to the run, the rows and the code that it is of, and the versions that its weights go back to.

Everything is read of what runs leave anyway: the record, their outputs, and the trace id of an answer, which names the
version. What was deleted since, or was not kept by an earlier release, is told and left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from zenml.client import Client
from zenml.models import ArtifactVersionResponse, PipelineRunResponse, StepRunResponse
from zenml.utils.dashboard_utils import get_run_url

from evergreen.adapters.kinds import AnyHost
from evergreen.core.artifacts import Dataset, DirectoryArtifact, SourceIdentity, Splits, TrainedModel
from evergreen.core.base import Frozen
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import Intake
from evergreen.core.part import Part
from evergreen.core.quoting import cut, excerpt
from evergreen.core.traces import version_of
from evergreen.core.training import Start
from evergreen.core.versions import Alias, ModelVersion, RecordState
from evergreen.core.window import Interval
from evergreen.runtime.asides import beside_the_point
from orchestration.artifacts import is_stored, read_artifact
from orchestration.commit import COMMIT_KEY
from orchestration.endpoints import open_endpoint
from orchestration.fingerprint import VERBS
from orchestration.materializers import page_uri
from orchestration.record import ZenmlRecord
from orchestration.runs import REFRESH_KEY, steps_of
from orchestration.status import Covered, covered

Kept = TypeVar("Kept", bound=Frozen | DirectoryArtifact[Any] | str)
MOST_PARENTS = 20
MOST_NAMED = 5


class RunLead(Frozen):
    """The run that registered a version; `url` leads to the dashboard, when a server is known.

    `commit` is that of its code, null where the run does not tell it.
    """

    name: str
    status: str
    started: datetime | None
    stack: str | None
    url: str | None
    commit: str | None


class RowsLead(Frozen):
    """The rows of a version: of which source, which part of it, what was read, and what became of that.

    `chosen` says in words how many were new and how many read once more, `arrived_until` up to which arrival was
    looked, both of incremental runs; `snapshot` names the state that they were counted in, a table's moment or a data
    set's commit. `backfill` tells that no more counts as covered for these rows. `splits` counts rows by split,
    `replayed` those of them that were read once more, where that is known, and `removed` those in none, by reason.
    """

    source: SourceIdentity | None
    chosen: str | None
    arrived_until: datetime | None
    snapshot: str | None
    backfill: bool
    intake: Intake | None
    rows: int | None
    splits: dict[str, int]
    replayed: dict[str, int]
    removed: dict[str, int]


class CodeLead(Frozen):
    """What a version was trained by: its task as it was configured, seed, the fingerprint of each step's code and of
    the pretrained weights, and that of all together, the `recipe`.
    """

    task: dict[str, Any] | None
    seed: int | None
    steps: dict[str, str]
    pretrained: str | None
    recipe: str


class Parent(Frozen):
    """A version that the weights of another go back to: what its run chose, how many rows, and what it added."""

    version: str
    run: str
    started: datetime | None
    chosen: str | None
    rows: int | None
    added: tuple[Interval, ...]


class Place(Frozen):
    """Where an artifact lies, and whether the active stack's store holds it."""

    name: str
    uri: str
    stored: bool


class Lineage(Frozen):
    """All that leads on from a version; null or empty where nothing tells.

    `trace_id` is that of the answer that was asked about. `parents` are nearest first, `oldest` tells that the last one
    was trained from pretrained weights; else there may be more. `traffic` is in percent, null where the version is not
    deployed, or the endpoint does not answer. `approval` is what came of asking a person. `missing` says what was
    deleted or cannot be read.
    """

    model: str
    version: ModelVersion
    trace_id: str | None
    aliases: tuple[Alias, ...]
    rolled_back: bool
    run: RunLead | None
    rows: RowsLead
    coverage: Covered | None
    parents: tuple[Parent, ...]
    oldest: bool
    code: CodeLead
    decision: PromotionDecision | None
    artifacts: tuple[Place, ...]
    report_page: str | None
    deployment: Deployment | None
    url: str | None
    traffic: int | None
    approval: str | None = None
    missing: tuple[str, ...] = ()


def lineage_of(model: str, host: AnyHost, asked: str) -> Lineage:
    """What leads on from a version of the model, by its name, an alias, an answer's trace id, or the answer as JSON.

    Raises:
        InputError: that names no version of the model.
    """
    state = ZenmlRecord(model).read()
    version, trace = _named(model, state, asked)
    made = _Made(version)
    chain = list(islice(_chain(state, made), MOST_PARENTS))
    traffic, url = _served(model, host, version)
    places = tuple(made.places())
    deployment = made.value("deploy", "deployment", Deployment)
    lineage = Lineage(
        model=model,
        version=version,
        trace_id=trace,
        aliases=tuple(alias for alias, name in state.aliases.items() if name == version.version),
        rolled_back=version.version in state.rolled_back,
        run=made.lead(),
        rows=made.rows(),
        coverage=covered(version, state.find(made.parent)),
        parents=tuple(link.as_parent(state) for link in chain),
        oldest=[made, *chain][-1].begins,
        code=made.code(),
        decision=made.value("promote", "decision", PromotionDecision),
        artifacts=places,
        report_page=next((page_uri(place.uri) for place in places if place.name == "report" and place.stored), None),
        deployment=deployment if deployment and deployment.version == version.version else None,
        url=url,
        traffic=traffic,
        approval=state.questions[version.version].words(datetime.now(UTC))
        if version.version in state.questions
        else None,
    )
    return lineage.model_copy(update={"missing": tuple(lost for link in (made, *chain) for lost in link.missing)})


def _named(model: str, state: RecordState, asked: str) -> tuple[ModelVersion, str | None]:
    """The version that is meant, and the trace id that was given.

    Raises:
        InputError: none is.
    """
    given = asked.strip()
    if given.startswith("{"):
        name, trace = _of_answer(given)
    elif given in set(Alias):
        name, trace = state.aliases.get(Alias(given)), None
    else:
        named = version_of(given.lower())
        name, trace = named or given.lower(), given.lower() if named else None
    if version := state.find(name):
        return version, trace
    raise InputError(_unknown(model, state, cut(trace or name or given)))


def _of_answer(given: str) -> tuple[str | None, str | None]:
    """The version and the trace id that an answer tells; that of an error has the id alone.

    Raises:
        InputError: it is no answer of an endpoint of ours.
    """
    try:
        answer = json.loads(given)
        told = answer.get("metadata") or answer["error"]
        trace, version = str(told["trace_id"]), told.get("model_version")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{excerpt(given)} is no answer of an endpoint of ours, which has metadata.model_version and "
            "metadata.trace_id; give all of it, as one JSON object"
        ) from error
    return str(version) if version else version_of(trace), trace


def _unknown(model: str, state: RecordState, given: str) -> str:
    if not state.versions:
        return f"model '{model}' has no version yet, so that '{given}' names none; run its configuration first"
    newest = [entry.version for entry in reversed(state.versions)]
    more = f" and {len(newest) - MOST_NAMED} older" if len(newest) > MOST_NAMED else ""
    return (
        f"'{given}' names no version of model '{model}' (has: {', '.join(newest[:MOST_NAMED])}{more}); give one of "
        f"them, {', '.join(Alias)}, or an answer's trace id, which begins with its version unless the caller gave the "
        "id: then give the whole answer, as JSON"
    )


def _served(model: str, host: AnyHost, version: ModelVersion) -> tuple[int | None, str | None]:
    """The version's percent of the traffic, and where the endpoint is asked."""
    with beside_the_point("whether the version is deployed"):
        status = open_endpoint(model, host).status()
        return status.traffic.get(version.version), status.url
    return None, None


def _chain(state: RecordState, made: _Made) -> Iterator[_Made]:
    """The versions that the weights of one go back to, nearest first, as far as the record holds them."""
    while version := state.find(made.parent):
        made = _Made(version)
        yield made


class _Made:
    """What the run that registered a version left of it; `missing` tells what is not there any more."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.missing: list[str] = []

    @cached_property
    def _run(self) -> PipelineRunResponse | None:
        try:
            return Client().get_pipeline_run(self.version.run, allow_name_prefix_match=False)
        except KeyError:
            self.missing.append(f"run {self.version.run} of version {self.version.version}, with all that it told")
            return None

    @cached_property
    def _steps(self) -> dict[str, StepRunResponse]:
        return steps_of(self._run) if self._run else {}

    @cached_property
    def start(self) -> Start | None:
        """What the training started from; None where the run does not tell."""
        return self.value("identify", "start", Start)

    @property
    def parent(self) -> str | None:
        """The version that the training went on from."""
        return self.start.champion.version if self.start else None

    @property
    def begins(self) -> bool:
        """Whether the training began with pretrained weights, or none; not where nothing tells."""
        return self.start is not None and self.start.champion.version is None

    @cached_property
    def _dataset(self) -> Dataset | None:
        return self.value("fetch", "dataset", Dataset)

    @property
    def _task(self) -> dict[str, Any] | None:
        """As the run's configuration has it: a model's own names its encoder by a fingerprint."""
        identify = self._steps.get("identify")
        task = identify.config.parameters.get("task") if identify else None
        return task if isinstance(task, dict) else None

    @property
    def _chosen(self) -> str | None:
        identify = self._steps.get("identify")
        words = identify.run_metadata.get(REFRESH_KEY) if identify else None
        return str(words) if words else None

    def as_parent(self, state: RecordState) -> Parent:
        """The version as another one's parent."""
        lead, own = self.lead(), covered(self.version, state.find(self.parent))
        return Parent(
            version=self.version.version,
            run=self.version.run,
            started=lead.started if lead else None,
            chosen=self._chosen,
            rows=self._dataset.manifest.rows if self._dataset else None,
            added=own.added if own else (),
        )

    def value(self, step: str, output: str, expected: type[Kept]) -> Kept | None:
        """An output of the run; None where it has none of this name, or it is not there any more."""
        return self._read(self._output(step, output), expected)

    def lead(self) -> RunLead | None:
        """The run itself."""
        run = self._run
        if run is None:
            return None
        commit = run.config.extra.get(COMMIT_KEY)
        return RunLead(
            name=run.name,
            status=str(run.status),
            started=run.start_time,
            stack=run.stack.name if run.stack else None,
            url=get_run_url(run),
            commit=str(commit) if commit else None,
        )

    def rows(self) -> RowsLead:
        """The rows, as far as the run tells of them."""
        source, part = self.value("identify", "identity", SourceIdentity), self.value("identify", "part", Part)
        dataset, splits = self._dataset, self.value("split", "splits", Splits)
        return RowsLead(
            source=source,
            chosen=self._chosen,
            arrived_until=part.until if part else None,
            snapshot=part.revision if part else None,
            backfill=part is not None and not part.adds,
            intake=dataset.manifest.intake if dataset else None,
            rows=dataset.manifest.rows if dataset else None,
            splits=splits.manifest.rows if splits else {},
            replayed=splits.manifest.replayed if splits else {},
            removed=splits.manifest.removed if splits else {},
        )

    def code(self) -> CodeLead:
        """What trained it."""
        model = self._read(self._response(self.version.artifact), TrainedModel)
        told = {step: self.value("identify", f"{step}_code", str) for step in VERBS}
        told["train"] = told["train"] or (model.manifest.code if model else None)
        return CodeLead(
            task=self._task or (model.manifest.task if model else None),
            seed=model.manifest.seed if model else None,
            steps={step: code for step, code in told.items() if code},
            pretrained=self.start.pretrained if self.start else None,
            recipe=self.version.recipe,
        )

    def places(self) -> Iterator[Place]:
        """Where the version's artifacts lie: those of its record first."""
        version = self.version
        recorded = {
            "model": version.artifact,
            "report": version.report,
            "coverage": version.coverage,
            "held_out": version.held_out,
        }
        for name, artifact in recorded.items():
            if artifact and (response := self._response(artifact)):
                yield Place(name=name, uri=response.uri, stored=is_stored(artifact))
            elif artifact:
                self.missing.append(f"{name} of version {version.version}, which ZenML knows no more")
        for step, name in (("fetch", "dataset"), ("split", "splits")):
            if found := self._output(step, name):
                yield Place(name=name, uri=found.uri, stored=is_stored(str(found.id)))

    def _read(self, response: ArtifactVersionResponse | None, expected: type[Kept]) -> Kept | None:
        if response is None:
            return None
        try:
            return read_artifact(response, expected)
        except EvergreenError as error:
            self.missing.append(str(error))
            return None

    def _output(self, step: str, output: str) -> ArtifactVersionResponse | None:
        found = self._steps[step].outputs.get(output) if step in self._steps else None
        return found[0] if found else None

    def _response(self, artifact: str) -> ArtifactVersionResponse | None:
        try:
            return Client().get_artifact_version(UUID(artifact))
        except KeyError:
            return None
