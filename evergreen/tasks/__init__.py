"""One package a kind of model. A task is a frozen configuration; a class a verb trains, evaluates and loads.

predictor = load_predictor(Path("model"))
predictor.encode(predictor.predict(predictor.decode([{"text": "Shares rose on Monday"}])))
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from evergreen.core.engines import EngineGraph
from evergreen.core.errors import InputError
from evergreen.core.members import TaskSettings, servable
from evergreen.core.protocols import Fetch, Predictor
from evergreen.tasks.kinds import TASKS
from evergreen.tasks.model_directory import check_requirement, read_task_configuration, required

if TYPE_CHECKING:
    AnyTask = TaskSettings
else:

    def __getattr__(name: str) -> Any:
        """`AnyTask`: every kind of task that is installed, found when it is first asked for."""
        if name == "AnyTask":
            return TASKS.union
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_task(model_dir: Path) -> TaskSettings:
    """The task that trained a trained-model directory; of other kinds nothing is imported.

    Raises:
        InputError: the directory holds no trained model of a known kind, or the package of its kind is not installed.
    """
    configuration = read_task_configuration(model_dir)
    check_requirement(required(model_dir), f"the model at {model_dir}")
    kind = configuration.get("kind")
    try:
        return cast("TaskSettings", TASKS.member(str(kind)).model_validate(configuration))
    except (InputError, ValidationError) as error:
        raise InputError(f"{model_dir}/task.json is not a task of this version of Evergreen: {error}") from error


def load_predictor(model_dir: Path, fetch: Fetch | None = None) -> Predictor:
    """A predictor of a trained-model directory, whatever its task; `fetch` reads what instances only name.

    Raises:
        InputError: the directory holds no trained model of a known kind, or the package of its kind is not installed.
    """
    return servable(load_task(model_dir)).load(model_dir, fetch)


def load_engine(model_dir: Path, engine: EngineGraph, fetch: Fetch | None = None) -> Predictor:
    """A predictor of a trained-model directory by a graph of the model; no weights of it are read.

    Raises:
        InputError: as `load_predictor`, or the graph cannot be run.
    """
    return servable(load_task(model_dir)).load_engine(model_dir, engine, fetch)


__all__ = ["AnyTask", "load_engine", "load_predictor", "load_task"]
