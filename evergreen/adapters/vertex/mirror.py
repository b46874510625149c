"""Vertex AI's Model Registry as a mirror of the record.

A version carries the aliases `candidate`, `champion` and `previous` as the record moves them, and its evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.evaluation import evaluation_message
from evergreen.adapters.vertex.host import VertexEndpoint
from evergreen.adapters.vertex.names import EVALUATED, RUN, label, version_of
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.reports import EvaluationReport
from evergreen.core.versions import Alias, MirrorState, ModelVersion


@dataclass(frozen=True)
class VertexMirror:
    """Implements `Mirror` in the project, region and environment of `host`."""

    host: VertexEndpoint

    @property
    def name(self) -> str:
        """Key of `ModelVersion.mirrors`."""
        return "vertex"

    def read(self, model: str) -> MirrorState:
        """Numbers by version, and aliases; a version that was uploaded and not evaluated is not held yet."""
        return _state(self._registry(model).versions())

    def register(self, model: str, version: ModelVersion, trained: TrainedModel, report: EvaluationReport) -> str:
        """Vertex AI's number of the version, uploaded and with its evaluation, now unless it was before."""
        registry = self._registry(model)
        held = registry.upload(version.version, trained.path)
        if not _is_evaluated(held):
            self._attach(held, version, report)
        return str(held.version_id)

    def set_alias(self, model: str, alias: Alias, version: str | None) -> None:
        """Moves the alias, or removes it.

        Raises:
            EvergreenError: the Model Registry does not hold the version.
        """
        registry = self._registry(model)
        versions = registry.versions()
        state = _state(versions)
        if version is not None and version not in state.versions:
            held = ", ".join(state.versions) or "none"
            raise EvergreenError(f"Vertex AI has no version {version} of {model} (has: {held}); register it first")
        for one in versions:
            has, wanted = alias.value in one.version_aliases, version_of(list(one.version_aliases)) == version
            if version is not None and wanted and not has:
                registry.move_alias(resource_of(one), alias.value)
            elif version is None and has:
                registry.move_alias(resource_of(one), f"-{alias.value}")

    def _registry(self, model: str) -> ModelRegistry:
        return ModelRegistry(Clients(self.host), model)

    def _attach(self, held: Any, version: ModelVersion, report: EvaluationReport) -> None:
        """Attaches the evaluation, then notes that it did; a run that is cut off in between repeats it."""
        clients = Clients(self.host)
        what = f"attaching the evaluation of version {version.version}"
        request = {"parent": resource_of(held), "model_evaluation": evaluation_message(report)}
        clients.call(what, clients.models.import_model_evaluation, request)
        marked = {**held.labels, EVALUATED: label(version.version), RUN: label(version.run)}
        update = {"model": {"name": resource_of(held), "labels": marked}, "update_mask": {"paths": ["labels"]}}
        clients.call(what, clients.models.update_model, update)


def _is_evaluated(version: Any) -> bool:
    """Whether the note is this version's own: labels of the parent model show through."""
    return bool(version.labels.get(EVALUATED) == version_of(list(version.version_aliases)))


def _state(versions: list[Any]) -> MirrorState:
    names = {str(one.version_id): version_of(list(one.version_aliases)) for one in versions}
    evaluated = [one for one in versions if _is_evaluated(one)]
    return MirrorState(
        versions={name: number for one in evaluated if (name := names[(number := str(one.version_id))])},
        aliases={
            alias: names[str(one.version_id)] or f"number {one.version_id}"
            for one in versions
            for alias in Alias
            if alias.value in one.version_aliases
        },
    )
