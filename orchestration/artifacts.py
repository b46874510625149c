"""Artifacts of the ZenML store by their id, as the record of versions names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from zenml.client import Client
from zenml.materializers.base_materializer import BaseMaterializer
from zenml.models import ArtifactVersionResponse

from evergreen.core.artifacts import DirectoryArtifact, TrainedModel
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.training import Incumbent
from orchestration.materializers import DATA_NAMES, DirectoryMaterializer, ValueMaterializer

Loaded = TypeVar("Loaded")
Kept = TypeVar("Kept", bound=Frozen | DirectoryArtifact[Any])


def load_artifact(artifact: str, expected: type[Loaded]) -> Loaded:
    """An artifact by its id in the ZenML store.

    Raises:
        EvergreenError: it is gone, damaged, or of another type.
    """
    try:
        value: Any = Client().get_artifact_version(UUID(artifact)).load()
    except (KeyError, OSError) as error:
        raise EvergreenError(
            f"the record names {expected.__name__} {artifact}, but the artifact store does not hold it ({error}); "
            "run the configuration that made it again with --no-cache"
        ) from error
    if not isinstance(value, expected):
        raise EvergreenError(f"artifact {artifact} is a {type(value).__name__}, recorded as {expected.__name__}")
    return value


def read_artifact(response: ArtifactVersionResponse, expected: type[Kept]) -> Kept:
    """An artifact as the present code has its type: in whatever module an earlier commit had it.

    Raises:
        EvergreenError: the active stack's artifact store does not hold it, or it is of a form that is read no more.
    """
    kind: type[BaseMaterializer] = (
        DirectoryMaterializer if issubclass(expected, DirectoryArtifact) else ValueMaterializer
    )
    try:
        value: Kept = kind(response.uri, Client().active_stack.artifact_store).load(expected)
    except (OSError, ValueError) as error:  # of another store; or of other fields
        raise EvergreenError(f"{expected.__name__} at {response.uri} cannot be read ({error})") from error
    return value


def is_stored(artifact: str) -> bool:
    """Whether the active stack's artifact store holds an artifact's data, by its id; nothing of it is fetched."""
    client = Client()
    try:
        uri = client.get_artifact_version(UUID(artifact)).uri
        store = client.active_stack.artifact_store
        return any(store.exists(f"{uri}/{name}") for name in DATA_NAMES)
    except (KeyError, FileNotFoundError):  # ZenML does not know it, or it belongs to another store
        return False


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
