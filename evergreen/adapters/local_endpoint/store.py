"""The trained models that an endpoint serves, kept beside its state: no run's temporary folder is needed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from evergreen.core.artifacts import MANIFEST_NAME, TrainedModel
from evergreen.core.errors import InputError

KEPT_UPLOADS = 5


def store_model(version: str, model_dir: Path, target: Path) -> None:
    """Puts the trained model at `target`, hard-linked where that works; `target` appears whole or not at all.

    A model that lies there already is kept, unless it was damaged since.

    Raises:
        InputError: `model_dir` is no whole trained model, or another version's.
    """
    trained = TrainedModel.open(model_dir)
    if trained.version != version:
        raise InputError(f"{model_dir} holds version {trained.version}, not {version}; upload it under its own name")
    if _is_whole(target):
        os.utime(target)  # wanted again, so among the newest
        return
    trained.check_files()
    shutil.rmtree(target, ignore_errors=True)
    unfinished = target.with_name(f".{version}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in (*(entry.name for entry in trained.manifest.files), MANIFEST_NAME):
        copy = unfinished / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy((model_dir / name).resolve(strict=True), copy)
    unfinished.rename(target)


def prune_models(models: Path, deployed: Collection[str]) -> None:
    """Removes all but the newest uploads that are not deployed, so that the disk does not fill run by run."""
    idle = [path for path in models.iterdir() if path.name not in deployed]
    unfinished = [path for path in idle if path.name.startswith(".")]  # of a run that was killed
    whole = sorted(set(idle) - set(unfinished), key=lambda path: path.stat().st_mtime)
    for path in (*unfinished, *whole[:-KEPT_UPLOADS]):
        shutil.rmtree(path)


def _is_whole(stored: Path) -> bool:
    try:
        TrainedModel.open(stored).check_files()
    except InputError:
        return False
    return True


def _link_or_copy(source: Path, copy: Path) -> None:
    try:
        os.link(source, copy)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, copy)
