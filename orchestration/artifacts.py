"""Artifacts of the ZenML store by their id, as the record of versions names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from zenml.artifact_stores import BaseArtifactStore
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.materializers.built_in_materializer import BuiltInMaterializer
from zenml.models import ArtifactVersionResponse
from zenml.stack import StackComponent

from evergreen.core.artifacts import DirectoryArtifact, TrainedModel
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.training import Incumbent
from orchestration.materializers import DATA_NAMES, DirectoryMaterializer, ValueMaterializer

_ANEW = (
    "without which no run goes on from it; set refresh: {data: all} for one run, which reads every row, and whose "
    "version keeps its own"
)

Loaded = TypeVar("Loaded")
Kept = TypeVar("Kept", bound=Frozen | DirectoryArtifact[Any] | str)


def load_artifact(artifact: str, expected: type[Loaded]) -> Loaded:
    """An artifact by its id in the ZenML store.

    Raises:
        EvergreenError: it is gone, damaged, of another type, or of a form that is read no more.
    """
    try:
        value: Any = Client().get_artifact_version(UUID(artifact)).load()
    except (KeyError, OSError, ValueError) as error:  # of other fields
        raise EvergreenError(
            f"the record names {expected.__name__} {artifact}, which cannot be read from the artifact store ({error}); "
            "run the configuration that made it again with --no-cache"
        ) from error
    if not isinstance(value, expected):
        raise EvergreenError(f"artifact {artifact} is a {type(value).__name__}, recorded as {expected.__name__}")
    return value


def load_of_champion(artifact: str, expected: type[Loaded]) -> Loaded:
    """What the champion keeps of its rows, by its id; an incremental run cannot make it again, for it begins with it.

    Raises:
        EvergreenError: it is gone or damaged, with the way out.
    """
    if missing := missing_of_champion({expected.__name__: artifact}):
        raise EvergreenError(missing)
    try:
        value = load_artifact(artifact, expected)
        if isinstance(value, DirectoryArtifact):
            value.check_files()
    except EvergreenError as error:
        raise EvergreenError(f"the champion's {expected.__name__} {artifact} cannot be read, {_ANEW}") from error
    return value


def missing_of_champion(kept: Mapping[str, str | None]) -> str | None:
    """Which of these artifacts, by what they are, no run on the active stack can read, and the way out; None: none."""
    missing = {
        f"{name} {artifact}": artifact for name, artifact in kept.items() if artifact and not is_stored(artifact)
    }
    elsewhere = {name: stack for name, artifact in missing.items() if (stack := stack_with(artifact))}
    if lost := [name for name in missing if name not in elsewhere]:
        return f"the champion's {' and '.join(lost)} {_is(lost)} gone from the artifact store, {_ANEW}"
    for stack in elsewhere.values():
        return (
            f"the champion's {' and '.join(elsewhere)} {_is(elsewhere)} in the artifact store of stack '{stack}', not "
            f"of this one; go on there (zenml stack set {stack}), or begin anew on this stack with refresh: "
            "{data: all} for one run"
        )
    return None


def _is(several: Sized) -> str:
    return "is" if len(several) == 1 else "are"


def artifact_store() -> BaseArtifactStore:
    """The active stack's, alone: `Client().active_stack` would import all that its other components are made of."""
    (component, *_) = Client().active_stack_model.components[StackComponentType.ARTIFACT_STORE]
    return cast("BaseArtifactStore", StackComponent.from_model(component))


def read_artifact(response: ArtifactVersionResponse, expected: type[Kept]) -> Kept:
    """An artifact as the present code has its type, in whatever module an earlier commit had it; no other part of the
    stack is imported.

    Raises:
        EvergreenError: the active stack's artifact store does not hold it, or it is of a form that is read no more.
    """
    kind: type[BaseMaterializer] = ValueMaterializer
    if not issubclass(expected, Frozen):
        kind = DirectoryMaterializer if issubclass(expected, DirectoryArtifact) else BuiltInMaterializer
    try:
        value: Kept = kind(response.uri, artifact_store()).load(expected)
    except (OSError, ValueError) as error:  # of another store; or of other fields
        raise EvergreenError(f"{expected.__name__} at {response.uri} cannot be read ({error})") from error
    return value


def is_stored(artifact: str) -> bool:
    """Whether the active stack's artifact store holds an artifact's data, by its id; nothing of it is fetched."""
    try:
        uri = Client().get_artifact_version(UUID(artifact)).uri
        store = artifact_store()
        return any(store.exists(f"{uri}/{name}") for name in DATA_NAMES)
    except (KeyError, FileNotFoundError):  # ZenML does not know it, or it belongs to another store
        return False


def stack_with(artifact: str) -> str | None:
    """Another stack, into whose artifact store an artifact was put; None: into the active one's, or nothing tells."""
    client = Client()
    (active, *_) = client.active_stack_model.components[StackComponentType.ARTIFACT_STORE]
    try:
        store = client.get_artifact_version(UUID(artifact)).artifact_store_id
    except KeyError:
        return None
    if store is None or store == active.id:
        return None
    return next((stack.name for stack in client.list_stacks(component_id=store)), None)


def is_lost(artifact: str) -> bool:
    """Whether an artifact's data are gone, as far as the active stack can tell: not those of another one's store."""
    return not is_stored(artifact) and stack_with(artifact) is None


def incumbent_model(incumbent: Incumbent) -> TrainedModel | None:
    """The incumbent's trained model, read from the artifact store; None without an incumbent.

    Raises:
        EvergreenError: it is lost, told here or once its `path` is asked for; the message names version and artifact,
            and the ways out.
    """
    if incumbent.artifact is None:
        return None
    with _ways_out(incumbent):
        model = load_artifact(incumbent.artifact, TrainedModel)

    def fetch() -> Path:
        with _ways_out(incumbent):
            return model.path

    return replace(model, place=fetch)


@contextmanager
def _ways_out(incumbent: Incumbent) -> Iterator[None]:
    try:
        yield
    except EvergreenError as error:
        raise EvergreenError(
            f"version {incumbent.version}, which this run starts from or is judged against, cannot be loaded: {error}, "
            "which stores it anew; or `rollback` to the version before it; or take another model_name"
        ) from error
