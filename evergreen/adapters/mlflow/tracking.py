"""What a step writes to the MLflow run that is active around it; without an active run nothing is written.

MLflow would otherwise start a run by itself, in a folder below wherever the process happens to stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_PARAM_CHARS = 500
SECRET_WORDS = ("token", "password", "secret", "credential", "api_key")
HIDDEN = "(hidden)"


def log_params(params: Mapping[str, Any]) -> None:
    """Logs nested parameters under dotted names, e.g. `task.epochs`; what looks like a secret is hidden."""
    if not _active():
        return
    import mlflow

    mlflow.log_params({key: str(value)[:MAX_PARAM_CHARS] for key, value in flatten(params).items()})


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Logs numbers, as one point of their curves when `step` is given."""
    if _active():
        import mlflow

        mlflow.log_metrics(dict(metrics), step=step)


def log_figure(name: str, figure: Any) -> None:
    """Logs a matplotlib figure as the artifact `name`, e.g. `learning_curves.png`."""
    if _active():
        import mlflow

        mlflow.log_figure(figure, name)


def log_text(name: str, text: str) -> None:
    """Logs a text, such as a report's JSON or page, as the artifact `name`."""
    if _active():
        import mlflow

        mlflow.log_text(text, name)


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
    """The `TrainingRun` of a step: curves and figures go to the active run, progress to `progress`."""

    out_dir: Path
    checkpoint_dir: Path
    seed: int
    progress: Callable[[int, int, float, float], None]

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Records one point of the learning curves."""
        log_metrics(metrics, step)

    def log_figure(self, name: str, figure: Any) -> None:
        """Records a matplotlib figure."""
        log_figure(name, figure)

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        """Shows a person how far the training is."""
        self.progress(rows, total_rows, loss, seconds_left)


def _secret(key: str) -> bool:
    """Whole words only: `max_length_tokens` counts tokens, `token` is one."""
    lowered = key.lower()
    return any(lowered == word or lowered.endswith(f"_{word}") for word in SECRET_WORDS)


def _active() -> bool:
    import mlflow

    return mlflow.active_run() is not None
