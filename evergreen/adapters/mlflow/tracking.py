"""What a training has for the MLflow run that is active around its step; without an active run nothing is noted.

MLflow would otherwise start a run by itself, in a folder below wherever the process happens to stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.adapters.mlflow.spool import Spool
from evergreen.core.training import Curves, PictureAnswers
from evergreen.runtime.asides import beside_the_point

MAX_PARAM_CHARS = 500
SECRET_WORDS = ("token", "password", "secret", "credential", "api_key")
HIDDEN = "(hidden)"
CURVES_NAME = "learning_curves.html"
ANSWERS_NAME = "overlays.html"


def as_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters under dotted names, e.g. `task.epochs`, as MLflow takes them; a secret's value is hidden."""
    return {key: str(value)[:MAX_PARAM_CHARS] for key, value in flatten(params).items()}


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted name. Names of environment variables (`token_env`) are no secrets, values of `token` are."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = HIDDEN if value is not None and _secret(str(key)) else value
    return flat


@dataclass(frozen=True)
class MlflowTrainingRun:
    """The `TrainingRun` of a step: curves and pages go to MLflow by way of `spool`, progress to `progress`.

    `keep` makes checkpoints durable; `wake` says that the spool has something new.
    No training fails for its pictures: what cannot be drawn or written down is left out with a warning. `spool` None:
    nothing is tracked.
    """

    out_dir: Path
    checkpoint_dir: Path
    seed: int
    progress: Callable[[int, int, float, float], None]
    keep: Callable[[], None]
    draw_curves: Callable[[Curves], str]
    draw_answers: Callable[[PictureAnswers], str]
    spool: Spool | None = None
    wake: Callable[[], None] = lambda: None
    moved: bool = False

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Records one point of the learning curves."""
        self._note(f"step {step} of the learning curves", lambda spool: spool.add_point(metrics, step))

    def show_curves(self, curves: Curves) -> None:
        """Records the page of the learning curves."""
        self._note(CURVES_NAME, lambda spool: spool.add_page(CURVES_NAME, self.draw_curves(curves)))

    def show_answers(self, answers: PictureAnswers) -> None:
        """Records the page of pictures with the model's answers."""
        self._note(ANSWERS_NAME, lambda spool: spool.add_page(ANSWERS_NAME, self.draw_answers(answers)))

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        """Shows a person how far the training is."""
        self.progress(rows, total_rows, loss, seconds_left)

    def checkpoint_saved(self) -> None:
        """Makes the checkpoint that was written last durable."""
        self.keep()

    def _note(self, what: str, add: Callable[[Spool], None]) -> None:
        if self.spool is None:
            return
        with beside_the_point(what):
            add(self.spool)
        self.wake()


@dataclass(frozen=True)
class ActiveRun:
    """The MLflow run around a step."""

    uri: str
    id: str


def active_run() -> ActiveRun | None:
    """The MLflow run that is active; None without one."""
    import mlflow

    run = mlflow.active_run()
    return ActiveRun(uri=mlflow.get_tracking_uri(), id=run.info.run_id) if run else None


def let_go() -> None:
    """Ends the active run here, whether MLflow hears of it or not: who waited for its answer would fail for it."""
    import mlflow

    with beside_the_point("the end of MLflow's run"):
        mlflow.end_run()


def _secret(key: str) -> bool:
    """Whole words only: `max_length_tokens` counts tokens, `token` is one."""
    lowered = key.lower()
    return any(lowered == word or lowered.endswith(f"_{word}") for word in SECRET_WORDS)
