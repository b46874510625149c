"""The registries that follow the record: what lags is repaired, what agrees is left alone."""

from __future__ import annotations

from pathlib import Path

from zenml.artifact_stores import LocalArtifactStore
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.stack import StackComponent

from evergreen.adapters.kinds import AnyHost
from evergreen.adapters.mlflow.mirror import MlflowMirror
from evergreen.core.addresses import without_password
from evergreen.core.artifacts import TrainedModel
from evergreen.core.members import host_of
from evergreen.core.protocols import Mirror, VersionRecord
from evergreen.core.report import EvaluationReport
from evergreen.core.versions import Action, RecordState, SetAlias, reconcile
from orchestration.artifacts import load_artifact

LOCAL_DATABASE = "mlflow.db"
"""ZenML's name for MLflow's database in a local artifact store; what names it there imports MLflow."""
PREDICTOR = "evergreen.tasks:load_predictor"
"""What loads a version out of MLflow; MLflow names it in the model's files, so it is a text."""


def tracking_uri() -> str | None:
    """Where the active stack's MLflow tracker keeps its runs, after pointing MLflow there; None without one."""
    tracker = Client().active_stack.experiment_tracker
    if tracker is None or tracker.flavor != "mlflow":
        return None
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

    if not isinstance(tracker, MLFlowExperimentTracker):
        return None
    tracker.configure_mlflow()
    return str(tracker.get_tracking_uri())


def tracking_address() -> str | None:
    """Where a person finds the runs that the active stack tracks in MLflow, which is not imported to say it."""
    components = Client().active_stack_model.components
    trackers = [one for one in components.get(StackComponentType.EXPERIMENT_TRACKER, []) if one.flavor_name == "mlflow"]
    if not trackers:
        return None
    if configured := trackers[0].configuration.get("tracking_uri"):
        return without_password(str(configured))
    store = StackComponent.from_model(components[StackComponentType.ARTIFACT_STORE][0])
    return (
        f"sqlite:///{Path(store.path).absolute() / LOCAL_DATABASE}" if isinstance(store, LocalArtifactStore) else None
    )


def active_mirrors(host: AnyHost) -> list[Mirror]:
    """The MLflow registry behind the active stack's experiment tracker, and what the host keeps itself."""
    from evergreen.pages.evaluation import evaluation_page

    uri = tracking_uri()
    tracked = [MlflowMirror(tracking_uri=uri, loader=PREDICTOR, render=evaluation_page)] if uri else []
    return [*tracked, *host_of(host).mirrors()]


def sync_mirrors(record: VersionRecord, host: AnyHost) -> None:
    """Brings every mirror to the record's state and notes the numbers that they gave."""
    mirrors = active_mirrors(host)
    state = record.read() if mirrors else RecordState()
    for mirror in mirrors:
        held = mirror.read(record.model)
        actions = reconcile(state, held)
        for action in actions:
            _apply(action, mirror, record.model, state)
        numbers = (mirror.read(record.model) if actions else held).versions
        for version in state.versions:
            number = numbers.get(version.version)
            if number is not None and version.mirrors.get(mirror.name) != number:
                record.note_mirror(version.version, mirror.name, number)


def _apply(action: Action, mirror: Mirror, model: str, state: RecordState) -> None:
    if isinstance(action, SetAlias):
        mirror.set_alias(model, action.alias, action.version)
    elif version := state.find(action.version):
        trained = load_artifact(version.artifact, TrainedModel)
        mirror.register(model, version, trained, load_artifact(version.report, EvaluationReport))
