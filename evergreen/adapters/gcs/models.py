"""Trained-model directories in Google Cloud Storage: copied file by file, checked, and continued where a copy stopped.

copy_to(model_dir, "gs://news-models/staging/news/3fa41c02be17")
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from evergreen.adapters.gcs.failures import RefusedError, StorageError
from evergreen.adapters.gcs.reading import Objects, objects
from evergreen.adapters.gcs.transfers import transfers
from evergreen.core.artifacts import MANIFEST_NAME, FileEntry, TrainedModel
from evergreen.core.engines import CHOICE_NAME, ENGINES_FOLDER, read_engines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.runtime.asides import beside_the_point

_log = logging.getLogger(__name__)


def copy_to(model_dir: Path, uri: str) -> None:
    """Copies what the manifest lists below `uri`, the manifest last; files that are there already are left alone.

    Engines that lie beside it go before it, below `engines/`, their manifest last; where they are damaged or another
    version's, none go.

    Raises:
        InputError: `model_dir` is no trained model or lacks a file.
        StorageError: the bucket refuses, or cannot be reached.
        EvergreenError: a file of this machine cannot be read.
    """
    model = TrainedModel.open(model_dir)
    names = [*_engine_files(model), *(entry.name for entry in model.manifest.files), MANIFEST_NAME]
    pairs = [(model_dir / name, _join(uri, name)) for name in names]
    for local, _ in pairs:
        if not local.is_file():
            raise InputError(f"{local} is missing, but the manifest lists it; train or fetch the model again")
    with transfers(uri, "create the bucket") as bucket:
        for local, remote in pairs:
            if not bucket.holds(remote, local):
                bucket.put(local, remote)


def copy_from(uri: str, folder: Path, *, by_engines: bool = False) -> Path:
    """`folder`, with the trained model of `uri` in it; every file has the checksum that its manifest names.

    With `by_engines` and where there are engines beside it, what tells of these comes too, and the model's weights stay
    away, which `bring` brings as it does graphs. Engines that cannot be had cost nothing.

    Raises:
        StorageError: the model cannot be read, or a file is not what the manifest says.
        InputError: `uri` holds no trained model.
        EvergreenError: a file of this machine cannot be written.
    """
    with objects(uri, "upload the model again") as bucket:
        bucket.get({_join(uri, MANIFEST_NAME): folder / MANIFEST_NAME})
        model = TrainedModel.open(folder)
        left_out = model.weights if by_engines and _tells_of_engines(bucket, uri, folder) else frozenset()
        entries = [entry for entry in model.manifest.files if entry.name not in left_out]
        bucket.get({_join(uri, entry.name): folder / entry.name for entry in entries})
        for entry in entries:
            if FileEntry.of(folder / entry.name, folder) != entry:
                raise StorageError(f"{_join(uri, entry.name)} is not what its manifest says; upload the model again")
    return folder


def bring(uri: str, folder: Path, names: Iterable[str]) -> None:
    """Copies those files of `uri` that `folder` lacks; whoever needs them checks them. Raises as `copy_from` does."""
    missing = {_join(uri, name): folder / name for name in names if not (folder / name).exists()}
    if missing:
        with objects(uri, "upload the model again") as bucket:
            bucket.get(missing)


def _tells_of_engines(bucket: Objects, uri: str, folder: Path) -> bool:
    """Whether manifest and choice of engines have come."""
    names = [f"{ENGINES_FOLDER}/{name}" for name in (MANIFEST_NAME, CHOICE_NAME)]
    try:
        bucket.get({_join(uri, name): folder / name for name in names})
    except RefusedError:  # there are none: an account that may not list is told that it may not read them
        return False
    except EvergreenError as error:
        _log.warning("the engines of %s cannot be read: %s", uri, error)
        return False
    return True


def _engine_files(model: TrainedModel) -> list[str]:
    """The paths of what lies in the `engines/` of a model's directory, the manifest last."""
    with beside_the_point(f"the engines of version {model.version}: torch serves it"):
        served = read_engines(model.path, model.version)
        if served is not None:
            served.engines.check_files()
            listed = [entry.name for entry in served.engines.manifest.files]
            return [f"{ENGINES_FOLDER}/{name}" for name in (*listed, CHOICE_NAME, MANIFEST_NAME)]
    return []


def _join(uri: str, name: str) -> str:
    return f"{uri.rstrip('/')}/{name}"
