"""A trained-model directory describes itself, so that it loads wherever the library is.

task.json      {"task": {"kind": "text_classification", "labels": ["business", …], …}, "trained_on": "9f…", "seed": 1}
               and "requires": "text_regression==1.2" where an installed package offers the kind
history.json   {"train": [{"step": 4, "loss": 1.31, …}, …], "validation": [{"step": 19, "loss": 0.4, …}, …], …}
"""

from __future__ import annotations

import json
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import HISTORY_NAME, FileEntry, Splits, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError
from evergreen.core.training import Curves
from evergreen.tasks.kinds import TASKS

TASK_NAME = "task.json"
_log = logging.getLogger(__name__)


def complete_model(model_dir: Path, task: dict[str, object], splits: Splits, seed: int, curves: Curves) -> TrainedModel:
    """The trained model in `model_dir`, which holds its weights already, after all that describes it was written."""
    trained_on = splits.manifest.content_hash
    package = TASKS.package(str(task.get("kind")))
    requires = {} if package is None else {"requires": package}
    _write(model_dir / TASK_NAME, {"task": task, "trained_on": trained_on, "seed": seed, **requires})
    _write(model_dir / HISTORY_NAME, curves.model_dump(mode="json"))
    files = sorted(path for path in model_dir.rglob("*") if path.is_file())
    entries = tuple(FileEntry.of(path, model_dir) for path in files)
    plan = splits.manifest.plan
    manifest = TrainedModelManifest(files=entries, task=task, trained_on=trained_on, seed=seed, split_plan=plan)
    return TrainedModel.write(model_dir, manifest)


def read_task_configuration(model_dir: Path) -> dict[str, Any]:
    """The task's configuration as `task.json` has it.

    Raises:
        InputError: no such file, or not of this form.
    """
    configuration = _read(model_dir).get("task")
    if not isinstance(configuration, dict):
        raise InputError(f"{model_dir / TASK_NAME}: 'task' is {configuration!r}, not a task's configuration")
    return configuration


def required(model_dir: Path) -> str | None:
    """The package that the kind of a trained model is from, as `name==version`; None: it is shipped.

    Raises:
        InputError: there is no trained model.
    """
    package = _read(model_dir).get("requires")
    return None if package is None else str(package)


def check_requirement(package: str | None, what: str) -> str | None:
    """Returns when the package that `what` needs is installed; with a sentence where it is of another version.

    Another version answers on: a champion outlives the updates of the package, as it does those of this library.

    Raises:
        InputError: it is not installed.
    """
    if package is None:
        return None
    name, _, wanted = package.partition("==")
    try:
        installed = version(name)
    except PackageNotFoundError as error:
        raise InputError(f"{what} needs package {package}, which is not installed; pip install '{package}'") from error
    if installed == wanted:
        return None
    message = f"{what} was made with {package}, and {name}=={installed} is installed"
    _log.warning("%s", message)
    return message


def _read(model_dir: Path) -> dict[str, Any]:
    try:
        content = json.loads((model_dir / TASK_NAME).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds {type(content).__name__}, not an object")  # noqa: TRY301 - told below
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"no trained model at {model_dir}: {TASK_NAME} is missing or unreadable ({error!r})"
        ) from error
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
