"""A trained-model directory describes itself, so that it loads wherever the library is.

task.json      {"task": {"kind": "text_classification", "labels": ["business", …], …}, "trained_on": "9f…", "seed": 1}
history.json   {"train": [{"step": 4, "loss": 1.31, …}, …], "validation": [{"step": 19, "loss": 0.4, …}, …], …}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import HISTORY_NAME, FileEntry, Splits, TrainedModel, TrainedModelManifest
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.hub import first_line
from evergreen.core.training import Curves

TASK_NAME = "task.json"


def complete_model(model_dir: Path, task: dict[str, object], splits: Splits, seed: int, curves: Curves) -> TrainedModel:
    """The trained model in `model_dir`, which holds its weights already, after all that describes it was written."""
    trained_on = splits.manifest.content_hash
    _write(model_dir / TASK_NAME, {"task": task, "trained_on": trained_on, "seed": seed})
    _write(model_dir / HISTORY_NAME, curves.model_dump(mode="json"))
    files = sorted(path for path in model_dir.rglob("*") if path.is_file())
    entries = tuple(FileEntry.of(path, model_dir) for path in files)
    plan = splits.manifest.plan
    manifest = TrainedModelManifest(files=entries, task=task, trained_on=trained_on, seed=seed, split_plan=plan)
    return TrainedModel.write(model_dir, manifest)


@contextmanager
def loading(what: str, model_dir: Path) -> Iterator[None]:
    """Turns what libraries raise over a damaged directory, whatever its class, into one line that names it.

    Raises:
        InputError: the block raised anything but the lack of memory.
    """
    try:
        yield
    except (EvergreenError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which this module does not load
            raise
        raise InputError(f"no usable {what} at {model_dir}: {first_line(error)}") from error


def read_task_configuration(model_dir: Path) -> dict[str, Any]:
    """The task's configuration as `task.json` has it.

    Raises:
        InputError: no such file, or not of this form.
    """
    path = model_dir / TASK_NAME
    try:
        configuration = json.loads(path.read_text(encoding="utf-8"))["task"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no trained model at {model_dir}: {TASK_NAME} is missing or unreadable ({error!r})"
        ) from error
    if not isinstance(configuration, dict):
        raise InputError(f"{path}: 'task' is {configuration!r}, not a task's configuration")
    return configuration


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
