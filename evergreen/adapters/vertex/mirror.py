"""Vertex AI's Model Registry as a mirror of the record.

A version carries the aliases `candidate`, `champion` and `previous` as the record moves them, and its evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.evaluation import evaluation_message
from evergreen.adapters.vertex.names import EVALUATED, RUN, label, version_alias, version_of
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.report import EvaluationReport
from evergreen.core.versions import Alias, MirrorState, ModelVersion

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import Model

DEFAULT = "default"
"""The alias of the version that a model stands for where none is named: in the console, for batch predictions."""


@dataclass(frozen=True)
class VertexMirror:
    """Implements `Mirror` in the project, region and environment of `host`."""

    host: VertexHostSettings

    @property
    def name(self) -> str:
        """Key of `ModelVersion.mirrors`."""
        return "vertex"

    def read(self, model: str) -> MirrorState:
        """Numbers by version, and aliases; a version that was uploaded and not evaluated is not held yet."""
        registry = self._registry(model)
        held = registry.versions()
        return MirrorState(versions=_numbers(held), aliases=_aliases(registry) if held else {})

    def register(self, model: str, version: ModelVersion, trained: TrainedModel, report: EvaluationReport) -> str:
        """Vertex AI's number of the version, uploaded and with its evaluation, now unless it was before."""
        registry = self._registry(model)
        held = registry.upload(version.version, trained.path)
        if not _is_evaluated(held):
            self._attach(held, version, report)
        return held.version_id

    def set_alias(self, model: str, alias: Alias, version: str | None) -> None:
        """Moves the alias, or removes it; with the champion moves `default`, for which Vertex AI takes the model.

        Raises:
            EvergreenError: the Model Registry does not hold the version.
        """
        registry = self._registry(model)
        if version is None:
            if (held := registry.named(alias.value)) is not None:
                registry.move_aliases(resource_of(held), [f"-{alias.value}"])
            return
        target = registry.named(version_alias(version))
        if target is None or not _is_evaluated(target):
            known = ", ".join(_numbers(registry.versions())) or "none"
            raise EvergreenError(f"Vertex AI has no version {version} of {model} (has: {known}); register it first")
        registry.move_aliases(resource_of(target), _moved_with(alias))

    def _registry(self, model: str) -> ModelRegistry:
        return ModelRegistry(Clients(self.host), model)

    def _attach(self, held: Model, version: ModelVersion, report: EvaluationReport) -> None:
        """Attaches the evaluation, then notes that it did; a run that is cut off in between repeats it."""
        clients = Clients(self.host)
        what = f"attaching the evaluation of version {version.version}"
        request = {"parent": resource_of(held), "model_evaluation": evaluation_message(report)}
        clients.call(what, clients.models.import_model_evaluation, request)
        marked = {**held.labels, EVALUATED: label(version.version), RUN: label(version.run)}
        update = {"model": {"name": resource_of(held), "labels": marked}, "update_mask": {"paths": ["labels"]}}
        clients.call(what, clients.models.update_model, update)


def _is_evaluated(version: Model) -> bool:
    """Whether the note is this version's own: labels of the parent model show through."""
    return version.labels.get(EVALUATED) == version_of(list(version.version_aliases))


def _numbers(versions: list[Model]) -> dict[str, str]:
    """Vertex AI's number by version, of those that are evaluated."""
    named = {version_of(list(held.version_aliases)): held for held in versions if _is_evaluated(held)}
    return {version: held.version_id for version, held in named.items() if version}


def _aliases(registry: ModelRegistry) -> dict[Alias, str]:
    """The version by alias; what is none of ours, or lacks what moves with the alias, is named otherwise, so moved."""
    aliases: dict[Alias, str] = {}
    for alias in Alias:
        if (held := registry.named(alias.value)) is not None:
            names = list(held.version_aliases)
            whole = set(_moved_with(alias)) <= set(names)
            aliases[alias] = (version_of(names) if whole else None) or f"number {held.version_id}"
    return aliases


def _moved_with(alias: Alias) -> list[str]:
    return [alias.value, DEFAULT] if alias is Alias.CHAMPION else [alias.value]
