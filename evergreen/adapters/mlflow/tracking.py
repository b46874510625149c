"""What a step writes to the MLflow run that is active around it; without an active run nothing is written.

MLflow would otherwise start a run by itself, in a folder below wherever the process happens to stand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evergreen.adapters.mlflow.failures import translated
from evergreen.core.errors import EvergreenError

logger = logging.getLogger(__name__)

MAX_PARAM_CHARS = 500
SECRET_WORDS = ("token", "password", "secret", "credential", "api_key")
HIDDEN = "(hidden)"
MOST_FAILURES = 3


def log_params(params: Mapping[str, Any]) -> None:
    """Logs nested parameters under dotted names, e.g. `task.epochs`; what looks like a secret is hidden.

    Raises:
        EvergreenError: MLflow did not take them; so do the other functions.
    """
    flat = {key: str(value)[:MAX_PARAM_CHARS] for key, value in flatten(params).items()}
    _on_active_run(lambda mlflow: mlflow.log_params(flat))


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Logs numbers, as one point of their curves when `step` is given."""
    _on_active_run(lambda mlflow: mlflow.log_metrics(dict(metrics), step=step))


def log_figure(name: str, figure: Any) -> None:
    """Logs a matplotlib figure as the artifact `name`, e.g. `learning_curves.png`."""
    _on_active_run(lambda mlflow: mlflow.log_figure(figure, name))


def log_text(name: str, text: str) -> None:
    """Logs a text, such as a report's JSON or page, as the artifact `name`."""
    _on_active_run(lambda mlflow: mlflow.log_text(text, name))


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


@dataclass
class MlflowTrainingRun:
    """The `TrainingRun` of a step: curves and figures go to the active run, progress to `progress`, `keep` makes
    checkpoints durable.

    No training fails for its pictures: what MLflow does not take is left out with a warning, and after MOST_FAILURES
    in a row, each of which MLflow's own retries may have delayed, nothing more is tried.
    """

    out_dir: Path
    checkpoint_dir: Path
    seed: int
    progress: Callable[[int, int, float, float], None]
    keep: Callable[[], None]
    _failures: int = field(default=0, init=False, repr=False)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Records one point of the learning curves."""
        self._try(f"step {step} of the learning curves", lambda: log_metrics(metrics, step))

    def log_figure(self, name: str, figure: Any) -> None:
        """Records a matplotlib figure."""
        self._try(name, lambda: log_figure(name, figure))

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        """Shows a person how far the training is."""
        self.progress(rows, total_rows, loss, seconds_left)

    def checkpoint_saved(self) -> None:
        """Makes the checkpoint that was written last durable."""
        self.keep()

    def _try(self, what: str, log: Callable[[], None]) -> None:
        if self._failures >= MOST_FAILURES:
            return
        try:
            log()
        except EvergreenError as error:
            self._failures += 1
            last = self._failures == MOST_FAILURES
            logger.warning("%s not recorded%s: %s", what, ", nor will be what follows" if last else "", error)
        else:
            self._failures = 0


def _secret(key: str) -> bool:
    """Whole words only: `max_length_tokens` counts tokens, `token` is one."""
    lowered = key.lower()
    return any(lowered == word or lowered.endswith(f"_{word}") for word in SECRET_WORDS)


def _on_active_run(log: Callable[[Any], None]) -> None:
    import mlflow

    if mlflow.active_run() is None:
        return
    with translated(mlflow.get_tracking_uri()):
        log(mlflow)
